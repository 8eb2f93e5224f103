//! Webhooks: made, switched, given a new URL, removed.

use angelia_shared::directory::Directory;
use angelia_shared::event::WebhookChanged;
use angelia_shared::event::directory::PreviousToken;
use angelia_shared::ids::WebhookId;
use angelia_shared::vault::secret_owner;
use angelia_shared::{clock, dice};
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::allowed::{Allowed, Owner, found, missing};
use super::answer::{Answer, Created, Done, List, Shown, Time};
use super::form::{Fields, Form, OnlyPage, Parameters};
use super::problem::Problem;
use crate::domain::input::{Input, InputFault};
use crate::domain::page;
use crate::domain::token;
use crate::shell::directory_writer::entry;
use crate::shell::http::{App, Parts};

/// Longest time that a replaced URL may go on working: 30 days.
const GRACE_S_MAX: u64 = 2_592_000;

/// An inbound webhook.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
pub(super) struct View {
    id: WebhookId,
    /// Where it is called. The URL is the only credential.
    url: String,
    /// Whether calls are taken.
    enabled: bool,
    created_at: Time,
    /// Until when the URL before this one works.
    previous_url_until: Option<Time>,
}

/// A webhook to make.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct NewWebhook {
    /// Whether calls are taken; they are, when it is left out.
    enabled: Option<bool>,
}

impl Form for NewWebhook {
    type Value = Self;

    fn read(mut input: Input) -> Result<Self, InputFault> {
        let enabled = input.truth("enabled")?;
        input.finish()?;
        Ok(Self { enabled })
    }
}

/// The switch of a webhook.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct WebhookEdit {
    /// Whether calls are taken.
    enabled: bool,
}

impl Form for WebhookEdit {
    type Value = Self;

    fn read(mut input: Input) -> Result<Self, InputFault> {
        let enabled = input.truth("enabled")?.ok_or_else(|| InputFault::of("enabled", "is required"))?;
        input.finish()?;
        Ok(Self { enabled })
    }
}

/// A new URL for a webhook.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Rotation {
    /// For how many seconds the old URL goes on working. It stops at once when this is left out.
    #[schemars(range(min = 0, max = GRACE_S_MAX))]
    grace_s: Option<u64>,
}

impl Form for Rotation {
    type Value = Self;

    fn read(mut input: Input) -> Result<Self, InputFault> {
        let grace_s = input.number("grace_s", 0..=GRACE_S_MAX)?;
        input.finish()?;
        Ok(Self { grace_s })
    }
}

fn view(app: &Parts, webhook: &WebhookChanged) -> Result<View, Problem> {
    let token = app.vault.master().open_text(&token_owner(webhook.id), &webhook.token);
    let token = token.map_err(|_| {
        tracing::error!(webhook.id = %webhook.id, "a webhook's token does not open: the master key is another one");
        Problem::internal("the webhook's URL cannot be shown")
    })?;
    let now = clock::now();
    let grace = webhook.previous.as_ref().filter(|previous| now < previous.until);
    Ok(View {
        id: webhook.id,
        url: format!("{}/hooks/{token}", app.public_url),
        enabled: webhook.enabled,
        created_at: webhook.created_at.into(),
        previous_url_until: grace.map(|previous| previous.until.into()),
    })
}

/// What a sealed token is bound to.
fn token_owner(webhook: WebhookId) -> Vec<u8> {
    secret_owner(webhook.0, "token")
}

/// `GET …/webhooks`.
pub(super) async fn list(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    query: Parameters<OnlyPage<WebhookId>>,
) -> Answer<Shown<List<View>>> {
    let page = query.read()?;
    let directory = app.directory.read();
    let webhooks = directory.webhooks_of(allowed.id()).into_iter();
    let later = webhooks.filter(|webhook| page.after.is_none_or(|after| webhook.state.id > after));
    let mut items: Vec<_> = later.take(page.limit + 1).collect();
    let next = page.cut(&mut items, |webhook| webhook.state.id);
    let items = items.iter().map(|webhook| view(&app, &webhook.state)).collect::<Result<_, _>>()?;
    Ok(Shown(List { items, next_cursor: next.map(page::cursor) }))
}

/// `POST …/webhooks`.
pub(super) async fn create(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    fields: Fields<NewWebhook>,
) -> Answer<Created<View>> {
    let enabled = fields.read(&app).await?.enabled.unwrap_or(true);
    let (id, text) = (WebhookId::generate(), dice::token());
    let webhook = WebhookChanged {
        v: 1,
        id,
        workspace: allowed.id(),
        enabled,
        token_hash: token::hash(&text),
        token: app.vault.master().seal(&token_owner(id), text.as_bytes()),
        previous: None,
        created_at: clock::now(),
        removed: false,
    };
    app.writer.create([entry(webhook.clone(), 0)].into_iter().collect()).await?;
    Ok(Created::new(&app, &format!("{}/webhooks/{id}", webhook.workspace), view(&app, &webhook)?))
}

/// `GET …/webhooks/{h}`.
pub(super) async fn show(State(app): State<App>, allowed: Allowed<Owner>) -> Answer<Shown<View>> {
    Ok(Shown(view(&app, &*allowed.webhook(&app)?)?))
}

/// `PATCH …/webhooks/{h}`: the switch.
pub(super) async fn edit(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    fields: Fields<WebhookEdit>,
) -> Answer<Shown<View>> {
    allowed.webhook(&app)?;
    let WebhookEdit { enabled } = fields.read(&app).await?;
    change(&app, &allowed, |present| WebhookChanged { enabled, ..present.clone() }).await
}

/// `DELETE …/webhooks/{h}`.
pub(super) async fn remove(State(app): State<App>, allowed: Allowed<Owner>) -> Answer<Done> {
    change(&app, &allowed, |present| WebhookChanged { removed: true, previous: None, ..present.clone() }).await?;
    Ok(Done)
}

/// `POST …/webhooks/{h}/rotate`: a new URL. The old one stops at once, or after `grace_s`.
pub(super) async fn rotate(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    fields: Fields<Rotation>,
) -> Answer<Shown<View>> {
    let id = allowed.webhook(&app)?.id;
    let grace_s = fields.read(&app).await?.grace_s.unwrap_or(0);
    let text = dice::token();
    let sealed = app.vault.master().seal(&token_owner(id), text.as_bytes());
    let until = clock::now().plus_ms(grace_s * 1_000);
    change(&app, &allowed, |present| WebhookChanged {
        token_hash: token::hash(&text),
        token: sealed.clone(),
        previous: (grace_s > 0).then(|| PreviousToken { token_hash: present.token_hash.clone(), until }),
        ..present.clone()
    })
    .await
}

async fn change(
    app: &App,
    allowed: &Allowed<Owner>,
    change: impl Fn(&WebhookChanged) -> WebhookChanged,
) -> Answer<Shown<View>> {
    let (workspace, id) = (allowed.id(), allowed.parsed::<WebhookId>("h", "webhook")?);
    let find = |directory: &Directory| found(directory.webhook(workspace, id));
    let changed = app.writer.change(find, |present| Ok::<_, Problem>(change(present))).await?;
    let changed = changed.ok_or_else(|| missing("webhook"))?;
    Ok(Shown(view(app, &changed)?))
}
