use super::*;

const PRICE: Credits = Credits(2);
const MESSAGE: MessageId = MessageId(1);

fn money(steps: &[fn(&mut Money)]) -> Money {
    let mut money = Money::default();
    steps.iter().for_each(|step| step(&mut money));
    money
}

fn refund(money: &mut Money) {
    let owed = money.owed(PRICE);
    money.refund(owed, PRICE, MESSAGE).unwrap();
}

const SENT: fn(&mut Money) = Money::sent;
const LOST: fn(&mut Money) = Money::lost;
const DELIVERED: fn(&mut Money) = Money::delivered;
const CHARGED: fn(&mut Money) = |money| money.settle(UnknownPolicy::Charge);
const REFUNDED: fn(&mut Money) = |money| money.settle(UnknownPolicy::Refund);

#[test]
fn what_failed_is_owed_even_after_it_was_sent() {
    assert_eq!(money(&[LOST]).owed(PRICE), PRICE);
    assert_eq!(money(&[SENT, LOST]).owed(PRICE), PRICE);
    assert_eq!(money(&[LOST, SENT]).owed(PRICE), PRICE);
    assert_eq!(money(&[]).owed(PRICE), Credits::ZERO);
    assert_eq!(money(&[SENT]).owed(PRICE), Credits::ZERO);
}

#[test]
fn what_was_delivered_is_not_owed_whatever_was_reported_before_or_after() {
    assert_eq!(money(&[DELIVERED, LOST]).owed(PRICE), Credits::ZERO);
    assert_eq!(money(&[SENT, DELIVERED, LOST]).owed(PRICE), Credits::ZERO);
    assert_eq!(money(&[LOST, DELIVERED]).owed(PRICE), Credits::ZERO);
}

#[test]
fn a_refund_once_given_stays_and_is_not_given_again() {
    let paid = money(&[LOST, refund, DELIVERED]);
    assert_eq!((paid.refunded, paid.owed(PRICE)), (PRICE, Credits::ZERO));
    let again = money(&[LOST, refund, LOST, DELIVERED, LOST]);
    assert_eq!(again.owed(PRICE), Credits::ZERO);
}

#[test]
fn a_settlement_closes_what_is_unknown() {
    assert_eq!(money(&[REFUNDED]).owed(PRICE), PRICE);
    assert_eq!(money(&[REFUNDED, DELIVERED]).owed(PRICE), PRICE);
    assert_eq!(money(&[REFUNDED, SENT]).owed(PRICE), PRICE);
    assert_eq!(money(&[CHARGED, LOST]).owed(PRICE), Credits::ZERO);
    assert_eq!(money(&[CHARGED, REFUNDED]).owed(PRICE), Credits::ZERO);
    assert_eq!(money(&[REFUNDED, CHARGED]).owed(PRICE), PRICE);
}

#[test]
fn a_settlement_after_a_report_changes_nothing() {
    assert_eq!(money(&[SENT, REFUNDED]).owed(PRICE), Credits::ZERO);
    assert_eq!(money(&[SENT, REFUNDED, LOST]).owed(PRICE), PRICE);
    assert_eq!(money(&[LOST, CHARGED]).owed(PRICE), PRICE);
}

#[test]
fn a_refund_beyond_the_price_or_of_what_was_never_lost_breaks_wa_3() {
    let mut kept = money(&[SENT]);
    assert_eq!(kept.refund(Credits(1), PRICE, MESSAGE), Err(Broken::RefundOfNothing(MESSAGE)));
    let mut lost = money(&[LOST, refund]);
    assert_eq!(lost.refund(Credits(1), PRICE, MESSAGE), Err(Broken::RefundTooLarge(MESSAGE)));
    assert_eq!(lost.refunded, PRICE);
}

#[test]
fn a_refund_that_was_decided_before_a_delivery_became_known_still_counts() {
    let mut money = money(&[LOST, DELIVERED]);
    assert_eq!(money.refund(PRICE, PRICE, MESSAGE), Ok(()));
    assert_eq!(money.refunded, PRICE);
}

fn debts(n: u64) -> Vec<(u8, Debt)> {
    (0..n).map(|n| (0, Debt { message: MessageId(n), credits: Credits(1), reason: "expired".to_owned() })).collect()
}

#[test]
fn a_refund_lists_at_most_64_items_and_continues_the_totals() {
    let wallet = Wallet { head: 7, ..Wallet::default() };
    let refund = plan(WorkspaceId(1), &wallet, &debts(70), UnixMillis(5)).unwrap();
    assert_eq!((refund.head, refund.event.items.len(), refund.event.credits), (7, 64, Credits(64)));
    assert_eq!(refund.event.totals.refunded, Credits(64));
}

#[test]
fn nothing_is_paid_when_nothing_is_owed_or_the_books_are_in_doubt() {
    assert_eq!(plan(WorkspaceId(1), &Wallet::default(), &[], UnixMillis(5)), None);
    let stopped = Wallet { stopped: Some(Position::new(3, 0)), ..Wallet::default() };
    assert_eq!(plan(WorkspaceId(1), &stopped, &debts(1), UnixMillis(5)), None);
}
