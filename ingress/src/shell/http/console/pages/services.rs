//! How each service is: who runs, how far it is, what is late.

use std::collections::BTreeMap;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::ids::{AccountId, MemberId, WorkspaceId};
use angelia_shared::members::Service;
use angelia_shared::query::{self, AskAccounts, Reading};
use angelia_shared::roll_call;
use angelia_shared::subject::Partition;
use angelia_shared::turns::{self, AskTurn, AskTurns};
use angelia_shared::units::UnixMillis;
use futures_util::{StreamExt as _, stream};
use maud::{Markup, html};

use crate::domain::console::told::Tone;
use crate::domain::console::words as w;
use crate::shell::http::Parts;
use crate::shell::http::console::parts;
use crate::shell::http::console::visit::Visit;

/// How long a service may take to say how it is.
const PATIENCE: Duration = Duration::from_millis(600);
/// Workspaces, and accounts with a queue, that are looked at for what is late.
const WORKSPACES_MAX: usize = 200;
const ACCOUNTS_MAX: usize = 1_000;
/// Questions at once.
const ASKED_AT_ONCE: usize = 32;
/// How old the state of a ledger may be that is taken to be up to date.
const LAG_MAX_MS: u64 = 5_000;
/// A message is late when it is due for longer than this: before, it is on its way.
const LATE_MS: u64 = 2_000;
/// A line of the table: a service, or one of its processes.
struct Line {
    id: String,
    name: String,
    /// Processes of a service.
    count: Option<usize>,
    is_well: Option<bool>,
    says: String,
}

impl Line {
    fn of(service: &str, count: usize, is_well: Option<bool>, says: String) -> Self {
        Self { id: service.to_owned(), name: service.to_owned(), count: Some(count), is_well, says }
    }

    fn of_one(service: &str, which: &str, is_well: Option<bool>, says: String) -> Self {
        Self { id: format!("{service}-{which}"), name: format!("{service} {which}"), count: None, is_well, says }
    }
}

/// The services and what is late.
pub(super) async fn shown(visit: &Visit) -> Markup {
    let app = &visit.console.app;
    let end = tokio::time::timeout(PATIENCE, app.log.last_sequence()).await.ok().and_then(Result::ok);
    let (ledgers, dispatchers, late) = tokio::join!(ledgers(visit, end), dispatchers(visit), late(app));
    let says = match end {
        Some(end) => visit.manner.with(w::LOG_AT, &[("n", &visit.manner.number(end))]),
        None => visit.t(w::LOG_AWAY).to_owned(),
    };
    let log = Line::of("log", 1, Some(end.is_some()), says);
    let ingress = Line::of("ingress", count(app, Service::Ingress), Some(true), visit.t(w::INGRESS_AT).to_owned());
    let lines = [log, ingress].into_iter().chain(dispatchers).chain(ledgers);
    html! {
        section .card aria-labelledby="services" {
            h2 #services { (visit.t(w::SERVICES)) }
            div .scroll { table .stack.services {
                thead { tr { th scope="col" { (visit.t(w::SERVICE)) } th scope="col" { (visit.t(w::STATE)) } th scope="col" .number { (visit.t(w::PROCESSES)) } th scope="col" { (visit.t(w::WHAT_IT_SAYS)) } } }
                tbody { @for line in lines { (row(visit, &line)) } }
            } }
            h3 { (visit.t(w::OLDEST_DUE)) }
            (oldest(visit, late))
        }
    }
}

fn row(visit: &Visit, line: &Line) -> Markup {
    let (text, tone) = match line.is_well {
        Some(true) => (w::WELL, Tone::Good),
        Some(false) => (w::NOT_READY, Tone::Warning),
        None => (w::SILENT, Tone::Bad),
    };
    html! {
        tr #{ "service-" (line.id) } .replica[line.count.is_none()] {
            th scope="row" { (line.name) } td { (parts::badge(visit.t(text), tone)) }
            td .number { @if let Some(count) = line.count { (count) } } td .text { (line.says) }
        }
    }
}

