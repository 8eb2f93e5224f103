//! A dispatcher whose place among the members is in doubt, while the log is there as ever.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::harness::checker::exactly_once;
use crate::harness::{LATER, Message, SOMEBODY, World, eventually};

/// At 50 ms each, longer than any lease.
const MESSAGES: usize = 400;

/// Lets the broker refuse every renewal, or no more.
async fn renewals_are_refused(world: &World, refused: bool) {
    let jetstream = world.log.jetstream();
    let bucket = jetstream.get_stream("KV_MEMBERS").await.expect("the members' bucket is there");
    let mut config = bucket.cached_info().config.clone();
    config.max_message_size = if refused { 1 } else { -1 };
    jetstream.update_stream(config).await.expect("the bucket can be changed");
}

/// Waits for a renewal; the lease has its whole time then.
async fn a_renewal_comes(world: &World) {
    let renewals = async || {
        let mut bucket = world.log.jetstream().get_stream("KV_MEMBERS").await.expect("the members' bucket is there");
        bucket.info().await.expect("the broker answers").state.last_sequence
    };
    let before = renewals().await;
    while renewals().await == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_may_be_taken_for_dead_begins_no_attempt_and_goes_on_once_it_is_sure() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|_| {}).await;
    let messages = world.accept_texts(&account, MESSAGES).await;
    world.chronicle.until("some are sent", |log| log.sent() >= 3).await;

    renewals_are_refused(&world, true).await;
    let began = |log: &crate::harness::Log| log.count("AttemptStarted");
    eventually("it begins nothing any more", LATER, async || {
        let before = began(&world.chronicle.now());
        tokio::time::sleep(Duration::from_secs(3)).await;
        let after = began(&world.chronicle.now());
        if before == after { Ok(()) } else { Err(format!("{} more", after - before)) }
    })
    .await;
    assert!(began(&world.chronicle.now()) < MESSAGES, "most still wait");

    renewals_are_refused(&world, false).await;
    let (log, journal) = world.all_over(&messages).await;
    assert_eq!(log.count("PartitionClaimed"), 4, "nobody else wanted its partitions");
    exactly_once(&log, &journal, &[(account, messages)], 0);
}

/// A port whose queue of connections is full: one more must wait until somebody is let in.
struct FullHouse {
    listener: TcpListener,
    waiting: usize,
    _guests: Vec<TcpStream>,
}

impl FullHouse {
    async fn open() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket can be had");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port is free");
        let listener = socket.listen(0).expect("it listens");
        let address = listener.local_addr().expect("it is bound");
        let mut guests = Vec::new();
        // The system lets one or two more in than it was told.
        while let Ok(guest) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            guests.push(guest.expect("a guest comes in"));
        }
        Self { listener, waiting: guests.len(), _guests: guests }
    }

    fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().expect("it is bound"))
    }

    /// Lets everybody in, and gives what the one behind them has said before it went away.
    async fn let_in(self) -> Vec<u8> {
        for _ in 0..self.waiting {
            self.listener.accept().await.expect("a guest waits");
        }
        let (mut last, _) =
            tokio::time::timeout(LATER, self.listener.accept()).await.expect("one more").expect("comes in");
        let mut said = Vec::new();
        tokio::time::timeout(LATER, last.read_to_end(&mut said)).await.expect("it goes away").expect("is heard");
        said
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_lease_ends_while_it_connects_writes_nothing() {
    let world = World::start().await;
    let house = FullHouse::open().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.cloud().base_url = house.url()).await;
    world.ready().await;

    // The lease ends 5 s from here. Whoever connects knocks again after 3 s, whichever way the system waits.
    a_renewal_comes(&world).await;
    renewals_are_refused(&world, true).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let message = world.accept(&account, Message::text(SOMEBODY, "too late")).await;
    world.chronicle.until("the attempt begins", |log| log.starts(message).len() == 1).await;
    tokio::time::sleep(Duration::from_millis(2_700)).await;

    assert_eq!(String::from_utf8_lossy(&house.let_in().await), "", "it was connected, and its lease was over");

    renewals_are_refused(&world, false).await;
    world.chronicle.until("the attempt ends", |log| log.outcomes(message).first() == Some(&"not started")).await;
}
