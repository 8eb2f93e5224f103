//! Accounts: added, connected, given another pace or other credentials, removed. What is secret is never shown again.

use std::collections::HashMap;
use std::sync::Arc;

use angelia_shared::clock;
use angelia_shared::directory::Directory;
use angelia_shared::event::AccountChanged;
use angelia_shared::event::directory::{AccountState, CloudSettings, Pace, TransportSettings};
use angelia_shared::ids::{AccountId, WorkspaceId};
use angelia_shared::query::{AccountQueue, AskAccounts};
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::account_forms::{AccountEditForm, NewAccountForm};
use super::allowed::{Allowed, Owner, found, missing};
use super::answer::{Answer, Created, Done, List, Shown, Time};
use super::form::{Fields, Nothing, OnlyPage, Parameters};
use super::ledger;
use super::pace_shown::PaceShown;
use super::problem::Problem;
use super::turns::Turns;
use crate::domain::account_settings::{AccountEdit, CloudEdit, NewAccount};
use crate::domain::page;
use crate::domain::{phone, turn};
use crate::shell::credentials::{self, Field};
use crate::shell::directory_writer::entry;
use crate::shell::http::{App, Parts};

/// How an account reaches WhatsApp.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Transport {
    /// The Cloud API.
    Cloud,
}

/// Whether an account sends.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AccountState")]
enum SendState {
    /// It sends.
    Connected,
    /// Its owner switched it off; its queue waits.
    Disconnected,
    /// Held for a while, by its owner or by WhatsApp.
    Paused,
    /// It cannot send until its owner changes something.
    Blocked,
}

/// A WhatsApp account that sends. Its secrets are never shown.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Account")]
pub(super) struct View {
    id: AccountId,
    phone: String,
    transport: Transport,
    state: SendState,
    /// Why it is in that state.
    state_reason: Option<String>,
    paused_until: Option<Time>,
    /// When it was last connected.
    connected_at: Option<Time>,
    created_at: Time,
    pace: PaceShown,
    /// Its number's id in the Graph.
    phone_number_id: String,
    /// Where the Graph is.
    base_url: String,
    /// The Graph's version.
    version: String,
    /// Where WhatsApp reports what became of messages.
    callback_url: String,
    /// None while no ledger answers.
    queued: Option<u64>,
    /// None while nothing waits, while what holds it has no known end, and while no dispatcher answers.
    next_send_at: Option<Time>,
}

fn view(app: &Parts, account: &AccountChanged, queue: Option<&AccountQueue>, turns: &Turns) -> View {
    let TransportSettings::Cloud(cloud) = &account.transport;
    let now = clock::now();
    let (state, paused_until) = match turn::state_now(account, now) {
        AccountState::Connected => (SendState::Connected, None),
        AccountState::Disconnected => (SendState::Disconnected, None),
        AccountState::Paused { until } => (SendState::Paused, until),
        AccountState::Blocked => (SendState::Blocked, None),
    };
    // The reason of a pause that is over is no reason any more.
    let is_told = turn::state_now(account, now) == account.state;
    View {
        id: account.id,
        phone: account.phone.clone(),
        transport: Transport::Cloud,
        state,
        state_reason: account.state_reason.clone().filter(|_| is_told),
        paused_until: paused_until.map(Time::from),
        connected_at: account.connected_at.map(Time::from),
        created_at: account.created_at.into(),
        pace: PaceShown::from(&account.pace),
        phone_number_id: cloud.phone_number_id.clone(),
        base_url: cloud.base_url.clone(),
        version: cloud.version.clone(),
        callback_url: format!("{}/callbacks/cloud/{}", app.public_url, account.id),
        queued: queue.map(|queue| queue.queued),
        next_send_at: turns.next_send_at(account.id).map(Time::from),
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

async fn shown(app: &Parts, account: &AccountChanged) -> Answer<Shown<View>> {
    let (queues, turns) = tokio::join!(queues(app, account.workspace), Turns::of_accounts(app, vec![account.id]));
    Ok(Shown(view(app, account, queue_of(queues.as_ref(), account.id).as_ref(), &turns)))
}

/// `GET …/accounts`.
pub(super) async fn list(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    query: Parameters<OnlyPage<AccountId>>,
) -> Answer<Shown<List<View>>> {
    let page = query.read()?;
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
    Ok(Shown(List { items, next_cursor: next.map(page::cursor) }))
}

/// `POST …/accounts`: an account that does not send before it is connected.
pub(super) async fn create(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    fields: Fields<NewAccountForm>,
) -> Answer<Created<View>> {
    let new = fields.read(&app).await?;
    new.cloud.check_reach(&app.config.base_urls_allowed)?;
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
    let shown = view(&app, &account, Some(&empty), &Turns::default());
    Ok(Created::new(&app, &format!("{}/accounts/{id}", account.workspace), shown))
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
pub(super) async fn show(State(app): State<App>, allowed: Allowed<Owner>) -> Answer<Shown<View>> {
    let account = allowed.account(&app)?;
    shown(&app, &account).await
}

/// `PATCH …/accounts/{a}`: pace, credentials, state.
pub(super) async fn edit(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    fields: Fields<AccountEditForm>,
) -> Answer<Shown<View>> {
    allowed.account(&app)?;
    let edit = fields.read(&app).await?;
    edit.cloud.check_reach(&app.config.base_urls_allowed)?;
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
    // A pause that is given another end is still the same pause, unless it was over.
    let is = |before: &AccountState| std::mem::discriminant(before) == std::mem::discriminant(&state);
    if !is(&account.state) || !is(&turn::state_now(account, now)) {
        account.state_since = now;
    }
    (account.state, account.state_reason) = (state, reason);
}

/// `POST …/accounts/{a}/connect`: it sends from now on, and is the most recently connected one.
pub(super) async fn connect(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    fields: Fields<Nothing>,
) -> Answer<Shown<View>> {
    let account = allowed.account(&app)?;
    fields.read(&app).await?;
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
    fields: Fields<Nothing>,
) -> Answer<Shown<View>> {
    allowed.account(&app)?;
    fields.read(&app).await?;
    let changed = change(&app, &allowed, |present| {
        let mut changed = present.clone();
        with_state(&mut changed, AccountState::Disconnected);
        changed
    });
    shown(&app, &*changed.await?).await
}

/// `DELETE …/accounts/{a}`.
pub(super) async fn remove(State(app): State<App>, allowed: Allowed<Owner>) -> Answer<Done> {
    change(&app, &allowed, |present| {
        let mut changed = AccountChanged { removed: true, ..present.clone() };
        with_state(&mut changed, AccountState::Disconnected);
        changed.state_reason = Some("removed by its owner".to_owned());
        changed
    })
    .await?;
    Ok(Done)
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
