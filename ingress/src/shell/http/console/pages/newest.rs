//! The newest lines of a statement. The ledger lists the oldest first, so a beginning is looked for from which few are left.

use angelia_shared::ids::{Position, WorkspaceId};
use angelia_shared::query::{self, AskStatement, StatementLine};
use angelia_shared::units::UnixMillis;

use crate::shell::http::Parts;

/// Lines that are wanted.
const WANTED: usize = 50;
/// Lines that one question brings: few, since it takes some questions to find where to begin.
const READ_AT_ONCE: u32 = 200;
/// The first span that is looked at: at full speed it has some hundred lines.
const FIRST_MS: i64 = 16;
/// By how much the next span is longer.
const LONGER: i64 = 4;
/// Pages that are read of a span that cannot be cut: more lines of one millisecond than a page holds.
const PAGES_MAX: usize = 20;

/// The newest lines of the `range_ms` before `now`, newest first; none when no ledger answers.
pub(super) async fn lines(
    app: &Parts,
    workspace: WorkspaceId,
    range_ms: i64,
    now: UnixMillis,
) -> Option<Vec<StatementLine>> {
    let is_full = |lines: &[StatementLine]| lines.len() >= READ_AT_ONCE as usize;
    // Too short a span, and one that is long enough.
    let (mut short, mut long) = (0, FIRST_MS.min(range_ms));
    let mut lines = since(app, workspace, now.0 - long, None).await?;
    while lines.len() < WANTED && long < range_ms {
        (short, long) = (long, long.saturating_mul(LONGER).min(range_ms));
        lines = since(app, workspace, now.0 - long, None).await?;
    }
    // A burst at the span's beginning hides its end: cut it off.
    while is_full(&lines) && long - short > 1 {
        let middle = short + (long - short) / 2;
        let some = since(app, workspace, now.0 - middle, None).await?;
        if some.len() < WANTED {
            short = middle;
        } else {
            (long, lines) = (middle, some);
        }
    }
    for _ in 0..PAGES_MAX {
        let Some(last) = lines.last().filter(|_| lines.len() >= READ_AT_ONCE as usize) else { break };
        let more = since(app, workspace, now.0 - long, Some(last.at_position)).await?;
        let is_last = !is_full(&more);
        lines.extend(more);
        lines.drain(..lines.len().saturating_sub(READ_AT_ONCE as usize));
        if is_last {
            break;
        }
    }
    lines.reverse();
    lines.truncate(WANTED);
    Some(lines)
}

async fn since(app: &Parts, workspace: WorkspaceId, from: i64, after: Option<Position>) -> Option<Vec<StatementLine>> {
    let ask = AskStatement { workspace, from: Some(UnixMillis(from)), to: None, after, limit: READ_AT_ONCE };
    query::ask(app.log.client(), ask, 0).await.ok().map(|(lines, _)| lines)
}
