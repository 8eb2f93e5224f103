//! The newest lines of a statement. The ledger lists the oldest first, so a place in the log is looked for after which few
//! are left.
//!
//! By places and not by times: clocks may be apart, so the ledger looks some minutes further back for a time.

use angelia_shared::ids::{Position, WorkspaceId};
use angelia_shared::query::{self, AskStatement, StatementLine};

use crate::shell::http::Parts;

/// Lines that are wanted.
const WANTED: usize = 50;
/// Lines that one question brings: more than a record of the log has, so that a place with fewer after it can be found.
const READ_AT_ONCE: usize = 200;
/// How many records from the log's end is looked first, and by how much further each time.
const FIRST: u64 = 64;
const FURTHER: u64 = 4;

/// The newest lines, newest first; none when no ledger answers.
pub(super) async fn lines(app: &Parts, workspace: WorkspaceId) -> Option<Vec<StatementLine>> {
    let end = app.log.last_sequence().await.ok()?;
    // Too near to the end, and far enough from it.
    let (mut near, mut far) = (0, FIRST.min(end));
    let mut lines = after(app, workspace, end - far).await?;
    while lines.len() < WANTED && far < end {
        (near, far) = (far, far.saturating_mul(FURTHER).min(end));
        lines = after(app, workspace, end - far).await?;
    }
    // Many lines hide the newest ones: cut the oldest off.
    while lines.len() >= READ_AT_ONCE && far - near > 1 {
        let middle = near + (far - near) / 2;
        let some = after(app, workspace, end - middle).await?;
        if some.len() < WANTED {
            near = middle;
        } else {
            (far, lines) = (middle, some);
        }
    }
    lines.reverse();
    lines.truncate(WANTED);
    Some(lines)
}

/// The first lines after a record.
async fn after(app: &Parts, workspace: WorkspaceId, seq: u64) -> Option<Vec<StatementLine>> {
    let after = Some(Position::new(seq, u16::MAX));
    let ask = AskStatement { workspace, from: None, to: None, after, limit: READ_AT_ONCE as u32 };
    query::ask(app.log.client(), ask, 0).await.ok().map(|(lines, _)| lines)
}
