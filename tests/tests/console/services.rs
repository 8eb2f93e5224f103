//! The installation page of a deployment with several processes of a service.

use angelia_tests::fleet::{Fleet, Size};
use angelia_tests::wait::{LATER, eventually};
use nix::sys::signal::Signal;

use crate::Web;

/// The states of a service's rows: of all of it, then of each process.
fn states(page: &str, service: &str) -> Vec<String> {
    let id = format!("id=\"service-{service}");
    let rows = page.split("<tr ").filter(|row| row.split('>').next().is_some_and(|tag| tag.contains(&id)));
    let state = |row: &str| {
        ["well", "not ready", "does not answer"].into_iter().find(|state| row.contains(&format!(">{state}<")))
    };
    rows.map(|row| state(row).unwrap_or_else(|| panic!("no state in {row}")).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_is_shown_with_how_it_is() {
    let size = Size { ingresses: 1, ledgers: 2, dispatchers: 2, wired: false };
    let mut fleet = Fleet::start(size, &[]).await;
    fleet.is_ready().await;
    let web = Web::signed_in(&fleet.urls[0], fleet.operator_token()).await;
    let page = async || web.get("/console/installation").await.text();
    eventually("both dispatchers and both ledgers are well", LATER, async || {
        let page = page().await;
        let all = [states(&page, "dispatcher"), states(&page, "ledger")].concat();
        if all == ["well"; 6] { Ok(()) } else { Err(format!("{all:?} in {page}")) }
    })
    .await;
    let shown = page().await;
    assert!(shown.contains("64 of 64 shares of the accounts"), "together they have all of them: {shown}");
    assert!(shown.matches(" of 64 shares of the accounts").count() == 3, "{shown}");

    // One that hangs is there, and says nothing.
    let at = fleet.members.iter().rposition(|member| member.name.starts_with("dispatcher")).expect("there are two");
    fleet.members[at].signal(Signal::SIGSTOP);
    let while_it_hangs = page().await;
    fleet.members[at].signal(Signal::SIGCONT);
    let told = states(&while_it_hangs, "dispatcher");
    assert!(told[0] == "not ready" && told.contains(&"does not answer".to_owned()), "{told:?} in {while_it_hangs}");
    assert!(told.contains(&"well".to_owned()) && while_it_hangs.contains("1 of 2 answer"), "{while_it_hangs}");
}
