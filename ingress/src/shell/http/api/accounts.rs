//! Accounts: added, connected, given another pace or other credentials, removed. What is secret is never shown again.

use std::collections::HashMap;
use std::sync::Arc;

use angelia_shared::clock;
use angelia_shared::directory::Directory;
use angelia_shared::event::AccountChanged;
use angelia_shared::event::directory::{AccountState, CloudSettings, Pace, TransportSettings};
use angelia_shared::ids::{AccountId, WorkspaceId};
use angelia_shared::query::{AccountQueue, AskAccounts};
use angelia_shared::units::UnixMillis;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde::Serialize;

use super::allowed::{Allowed, Owner, found, missing};
use super::answer::{self, Answer, List};
use super::ledger;
use super::pace_shown::PaceShown;
use super::problem::Problem;
use super::turns::Turns;
use crate::domain::account_settings::{AccountEdit, CloudEdit, NewAccount};
use crate::domain::page::{self, Page};
use crate::domain::{phone, turn};
use crate::shell::credentials::{self, Field};
use crate::shell::directory_writer::entry;
use crate::shell::http::{App, Parts};

#[derive(Serialize)]
struct View<'a> {
    id: AccountId,
    phone: &'a str,
    transport: &'static str,
    state: &'static str,
    state_reason: Option<&'a str>,
    paused_until: Option<String>,
    connected_at: Option<String>,
    created_at: String,
    pace: PaceShown<'a>,
    phone_number_id: &'a str,
    base_url: &'a str,
    version: &'a str,
    /// Where WhatsApp reports what became of messages.
    callback_url: String,
    /// None while no ledger answers.
    queued: Option<u64>,
    /// None while nothing waits, while what holds it has no known end, and while no dispatcher answers.
    next_send_at: Option<String>,
}

fn view<'a>(app: &Parts, account: &'a AccountChanged, queue: Option<&AccountQueue>, turns: &Turns) -> View<'a> {
    let TransportSettings::Cloud(cloud) = &account.transport;
    let now = clock::now();
    let (state, paused_until) = match turn::state_now(account, now) {
        AccountState::Connected => ("connected", None),
        AccountState::Disconnected => ("disconnected", None),
        AccountState::Paused { until } => ("paused", until),
        AccountState::Blocked => ("blocked", None),
    };
    // The reason of a pause that is over is no reason any more.
    let is_told = turn::state_now(account, now) == account.state;
    View {
        id: account.id,
        phone: &account.phone,
        transport: "cloud",
        state,
        state_reason: account.state_reason.as_deref().filter(|_| is_told),
        paused_until: paused_until.map(UnixMillis::to_rfc3339),
        connected_at: account.connected_at.map(UnixMillis::to_rfc3339),
        created_at: account.created_at.to_rfc3339(),
        pace: PaceShown::from(&account.pace),
        phone_number_id: &cloud.phone_number_id,
        base_url: &cloud.base_url,
        version: &cloud.version,
        callback_url: format!("{}/callbacks/cloud/{}", app.public_url, account.id),
        queued: queue.map(|queue| queue.queued),
        next_send_at: turns.next_send_at(account.id).map(UnixMillis::to_rfc3339),
    }
}

/// What waits on the accounts of a workspace; `None` when no ledger answers, which hides nothing else of an account.
async fn queues(app: &Parts, workspace: WorkspaceId) -> Option<HashMap<AccountId, AccountQueue>> {
    let queues = ledger::ask_if_there(app, AskAccounts { workspace }).await?;
    Some(queues.into_iter().map(|queue| (queue.account, queue)).collect())
}

/// The queue of one account: empty when the ledger has not heard of it.
fn queue_of(queues: Option<&HashMap<AccountId, AccountQueue>>, account: AccountId) -> Option<AccountQueue> {
    let empty = AccountQueue { account, queued: 0, next_send_at: None };
    queues.map(|queues| queues.get(&account).copied().unwrap_or(empty))
}

async fn shown(app: &Parts, account: &AccountChanged) -> Answer {
    let (queues, turns) = tokio::join!(queues(app, account.workspace), Turns::of_accounts(app, vec![account.id]));
    answer::ok(&view(app, account, queue_of(queues.as_ref(), account.id).as_ref(), &turns))
}

