//! How many files the process may have open, which bounds its connections.
//!
//! Systems start a process with a low limit (often 1,024) that it may raise itself up to another one.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use tracing::{debug, warn};

/// What the process opens beside its callers' connections: the broker, attachments and their connections, the ledger's
/// store, calls to providers.
const OTHERS: u64 = 1_024;
/// What some systems allow at most, although they say that there is no limit.
const MODEST: rlim_t = 10_240;

/// Raises the limit as far as the process may. Gives the limit that is then in force.
pub(crate) fn raise() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() && soft < MODEST {
        setrlimit(Resource::RLIMIT_NOFILE, MODEST.min(hard), hard)?;
    }
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

/// How many connections do not fit under `limit`.
fn missing(limit: u64, connections_max: usize) -> u64 {
    (connections_max as u64).saturating_add(OTHERS).saturating_sub(limit)
}

/// Raises the limit, and warns when `connections_max` cannot be reached with it.
pub(crate) fn make_room_for(connections_max: usize) {
    match raise() {
        Ok(limit) if missing(limit, connections_max) > 0 => warn!(
            files.limit = limit,
            connections.max = connections_max,
            files.others = OTHERS,
            "connections_max cannot be reached: raise the limit of open files (ulimit -n, LimitNOFILE) or lower the setting"
        ),
        Ok(limit) => debug!(files.limit = limit, "there is room for every connection"),
        Err(error) => warn!(error = %error, "the limit of open files cannot be raised"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
        let raised = raise().expect("up to the hard limit it may be raised");
        assert!(raised == hard || raised >= MODEST, "{raised} of {hard}");
        assert_eq!(raise(), Ok(raised), "a second time changes nothing");
    }

    #[test]
    fn what_does_not_fit_is_told() {
        assert_eq!(missing(10_240, 8_192), 0);
        assert_eq!(missing(9_216, 8_192), 0);
        assert_eq!(missing(9_215, 8_192), 1);
        assert_eq!(missing(1_024, usize::MAX), u64::MAX - 1_024);
    }
}
