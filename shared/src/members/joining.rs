//! A process's place among the members, and its view of the others.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Members, MembersError, MembersView, Membership, Service};
use crate::ids::MemberId;
use crate::log::EventLog;
use crate::telemetry::chain;

/// Pause before joining is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// A place among the members and a view of them, with the tasks behind both.
pub struct Joined {
    /// One's own place.
    pub own: Membership,
    /// Everybody.
    pub view: MembersView,
    /// Renews the key until told to stop; takes it away then.
    pub renewing: JoinHandle<()>,
    /// Follows the others until told to stop.
    pub watching: JoinHandle<()>,
}

/// Joins the members, waiting while the broker is away; `None` when told to stop meanwhile.
///
/// # Errors
/// [`MembersError::WrongSetting`], which waiting does not mend.
pub async fn join(
    log: &EventLog,
    service: Service,
    member: MemberId,
    stop: &CancellationToken,
) -> Result<Option<Joined>, MembersError> {
    loop {
        let joining = async {
            let members = Members::open(log, log.replicas()).await?;
            Membership::join(&members, service, member, stop.clone()).await
        };
        tokio::select! {
            joined = joining => match joined {
                Ok((own, renewing)) => {
                    let (view, watching) = MembersView::start(&own, stop.clone());
                    return Ok(Some(Joined { own, view, renewing, watching }));
                }
                Err(error @ MembersError::WrongSetting { .. }) => return Err(error),
                Err(error) => warn!(?service, error = %chain(&error), "cannot join the members yet"),
            },
            () = stop.cancelled() => return Ok(None),
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}
