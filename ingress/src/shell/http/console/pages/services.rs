//! How each service is: who runs, how far it is, what is late.

use std::collections::BTreeMap;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::ids::{AccountId, WorkspaceId};
use angelia_shared::members::Service;
use angelia_shared::query::{self, AskAccounts, AskPosition, Reading};
use angelia_shared::subject::Partition;
use angelia_shared::turns::{self, AskTurn, AskTurns};
use angelia_shared::units::UnixMillis;
use futures_util::{StreamExt as _, stream};
use maud::{Markup, html};
use serde::Deserialize;

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
/// A message is late when it is due for longer than this: before, it is on its way.
const LATE_MS: u64 = 2_000;
/// Where a dispatcher says how it is.
const DISPATCHER: &str = "angelia.dispatcher.health";

/// What a dispatcher says of itself.
#[derive(Deserialize)]
struct Health {
    ready: bool,
    partitions: u64,
    partitions_caught_up: u64,
    #[serde(default)]
    messages_in_memory: u64,
}

/// A line of the table.
struct Line {
    name: &'static str,
    count: usize,
    is_well: Option<bool>,
    says: String,
}

/// The services and what is late.
pub(super) async fn shown(visit: &Visit) -> Markup {
    let app = &visit.console.app;
    let end = tokio::time::timeout(PATIENCE, app.log.last_sequence()).await.ok().and_then(Result::ok);
    let (ledger, dispatcher, late) = tokio::join!(ledger(visit, end), dispatcher(visit), late(app));
    let number = |value| visit.manner.number(value);
    let log = Line {
        name: "log",
        count: 1,
        is_well: Some(end.is_some()),
        says: end.map_or_else(
            || visit.t(w::LOG_AWAY).to_owned(),
            |end| visit.manner.with(w::LOG_AT, &[("n", &number(end))]),
        ),
    };
    let ingress = Line {
        name: "ingress",
        count: count(app, Service::Ingress),
        is_well: Some(true),
        says: visit.t(w::INGRESS_AT).to_owned(),
    };
    html! {
        section .card aria-labelledby="services" {
            h2 #services { (visit.t(w::SERVICES)) }
            div .scroll { table .stack.services {
                thead { tr { th scope="col" { (visit.t(w::SERVICE)) } th scope="col" { (visit.t(w::STATE)) } th scope="col" .number { (visit.t(w::PROCESSES)) } th scope="col" { (visit.t(w::WHAT_IT_SAYS)) } } }
                tbody { @for line in [log, ingress, dispatcher, ledger] { (row(visit, &line)) } }
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
        tr #{ "service-" (line.name) } {
            th scope="row" { (line.name) } td { (parts::badge(visit.t(text), tone)) } td .number { (line.count) } td .text { (line.says) }
        }
    }
}

fn count(app: &Parts, service: Service) -> usize {
    app.members.read().of(service).count()
}

async fn ledger(visit: &Visit, end: Option<u64>) -> Line {
    let app = &visit.console.app;
    let line = |is_well, says| Line { name: "ledger", count: count(app, Service::Ledger), is_well, says };
    let number = |value| visit.manner.number(value);
    let answer = tokio::time::timeout(PATIENCE, query::ask(app.log.client(), AskPosition {}, 0)).await;
    let Ok(Ok(((), as_of))) = answer else {
        let reading = tokio::time::timeout(PATIENCE, query::reading(app.log.client())).await.ok().flatten();
        return match reading {
            Some(Reading { at, of }) => {
                line(Some(false), visit.manner.with(w::LEDGER_READING, &[("at", &number(at)), ("of", &number(of))]))
            }
            None => line(None, String::new()),
        };
    };
    let behind = end.map_or(0, |end| end.saturating_sub(as_of));
    if behind == 0 {
        return line(Some(true), visit.manner.with(w::LEDGER_AT, &[("n", &number(as_of))]));
    }
    let record = app.log.record_at(as_of).await.ok().flatten();
    let age = record.map_or(0, |record| clock::now().ms_since(record.at));
    let says = visit.manner.with(w::LEDGER_LAG, &[("n", &number(behind)), ("span", &visit.manner.span(age))]);
    line(Some(age < 5_000), says)
}

async fn dispatcher(visit: &Visit) -> Line {
    let app = &visit.console.app;
    let line = |is_well, says| Line { name: "dispatcher", count: count(app, Service::Dispatcher), is_well, says };
    let request = async_nats::Request::new().timeout(Some(PATIENCE));
    let answer = tokio::time::timeout(PATIENCE, app.log.client().send_request(DISPATCHER, request)).await;
    let Ok(Ok(answer)) = answer else { return line(None, String::new()) };
    let Ok(health) = serde_json::from_slice::<Health>(&answer.payload) else { return line(None, String::new()) };
    let number = |value| visit.manner.number(value);
    let said = visit.manner.with(
        w::DISPATCHER_AT,
        &[
            ("n", &number(health.partitions_caught_up)),
            ("of", &number(health.partitions)),
            ("m", &number(health.messages_in_memory)),
        ],
    );
    let is_one = count(app, Service::Dispatcher) <= 1;
    line(Some(health.ready), if is_one { said } else { visit.manner.with(w::DISPATCHER_ONE, &[("said", &said)]) })
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
