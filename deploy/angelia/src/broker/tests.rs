//! The broker against the real program: what a unit of it cannot show.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use async_nats::jetstream;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::*;

impl Broker {
    fn url(&self) -> String {
        self.address.url()
    }

    fn credentials(&self) -> (&str, &str) {
        (Address::USER, &self.address.password)
    }
}

/// Far beyond what anything here takes, on a busy machine too.
const SOON: Duration = Duration::from_secs(30);

/// The program under test: the one that the test script names, else the one that the project's own script installs.
fn nats_server() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            // The script itself looks at the environment.
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nats.sh");
            let output = Command::new(&script).stderr(Stdio::inherit()).output().expect("deploy/nats.sh runs");
            assert!(output.status.success(), "deploy/nats.sh found no nats-server");
            PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim_end())
        })
        .clone()
}

/// Writes a program. Not with a file handle of our own: a child that another test starts at that moment would inherit
/// it, and a program that is open for writing does not run.
fn script(dir: &TempDir, body: &str) -> PathBuf {
    let path = dir.path().join("fake-nats-server");
    let status = Command::new("sh")
        .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$2\" && chmod 755 \"$2\"", "sh", body])
        .arg(&path)
        .status()
        .expect("sh runs");
    assert!(status.success());
    path
}

fn config(data_dir: &DataDir, program: PathBuf) -> BrokerConfig {
    BrokerConfig { data_dir: data_dir.clone(), nats_server: Some(program), ready_within: DEFAULT_READY_WITHIN }
}

struct Place {
    dir: TempDir,
    data_dir: DataDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let data_dir = DataDir::open(&dir.path().join("data")).expect("usable");
        Self { dir, data_dir }
    }

    async fn start(&self) -> Broker {
        Broker::start(config(&self.data_dir, nats_server())).await.expect("starts")
    }

    async fn start_with(&self, program: PathBuf) -> Result<Broker, StartBrokerError> {
        Broker::start(config(&self.data_dir, program)).await
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.data_dir.path().join(name)).expect("readable")
    }

    /// The child's process id. None while the server is writing it.
    fn try_pid(&self) -> Option<i32> {
        fs::read_to_string(self.data_dir.path().join("nats/nats-server.pid")).ok()?.trim().parse().ok()
    }

    fn pid(&self) -> i32 {
        self.try_pid().expect("a number")
    }
}

async fn connect(broker: &Broker) -> jetstream::Context {
    let (user, password) = broker.credentials();
    let options = async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
    let client = timeout(SOON, options.retry_on_initial_connect().connect(broker.url()));
    jetstream::new(client.await.expect("in time").expect("connected"))
}

/// Stores one message in a stream on disk.
async fn store(broker: &Broker) {
    let jetstream = connect(broker).await;
    let config = jetstream::stream::Config { name: "TEST".into(), subjects: vec!["test".into()], ..Default::default() };
    jetstream.create_stream(config).await.expect("created");
    jetstream.publish("test", "kept".into()).await.expect("sent").await.expect("stored");
}