fn count(app: &Parts, service: Service) -> usize {
    app.members.read().of(service).count()
}

/// How many of a service answer, where not all do.
fn answering(visit: &Visit, says: String, answered: usize, count: usize) -> String {
    if answered >= count {
        return says;
    }
    let (n, of) = (visit.manner.number(answered as u64), visit.manner.number(count as u64));
    format!("{}: {says}", visit.manner.with(w::SOME_ANSWER, &[("n", &n), ("of", &of)]))
}

/// All ledgers, and each where there are several. Which of them is which they do not say; the one that is furthest behind is
/// the first.
async fn ledgers(visit: &Visit, end: Option<u64>) -> Vec<Line> {
    let app = &visit.console.app;
    let count = count(app, Service::Ledger);
    let mut positions = roll_call::ledgers(app.log.client(), count.max(1), PATIENCE).await;
    positions.sort_unstable();
    let Some(furthest) = positions.first().copied() else {
        let reading = tokio::time::timeout(PATIENCE, query::reading(app.log.client())).await.ok().flatten();
        let number = |value| visit.manner.number(value);
        let says = reading.map(|Reading { at, of }| {
            visit.manner.with(w::LEDGER_READING, &[("at", &number(at)), ("of", &number(of))])
        });
        return vec![Line::of("ledger", count, says.is_some().then_some(false), says.unwrap_or_default())];
    };
    let (is_near, says) = lag(visit, furthest, end).await;
    let says = answering(visit, says, positions.len(), count);
    let mut lines = vec![Line::of("ledger", count, Some(is_near && positions.len() >= count), says)];
    for (number, position) in positions.iter().enumerate().filter(|_| count > 1) {
        let (is_near, says) = lag(visit, *position, end).await;
        lines.push(Line::of_one("ledger", &(number + 1).to_string(), Some(is_near), says));
    }
    lines
}

/// Whether a ledger is near enough to the log's end, and how far behind it is.
async fn lag(visit: &Visit, position: u64, end: Option<u64>) -> (bool, String) {
    let behind = end.map_or(0, |end| end.saturating_sub(position));
    if behind == 0 {
        return (true, visit.manner.with(w::LEDGER_AT, &[("n", &visit.manner.number(position))]));
    }
    let record = visit.console.app.log.past_record(position).await.ok().flatten();
    let age = record.map_or(0, |record| clock::now().ms_since(record.at));
    let values = [("n", &*visit.manner.number(behind)), ("span", &*visit.manner.span(age))];
    (age < LAG_MAX_MS, visit.manner.with(w::LEDGER_LAG, &values))
}

/// All dispatchers, and each where there are several.
async fn dispatchers(visit: &Visit) -> Vec<Line> {
    let app = &visit.console.app;
    let members: Vec<MemberId> = app.members.read().of(Service::Dispatcher).map(|member| member.member).collect();
    let answers = roll_call::dispatchers(app.log.client(), members.len().max(1), PATIENCE).await;
    let says = |held: usize, of: usize, messages: usize| {
        let [held, of, messages] = [held, of, messages].map(|number| visit.manner.number(number as u64));
        visit.manner.with(w::DISPATCHER_AT, &[("n", &held), ("of", &of), ("m", &messages)])
    };
    let of = answers.iter().map(|health| health.partitions).max().unwrap_or(0);
    let held = answers.iter().map(|health| health.partitions_caught_up).sum();
    let all = says(held, of, answers.iter().map(|health| health.messages_in_memory).sum());
    let are_well = answers.len() >= members.len() && answers.iter().all(|health| health.ready);
    let is_well = (!answers.is_empty()).then_some(are_well);
    let all = if answers.is_empty() { String::new() } else { answering(visit, all, answers.len(), members.len()) };
    let mut lines = vec![Line::of("dispatcher", members.len(), is_well, all)];
    for member in members.iter().filter(|_| members.len() > 1) {
        let answer = answers.iter().find(|health| health.member == Some(*member));
        let is_well = answer.map(|health| health.ready);
        let own = answer.map(|health| says(health.partitions_caught_up, of, health.messages_in_memory));
        lines.push(Line::of_one("dispatcher", &brief(*member), is_well, own.unwrap_or_default()));
    }
    lines
}

