//! What an owner may say of an account, described. Read and checked by `domain/account_settings.rs` and
//! `domain/pace_edit.rs`.

use angelia_shared::event::directory::QuietHours;
use schemars::JsonSchema;

use super::form::Form;
use crate::domain::account_settings::{AccountEdit, NewAccount};
use crate::domain::input::{Input, InputFault};

/// An account to add. It does not send before it is connected.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "NewAccount")]
#[expect(dead_code, reason = "it describes what `NewAccount` reads")]
pub(super) struct NewAccountForm {
    /// Its number with the country code.
    #[schemars(regex(pattern = r"^\+[0-9]{7,15}$"))]
    phone: String,
    /// How it reaches WhatsApp. `cloud` when it is left out.
    transport: Option<Transport>,
    /// The number's id in the Graph.
    #[schemars(regex(pattern = "^[0-9A-Za-z_-]{1,64}$"))]
    phone_number_id: String,
    /// Bearer token of calls to the Graph.
    #[schemars(regex(pattern = "^[!-~]{1,1024}$"))]
    access_token: String,
    /// With it WhatsApp signs its callbacks.
    #[schemars(regex(pattern = "^[!-~]{1,256}$"))]
    app_secret: String,
    /// With it WhatsApp proves that it sets up the callback.
    #[schemars(regex(pattern = "^[!-~]{1,256}$"))]
    verify_token: String,
    /// Where the Graph is, an http or https URL. Meta's own, when it is left out.
    #[schemars(extend("format" = "uri"))]
    base_url: Option<String>,
    /// The Graph's version.
    #[schemars(regex(pattern = r"^v[0-9]{1,3}\.[0-9]{1,3}$"))]
    version: Option<String>,
    pace: Option<PaceForm>,
}

/// How an account reaches WhatsApp.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Transport")]
#[expect(dead_code, reason = "it describes what `NewAccount` reads")]
enum Transport {
    /// The Cloud API.
    Cloud,
}

impl Form for NewAccountForm {
    type Value = NewAccount;

    fn read(input: Input) -> Result<NewAccount, InputFault> {
        NewAccount::read(input)
    }
}

/// Changes of an account; what is left out stays. An account that was blocked is connected again when its calls change.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "AccountEdit")]
#[expect(dead_code, reason = "it describes what `AccountEdit` reads")]
pub(super) struct AccountEditForm {
    /// Whether it sends.
    state: Option<StateForm>,
    /// When a pause ends by itself. Only with `state` `paused`.
    #[schemars(extend("format" = "date-time"))]
    paused_until: Option<String>,
    /// The number's id in the Graph.
    #[schemars(regex(pattern = "^[0-9A-Za-z_-]{1,64}$"))]
    phone_number_id: Option<String>,
    /// Bearer token of calls to the Graph.
    #[schemars(regex(pattern = "^[!-~]{1,1024}$"))]
    access_token: Option<String>,
    /// With it WhatsApp signs its callbacks.
    #[schemars(regex(pattern = "^[!-~]{1,256}$"))]
    app_secret: Option<String>,
    /// With it WhatsApp proves that it sets up the callback.
    #[schemars(regex(pattern = "^[!-~]{1,256}$"))]
    verify_token: Option<String>,
    /// Where the Graph is, an http or https URL.
    #[schemars(extend("format" = "uri"))]
    base_url: Option<String>,
    /// The Graph's version.
    #[schemars(regex(pattern = r"^v[0-9]{1,3}\.[0-9]{1,3}$"))]
    version: Option<String>,
    pace: Option<PaceForm>,
}

impl Form for AccountEditForm {
    type Value = AccountEdit;

    fn read(input: Input) -> Result<AccountEdit, InputFault> {
        AccountEdit::read(input)
    }
}

/// What an owner may make of an account's state.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "WantedState")]
#[expect(dead_code, reason = "it describes what `AccountEdit` reads")]
enum StateForm {
    /// It sends.
    Connected,
    /// It does not send; its queue waits.
    Disconnected,
    /// It does not send for a while; its queue waits.
    Paused,
}

/// Changes of a pace: what is left out stays, `null` switches a limit off.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "PaceEdit")]
#[expect(dead_code, reason = "it describes what `PaceEdit` reads")]
struct PaceForm {
    /// Range of the gap between two attempts, in milliseconds, lowest first. 1 to 86,400,000; `null` changes nothing.
    #[schemars(inner(range(min = 1, max = 86_400_000)), length(equal = 2))]
    gap_ms: Option<Vec<u64>>,
    /// The most attempts in any 60 minutes.
    #[schemars(range(min = 1, max = 1_000_000))]
    hourly_cap: Option<u32>,
    /// The most attempts in any 24 hours.
    #[schemars(range(min = 1, max = 1_000_000))]
    daily_cap: Option<u32>,
    /// When nothing is sent, every day: `from` and `to` must differ, `time_zone` is one of the IANA database.
    quiet_hours: Option<QuietHours>,
    /// The least time between two messages to one recipient, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    recipient_gap_ms: Option<u64>,
    /// A daily cap that grows.
    warm_up: Option<WarmUpForm>,
}

/// A daily cap that grows day by day.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "WarmUpEdit")]
#[expect(dead_code, reason = "it describes what `PaceEdit` reads")]
struct WarmUpForm {
    /// When the first day began. Now, or as before, when it is left out.
    #[schemars(extend("format" = "date-time"))]
    since: Option<String>,
    /// The most attempts during the first day.
    #[schemars(range(min = 1, max = 1_000_000))]
    first_day: u32,
    /// How many more each following day allows.
    #[schemars(range(min = 0, max = 1_000_000))]
    more_each_day: u32,
    /// How many days it lasts.
    #[schemars(range(min = 1, max = 365))]
    days: u16,
}
