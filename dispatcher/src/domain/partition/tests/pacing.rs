//! Long schedules in simulated time: the pace of one account over a hundred thousand messages.

use angelia_shared::event::Event;
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::units::{Credits, UnixMillis};

use super::super::Partition;
use crate::domain::account::{CallResult, Decision, Settings, Takeover, Waiting};
use crate::domain::limits::Limits;
use crate::domain::plan::{self, File};

const MESSAGES: u64 = 100_000;
const PER_RECORD: u64 = 50;
const WORKSPACE: WorkspaceId = WorkspaceId(1);
const ACCOUNT: AccountId = AccountId(1);
const BEGIN: UnixMillis = UnixMillis(1_700_000_000_000);

/// One account, sending message after message.
struct Schedule {
    settings: Settings,
    partition: Partition,
    now: UnixMillis,
    newest: Option<Event>,
    last_end: Option<UnixMillis>,
    sent: u64,
    /// Milliseconds from each end to the next start.
    gaps: Vec<u64>,
}

impl Schedule {
    fn new(gap_ms: (u64, u64)) -> Self {
        let settings = Settings { gap_ms, limits: Limits::default(), hold: None, idempotent: false };
        let mut partition = Partition::new(MESSAGES);
        partition.caught_up(BEGIN);
        let mut schedule =
            Self { settings, partition, now: BEGIN, newest: None, last_end: None, sent: 0, gaps: vec![] };
        schedule.read_all();
        schedule
    }

    /// Reads every acceptance from where the partition says.
    fn read_all(&mut self) {
        let from = self.partition.read_from();
        for n in (from - 1) * PER_RECORD..MESSAGES {
            let (seq, line) = (n / PER_RECORD + 1, (n % PER_RECORD) as u16);
            let waiting = Waiting {
                at: Position::new(seq, line),
                message: MessageId(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
                accepted_at: BEGIN,
                expires_after_s: 60,
                credits: 1,
            };
            self.partition.accepted(WORKSPACE, ACCOUNT, waiting, || self.settings.clone());
            self.partition.consumed(seq);
        }
    }

    fn take_over(&mut self, released: bool) {
        let event = self.newest.clone().expect("something was written");
        let takeover = Takeover { released, now: self.now, call_timeout_ms: 10_000, shift_ms: 0, doubt_ms: 0 };
        self.partition = Partition::new(MESSAGES);
        self.partition.recover(WORKSPACE, ACCOUNT, self.settings.clone(), &event, takeover);
        self.read_all();
        self.partition.caught_up(self.now);
    }

    /// Does what is due next, at its time.
    fn step(&mut self) {
        let due = self.partition.next_due().expect("messages wait");
        self.now = self.now.max(due);
        let account = self.partition.due(self.now).expect("it is due now");
        match self.partition.next(account, self.now) {
            Decision::Wait(_) => {}
            Decision::Prepare(preparation) => {
                let plan = plan::plan(Credits(1), true, File::None);
                self.partition.prepared(account, preparation.message, plan);
            }
            Decision::Write(write) => {
                self.partition.stored(account, write.answers_cancel);
                match &write.event {
                    Event::AttemptStarted(started) => {
                        self.gaps.extend(self.last_end.map(|end| started.at.ms_since(end)));
                        // Calls take between 0.2 and 1.2 s.
                        self.now = self.now.plus_ms(200 + self.sent * 7 % 1_000);
                        let sent = CallResult::Sent { provider_id: "wamid.1".to_owned() };
                        self.partition.call_ended(account, started.message, sent, self.now);
                    }
                    Event::AttemptEnded(ended) => {
                        self.last_end = Some(ended.at);
                        self.sent += 1;
                    }
                    other => panic!("{} has no place here", other.name()),
                }
                self.newest = Some(write.event);
            }
        }
    }

    fn run(&mut self, until: u64) {
        while self.sent < until {
            self.step();
        }
    }
}

fn mean(gaps: &[u64]) -> f64 {
    gaps.iter().sum::<u64>() as f64 / gaps.len() as f64
}

#[test]
fn a_hundred_thousand_messages_keep_the_pace_to_the_millisecond() {
    let mut schedule = Schedule::new((1_500, 2_500));
    schedule.run(MESSAGES);
    assert_eq!(schedule.gaps.len() as u64, MESSAGES - 1);
    let outside = schedule.gaps.iter().find(|gap| !(1_500..=2_500).contains(*gap));
    assert_eq!(outside, None);
    assert!((1_990.0..2_010.0).contains(&mean(&schedule.gaps)), "{}", mean(&schedule.gaps));
    assert_eq!((schedule.gaps.iter().min(), schedule.gaps.iter().max()), (Some(&1_500), Some(&2_500)));
    schedule.step();
    assert_eq!(schedule.partition.next_due(), None);
}

#[test]
fn three_years_of_slow_sending_through_many_takeovers_keep_the_pace() {
    let (floor, ceiling) = (600_000, 1_200_000);
    let mut schedule = Schedule::new((floor, ceiling));
    for takeover in 1..=8 {
        schedule.run(takeover * (MESSAGES / 8) - 1);
        schedule.take_over(takeover % 2 == 0);
    }
    schedule.run(MESSAGES);
    let three_years_ms = 3 * 365 * 86_400_000;
    assert!(schedule.now.ms_since(BEGIN).abs_diff(three_years_ms) < three_years_ms / 10);
    // A new owner draws no gap of its own: it takes the one in the log.
    let outside = schedule.gaps.iter().filter(|gap| !(floor..=ceiling).contains(*gap)).count();
    assert_eq!((outside, schedule.gaps.len() as u64), (0, MESSAGES - 1));
    assert!((mean(&schedule.gaps) - 900_000.0).abs() < 3_000.0, "{}", mean(&schedule.gaps));
}
