use angelia_shared::event::{CreditsDrawn, CreditsGranted, CreditsRefunded, CreditsReturned, WriterFenced};
use angelia_shared::ids::{MemberId, WriterId};
use angelia_shared::units::UnixMillis;
use proptest::prelude::*;

use super::*;

const AT: UnixMillis = UnixMillis(1_700_000_000_000);

fn totals(granted: u64, drawn: u64, returned: u64, refunded: u64) -> Totals {
    Totals {
        granted: Credits(granted),
        drawn: Credits(drawn),
        returned: Credits(returned),
        refunded: Credits(refunded),
    }
}

#[test]
fn every_kind_of_wallet_event_shows_the_wallet() {
    let totals = totals(10, 4, 1, 2);
    let (writer, credits) = (WriterId(1), Credits(1));
    for event in [
        Event::CreditsGranted(CreditsGranted { v: 1, credits, reason: String::new(), totals, at: AT }),
        Event::CreditsDrawn(CreditsDrawn { v: 1, writer, credits, totals, at: AT }),
        Event::CreditsReturned(CreditsReturned { v: 1, writer, credits, totals, at: AT }),
        Event::CreditsRefunded(CreditsRefunded { v: 1, items: vec![], credits, totals, at: AT }),
    ] {
        let wallet = Wallet::of(7, &event).unwrap();
        assert_eq!((wallet.head(), wallet.available()), (7, Credits(9)), "{}", event.name());
    }
}

#[test]
fn a_workspace_without_a_wallet_event_has_nothing() {
    assert_eq!(Wallet::NEW.available(), Credits::ZERO);
    assert_eq!(Wallet::NEW.head(), 0);
    assert_eq!(Wallet::NEW.draw(Credits(1)), None);
}

#[test]
fn overdrawn_totals_are_a_contradiction_that_names_its_invariant() {
    let error = Wallet::at(3, totals(10, 11, 0, 0)).unwrap_err();
    assert_eq!(error, Contradiction::Overdrawn(totals(10, 11, 0, 0)));
    assert!(error.to_string().starts_with("WA-1"));
    assert!(Wallet::at(3, totals(u64::MAX, 0, 1, 0)).is_err(), "a sum that does not fit is not a wallet");
}

#[test]
fn an_event_of_another_kind_is_a_contradiction() {
    let fence = WriterFenced { v: 1, writer: WriterId(1), by: MemberId(1), reason: String::new(), at: AT };
    assert_eq!(Wallet::of(3, &Event::WriterFenced(fence)).unwrap_err(), Contradiction::NotOfAWallet("WriterFenced"));
}

proptest! {
    #[test]
    fn a_draw_takes_exactly_what_was_asked_and_never_more_than_there_is(
        granted in 0..1_000_u64, spent in 0..1_000_u64, asked in 0..1_500_u64,
    ) {
        prop_assume!(spent <= granted);
        let wallet = Wallet::at(1, totals(granted, spent, 0, 0)).unwrap();
        match wallet.draw(Credits(asked)) {
            Some(after) => {
                let after = Wallet::at(2, after).unwrap();
                prop_assert_eq!(after.available().0 + asked, wallet.available().0);
                prop_assert_eq!(after.totals.drawn.0, spent + asked);
            }
            None => prop_assert!(asked > wallet.available().0),
        }
    }
}
