//! What a reported failure says of its account, and whether that still counts.
//!
//! Shape: (the account as the directory has it, the words of one callback, now) -> what holds it, and the account then.
//!
//! A callback may be repeated, late, or of messages that went out before the owner mended the account. So a word counts only
//! when it is fresh, and was said after whatever was last changed about the account: then it is true of the account as it is.
//! A word that does not count costs little. Its message fails all the same, and so does the next, whose report is newer.
//!
//! Not here: which report is of which account (see `shell/http/callbacks.rs`); what a code means, and which state follows
//! (`angelia_shared::account_hold`).

#[cfg(test)]
mod tests;

use angelia_shared::account_hold::ProviderHold;
use angelia_shared::directory::Versioned;
use angelia_shared::event::AccountChanged;
use angelia_shared::units::UnixMillis;

/// How old a word may be, and how far ahead of this machine's clock. The provider's first delivery comes within seconds of what
/// it reports, so this allows for its retries while this program restarts, and for clocks; what comes later tells of the past.
pub const FRESH_MS: u64 = 5 * 60 * 1_000;

/// The provider's word on an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it makes of the account.
    pub hold: ProviderHold,
    /// When it was said, by the provider's clock.
    pub at: UnixMillis,
    /// In its words.
    pub detail: String,
}

impl Word {
    fn counts(&self, account: &Versioned<AccountChanged>, now: UnixMillis) -> bool {
        // The provider tells whole seconds: a word of the second in which the account was changed is taken for an older one.
        self.at >= account.at && self.at >= account.state.state_since && self.at.0.abs_diff(now.0) <= FRESH_MS
    }
}

/// The firmest of the words that count, and the account as it leaves it; none when they change nothing.
pub fn held(
    account: &Versioned<AccountChanged>,
    words: &[Word],
    now: UnixMillis,
) -> Option<(ProviderHold, AccountChanged)> {
    let of = |hold| words.iter().find(|word| word.hold == hold && word.counts(account, now));
    let word = of(ProviderHold::UntilMended).or_else(|| of(ProviderHold::ForNow))?;
    Some((word.hold, word.hold.put_on(&account.state, word.detail.clone(), now)?))
}
