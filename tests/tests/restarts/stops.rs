//! Stops that were asked for: nothing is unknown afterwards.

use angelia_tests::installation::Setup;
use angelia_tests::process;
use nix::sys::signal::Signal;

use crate::Work;

#[tokio::test]
async fn a_stop_by_sigterm_in_the_middle_leaves_nothing_unknown() {
    let mut installation = Setup::new().start().await;
    let Work { tenant, accounts, queues } = Work::begin(&installation, 6).await;
    let (away, broker) = (tenant.leave(), installation.broker_pid());
    let status = installation.stop(Signal::SIGTERM).await;
    assert!(status.success(), "a stop that was asked for is no failure: {status}");
    assert!(!process::runs(broker, "nats-server"), "the broker stops with the program");
    installation.start().await;
    Work { tenant: away.back(&installation), accounts, queues }.ends_well(0).await;
}

#[tokio::test]
async fn ctrl_c_stops_cleanly_too() {
    let mut installation = Setup::new().start().await;
    let broker = installation.broker_pid();
    let status = installation.stop(Signal::SIGINT).await;
    assert!(status.success(), "{status}");
    assert!(!process::runs(broker, "nats-server"));
}
