//! What an owner may say of an account: checked here, sealed elsewhere.
//!
//! Shape: [`Input`], where accounts may send -> [`NewAccount`] or [`AccountEdit`]. Both name every rule that is broken by its field.
//!
//! Not here: whether WhatsApp takes the settings; the first attempt tells.

#[cfg(test)]
mod tests;

use angelia_shared::event::directory::AccountState;
use angelia_shared::reach::ProviderRule;
use angelia_shared::units::UnixMillis;
use url::Url;

use super::input::{Input, InputFault};
use super::pace_edit::PaceEdit;
use super::phone;

/// Where Meta serves the Graph.
const BASE_URL_DEFAULT: &str = "https://graph.facebook.com";
/// The version of the Graph that the transport was written for.
const VERSION_DEFAULT: &str = "v26.0";

/// An account to add.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAccount {
    /// `+` and 7 to 15 digits.
    pub phone: String,
    /// Its settings, all of them.
    pub cloud: CloudEdit,
    /// How fast it sends: what differs from the default.
    pub pace: PaceEdit,
}

/// Changes of an account; what is none stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountEdit {
    /// Settings of the Cloud API.
    pub cloud: CloudEdit,
    /// How fast it sends.
    pub pace: Option<PaceEdit>,
    /// Whether it sends.
    pub state: Option<AccountState>,
}

/// Settings of the Cloud API as an owner gives them, secrets in clear. Has no secrets in its `Debug` outside tests.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CloudEdit {
    /// The number's id in the Graph.
    pub phone_number_id: Option<String>,
    /// Where the Graph is.
    pub base_url: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Bearer token of calls.
    pub access_token: Option<String>,
    /// Signs callbacks.
    pub app_secret: Option<String>,
    /// Answers the callback's verification.
    pub verify_token: Option<String>,
}

impl std::fmt::Debug for CloudEdit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloudEdit").field("phone_number_id", &self.phone_number_id).finish_non_exhaustive()
    }
}

impl CloudEdit {
    /// Whether calls would be made otherwise than before: then an account that WhatsApp blocked deserves another try.
    pub fn changes_calls(&self) -> bool {
        let Self { phone_number_id, base_url, version, access_token, app_secret: _, verify_token: _ } = self;
        phone_number_id.is_some() || base_url.is_some() || version.is_some() || access_token.is_some()
    }

    /// Checks that the dispatchers would make calls there. Otherwise it would be found out by the first message, which would
    /// then wait for its owner.
    ///
    /// # Errors
    /// `base_url` leads to no public address, and the installation does not allow it.
    pub fn check_reach(&self, reach: &ProviderRule) -> Result<(), InputFault> {
        let url = self.base_url.as_deref().and_then(|url| Url::parse(url).ok());
        if url.is_some_and(|url| reach.refuses(&url)) {
            return Err(InputFault::of("base_url", NOT_REACHED));
        }
        Ok(())
    }

    fn read(input: &mut Input) -> Result<Self, InputFault> {
        Ok(Self {
            phone_number_id: checked(
                input.text("phone_number_id", 64)?,
                "phone_number_id",
                is_id,
                "digits and letters",
            )?,
            base_url: checked(input.text("base_url", 2_048)?, "base_url", is_base_url, "an http or https URL")?,
            version: checked(input.text("version", 16)?, "version", is_version, "of the form v26.0")?,
            access_token: checked(input.text("access_token", 1_024)?, "access_token", is_secret, SECRET)?,
            app_secret: checked(input.text("app_secret", 256)?, "app_secret", is_secret, SECRET)?,
            verify_token: checked(input.text("verify_token", 256)?, "verify_token", is_secret, SECRET)?,
        })
    }
}

const NOT_REACHED: &str =
    "must lead to a public address, or be one that this installation's operator allows (`base_urls_allowed`)";
const SECRET: &str = "printable ASCII characters without spaces";

impl NewAccount {
    /// Reads a whole new account.
    ///
    /// # Errors
    /// The first field that breaks a rule or is missing.
    pub fn read(mut input: Input) -> Result<Self, InputFault> {
        input.parsed("transport", "\"cloud\"", |name| (name == "cloud").then_some(()))?;
        let phone = input.required_text("phone", 64)?;
        let digits = phone::digits(&phone);
        let is_number = (7..=15).contains(&digits.len()) && !phone.chars().any(char::is_alphabetic);
        if !is_number {
            return Err(InputFault::of("phone", "must be a number of 7 to 15 digits with its country code"));
        }
        let mut cloud = CloudEdit::read(&mut input)?;
        cloud.base_url.get_or_insert_with(|| BASE_URL_DEFAULT.to_owned());
        cloud.version.get_or_insert_with(|| VERSION_DEFAULT.to_owned());
        let required = [
            ("phone_number_id", &cloud.phone_number_id),
            ("access_token", &cloud.access_token),
            ("app_secret", &cloud.app_secret),
            ("verify_token", &cloud.verify_token),
        ];
        if let Some((field, _)) = required.iter().find(|(_, value)| value.is_none()) {
            return Err(InputFault::of(field, "is required"));
        }
        let pace = pace(&mut input)?.unwrap_or_default();
        input.finish()?;
        Ok(Self { phone: format!("+{digits}"), cloud, pace })
    }
}

impl AccountEdit {
    /// Reads changes.
    ///
    /// # Errors
    /// The first field that breaks a rule.
    pub fn read(mut input: Input) -> Result<Self, InputFault> {
        let cloud = CloudEdit::read(&mut input)?;
        let pace = pace(&mut input)?;
        let until = input.parsed("paused_until", "an RFC 3339 time", UnixMillis::from_rfc3339)?;
        let state = input.parsed("state", "\"connected\", \"disconnected\" or \"paused\"", |state| match state {
            "connected" => Some(AccountState::Connected),
            "disconnected" => Some(AccountState::Disconnected),
            "paused" => Some(AccountState::Paused { until }),
            _ => None,
        })?;
        if until.is_some() && !matches!(state, Some(AccountState::Paused { .. })) {
            return Err(InputFault::of("paused_until", "needs `state` \"paused\""));
        }
        input.finish()?;
        Ok(Self { cloud, pace, state })
    }
}

fn pace(input: &mut Input) -> Result<Option<PaceEdit>, InputFault> {
    input.value("pace").map(PaceEdit::read).transpose()
}

fn checked(
    value: Option<String>,
    field: &'static str,
    rule: fn(&str) -> bool,
    expected: &str,
) -> Result<Option<String>, InputFault> {
    match value {
        Some(value) if !rule(&value) => Err(InputFault::of(field, format!("must be {expected}"))),
        value => Ok(value),
    }
}

/// It becomes a segment of a URL's path.
fn is_id(id: &str) -> bool {
    id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// It becomes a header's value, or is compared with one.
fn is_secret(secret: &str) -> bool {
    secret.bytes().all(|b| b.is_ascii_graphic())
}

fn is_base_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

fn is_version(text: &str) -> bool {
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let numbers = text.strip_prefix('v').and_then(|rest| rest.split_once('.'));
    numbers.is_some_and(|(major, minor)| is_number(major) && is_number(minor))
}