/// Reads it back.
async fn stored(broker: &Broker) -> Vec<u8> {
    let stream = connect(broker).await.get_stream("TEST").await.expect("there");
    stream.get_raw_message(1).await.expect("there").payload.to_vec()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    timeout(SOON, async {
        while !holds() {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{what}: not in time"));
}

fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

/// The error of a start, which is the only thing that may come out.
async fn refused(start: impl Future<Output = Result<Broker, StartBrokerError>>) -> StartBrokerError {
    match start.await {
        Ok(broker) => {
            broker.stop().await;
            panic!("it started");
        }
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_broker_stores_stops_and_is_found_again_at_the_same_place() {
    let place = Place::new();
    let broker = place.start().await;
    store(&broker).await;
    let (url, password) = (broker.url(), broker.credentials().1.to_owned());
    let pid = place.pid();
    broker.stop().await;
    assert!(!is_alive(pid), "stop returns when it has ended");

    let broker = place.start().await;
    assert_eq!((broker.url(), broker.credentials().1), (url, password.as_str()));
    assert_eq!(stored(&broker).await, b"kept");
    broker.stop().await;
}

#[tokio::test]
async fn the_child_has_a_process_group_of_its_own() {
    let place = Place::new();
    let broker = place.start().await;
    let pid = place.pid();
    let group = nix::unistd::getpgid(Some(Pid::from_raw(pid))).expect("it runs");
    broker.stop().await;
    assert_eq!(group.as_raw(), pid);
}

#[tokio::test]
async fn nobody_gets_in_without_the_password() {
    let place = Place::new();
    let broker = place.start().await;
    assert!(async_nats::connect(broker.url()).await.is_err(), "no credentials");
    let wrong = async_nats::ConnectOptions::with_user_and_password("angelia".into(), "wrong".into());
    assert!(wrong.connect(broker.url()).await.is_err(), "wrong password");
    broker.stop().await;
}

#[tokio::test]
async fn a_killed_child_is_started_again_with_its_data_and_its_address() {
    let place = Place::new();
    let broker = place.start().await;
    store(&broker).await;
    let killed = place.pid();

    kill(Pid::from_raw(killed), Signal::SIGKILL).expect("it ran");
    until("a successor", || place.try_pid().is_some_and(|pid| pid != killed)).await;

    assert_eq!(stored(&broker).await, b"kept");
    broker.stop().await;
}

#[tokio::test]
async fn batches_are_gathered_in_memory_also_after_the_child_was_started_again() {
    let place = Place::new();
    let broker = place.start().await;
    let options = jetstream::stream::Config {
        name: STREAM.into(),
        subjects: vec!["ev.>".into()],
        allow_atomic_publish: true,
        ..Default::default()
    };
    connect(&broker).await.create_stream(options).await.expect("created");
    let link = place.data_dir.path().join("nats/store/jetstream/$G/streams/ANGELIA_EVENTS/batches");
    let folder = || fs::read_link(&link).ok();
    // A machine without a file system in memory works too, so here is nothing to see.
    if !Path::new("/dev/shm").is_dir() {
        return broker.stop().await;
    }
    for round in 1..=2 {
        until("the link", || folder().is_some()).await;
        store_batch(&broker, round).await;
        if round == 1 {
            let killed = place.pid();
            kill(Pid::from_raw(killed), Signal::SIGKILL).expect("it ran");
            until("a successor", || place.try_pid().is_some_and(|pid| pid != killed)).await;
        }
    }
    let folder = folder().expect("a link");
    broker.stop().await;
    until("the folder is removed", || !folder.exists()).await;
}

/// Stores an atomic batch of two messages; the stream holds twice `round` then.
async fn store_batch(broker: &Broker, round: u64) {
    let jetstream = connect(broker).await;
    let client = jetstream.client();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Batch-Id", round.to_string());
    headers.insert("Nats-Batch-Sequence", "1");
    client.publish_with_headers("ev.a", headers.clone(), "one".into()).await.expect("sent");
    headers.insert("Nats-Batch-Sequence", "2");
    headers.insert("Nats-Batch-Commit", "1");
    client.request_with_headers("ev.b", headers, "two".into()).await.expect("answered");
    let mut stream = jetstream.get_stream(STREAM).await.expect("there");
    assert_eq!(stream.info().await.expect("there").state.messages, 2 * round);
}

#[tokio::test]
async fn a_dropped_broker_leaves_no_child() {
    let place = Place::new();
    let broker = place.start().await;
    let pid = place.pid();
    drop(broker);
    until("the child is gone", || !is_alive(pid)).await;
}

#[tokio::test]
async fn a_leftover_of_an_earlier_run_is_stopped_first() {
    let place = Place::new();
    let broker = place.start().await;
    store(&broker).await;
    broker.stop().await;
    // What remains after a kill -9 of ours: the server, on its port and its store.
    let nats = place.data_dir.path().join("nats");
    let mut leftover = Command::new(nats_server())
        .arg("-c")
        .arg(nats.join("nats.conf"))
        .current_dir(&nats)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let pid = leftover.id();
    until("the leftover writes its pid", || {
        fs::read_to_string(nats.join("nats-server.pid")).is_ok_and(|text| text.trim() == pid.to_string())
    })
    .await;

    let broker = place.start().await;

    let ended = leftover.try_wait().expect("ours to wait for");
    if ended.is_none() {
        leftover.kill().expect("killed");
    }
    assert!(ended.is_some(), "it still ran beside the new one");
    assert_eq!(stored(&broker).await, b"kept");
    assert_eq!(broker.url(), format!("nats://127.0.0.1:{}", place.file("nats/port").trim()));
    broker.stop().await;
}

#[tokio::test]
async fn a_pid_that_now_belongs_to_something_else_is_left_alone() {
    let place = Place::new();
    let dir = place.data_dir.private_dir("nats").expect("a directory");
    let mut innocent = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("sleep runs");
    fs::write(dir.join("nats-server.pid"), innocent.id().to_string()).expect("written");

    let broker = place.start().await;
    let ended = innocent.try_wait().expect("ours to wait for");
    broker.stop().await;

    innocent.kill().expect("killed");
    innocent.wait().expect("reaped");
    assert_eq!(ended, None);
}

#[tokio::test]
async fn a_damaged_pid_file_stops_nobody_and_nothing() {
    let place = Place::new();
    let dir = place.data_dir.private_dir("nats").expect("a directory");
    for damaged in ["", "-1", "0", "1", "many"] {
        fs::write(dir.join("nats-server.pid"), damaged).expect("written");
        place.start().await.stop().await;
    }
}

#[tokio::test]
async fn an_occupied_port_is_replaced_by_another() {
    let place = Place::new();
    let broker = place.start().await;
    store(&broker).await;
    let before = broker.url();
    broker.stop().await;
    let port: u16 = place.file("nats/port").trim().parse().expect("a number");
    let occupied = TcpListener::bind(("127.0.0.1", port)).expect("free now");

    let broker = place.start().await;
    drop(occupied);

    assert_ne!(broker.url(), before);
    assert_eq!(stored(&broker).await, b"kept");
    broker.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_at_the_last_moment_is_replaced_too() {
    let place = Place::new();
    // The first start finds its port taken, as it would when somebody is quicker; the others are real.
    let body = format!(
        r#"if [ "$1" != --version ] && mkdir '{marker}' 2>/dev/null; then
            echo '[1] [FTL] Error listening on port: bind: address already in use' >&2; exit 1; fi
        exec '{real}' "$@""#,
        marker = place.dir.path().join("was-here").display(),
        real = nats_server().display()
    );
    let broker = place.start_with(script(&place.dir, &body)).await.expect("another port was free");
    assert!(place.dir.path().join("was-here").exists());
    broker.stop().await;
}

#[tokio::test]
async fn a_missing_program_is_a_clear_error() {
    let place = Place::new();
    let error = refused(place.start_with(place.dir.path().join("nothing"))).await;
    assert!(matches!(error, StartBrokerError::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains("deploy/nats.sh"), "{error}");
}

#[tokio::test]
async fn an_old_program_is_a_clear_error() {
    let place = Place::new();
    let error = refused(place.start_with(script(&place.dir, "echo 'nats-server: v2.9.0'"))).await;
    assert!(matches!(error, StartBrokerError::TooOld { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("2.9") && text.contains("2.14") && text.contains("deploy/nats.sh"), "{text}");
}

#[tokio::test]
async fn another_program_is_a_clear_error() {
    let place = Place::new();
    let error = refused(place.start_with(script(&place.dir, "echo hello"))).await;
    assert!(matches!(error, StartBrokerError::NotNatsServer { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_does_not_run_is_a_clear_error() {
    let place = Place::new();
    let file = place.dir.path().join("text");
    fs::write(&file, "text").expect("written");
    let error = refused(place.start_with(file)).await;
    assert!(matches!(error, StartBrokerError::NotRunnable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_program_that_ends_at_once_is_quoted() {
    let place = Place::new();
    let body = "if [ \"$1\" = --version ]; then echo 'nats-server: v2.15.1'; exit; fi
        echo '[1] [FTL] nothing works' >&2; exit 3";
    let error = refused(place.start_with(script(&place.dir, body))).await;
    assert!(matches!(error, StartBrokerError::Launch(LaunchError::Died(_))), "{error:?}");
    assert!(error.to_string().contains("nothing works"), "{error}");
}

#[tokio::test]
async fn a_program_that_never_answers_is_stopped() {
    let place = Place::new();
    let body = "if [ \"$1\" = --version ]; then echo 'nats-server: v2.15.1'; exit; fi
        echo $$ >nats-server.pid; exec sleep 600";
    let within = Duration::from_secs(1);
    let program = script(&place.dir, body);
    let error = refused(Broker::start(BrokerConfig { ready_within: within, ..config(&place.data_dir, program) })).await;
    assert!(matches!(error, StartBrokerError::Launch(LaunchError::Silent { .. })), "{error:?}");
    assert!(!is_alive(place.pid()));
}

#[tokio::test]
async fn a_child_that_keeps_dying_is_given_up() {
    let place = Place::new();
    // Real once, then broken.
    let body = format!(
        r#"if [ "$1" = --version ] || mkdir '{marker}' 2>/dev/null; then exec '{real}' "$@"; fi
        echo '[1] [FTL] broken now' >&2; exit 1"#,
        marker = place.dir.path().join("was-here").display(),
        real = nats_server().display()
    );
    let mut broker = place.start_with(script(&place.dir, &body)).await.expect("starts once");
    assert!(timeout(Duration::from_millis(50), broker.wait_failed()).await.is_err(), "nothing failed yet");

    kill(Pid::from_raw(place.pid()), Signal::SIGKILL).expect("it ran");
    let failed = timeout(SOON, broker.wait_failed()).await.expect("in time");

    let BrokerFailed::KeepsDying { deaths: 5, source, .. } = &failed else { panic!("{failed:?}") };
    assert!(source.to_string().contains("broken now"), "{source}");
    broker.stop().await;
}

#[tokio::test]
async fn a_child_that_stopped_storing_is_replaced() {
    let place = Place::new();
    // The first run says what the server says after a failed write; it runs on, as the server does.
    let body = format!(
        r#"if [ "$1" != --version ] && mkdir '{marker}' 2>/dev/null; then
            (sleep 1; echo '[1] [ERR] Filestore [TEST] Critical write error: no space left on device') >&2 & fi
        exec '{real}' "$@""#,
        marker = place.dir.path().join("was-here").display(),
        real = nats_server().display()
    );
    let broker = place.start_with(script(&place.dir, &body)).await.expect("starts");
    store(&broker).await;
    let first = place.pid();

    until("a successor", || place.try_pid().is_some_and(|pid| pid != first)).await;

    assert!(!is_alive(first));
    assert_eq!(stored(&broker).await, b"kept");
    broker.stop().await;
}

#[tokio::test]
async fn a_broker_keeps_its_directory_to_itself() {
    let Place { dir, data_dir } = Place::new();
    let path = data_dir.path().to_owned();
    let broker = Broker::start(config(&data_dir, nats_server())).await.expect("starts");
    drop(data_dir);
    assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse { .. })), "the broker holds it");
    broker.stop().await;
    DataDir::open(&path).expect("given up with the broker");
    drop(dir);
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_a_clear_error() {
    let place = Place::new();
    // A file where the broker's directory goes stops every user, root too.
    fs::write(place.data_dir.path().join("nats"), "").expect("written");
    let error = refused(place.start_with(nats_server())).await;
    assert!(matches!(error, StartBrokerError::DataDir(DataDirError::Write { .. })), "{error:?}");
    assert!(error.to_string().contains("nats"), "{error}");
}

#[tokio::test]
async fn secrets_are_private_and_settings_hold_no_path() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    // Every character that could matter to the settings' grammar.
    let data_dir = DataDir::open(&dir.path().join("it's \"here\" {$x}\\ # ü")).expect("usable");
    let broker = Broker::start(config(&data_dir, nats_server())).await.expect("starts");
    store(&broker).await;
    broker.stop().await;
    for name in ["nats/nats.conf", "nats/password"] {
        let mode = fs::metadata(data_dir.path().join(name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let mode = fs::metadata(data_dir.path().join("nats")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
