//! A wallet over time: its balance at evenly spaced moments of the past, each asked of the ledger once.
//!
//! What was once past does not change any more, so it is kept; a page that is opened again asks for the newest moments only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use angelia_shared::ids::WorkspaceId;
use angelia_shared::query::{self, AskCreditsThen, CreditsThen};
use angelia_shared::units::UnixMillis;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::trouble::Trouble;
use crate::shell::http::Parts;

/// Moments of one plot.
pub(super) const MOMENTS: i64 = 48;
/// Moments asked for at once.
const ASKED_AT_ONCE: usize = 12;
/// How old a moment must be to be kept: what is still on its way into the log has arrived by then.
const SETTLED_MS: u64 = 5_000;
/// Moments kept of all wallets, some 3 MiB; when there are more, all are forgotten.
const KEPT_MAX: usize = 65_536;

/// Moments that were asked for.
#[derive(Default)]
pub(super) struct History {
    kept: Mutex<HashMap<(WorkspaceId, UnixMillis), CreditsThen>>,
}

/// A wallet at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// When.
    pub(super) at: UnixMillis,
    /// What was available.
    pub(super) available: u64,
    /// Consumed in all until then.
    pub(super) consumed: u64,
}

impl History {
    /// The moments of the `range_ms` before `now`, oldest first.
    pub(super) async fn of(
        &self,
        app: &Parts,
        workspace: WorkspaceId,
        created_at: UnixMillis,
        range_ms: i64,
        now: UnixMillis,
    ) -> Result<Vec<Moment>, Trouble> {
        let end = app.log.last_sequence().await.map_err(|_| away())?;
        let times = times(range_ms, now);
        let moments = stream::iter(times).map(|at| self.at(app, workspace, created_at, at, end, now));
        moments.buffered(ASKED_AT_ONCE).try_collect().await
    }

    async fn at(
        &self,
        app: &Parts,
        workspace: WorkspaceId,
        created_at: UnixMillis,
        at: UnixMillis,
        end: u64,
        now: UnixMillis,
    ) -> Result<Moment, Trouble> {
        let moment = |then: CreditsThen| Moment { at, available: then.available.0, consumed: then.consumed.0 };
        if at < created_at {
            return Ok(moment(CreditsThen::default()));
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&(workspace, at)).copied();
        if let Some(kept) = kept {
            return Ok(moment(kept));
        }
        let as_of = if at >= now { end } else { app.log.sequence_at(at, end).await.map_err(|_| away())? };
        let ask = AskCreditsThen { workspace, as_of };
        let (then, _) = query::ask(app.log.client(), ask, as_of).await.map_err(|_| away())?;
        let then = then.ok_or_else(away)?;
        if now.ms_since(at) > SETTLED_MS {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
            kept.insert((workspace, at), then);
        }
        Ok(moment(then))
    }
}

fn away() -> Trouble {
    Trouble::Unavailable("the ledger does not answer".to_owned())
}

/// The moments of a range: on a grid, so that the same ones come again, and the present.
fn times(range_ms: i64, now: UnixMillis) -> Vec<UnixMillis> {
    let step = range_ms / MOMENTS;
    let last = now.0 / step * step;
    let past = (0..=MOMENTS).rev().map(|back| UnixMillis(last - back * step));
    past.chain([now]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_go_up_to_now_and_come_again() {
        let (range, now) = (3_600_000, UnixMillis(1_700_000_012_345));
        let first = times(range, now);
        assert_eq!(first.len(), MOMENTS as usize + 2);
        assert!(first.is_sorted());
        assert_eq!(first.last(), Some(&now));
        let later = times(range, now.plus_ms(1_000));
        assert_eq!(first[..first.len() - 1], later[..later.len() - 1], "nothing new to ask but the present");
    }
}