/// `GET …/accounts`.
pub(super) async fn list(State(app): State<App>, allowed: Allowed<Owner>, uri: Uri) -> Answer {
    let mut query = answer::query(&uri)?;
    let page: Page<AccountId> = Page::take(&mut query)?;
    query.finish()?;
    let mut items: Vec<Arc<AccountChanged>> = {
        let directory = app.directory.read();
        let accounts = directory.accounts_of(allowed.id()).into_iter();
        let later = accounts.filter(|account| page.after.is_none_or(|after| account.state.id > after));
        later.take(page.limit + 1).map(|account| Arc::clone(&account.state)).collect()
    };
    let next = page.cut(&mut items, |account| account.id);
    let asked = items.iter().map(|account| account.id).collect();
    let (queues, turns) = tokio::join!(queues(&app, allowed.id()), Turns::of_accounts(&app, asked));
    let one = |account: &'_ Arc<AccountChanged>| queue_of(queues.as_ref(), account.id);
    let items = items.iter().map(|account| view(&app, account, one(account).as_ref(), &turns)).collect();
    answer::ok(&List { items, next_cursor: next.map(page::cursor) })
}

/// `POST …/accounts`: an account that does not send before it is connected.
pub(super) async fn create(State(app): State<App>, allowed: Allowed<Owner>, headers: HeaderMap, body: Body) -> Answer {
    let new = NewAccount::read(answer::input(&app, &headers, body).await?, &app.config.base_urls_allowed)?;
    let has_number = |account: &AccountChanged| phone::is_same_number(&account.phone, &new.phone);
    if app.directory.read().accounts_of(allowed.id()).iter().any(|account| has_number(&account.state)) {
        return Err(Problem::conflict("an account with this number is already there"));
    }
    let id = AccountId::generate();
    let NewAccount { phone, cloud, pace } = new;
    let now = clock::now();
    let account = AccountChanged {
        v: 1,
        id,
        workspace: allowed.id(),
        phone,
        transport: TransportSettings::Cloud(new_cloud(&app, id, cloud)),
        state: AccountState::Disconnected,
        state_reason: Some("not connected yet".to_owned()),
        state_since: now,
        connected_at: None,
        pace: pace.applied(&Pace::default(), now),
        created_at: now,
        removed: false,
    };
    app.writer.create([entry(account.clone(), 0)].into_iter().collect()).await?;
    let empty = AccountQueue { account: id, queued: 0, next_send_at: None };
    answer::created(
        &app,
        &format!("{}/accounts/{id}", account.workspace),
        &view(&app, &account, Some(&empty), &Turns::default()),
    )
}

fn new_cloud(app: &Parts, id: AccountId, given: CloudEdit) -> CloudSettings {
    let seal =
        |field, text: Option<String>| credentials::seal(app.vault.master(), id, field, &text.unwrap_or_default());
    CloudSettings {
        phone_number_id: given.phone_number_id.unwrap_or_default(),
        base_url: given.base_url.unwrap_or_default(),
        version: given.version.unwrap_or_default(),
        access_token: seal(Field::AccessToken, given.access_token),
        app_secret: seal(Field::AppSecret, given.app_secret),
        verify_token: seal(Field::VerifyToken, given.verify_token),
    }
}

/// `GET …/accounts/{a}`.
pub(super) async fn show(State(app): State<App>, allowed: Allowed<Owner>) -> Answer {
    let account = allowed.account(&app)?;
    shown(&app, &account).await
}

/// `PATCH …/accounts/{a}`: pace, credentials, state.
pub(super) async fn edit(State(app): State<App>, allowed: Allowed<Owner>, headers: HeaderMap, body: Body) -> Answer {
    allowed.account(&app)?;
    let edit = AccountEdit::read(answer::input(&app, &headers, body).await?, &app.config.base_urls_allowed)?;
    let changed = change(&app, &allowed, |present| edited(&app, present, &edit)).await?;
    shown(&app, &changed).await
}

