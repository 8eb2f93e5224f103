//! This ledger's place among the members, and its view of the others.

use std::time::Duration;

use angelia_shared::ids::MemberId;
use angelia_shared::log::EventLog;
use angelia_shared::members::{Members, MembersError, MembersView, Membership, Service};
use angelia_shared::telemetry::chain;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Pause before joining is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// A view of the members, with the tasks behind it.
pub(crate) struct Joined {
    pub(crate) view: MembersView,
    pub(crate) renewing: JoinHandle<()>,
    pub(crate) watching: JoinHandle<()>,
}

/// Joins the members, waiting while the broker is away; `None` when told to stop meanwhile.
///
/// # Errors
/// [`MembersError::WrongSetting`], which waiting does not mend.
pub(crate) async fn join(
    log: &EventLog,
    member: MemberId,
    stop: &CancellationToken,
) -> Result<Option<Joined>, MembersError> {
    loop {
        let joining = async {
            let members = Members::open(log, log.replicas()).await?;
            Membership::join(&members, Service::Ledger, member, stop.clone()).await
        };
        tokio::select! {
            joined = joining => match joined {
                Ok((own, renewing)) => {
                    let (view, watching) = MembersView::start(&own, stop.clone());
                    return Ok(Some(Joined { view, renewing, watching }));
                }
                Err(error @ MembersError::WrongSetting { .. }) => return Err(error),
                Err(error) => warn!(error = %chain(&error), "the ledger cannot join the members yet"),
            },
            () = stop.cancelled() => return Ok(None),
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}