/// The end of a process's id, by which people tell it from others.
fn brief(member: MemberId) -> String {
    let id = member.to_string();
    id[id.len().saturating_sub(6)..].to_owned()
}

/// What is late: the workspace and since when. The outer none when nobody can say.
type Late = Option<Option<(WorkspaceId, u64)>>;

async fn late(app: &Parts) -> Late {
    tokio::time::timeout(PATIENCE, look_for_late(app)).await.ok().flatten()
}

async fn look_for_late(app: &Parts) -> Late {
    let workspaces: Vec<WorkspaceId> = {
        let directory = app.directory.read();
        directory.workspaces().iter().rev().take(WORKSPACES_MAX).map(|workspace| workspace.state.id).collect()
    };
    let client = app.log.client();
    let queues = stream::iter(workspaces).map(|workspace| async move {
        let (queues, _) = query::ask(client, AskAccounts { workspace }, 0).await.ok()?;
        let waiting = queues.into_iter().filter(|queue| queue.queued > 0);
        Some(waiting.map(move |queue| (queue.account, workspace)).collect::<Vec<_>>())
    });
    let queues: Vec<Option<Vec<(AccountId, WorkspaceId)>>> = queues.buffer_unordered(ASKED_AT_ONCE).collect().await;
    let waiting: BTreeMap<AccountId, WorkspaceId> =
        queues.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().take(ACCOUNTS_MAX).collect();
    let mut questions: BTreeMap<Partition, AskTurns> = BTreeMap::new();
    for account in waiting.keys() {
        let question = questions.entry(Partition::of(*account, app.log.partitions())).or_default();
        question.accounts.push(AskTurn { account: *account, messages: Vec::new() });
    }
    let answers =
        stream::iter(questions).map(|(part, ask)| async move { turns::ask(client, part, &ask, PATIENCE).await });
    let answers: Vec<_> = answers.buffer_unordered(ASKED_AT_ONCE).collect().await;
    let now = clock::now();
    let due = answers.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten();
    let due = due.filter_map(|turn| Some((*waiting.get(&turn.account)?, lateness(turn.next_send_at?, now)?)));
    Some(due.max_by_key(|(_, late_ms)| *late_ms))
}

fn lateness(due: UnixMillis, now: UnixMillis) -> Option<u64> {
    Some(now.ms_since(due)).filter(|late_ms| *late_ms > LATE_MS)
}

fn oldest(visit: &Visit, late: Late) -> Markup {
    let is_part = visit.console.app.directory.read().workspaces().len() > WORKSPACES_MAX;
    let n = visit.manner.number(WORKSPACES_MAX as u64);
    html! {
        (latest(visit, late))
        @if is_part { p .hint { (visit.manner.with(w::OLDEST_DUE_PART, &[("n", &n)])) } }
    }
}

fn latest(visit: &Visit, late: Late) -> Markup {
    match late {
        None => html! { p .hint { (visit.t(w::OLDEST_DUE_UNKNOWN)) } },
        Some(None) => html! { p .hint { (visit.t(w::OLDEST_DUE_NONE)) } },
        Some(Some((workspace, late_ms))) => {
            let name = visit.console.app.directory.read().workspace(workspace).map(|found| found.state.name.clone());
            let values = [("workspace", &*name.unwrap_or_default()), ("span", &*visit.manner.span(late_ms))];
            html! { p .notice.warning { (visit.manner.with(w::OLDEST_DUE_IS, &values)) } }
        }
    }
}
