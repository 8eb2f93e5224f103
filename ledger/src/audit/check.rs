//! Verifies a log while it is read, and holds a live ledger against a replay.

use angelia_shared::ids::Position;
use angelia_shared::log::EventLog;
use angelia_shared::query::{self, AskDigest, AskError, DigestView};

use super::read::{Progress, ReadLogError, Reading};
use super::verify::{Finding, Verified, Verifier, missing};
use crate::shell::replay::{ReplayError, Until, rebuild};

/// How often a ledger that is behind is asked, about a minute in all: one that has just started catches up meanwhile.
const LIVE_TRIES: u32 = 30;

/// What a check of a log came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What was checked, up to the finding if there is one.
    pub verified: Verified,
    /// The first event that breaks an invariant.
    pub finding: Option<Finding>,
}

/// An audit cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log cannot be read.
    #[error("cannot read the log")]
    Read(#[from] ReadLogError),
    /// The log cannot be replayed.
    #[error("cannot replay the log")]
    Replay(#[from] ReplayError),
    /// No ledger answers.
    #[error("the running ledger does not say what it has")]
    Ask(#[source] AskError),
    /// The work was cut off: a bug, or the end of the program.
    #[error("the audit was cut off")]
    CutOff,
}

/// Checks every record that is in the log now. `tell` is told how far it is, after every piece.
///
/// # Errors
/// [`AuditError`] when it cannot be read. A log that breaks an invariant is a [`Verdict`].
pub async fn verify(log: &EventLog, tell: impl FnMut(Progress) + Send + 'static) -> Result<Verdict, AuditError> {
    let end = log.last_sequence().await.map_err(ReadLogError::End)?;
    verify_until(log, end, tell).await
}

/// Checks every record up to `end`, and the rest of its batch.
///
/// # Errors
/// As [`verify`].
pub async fn verify_until(
    log: &EventLog,
    end: u64,
    tell: impl FnMut(Progress) + Send + 'static,
) -> Result<Verdict, AuditError> {
    let reading = Reading::until(log, "verify", end);
    let worked = tokio::task::spawn_blocking(move || work(reading, tell)).await;
    let (verifier, finding, reading) = worked.map_err(|_| AuditError::CutOff)?;
    if finding.is_some() {
        return Ok(Verdict { verified: verifier.so_far(), finding });
    }
    let last = verifier.last();
    match reading.finish().await {
        Ok(()) => {}
        Err(ReadLogError::Missing { from, to }) => {
            return Ok(Verdict { verified: verifier.so_far(), finding: Some(missing(from, to)) });
        }
        // The log's state tells of more than it gives out. A broker that is away is no finding.
        Err(ReadLogError::Silent { .. }) if log.is_connected() => {
            return Ok(Verdict { verified: verifier.so_far(), finding: Some(missing(last + 1, end)) });
        }
        Err(error) => return Err(error.into()),
    }
    let so_far = verifier.so_far();
    Ok(match verifier.finish() {
        Ok(verified) => Verdict { verified, finding: None },
        Err(finding) => Verdict { verified: so_far, finding: Some(finding) },
    })
}

fn work(mut reading: Reading, mut tell: impl FnMut(Progress)) -> (Verifier, Option<Finding>, Reading) {
    let mut verifier = Verifier::default();
    while let Some(piece) = reading.blocking_next() {
        for record in &piece {
            if let Err(finding) = verifier.record(record) {
                return (verifier, Some(finding), reading);
            }
        }
        tell(Progress { done: verifier.last(), of: reading.end() });
    }
    (verifier, None, reading)
}

/// A running ledger beside a replay of the log to the same position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Where both are.
    pub seq: u64,
    /// What the ledger says.
    pub live: DigestView,
    /// What the log gives.
    pub replayed: DigestView,
}

impl Compared {
    /// What breaks LG-1, if anything does.
    pub fn finding(&self) -> Option<Finding> {
        let Self { seq, live, replayed } = self;
        (live != replayed).then(|| Finding {
            invariant: "LG-1",
            at: Position::new(*seq, 0),
            what: format!(
                "the running ledger has state {} over log {} with {} contradictions, a replay state {} over log {} with {}",
                live.state, live.log, live.contradictions, replayed.state, replayed.log, replayed.contradictions
            ),
        })
    }
}

/// Asks the running ledger, and again while it is behind: it waits a while itself each time.
async fn ask_live(log: &EventLog, at_least: u64) -> Result<(DigestView, u64), AskError> {
    let mut tries = 1;
    loop {
        match query::ask(log.client(), AskDigest {}, at_least).await {
            Err(AskError::Behind { .. }) if tries < LIVE_TRIES => tries += 1,
            answered => return answered,
        }
    }
}

/// Compares the running ledger, once it has reached `at_least`, with a replay to where it is.
///
/// # Errors
/// [`AuditError::Ask`] when no ledger runs.
pub async fn compare_live(
    log: &EventLog,
    at_least: u64,
    tell: impl FnMut(Progress) + Send + 'static,
) -> Result<Compared, AuditError> {
    let (live, seq) = ask_live(log, at_least).await.map_err(AuditError::Ask)?;
    let rebuilt = rebuild(log, Until { end: seq, ..Until::default() }, tell).await?;
    let replayed = rebuilt.digest()?;
    let contradictions = rebuilt.projection.head.counts.contradictions;
    let replayed = DigestView { log: replayed.log_digest, state: replayed.state_digest, contradictions };
    Ok(Compared { seq, live, replayed })
}

#[cfg(test)]
mod tests {
    use angelia_shared::event::Digest;

    use super::*;

    #[test]
    fn a_live_ledger_that_is_not_what_the_log_gives_breaks_lg_1() {
        let view = DigestView { log: Digest([1; 32]), state: Digest([2; 32]), contradictions: 0 };
        let found = |live| Compared { seq: 9, live, replayed: view }.finding().map(|found| (found.invariant, found.at));
        assert_eq!(found(view), None);
        for live in [
            DigestView { log: Digest([3; 32]), ..view },
            DigestView { state: Digest([3; 32]), ..view },
            DigestView { contradictions: 1, ..view },
        ] {
            assert_eq!(found(live), Some(("LG-1", Position::new(9, 0))));
        }
    }
}
