//! Who is alive, as others see it, while processes and the broker come and go.

use std::time::Duration;

use angelia_shared::ids::MemberId;
use angelia_shared::log::EventLog;
use angelia_shared::members::{BUCKET, Members, MembersError, MembersView, Membership, Roster, Service};
use angelia_shared::testing::TestBroker;
use async_nats::jetstream::kv;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::proxy::{Proxy, Weather};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Long enough for a slow machine to renew in time, short enough to wait for.
const TTL: Duration = Duration::from_secs(2);
/// No key expires within a test.
const FOR_EVER: Duration = Duration::from_secs(600);

const LEDGER: MemberId = MemberId(1);
const LANE: MemberId = MemberId(2);

/// A process among the members.
struct Process {
    membership: Membership,
    renewing: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Process {
    async fn start(log: &EventLog, ttl: Duration, service: Service, id: MemberId) -> Self {
        let members = Members::open_with_ttl(log, 1, ttl).await.unwrap();
        let shutdown = CancellationToken::new();
        let (membership, renewing) = Membership::join(&members, service, id, shutdown.clone()).await.unwrap();
        Self { membership, renewing, shutdown }
    }

    async fn ledger(log: &EventLog, ttl: Duration) -> (Self, MembersView) {
        let process = Self::start(log, ttl, Service::Ledger, LEDGER).await;
        let (view, _task) = MembersView::start(&process.membership, process.shutdown.clone());
        timeout(PATIENCE, view.complete()).await.expect("the view becomes complete");
        (process, view)
    }

    async fn lane(log: &EventLog, ttl: Duration) -> Self {
        Self::start(log, ttl, Service::Ingress, LANE).await
    }
}

fn lane_lives(roster: &Roster) -> bool {
    roster.is_alive(Service::Ingress, LANE)
}

fn both_live(roster: &Roster) -> bool {
    lane_lives(roster) && roster.is_alive(Service::Ledger, LEDGER)
}

/// Waits for a roster that is as it should be.
async fn until(view: &MembersView, what: &str, wanted: impl FnMut(&Roster) -> bool) {
    let mut rosters = view.subscribe();
    let found = timeout(PATIENCE, rosters.wait_for(wanted)).await;
    assert!(found.is_ok(), "{what} is awaited in vain");
}

/// Looks at every roster until one is as it should be; all before it must be as they must.
async fn until_always(
    rosters: &mut watch::Receiver<Roster>,
    always: impl Fn(&Roster) -> bool,
    wanted: impl Fn(&Roster) -> bool,
) {
    timeout(PATIENCE, async {
        loop {
            {
                let roster = rosters.borrow_and_update();
                assert!(always(&roster), "{roster:?}");
                if wanted(&roster) {
                    return;
                }
            }
            rosters.changed().await.unwrap();
        }
    })
    .await
    .expect("it is awaited in vain");
}

#[tokio::test]
async fn a_member_that_is_about_to_go_says_so_and_lives_on() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    // So long that only what is told at once can be seen.
    let (_ledger, view) = Process::ledger(&log, FOR_EVER).await;
    let lane = Process::lane(&broker.log().await, FOR_EVER).await;
    until(&view, "the lane", both_live).await;
    lane.membership.announce_leaving();
    let leaving = |roster: &Roster| roster.of(Service::Ingress).any(|member| member.leaving);
    until(&view, "its word", leaving).await;
    assert!(lane_lives(&view.read()) && lane.membership.is_fresh());
    lane.shutdown.cancel();
    until(&view, "its end", |roster| !lane_lives(roster)).await;
}

#[tokio::test]
async fn whoever_keeps_a_roster_keeps_nobody_from_changing_it() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let (_ledger, view) = Process::ledger(&log, FOR_EVER).await;
    let kept = view.read();
    let lane = Process::lane(&broker.log().await, FOR_EVER).await;
    until(&view, "the lane", both_live).await;
    assert!(!lane_lives(&kept) && lane_lives(&view.read()), "what is kept is of its time");
    lane.shutdown.cancel();
    until(&view, "its end", |roster| !lane_lives(roster)).await;
}

