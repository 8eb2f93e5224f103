//! The other rules: what a policy's file may say. Whatever it does not say stays as it was.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Longest gap: a day. Source: a longer one sends less than a message a day.
const GAP_MS_MAX: u64 = 86_400_000;
/// Dearest message: far above any price, so that sums of any log fit.
const PRICE_MAX: u64 = 1_000_000;

/// Other prices, rules of refund and pace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What messages cost.
    pub prices: Prices,
    /// What is given back.
    pub refunds: Refunds,
    /// How fast accounts send.
    pub pace: Pace,
}

/// Credits for a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// With a text alone.
    pub text: Option<u64>,
    /// With a file alone.
    pub file: Option<u64>,
    /// With both.
    pub text_and_file: Option<u64>,
}

/// What is given back of what could not be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refunds {
    /// Percent of the price, for every reason that is not named.
    pub default_percent: Option<u64>,
    /// Percent of the price, by reason code.
    pub percent: BTreeMap<String, u64>,
    /// What becomes of an outcome that stays unknown, in every workspace.
    pub unknown_outcome: Option<UnknownOutcome>,
}

/// What becomes of an outcome that stays unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownOutcome {
    /// It is given back.
    Refund,
    /// It is charged.
    Charge,
}

/// How fast accounts send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// The range of every account's gap, in milliseconds.
    pub gap_ms: Option<(u64, u64)>,
}

/// A policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be {wanted}, found {found}")]
pub struct BadPolicy {
    name: String,
    wanted: String,
    found: String,
}

impl Policy {
    /// Checks that every number is within its bounds.
    ///
    /// # Errors
    /// The first one that is not.
    pub fn check(&self) -> Result<(), BadPolicy> {
        let Prices { text, file, text_and_file } = self.prices;
        for (name, price) in [("text", text), ("file", file), ("text_and_file", text_and_file)] {
            within(&format!("prices.{name}"), price.unwrap_or(0), PRICE_MAX)?;
        }
        within("refunds.default_percent", self.refunds.default_percent.unwrap_or(0), 100)?;
        for (reason, percent) in &self.refunds.percent {
            within(&format!("refunds.percent.{reason}"), *percent, 100)?;
        }
        if let Some((floor, ceiling)) = self.pace.gap_ms {
            within("the upper end of pace.gap_ms", ceiling, GAP_MS_MAX)?;
            within("the lower end of pace.gap_ms", floor, ceiling)?;
        }
        Ok(())
    }

    /// The price of a message that was sold for `was`.
    pub(super) fn price(&self, has_text: bool, has_file: bool, was: u64) -> u64 {
        let Prices { text, file, text_and_file } = self.prices;
        let price = match (has_text, has_file) {
            (true, true) => text_and_file,
            (false, true) => file,
            (true | false, false) => text,
        };
        price.unwrap_or(was)
    }

    /// Percent of a part's price that are given back for this reason.
    pub(super) fn percent(&self, reason: &str) -> u64 {
        let named = self.refunds.percent.get(reason).copied();
        named.or(self.refunds.default_percent).unwrap_or(100)
    }
}

fn within(name: &str, found: u64, most: u64) -> Result<(), BadPolicy> {
    if found <= most {
        return Ok(());
    }
    Err(BadPolicy { name: name.to_owned(), wanted: format!("0 to {most}"), found: found.to_string() })
}
