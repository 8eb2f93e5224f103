//! Chooses the account that sends: by its number, or the most recently connected one.
//!
//! Shape: the accounts of a workspace -> [`Senders`], made once a change; then each call chooses from it in constant time,
//! since a workspace may have thousands.
//!
//! Not here: the account of a chat, which is not chosen (see [`check_of_chat`] for whether it may send).

use std::collections::HashMap;

use angelia_shared::event::AccountChanged;
use angelia_shared::ids::AccountId;
use angelia_shared::units::UnixMillis;
use smallvec::SmallVec;

use super::phone;
use super::refusal::Refusal;

/// The accounts of one workspace, arranged for choosing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Senders {
    newest: Option<Candidate>,
    by_digits: HashMap<String, SmallVec<[Candidate; 1]>>,
}

/// Ordered so that the greatest is the best choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    is_active: bool,
    connected_at: Option<UnixMillis>,
    id: AccountId,
}

impl Senders {
    /// Arranges the accounts of a workspace. Removed ones are passed over.
    pub fn new<'a>(accounts: impl IntoIterator<Item = &'a AccountChanged>) -> Self {
        let mut senders = Self::default();
        for account in accounts {
            if account.removed {
                continue;
            }
            let candidate =
                Candidate { is_active: account.is_active(), connected_at: account.connected_at, id: account.id };
            let digits = phone::digits(&account.phone);
            if !digits.is_empty() {
                senders.by_digits.entry(digits).or_default().push(candidate);
            }
            if candidate.is_active {
                senders.newest = senders.newest.max(Some(candidate));
            }
        }
        senders
    }

    /// Chooses by the number as the caller wrote it; without one, the most recently connected active account.
    ///
    /// Two accounts with one number are not made on purpose; should it happen, an active one wins, then the newest.
    ///
    /// # Errors
    /// [`Refusal::AccountNotFound`] when no account has that number, [`Refusal::NoActiveAccount`] when the one that has it
    /// is not active, or none is.
    pub fn choose(&self, account_phone: Option<&str>) -> Result<AccountId, Refusal> {
        let best = match account_phone {
            None => self.newest,
            Some(phone) => {
                let known = self.by_digits.get(&phone::digits(phone)).ok_or(Refusal::AccountNotFound)?;
                known.iter().max().copied()
            }
        };
        best.filter(|account| account.is_active).map(|account| account.id).ok_or(Refusal::NoActiveAccount)
    }
}

/// Says whether the account to which a chat belongs may be given a message. `None` is an account that was removed.
///
/// # Errors
/// [`Refusal::NoActiveAccount`].
pub fn check_of_chat(account: Option<&AccountChanged>) -> Result<(), Refusal> {
    if account.is_some_and(AccountChanged::is_active) { Ok(()) } else { Err(Refusal::NoActiveAccount) }
}

#[cfg(test)]
mod tests {
    use angelia_shared::event::directory::{AccountState, CloudSettings, Pace, TransportSettings};
    use angelia_shared::ids::WorkspaceId;
    use angelia_shared::vault::MasterKey;

    use super::*;

    fn account(id: u128, phone: &str, state: AccountState, connected_at: Option<i64>) -> AccountChanged {
        let secret = MasterKey::from_hex(&"00".repeat(32)).expect("64 digits").seal(b"", b"");
        AccountChanged {
            v: 1,
            id: AccountId(id),
            workspace: WorkspaceId(1),
            phone: phone.to_owned(),
            transport: TransportSettings::Cloud(CloudSettings {
                phone_number_id: "1".to_owned(),
                base_url: "https://graph.facebook.com".to_owned(),
                version: "v26.0".to_owned(),
                access_token: secret.clone(),
                app_secret: secret.clone(),
                verify_token: secret,
            }),
            state,
            state_reason: None,
            state_since: UnixMillis(0),
            connected_at: connected_at.map(UnixMillis),
            pace: Pace::default(),
            created_at: UnixMillis(0),
            removed: false,
        }
    }

    const PAUSED: AccountState = AccountState::Paused { until: None };

    #[test]
    fn without_a_number_the_most_recently_connected_active_account_sends() {
        let accounts = [
            account(1, "+1001", AccountState::Connected, Some(10)),
            account(2, "+1002", PAUSED, Some(30)),
            account(3, "+1003", AccountState::Connected, Some(20)),
            account(4, "+1004", AccountState::Disconnected, Some(40)),
            account(5, "+1005", AccountState::Blocked, Some(50)),
            account(6, "+1006", AccountState::Connected, None),
        ];
        assert_eq!(Senders::new(&accounts).choose(None), Ok(AccountId(2)));
    }

    #[test]
    fn with_no_active_account_there_is_nobody_to_send() {
        assert_eq!(Senders::default().choose(None), Err(Refusal::NoActiveAccount));
        let accounts = [account(1, "+1001", AccountState::Disconnected, Some(10))];
        assert_eq!(Senders::new(&accounts).choose(None), Err(Refusal::NoActiveAccount));
    }

    #[test]
    fn a_number_is_found_however_it_is_written() {
        let accounts = [account(1, "+15105566777", AccountState::Connected, Some(1))];
        for written in ["+15105566777", "15105566777", "+1 (510) 556-6777"] {
            assert_eq!(Senders::new(&accounts).choose(Some(written)), Ok(AccountId(1)), "{written}");
        }
    }

    #[test]
    fn an_unknown_number_and_no_number_at_all_are_not_found() {
        let accounts = [account(1, "+15105566777", AccountState::Connected, Some(1))];
        for written in ["+15105566778", "me", "+"] {
            assert_eq!(Senders::new(&accounts).choose(Some(written)), Err(Refusal::AccountNotFound), "{written}");
        }
    }

    #[test]
    fn a_named_account_that_is_not_active_cannot_send() {
        for (state, connected_at) in
            [(AccountState::Disconnected, Some(1)), (AccountState::Blocked, Some(1)), (AccountState::Connected, None)]
        {
            let accounts = [account(1, "+1001", state, connected_at)];
            assert_eq!(Senders::new(&accounts).choose(Some("+1001")), Err(Refusal::NoActiveAccount), "{state:?}");
        }
    }

    #[test]
    fn a_paused_account_queues_and_a_removed_one_is_gone() {
        let mut accounts = [account(1, "+1001", PAUSED, Some(1))];
        assert_eq!(Senders::new(&accounts).choose(Some("+1001")), Ok(AccountId(1)));
        assert_eq!(check_of_chat(Some(&accounts[0])), Ok(()));
        accounts[0].removed = true;
        assert_eq!(Senders::new(&accounts).choose(Some("+1001")), Err(Refusal::AccountNotFound));
        assert_eq!(check_of_chat(Some(&accounts[0])), Err(Refusal::NoActiveAccount));
        assert_eq!(check_of_chat(None), Err(Refusal::NoActiveAccount));
    }

    #[test]
    fn of_two_accounts_with_one_number_the_active_one_sends() {
        let accounts = [
            account(1, "+1001", AccountState::Connected, Some(1)),
            account(2, "+1001", AccountState::Disconnected, Some(9)),
        ];
        assert_eq!(Senders::new(&accounts).choose(Some("+1001")), Ok(AccountId(1)));
    }
}
