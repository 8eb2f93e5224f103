//! Holds what callers wrote down against the log: each was told the truth, and nobody paid for what nobody asked for.
//!
//! Shape: ([`Report`], [`Call`]s, [`Grant`]s) -> the first rule that was broken. A call is found in the log by the trace of
//! its `traceparent`, which each try has for itself and which the acceptance carries.
//!
//! | rule | says |
//! |---|---|
//! | IN-1 | who was told 200 finds its own message in the log, in its workspace and at its price |
//! | IN-2 | all tries under one key make at most one message, and all that are told 200 are told the same |
//! | asked | a message was asked for by exactly one try, which it belongs to alone; a grant likewise |
//! | refused | what was refused for good is not in the log, and only what may be refused is refused |
//! | sold | who is told that nothing is left was told the truth at some moment of the call |
//!
//! Not here: the rules of the log itself.

use std::collections::{BTreeMap, BTreeSet};

use angelia_shared::event::MessageAccepted;
use angelia_shared::ids::{MessageId, WorkspaceId};
use angelia_shared::units::UnixMillis;

use super::{Break, Report, must};

/// The log's clock and the caller's are the same machine's, but for what rounding takes.
const CLOCKS_DIFFER_MS: i64 = 5;

/// What a try was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// 200.
    Accepted(MessageId),
    /// 402.
    NotEnough,
    /// 503: it may be stored, or not.
    Unavailable,
    /// Another status.
    Refused(u16),
    /// Nothing: the connection broke, or the caller lost its patience.
    Nothing,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Try {
    /// The trace of its `traceparent`, 32 hex digits that no other request has.
    pub trace: String,
    /// When it was begun.
    pub from: UnixMillis,
    /// When it was answered or given up.
    pub to: UnixMillis,
    /// What came back.
    pub told: Told,
}

/// A call: one request, or several under one key.
#[derive(Clone, Debug)]
pub struct Call {
    /// Whose webhook was called.
    pub workspace: WorkspaceId,
    /// What its message costs.
    pub price: u64,
    /// Whether it had an idempotency key, the same in all tries. Without one there is one try.
    pub keyed: bool,
    /// The requests, in order.
    pub tries: Vec<Try>,
}

/// A grant that the operator asked for.
#[derive(Clone, Debug)]
pub struct Grant {
    /// To whom.
    pub workspace: WorkspaceId,
    /// A reason that no other grant has.
    pub reason: String,
    /// Whether it was answered with success.
    pub was_told: bool,
}

/// Holds `calls` and `grants` against the log. They must be all that there were in their workspaces.
///
/// # Errors
/// The rule that was broken, and how.
pub fn check_callers(report: &Report, calls: &[Call], grants: &[Grant]) -> Result<(), Break> {
    let stored = stored_for(report, calls)?;
    for call in calls {
        let own: BTreeSet<MessageId> =
            call.tries.iter().filter_map(|one| stored.get(one.trace.as_str())).copied().collect();
        must("IN-2", own.len() <= 1, || format!("the tries under one key made several messages: {own:?}, {call:?}"))?;
        for one in &call.tries {
            let has_message = stored.contains_key(one.trace.as_str());
            check_try(report, call, one, &own, has_message)?;
        }
    }
    check_grants(report, grants)
}

/// The message of each try, by its trace.
fn stored_for<'a>(report: &'a Report, calls: &'a [Call]) -> Result<BTreeMap<&'a str, MessageId>, Break> {
    let workspaces: BTreeSet<WorkspaceId> = calls.iter().map(|call| call.workspace).collect();
    let asked: BTreeMap<&str, &Call> =
        calls.iter().flat_map(|call| call.tries.iter().map(move |one| (one.trace.as_str(), call))).collect();
    let mut stored = BTreeMap::new();
    for accepted in report.accepted.values().filter(|accepted| workspaces.contains(&accepted.workspace)) {
        let message = accepted.message;
        let trace = trace_of(accepted);
        let call = trace.and_then(|trace| asked.get(trace));
        let Some((trace, call)) = trace.zip(call) else {
            return Err(("asked", format!("nobody asked for message {message}, which was paid for")));
        };
        let twice = stored.insert(trace, message);
        must("asked", twice.is_none(), || format!("one request made two messages: {twice:?} and {message}"))?;
        let fits = (accepted.workspace, accepted.credits.0) == (call.workspace, call.price);
        must("IN-1", fits, || {
            format!("{message} cost {} in {}, but was asked for as {call:?}", accepted.credits, accepted.workspace)
        })?;
    }
    Ok(stored)
}

fn trace_of(accepted: &MessageAccepted) -> Option<&str> {
    accepted.traceparent.as_deref()?.split('-').nth(1)
}

fn check_try(
    report: &Report,
    call: &Call,
    one: &Try,
    own: &BTreeSet<MessageId>,
    has_message: bool,
) -> Result<(), Break> {
    let refused = |status: u16| must("refused", !has_message, || format!("stored and refused with {status}: {call:?}"));
    match one.told {
        Told::Accepted(message) => {
            let rule = if call.keyed { "IN-2" } else { "IN-1" };
            must("IN-1", !own.is_empty(), || format!("told 200 for {message}, but the log has nothing of {call:?}"))?;
            must(rule, own.contains(&message), || {
                format!("told 200 for {message}, but the log has {own:?} of {call:?}")
            })
        }
        Told::NotEnough => {
            refused(402)?;
            let (from, to) = (one.from.0 - CLOCKS_DIFFER_MS, one.to.0 + CLOCKS_DIFFER_MS);
            let book = report.books.get(&call.workspace);
            let least = book.map_or(0, |book| book.least(UnixMillis(from), UnixMillis(to)));
            must("sold", least < i128::from(call.price), || {
                format!("told that credits are missing while {least} were there for {}: {call:?}", call.price)
            })
        }
        Told::Refused(status) => {
            let may = status == 409 && call.keyed;
            must("refused", may, || format!("refused with {status}, for no reason: {call:?}"))?;
            refused(status)
        }
        Told::Unavailable | Told::Nothing => Ok(()),
    }
}

fn check_grants(report: &Report, grants: &[Grant]) -> Result<(), Break> {
    let reasons = |workspace| report.books.get(&workspace).map_or(&[][..], |book| &book.grants[..]);
    for grant in grants {
        let times = reasons(grant.workspace).iter().filter(|reason| **reason == grant.reason).count();
        let fits = times == 1 || (times == 0 && !grant.was_told);
        must("asked", fits, || format!("in the log {times} times: {grant:?}"))?;
    }
    let asked: BTreeSet<(WorkspaceId, &str)> =
        grants.iter().map(|grant| (grant.workspace, grant.reason.as_str())).collect();
    for workspace in asked.iter().map(|(workspace, _)| *workspace).collect::<BTreeSet<_>>() {
        let unasked = reasons(workspace).iter().find(|reason| !asked.contains(&(workspace, reason)));
        must("asked", unasked.is_none(), || format!("a grant that nobody asked for: {unasked:?} in {workspace}"))?;
    }
    Ok(())
}
