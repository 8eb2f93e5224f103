//! What everybody else appends: the ledger, decided by its own real rules on any prefix of the log, and the dispatcher.
//!
//! Their batches are sealed by one writer that never errs, stored at once or not at all: that a batch of theirs can be
//! late changes nothing, since a ledger may decide on any earlier prefix. What a writer does about lost answers is shown by
//! the lanes.

use angelia_ledger::domain::dead_lanes;
use angelia_ledger::domain::refund::Refund;
use angelia_shared::event::Event;
use angelia_shared::ids::{MessageId, WriterId};
use angelia_shared::log::Group;

use super::forms;
use super::log::{LogId, Stage};
use super::machine::{Action, LEDGER_RETURNED, Machine, REFUNDED, SETTLED_LATE, State};

/// The writer of everybody but the lanes.
pub(crate) const SERVICES: WriterId = WriterId(90);

impl Machine {
    /// Stores a group at once, if its guards hold; says whether they did.
    fn append(&mut self, state: &mut State, group: &Group) -> bool {
        let tip = self.logs.facts(state.log).tip(SERVICES);
        let form = self.forms.sealed(group, tip);
        let admitted = self.logs.admits(state.log, form, &self.forms, self.rules);
        if admitted {
            state.log = self.logs.append(state.log, form, &self.forms);
        }
        admitted
    }

    /// What ledgers may do that have read the log up to any point.
    pub(crate) fn ledgers_act(&mut self, state: &State, actions: &mut Vec<Action>) {
        let facts = self.logs.facts(state.log).clone();
        if state.budget.fences > 0 && self.rules.fence {
            actions.extend(facts.due.lost.iter().map(|lost| Action::Fences { writer: lost.writer }));
        }
        if state.budget.settlements > 0 {
            let unknown = facts.messages.iter().filter(|(_, message)| message.stage != Stage::Queued);
            actions.extend(unknown.map(|(message, _)| Action::Settles { message: *message }));
        }
        let prefixes: Vec<LogId> = self.logs.prefixes(state.log).map(|(log, _)| log).collect();
        for projected in prefixes {
            let head = self.logs.facts(projected).wallet.head();
            if self.rules.wallet_guard && self.rules.projected_head && head != facts.wallet.head() {
                // It would not be stored, nor would what an earlier prefix shows.
                break;
            }
            for seen in self.seen_as(state.log, projected) {
                let due = &self.logs.facts(seen).due;
                let returns = !due.returns.is_empty();
                let refunds = !due.refunds.is_empty();
                actions.extend(returns.then_some(Action::Returns { seen }));
                actions.extend(refunds.then_some(Action::Refunds { seen }));
            }
        }
    }

    /// What a ledger that has read `projected` takes for the log: that, by the rules. Without one of them it takes for
    /// folded what is not: a fence that is not there or that it has not come to, a settlement that it has just sent.
    fn seen_as(&mut self, log: LogId, projected: LogId) -> Vec<LogId> {
        let mut seen = vec![projected];
        let (now, then) = (self.logs.facts(log).clone(), self.logs.facts(projected).clone());
        for lost in &then.due.lost {
            if !self.rules.fence || !self.rules.return_after_fence && now.fenced.contains(&lost.writer) {
                let fence = self.forms.fence(lost.writer, Some(lost.head));
                seen.push(self.logs.append(projected, fence, &self.forms));
            }
        }
        for overdue in then.due.overdue.iter().filter(|_| !self.rules.projected_refund) {
            let form = self.forms.sealed(&forms::settlement(overdue.message), then.tip(SERVICES));
            seen.push(self.logs.append(projected, form, &self.forms));
        }
        seen
    }

    pub(crate) fn fences(&mut self, state: &mut State, writer: WriterId) {
        let head = self.logs.facts(state.log).last_own(writer).map(|(seq, _)| seq);
        let fence = self.forms.fence(writer, head);
        state.budget.fences -= 1;
        state.log = self.logs.append(state.log, fence, &self.forms);
    }

    pub(crate) fn returns(&mut self, state: &mut State, seen: LogId) {
        let due = self.logs.facts(seen).due.clone();
        let dead_lanes::Return { head, event, .. } = due.returns[0].clone();
        let (mut head, mut event) = (head, event);
        if !self.rules.projected_head {
            let facts = self.logs.facts(state.log);
            head = facts.wallet.head();
            event.totals = facts.totals.returning(event.credits).expect("a small sum");
        }
        if self.append(state, &forms::of_the_wallet(&Event::CreditsReturned(event), head)) {
            self.happened.insert(LEDGER_RETURNED);
        }
    }

    pub(crate) fn refunds(&mut self, state: &mut State, seen: LogId) {
        let due = self.logs.facts(seen).due.clone();
        let Refund { head, event, .. } = due.refunds[0].clone();
        let (mut head, mut event) = (head, event);
        if !self.rules.projected_head {
            let facts = self.logs.facts(state.log);
            head = facts.wallet.head();
            event.totals = facts.totals.refunding(event.credits).expect("a small sum");
        }
        if self.append(state, &forms::of_the_wallet(&Event::CreditsRefunded(event), head)) {
            self.happened.insert(REFUNDED);
        }
    }

    /// A ledger that had read the log up to when the outcome was unknown settles it.
    pub(crate) fn settles(&mut self, state: &mut State, message: MessageId) {
        let was_overdue = |log: LogId, machine: &Self| {
            machine.logs.facts(log).due.overdue.iter().any(|overdue| overdue.message == message)
        };
        let ever = self.logs.prefixes(state.log).any(|(log, _)| was_overdue(log, self));
        if ever {
            if self.logs.facts(state.log).messages[&message].stage == Stage::Delivered {
                self.happened.insert(SETTLED_LATE);
            }
            state.budget.settlements -= 1;
            self.append(state, &forms::settlement(message));
        }
    }

    /// What the dispatcher may do: try a message, once, and report its delivery.
    pub(crate) fn dispatcher_acts(&self, state: &State, actions: &mut Vec<Action>) {
        for (message, sending) in &self.logs.facts(state.log).messages {
            let message = *message;
            if sending.stage == Stage::Queued {
                actions.extend((state.budget.unknowns > 0).then_some(Action::Attempts { message, fails: false }));
                actions.extend((state.budget.failures > 0).then_some(Action::Attempts { message, fails: true }));
            } else if sending.was_unknown && state.budget.reports > 0 {
                actions.push(Action::Reports { message });
            }
        }
    }

    pub(crate) fn attempts(&mut self, state: &mut State, message: MessageId, fails: bool) {
        let budget = &mut state.budget;
        *(if fails { &mut budget.failures } else { &mut budget.unknowns }) -= 1;
        let sending = self.logs.facts(state.log).messages[&message];
        self.append(state, &forms::attempt(message, sending.accepted, sending.price, fails));
    }

    pub(crate) fn reports(&mut self, state: &mut State, message: MessageId) {
        state.budget.reports -= 1;
        self.append(state, &forms::delivered(message));
    }
}
