use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn delays() -> Delays {
    Delays {
        sent_ms: 0,
        delivered_ms: 10,
        read_ms: 30,
        failed_ms: 2,
        gather_ms: 5,
        retry_first_ms: 4,
        retry_most_ms: 16,
    }
}

fn due(plan: Plan, received_at_ms: u64, seq: u64) -> Due {
    Due::new(plan, 0, received_at_ms, seq, (seq * 100, 100), &delays()).expect("a plan with statuses")
}

fn words(batch: &Batch) -> Vec<(u64, &'static str, u64)> {
    batch.dues.iter().map(|due| (due.seq, due.status().word(), due.at_ms)).collect()
}

#[test]
fn a_due_status_takes_32_bytes() {
    assert_eq!(size_of::<Due>(), 32);
}

#[test]
fn each_status_leaves_at_its_time_after_the_request() {
    let mut timetable = Timetable::new(delays());
    timetable.add("100", due(Plan::SentDeliveredRead, 1_000, 1));
    for (now, word) in [(1_000, "sent"), (1_010, "delivered"), (1_030, "read")] {
        assert_eq!(timetable.next_ms(), Some(now));
        assert!(timetable.take(now - 1).is_none());
        let batch = timetable.take(now).expect("due");
        assert_eq!(words(&batch), [(1, word, now)]);
        timetable.settle(batch, true, now + 3);
    }
    assert_eq!(timetable.next_ms(), None);
    assert!(timetable.lanes.is_empty());
}

#[test]
fn what_is_due_together_leaves_together_but_not_with_another_phone_number_id() {
    let mut timetable = Timetable::new(delays());
    for seq in 1..=3 {
        timetable.add("100", due(Plan::Sent, 1_000, seq));
    }
    timetable.add("200", due(Plan::Sent, 1_000, 4));
    let first = timetable.take(1_000).expect("due");
    let second = timetable.take(1_000).expect("due");
    assert_eq!((&*first.phone_number_id, first.dues.len()), ("100", 3));
    assert_eq!((&*second.phone_number_id, second.dues.len()), ("200", 1));
}

#[test]
fn a_batch_has_at_most_100_statuses() {
    let mut timetable = Timetable::new(delays());
    for seq in 1..=150 {
        timetable.add("100", due(Plan::Sent, 1_000, seq));
    }
    let batch = timetable.take(1_000).expect("due");
    assert_eq!(batch.dues.len(), 100);
    assert!(timetable.take(1_000).is_none(), "the second batch waits for the first");
    timetable.settle(batch, true, 1_001);
    assert_eq!(timetable.take(1_001).expect("due").dues.len(), 50);
}

#[test]
fn what_follows_closely_gathers_and_the_first_does_not_wait() {
    let mut timetable = Timetable::new(delays());
    // Keeps the phone number id busy, so that it is not forgotten.
    timetable.add("100", due(Plan::Sent, 9_000, 1));
    timetable.add("100", due(Plan::Sent, 1_000, 2));
    let batch = timetable.take(1_000).expect("the first leaves at once");
    timetable.settle(batch, true, 1_001);
    timetable.add("100", due(Plan::Sent, 1_002, 3));
    timetable.add("100", due(Plan::Sent, 1_004, 4));
    assert_eq!(timetable.next_ms(), Some(1_006));
    assert_eq!(timetable.take(1_006).expect("due").dues.len(), 2);
}

#[test]
fn a_refused_batch_waits_longer_each_time_and_holds_up_only_its_own() {
    let mut timetable = Timetable::new(delays());
    timetable.add("100", due(Plan::Sent, 1_000, 1));
    let mut now = 1_000;
    for (failures_before, wait) in [(0, 4), (1, 8), (2, 16), (3, 16)] {
        let batch = timetable.take(now).expect("due");
        assert_eq!(timetable.settle(batch, false, now), failures_before);
        assert_eq!(timetable.next_ms(), Some(now + wait));
        now += wait;
    }
    timetable.add("200", due(Plan::Sent, now - 1, 2));
    assert_eq!(&*timetable.take(now).expect("due").phone_number_id, "200");
    let batch = timetable.take(now).expect("due");
    assert_eq!(timetable.settle(batch, true, now), 4);
}