fn edited(app: &Parts, present: &AccountChanged, edit: &AccountEdit) -> AccountChanged {
    let TransportSettings::Cloud(cloud) = &present.transport;
    let text = |new: &Option<String>, old: &String| new.as_ref().unwrap_or(old).clone();
    let secret = |field, new: &Option<String>, old: &angelia_shared::vault::Secret| match new {
        Some(new) => credentials::seal(app.vault.master(), present.id, field, new),
        None => old.clone(),
    };
    let new = &edit.cloud;
    let cloud = CloudSettings {
        phone_number_id: text(&new.phone_number_id, &cloud.phone_number_id),
        base_url: text(&new.base_url, &cloud.base_url),
        version: text(&new.version, &cloud.version),
        access_token: secret(Field::AccessToken, &new.access_token, &cloud.access_token),
        app_secret: secret(Field::AppSecret, &new.app_secret, &cloud.app_secret),
        verify_token: secret(Field::VerifyToken, &new.verify_token, &cloud.verify_token),
    };
    let mut changed = AccountChanged { transport: TransportSettings::Cloud(cloud), ..present.clone() };
    if let Some(pace) = &edit.pace {
        changed.pace = pace.applied(&present.pace, clock::now());
    }
    let is_mended = present.state == AccountState::Blocked && new.changes_calls();
    match edit.state {
        Some(state) => with_state(&mut changed, state),
        None if is_mended => with_state(&mut changed, AccountState::Connected),
        None => {}
    }
    changed
}

fn with_state(account: &mut AccountChanged, state: AccountState) {
    let reason = match state {
        AccountState::Connected | AccountState::Blocked => None,
        AccountState::Disconnected => Some("disconnected by its owner".to_owned()),
        AccountState::Paused { .. } => Some("paused by its owner".to_owned()),
    };
    let now = clock::now();
    // The end of a pause is no new connection.
    let was_off = matches!(account.state, AccountState::Disconnected | AccountState::Blocked);
    if state == AccountState::Connected && was_off {
        account.connected_at = Some(now);
    }
    // A pause that is given another end is still the same pause.
    if std::mem::discriminant(&account.state) != std::mem::discriminant(&state) {
        account.state_since = now;
    }
    (account.state, account.state_reason) = (state, reason);
}

/// `POST …/accounts/{a}/connect`: it sends from now on, and is the most recently connected one.
pub(super) async fn connect(State(app): State<App>, allowed: Allowed<Owner>, headers: HeaderMap, body: Body) -> Answer {
    answer::no_input(&app, &headers, body).await?;
    let account = allowed.account(&app)?;
    if let Err(field) = credentials::check(app.vault.master(), &account) {
        return Err(Problem::conflict(format!(
            "`{}` must be given again before this account can connect",
            field.name()
        )));
    }
    let changed = change(&app, &allowed, |present| {
        let mut changed = present.clone();
        with_state(&mut changed, AccountState::Connected);
        changed.connected_at = Some(clock::now());
        changed
    });
    shown(&app, &*changed.await?).await
}

/// `POST …/accounts/{a}/disconnect`: its queue waits.
pub(super) async fn disconnect(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    answer::no_input(&app, &headers, body).await?;
    let changed = change(&app, &allowed, |present| {
        let mut changed = present.clone();
        with_state(&mut changed, AccountState::Disconnected);
        changed
    });
    shown(&app, &*changed.await?).await
}

/// `DELETE …/accounts/{a}`.
pub(super) async fn remove(State(app): State<App>, allowed: Allowed<Owner>) -> Answer {
    change(&app, &allowed, |present| {
        let mut changed = AccountChanged { removed: true, ..present.clone() };
        with_state(&mut changed, AccountState::Disconnected);
        changed.state_reason = Some("removed by its owner".to_owned());
        changed
    })
    .await?;
    answer::no_content()
}

async fn change(
    app: &App,
    allowed: &Allowed<Owner>,
    change: impl Fn(&AccountChanged) -> AccountChanged,
) -> Result<Arc<AccountChanged>, Problem> {
    let (workspace, id) = (allowed.id(), allowed.parsed::<AccountId>("a", "account")?);
    let find = |directory: &Directory| found(directory.account(workspace, id));
    let changed = app.writer.change(find, |present| Ok::<_, Problem>(change(present))).await?;
    changed.ok_or_else(|| missing("account"))
}