#[tokio::test]
async fn a_member_that_stops_renewing_disappears_and_others_stay() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let (ledger, view) = Process::ledger(&log, TTL).await;
    let lane = Process::lane(&broker.log().await, TTL).await;
    until(&view, "the lane", both_live).await;
    assert_eq!(view.read().of(Service::Ingress).collect::<Vec<_>>(), [lane.membership.member()]);
    // Longer than a TTL: it is the renewals that keep it.
    let renewed = view.unbroken_for().unwrap();
    until_unbroken(&view, renewed + TTL * 2).await;
    assert!(both_live(&view.read()));
    lane.renewing.abort();
    until(&view, "its end", |roster| !lane_lives(roster)).await;
    assert!(view.read().is_alive(Service::Ledger, LEDGER) && ledger.membership.is_fresh());
    assert_eq!(view.read().interruptions(), 0, "its end is no interruption");
    assert!(
        timeout(PATIENCE, async {
            while lane.membership.is_fresh() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .is_ok()
    );
}

/// Waits until the view has been unbroken for so long.
async fn until_unbroken(view: &MembersView, long: Duration) {
    timeout(PATIENCE, async {
        while view.unbroken_for().is_none_or(|unbroken| unbroken < long) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the view stays unbroken for so long");
}

#[tokio::test]
async fn a_member_that_stops_takes_its_key_away_at_once() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let (_ledger, view) = Process::ledger(&log, FOR_EVER).await;
    let lane = Process::lane(&log, FOR_EVER).await;
    until(&view, "the lane", both_live).await;
    lane.shutdown.cancel();
    lane.renewing.await.unwrap();
    until(&view, "its end", |roster| !lane_lives(roster)).await;
    assert_eq!(view.read().interruptions(), 0);
}

#[tokio::test]
async fn a_broker_that_is_killed_takes_no_living_member_with_it() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    let (ledger, view) = Process::ledger(&log, TTL).await;
    let lane = Process::lane(&broker.log().await, TTL).await;
    let dead = Process::start(&log, TTL, Service::Dispatcher, LANE).await;
    until(&view, "all", |roster| both_live(roster) && roster.is_alive(Service::Dispatcher, LANE)).await;
    let before = view.read().since().unwrap();
    let mut rosters = view.subscribe();
    broker.kill();
    dead.renewing.abort();
    until_always(&mut rosters, both_live, |roster| roster.since().is_none()).await;
    assert!(view.unbroken_for().is_none());
    broker.restart().await;
    until_always(&mut rosters, both_live, |roster| roster.since().is_some_and(|since| since > before)).await;
    assert!(view.read().interruptions() > 0);
    // Who did not come back is found out, and only it.
    until_always(&mut rosters, both_live, |roster| !roster.is_alive(Service::Dispatcher, LANE)).await;
    until_unbroken(&view, TTL * 2).await;
    assert!(both_live(&view.read()) && ledger.membership.is_fresh() && lane.membership.is_fresh());
}

#[tokio::test]
async fn a_connection_that_is_lost_interrupts_the_view_and_empties_nothing() {
    let broker = TestBroker::start().await;
    let proxy = Proxy::start(&broker).await;
    let (_ledger, view) = Process::ledger(&proxy.log().await, TTL).await;
    let _lane = Process::lane(&broker.log().await, TTL).await;
    until(&view, "the lane", both_live).await;
    let before = view.read().since().unwrap();
    let mut rosters = view.subscribe();
    proxy.cut();
    until_always(&mut rosters, both_live, |roster| roster.since().is_some_and(|since| since > before)).await;
    assert!(view.read().interruptions() > 0);
    until_unbroken(&view, TTL * 2).await;
    assert!(both_live(&view.read()));
}

#[tokio::test]
async fn silence_is_not_taken_for_peace() {
    let broker = TestBroker::start().await;
    let proxy = Proxy::start(&broker).await;
    let (ledger, view) = Process::ledger(&proxy.log().await, TTL).await;
    let _lane = Process::lane(&broker.log().await, TTL).await;
    until(&view, "the lane", both_live).await;
    let mut rosters = view.subscribe();
    proxy.set(Weather::AnswersLost);
    until_always(&mut rosters, both_live, |roster| roster.since().is_none()).await;
    assert!(view.unbroken_for().is_none());
    timeout(PATIENCE, ledger.membership.until_stale()).await.expect("who is cut off knows it by itself");
    assert!(!ledger.membership.is_fresh());
    assert!(both_live(&view.read()));
    proxy.set(Weather::Clear);
    proxy.cut();
    until_always(&mut rosters, both_live, |roster| roster.since().is_some()).await;
    until_unbroken(&view, TTL * 2).await;
    assert!(both_live(&view.read()));
}

#[tokio::test]
async fn who_sees_its_own_key_expire_believes_no_other_end() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let (ledger, view) = Process::ledger(&log, TTL).await;
    let lane = Process::lane(&log, TTL).await;
    until(&view, "the lane", both_live).await;
    let mut rosters = view.subscribe();
    // As when a cluster has no majority for a while: nobody's renewals are stored, and the watch stands.
    ledger.renewing.abort();
    lane.renewing.abort();
    until_always(&mut rosters, lane_lives, |roster| roster.interruptions() > 0).await;
    assert!(view.unbroken_for().is_none());
    let again = Process::lane(&log, TTL).await;
    until(&view, "the lane", |roster| roster.of(Service::Ingress).eq([again.membership.member()])).await;
}

#[tokio::test]
async fn a_bucket_that_would_keep_the_dead_is_refused() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let config = kv::Config { bucket: BUCKET.to_owned(), history: 1, ..Default::default() };
    log.jetstream().create_key_value(config).await.unwrap();
    let refused = Members::open(&log, 1).await.err().unwrap();
    assert!(matches!(refused, MembersError::WrongSetting { setting: "max_age", .. }), "{refused:?}");
}

#[tokio::test]
async fn all_who_open_the_bucket_agree_on_the_time() {
    let broker = TestBroker::start().await;
    let (one, other) = (broker.log().await, broker.log().await);
    let opened = tokio::join!(Members::open_with_ttl(&one, 1, TTL), Members::open_with_ttl(&other, 1, TTL));
    assert_eq!((opened.0.unwrap().ttl(), opened.1.unwrap().ttl()), (TTL, TTL));
    assert_eq!(Members::open(&one, 1).await.unwrap().ttl(), TTL, "the bucket's, not one's own");
}