#[test]
fn a_restart_goes_on_after_what_was_delivered() {
    let made = |delivered| Due::new(Plan::SentDelivered, delivered, 1_000, 1, (0, 9), &delays());
    assert_eq!(made(1).map(|due| (due.status(), due.at_ms)), Some((Status::Delivered, 1_010)));
    assert_eq!(made(2), None);
}

#[derive(Debug, Clone)]
enum Step {
    Add(u8, Plan),
    Take,
    Settle(bool),
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let plan =
        prop_oneof![Just(Plan::Sent), Just(Plan::SentDelivered), Just(Plan::SentDeliveredRead), Just(Plan::Failure)];
    prop_oneof![
        3 => (0..3_u8, plan).prop_map(|(lane, plan)| Step::Add(lane, plan)),
        3 => Just(Step::Take),
        3 => any::<bool>().prop_map(Step::Settle),
        1 => (0..20_u8).prop_map(Step::Wait),
    ]
}

/// What the receiver has seen, checked at each step against what it must never see.
#[derive(Default)]
struct Receiver {
    plans: HashMap<u64, (String, Plan, u64)>,
    taken: HashMap<u64, Vec<Status>>,
    in_flight: Vec<Batch>,
}

impl Receiver {
    fn check(&self, batch: &Batch, now: u64) {
        assert!((1..=BATCH_MOST).contains(&batch.dues.len()));
        assert!(self.in_flight.iter().all(|other| other.phone_number_id != batch.phone_number_id));
        for due in &batch.dues {
            let (lane, plan, received_at_ms) = &self.plans[&due.seq];
            let seen = self.taken.get(&due.seq).map_or(0, Vec::len);
            assert_eq!(*lane, *batch.phone_number_id);
            assert_eq!(due.status(), plan.statuses()[seen]);
            assert_eq!(due.at_ms, received_at_ms + delays().until(due.status()));
            assert!(due.at_ms <= now);
        }
    }

    fn settle(&mut self, batch: &Batch, was_taken: bool) {
        if was_taken {
            for due in &batch.dues {
                self.taken.entry(due.seq).or_default().push(due.status());
            }
        }
    }
}

proptest! {
    #[test]
    fn every_status_is_taken_once_in_order_and_never_early(steps in prop::collection::vec(step(), 1..200)) {
        let (mut timetable, mut receiver) = (Timetable::new(delays()), Receiver::default());
        let (mut now, mut seq) = (1_000, 0);
        for step in steps {
            match step {
                Step::Add(lane, plan) => {
                    seq += 1;
                    receiver.plans.insert(seq, (lane.to_string(), plan, now));
                    timetable.add(&lane.to_string(), due(plan, now, seq));
                }
                Step::Take => {
                    if let Some(batch) = timetable.take(now) {
                        receiver.check(&batch, now);
                        receiver.in_flight.push(batch);
                    }
                }
                Step::Settle(was_taken) => {
                    if let Some(batch) = receiver.in_flight.pop() {
                        receiver.settle(&batch, was_taken);
                        timetable.settle(batch, was_taken, now);
                    }
                }
                Step::Wait(ms) => now += u64::from(ms),
            }
        }
        // From here on the receiver takes everything: nothing may be missing in the end.
        for batch in std::mem::take(&mut receiver.in_flight) {
            receiver.settle(&batch, true);
            timetable.settle(batch, true, now);
        }
        while let Some(next) = timetable.next_ms() {
            now = now.max(next);
            let batch = timetable.take(now).expect("due");
            receiver.check(&batch, now);
            receiver.settle(&batch, true);
            timetable.settle(batch, true, now);
        }
        for (seq, (_, plan, _)) in &receiver.plans {
            prop_assert_eq!(receiver.taken.get(seq).map(Vec::as_slice), Some(plan.statuses()));
        }
        prop_assert!(timetable.lanes.is_empty());
    }
}
