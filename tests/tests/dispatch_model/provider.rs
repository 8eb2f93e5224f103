//! WhatsApp: what reached it is the truth, and nothing of it comes from the log.

use super::entries::{ACCOUNTS, Now};
use super::log::{Broken, DP_1, DP_2, DP_4, Facts, MONEY};
use super::minds::{Answer, GAP_MS};
use super::owner::Who;
use super::rules::World;

/// Messages at most.
pub(crate) const MESSAGES: usize = 4;

/// A request on its way, or being worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) by: Who,
    pub(crate) claim: u64,
    pub(crate) account: u8,
    pub(crate) message: u8,
    pub(crate) part: u8,
    pub(crate) attempt: u32,
    /// It is worked on by then, or never.
    pub(crate) ends_by: Now,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Taken,
    /// Taken, and nobody hears of it.
    TakenInSilence,
    Refused,
    PutOff,
    /// Lost on its way.
    Lost,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Provider {
    /// In the order in which they began.
    pub(crate) requests: Vec<Request>,
    /// How often each part went out.
    delivered: [[u8; 2]; MESSAGES],
    /// Parts of which a callback has told, as bits; and those that have failed after they were taken.
    called_back: [u8; MESSAGES],
    failed: [u8; MESSAGES],
    /// When each account's next request may come: its last one was worked on a floor before. 0 when it may come now.
    busy_until: [Now; ACCOUNTS],
    /// What went out last.
    newest: [(u8, u8); ACCOUNTS],
}

impl Provider {
    pub(crate) fn is_delivered(&self, message: u8, part: u8) -> bool {
        self.delivered[usize::from(message)][usize::from(part)] > 0
    }

    /// Parts that were taken and of which no callback has told.
    pub(crate) fn untold(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        let parts = (0..MESSAGES as u8).flat_map(|message| [(message, 0), (message, 1)]);
        parts.filter(|(message, part)| {
            self.is_delivered(*message, *part) && self.called_back[usize::from(*message)] >> part & 1 == 0
        })
    }

    pub(crate) fn calls_back(&mut self, message: u8, part: u8, failed: bool) {
        let told = if failed { &mut self.failed } else { &mut self.called_back };
        told[usize::from(message)] |= 1 << part;
    }

    pub(crate) fn has_failed(&self, message: u8, part: u8) -> bool {
        self.failed[usize::from(message)] >> part & 1 == 1
    }

    /// A request leaves an owner at `now`.
    pub(crate) fn begins(&mut self, request: Request, now: Now) -> Result<(), Broken> {
        self.requests.push(request);
        if self.busy_until[usize::from(request.account)] > now { Err(DP_1) } else { Ok(()) }
    }

    /// A request comes to its end at `now`. Returns what its owner is answered.
    pub(crate) fn handles(
        &mut self,
        request: Request,
        fate: Fate,
        now: Now,
        world: &World,
    ) -> (Answer, Result<(), Broken>) {
        let at = self.requests.iter().position(|other| *other == request).expect("it is on its way");
        self.requests.remove(at);
        if fate == Fate::Lost {
            return (Answer::Silence, Ok(()));
        }
        // The order of requests is that of their beginnings.
        let overtaken = self.requests[at..].iter().any(|other| other.account == request.account);
        let mut judged = if overtaken { Err(DP_1) } else { Ok(()) };
        let account = usize::from(request.account);
        self.busy_until[account] = now + GAP_MS;
        let known = world.idempotent && self.is_delivered(request.message, request.part);
        let takes = matches!(fate, Fate::Taken | Fate::TakenInSilence) || known && fate == Fate::Refused;
        if takes && !known {
            judged = judged.and(self.delivers(request));
        }
        let answer = match fate {
            Fate::Taken => Answer::Sent,
            Fate::Refused if known => Answer::Sent,
            Fate::Refused => Answer::Refused,
            Fate::PutOff => Answer::PutOff,
            Fate::TakenInSilence | Fate::Lost => Answer::Silence,
        };
        (answer, judged)
    }

    fn delivers(&mut self, request: Request) -> Result<(), Broken> {
        let Request { account, message, part, .. } = request;
        let times = &mut self.delivered[usize::from(message)][usize::from(part)];
        *times += 1;
        if *times > 1 {
            return Err(DP_4);
        }
        let newest = &mut self.newest[usize::from(account)];
        if *newest > (message, part) {
            return Err(DP_2);
        }
        *newest = (message, part);
        Ok(())
    }

    /// What has passed is forgotten.
    pub(crate) fn tidy(&mut self, now: Now) {
        self.busy_until.iter_mut().filter(|until| **until <= now).for_each(|until| *until = 0);
    }

    /// Compares what went out with what the log says of it.
    pub(crate) fn judge(&self, facts: &Facts) -> Result<(), Broken> {
        let gone = |(message, part): (u8, u8)| self.is_delivered(message, part) && !self.has_failed(message, part);
        if facts.owed.iter().any(|part| gone(*part)) { Err(MONEY) } else { Ok(()) }
    }

    /// What is settled as not sent must not go out any more.
    pub(crate) fn is_too_late(request: Request, facts: &Facts) -> bool {
        facts.settled.contains(&(request.message, request.part))
    }
}
