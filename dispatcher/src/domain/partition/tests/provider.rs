//! The simulated provider: it takes, refuses, puts off, loses answers, answers late, and keeps a journal.
//!
//! The journal is the truth of what reached WhatsApp; nothing in it comes from the log.

use angelia_shared::units::UnixMillis;

use super::book::{Fact, Who, account_index, message_index};
use super::owner::{Own, Pending};
use super::scenario::Rule;
use super::world::{Step, World};
use crate::domain::account::CallResult;
use crate::transport::{FailReason, ProviderHold, PutOffScope};

pub(super) const CALL_TIMEOUT_MS: u64 = 10_000;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    /// Taken after a long time.
    TakenLate,
    /// Taken, and nobody hears of it.
    TakenInSilence,
    /// Lost on its way.
    Lost,
    Refused(FailReason),
    PutOff(PutOffScope),
    Held(ProviderHold),
}

/// A request that was made.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) who: Who,
    pub(super) claim: u64,
    pub(super) account: usize,
    pub(super) message: usize,
    pub(super) part: u8,
    /// The floor that its attempt was started under.
    pub(super) floor_ms: u64,
    pub(super) started_at: UnixMillis,
    pub(super) handled_at: Option<UnixMillis>,
    /// WhatsApp delivers it. A repetition that was recognised is not delivered.
    pub(super) delivered: bool,
    fate: Fate,
}

#[derive(Debug, Default)]
pub(super) struct Provider {
    pub(super) journal: Vec<Call>,
}

impl World {
    /// A request leaves an owner.
    pub(super) fn make_call(&mut self, pending: &Pending) {
        let (message, part) = pending.call.expect("only a start is followed by a call");
        let floor_ms = match &*pending.event {
            angelia_shared::event::Event::AttemptStarted(started) => started.floor_ms,
            other => panic!("{} is not followed by a call", other.name()),
        };
        let fate = self.fate();
        let call = self.provider.journal.len();
        self.provider.journal.push(Call {
            who: pending.who,
            claim: pending.claim,
            account: account_index(pending.account),
            message: message_index(message),
            part,
            floor_ms,
            started_at: self.now,
            handled_at: None,
            delivered: false,
            fate,
        });
        if fate == Fate::Lost {
            let ms = self.dice.between(5, CALL_TIMEOUT_MS);
            return self.answer(call, ms, CallResult::Unknown { detail: "closed".to_owned() });
        }
        let slow = fate == Fate::TakenLate || self.dice.chance(5);
        let ms = if slow { self.dice.between(1_000, CALL_TIMEOUT_MS - 100) } else { self.dice.between(2, 300) };
        self.after(ms, Step::Handle { call });
    }

    fn fate(&mut self) -> Fate {
        let scopes = [
            PutOffScope::Throughput,
            PutOffScope::Pair,
            PutOffScope::Provider,
            PutOffScope::Provider,
            PutOffScope::Connection,
            PutOffScope::Maintenance,
        ];
        match self.dice.below(100) {
            0..45 => Fate::Taken,
            45..52 => Fate::TakenLate,
            52..60 => Fate::TakenInSilence,
            60..66 => Fate::Lost,
            66..70 => Fate::Refused(FailReason::RecipientNotOnWhatsapp),
            70..74 => Fate::Refused(FailReason::MessageRejected),
            74..78 => Fate::Held(if self.dice.chance(50) { ProviderHold::ForNow } else { ProviderHold::UntilMended }),
            _ => Fate::PutOff(scopes[self.dice.below(6) as usize]),
        }
    }

    /// The provider works on a request, and answers.
    pub(super) fn handle(&mut self, call: usize) {
        let Call { account, message, part, started_at, fate, .. } = self.provider.journal[call];
        let same = |other: &Call| (other.message, other.part) == (message, part);
        let known = self.settings[account].idempotent
            && self.provider.journal.iter().any(|other| same(other) && other.delivered);
        // Errors of the account come before anybody looks at the message.
        let fate = if known && matches!(fate, Fate::Refused(_)) { Fate::Taken } else { fate };
        let taken = matches!(fate, Fate::Taken | Fate::TakenLate | Fate::TakenInSilence);
        self.provider.journal[call].handled_at = Some(self.now);
        self.provider.journal[call].delivered = taken && !known;
        if taken && !known {
            self.call_back(message, part);
        }
        let result = match fate {
            Fate::Taken | Fate::TakenLate => CallResult::Sent { provider_id: format!("wamid.{call}") },
            Fate::TakenInSilence | Fate::Lost => CallResult::Unknown { detail: "no answer".to_owned() },
            Fate::Refused(reason) => CallResult::Failed { reason, detail: String::new() },
            Fate::PutOff(scope) => CallResult::PutOff { scope, asked_ms: None, detail: String::new() },
            Fate::Held(state) => {
                // Its owner looks into it and connects it again.
                let ms = self.dice.between(100, 60_000);
                let settings = crate::domain::account::Settings { hold: None, ..self.settings[account].clone() };
                self.after(ms, Step::Settings { account, settings });
                CallResult::Held { state, detail: String::new() }
            }
        };
        let left_ms = started_at.plus_ms(CALL_TIMEOUT_MS).ms_since(self.now);
        let ms = self.dice.between(1, 200).min(left_ms);
        self.answer(call, ms, result);
    }

    fn answer(&mut self, call: usize, ms: u64, result: CallResult) {
        let who = self.provider.journal[call].who;
        self.after(ms, Step::Own { who, own: Own::Answer { call, result } });
    }

    /// Callbacks of a part that was taken: before or after the answer, or not at all.
    fn call_back(&mut self, message: usize, part: u8) {
        let receipt = |failed| Step::Append(vec![Fact::Receipt { message, part, failed, by_dispatcher: false }]);
        if self.dice.chance(70) {
            let ms = self.dice.below(3_000);
            self.after(ms, receipt(false));
        }
        if self.dice.chance(10) {
            let ms = self.dice.between(3_000, 20_000);
            self.after(ms, receipt(true));
        }
    }

    /// An owner that lost its claim during a call reports what is final as a receipt, and drops the rest.
    pub(super) fn report_fenced(&mut self, call: usize, result: &CallResult) {
        let Call { account, message, part, .. } = self.provider.journal[call];
        let failed = match result {
            CallResult::Sent { .. } => false,
            CallResult::Failed { .. } if !self.settings[account].idempotent => true,
            CallResult::Failed { .. } => {
                if self.keeps(Rule::FencedReportsOnlySent) {
                    return;
                }
                true
            }
            CallResult::PutOff { .. } | CallResult::Held { .. } | CallResult::Unknown { .. } => return,
            CallResult::NotStarted => return,
        };
        self.check.summary.fenced += 1;
        let ms = self.latency_ms();
        self.after(ms, Step::Append(vec![Fact::Receipt { message, part, failed, by_dispatcher: true }]));
    }
}
