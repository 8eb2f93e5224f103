//! Opening the log: a broker or a stream that would break a promise is refused, with what to do.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use angelia_shared::log::{Access, EventLog, OpenLogError, connect};
use angelia_shared::testing::{TestBroker, free_port, server_binary};
use async_nats::jetstream::{self, stream};

async fn open(broker: &TestBroker, partitions: u16) -> Result<EventLog, OpenLogError> {
    EventLog::open(connect(&broker.access(), "test").await.unwrap(), 1, partitions).await
}

#[tokio::test]
async fn the_stream_keeps_the_partitions_that_it_was_made_with() {
    let mut broker = TestBroker::start().await;
    assert_eq!(open(&broker, 16).await.unwrap().partitions(), 16);
    broker.kill();
    broker.restart().await;
    assert_eq!(open(&broker, 64).await.unwrap().partitions(), 16);
}

#[tokio::test]
async fn two_that_open_a_new_log_at_once_both_do() {
    let broker = TestBroker::start().await;
    let (a, b) = tokio::join!(open(&broker, 64), open(&broker, 64));
    assert_eq!((a.unwrap().partitions(), b.unwrap().partitions()), (64, 64));
}

#[tokio::test]
async fn a_stream_with_a_wrong_setting_is_refused_and_left_as_it_is() {
    let broker = TestBroker::start().await;
    let made = open(&broker, 64).await.unwrap().jetstream().get_stream("ANGELIA_EVENTS").await.unwrap();
    let right = made.cached_info().config.clone();
    type Spoil = fn(&mut stream::Config);
    let spoils: [(&str, Spoil); 6] = [
        ("deny_purge", |config| config.deny_purge = false),
        ("max_age", |config| config.max_age = Duration::from_secs(3_600)),
        ("max_bytes", |config| config.max_bytes = 1_000_000),
        ("subjects", |config| config.subjects.push("other.>".to_owned())),
        ("allow_atomic", |config| config.allow_atomic_publish = false),
        ("angelia.partitions", |config| config.metadata.clear()),
    ];
    for (name, spoil) in spoils {
        let js = jetstream::new(connect(&broker.access(), "test").await.unwrap());
        js.delete_stream("ANGELIA_EVENTS").await.unwrap();
        let mut config = right.clone();
        spoil(&mut config);
        // The server removes a stream's files after it has answered, and makes none of that name before.
        while js.create_stream(config.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let Err(OpenLogError::WrongSetting { setting, .. }) = open(&broker, 64).await else { panic!("{name}") };
        assert_eq!(setting, name);
        let kept = js.get_stream("ANGELIA_EVENTS").await.unwrap().cached_info().config.clone();
        assert_eq!((kept.max_age, kept.max_bytes), (config.max_age, config.max_bytes));
    }
    let error = open(&broker, 64).await.err().unwrap();
    assert!(error.to_string().contains("nats stream edit"), "it says what to do: {error}");
}

/// A server of its own; dropping it kills it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

#[tokio::test]
async fn a_broker_without_jetstream_is_refused() {
    let port = free_port();
    let arguments = ["-a", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned);
    let started = Command::new(server_binary()).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _server = Server(started.unwrap());
    let access = Access { url: format!("nats://127.0.0.1:{port}"), user: None, password: None };
    let client = loop {
        match connect(&access, "test").await {
            Ok(client) => break client,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let error = EventLog::open(client, 1, 64).await.err().unwrap();
    assert!(matches!(error, OpenLogError::NoJetStream(_)), "{error:?}");
    assert!(error.to_string().contains("-js"), "it says what to do: {error}");
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_an_error() {
    let access = Access { url: format!("nats://127.0.0.1:{}", free_port()), user: None, password: None };
    let error = connect(&access, "test").await.err().unwrap();
    assert!(error.to_string().starts_with("cannot connect to the broker at nats://127.0.0.1"), "{error}");
}
