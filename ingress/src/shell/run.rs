//! Starts everything that the ingress consists of, and ends it in order.
//!
//! The order of the end is the contract: first no new connections and no calls of other processes, then the answers under way,
//! then the lane and the appender (their last batches), then what only reads. A part that ends before its time ends the whole with an error: the
//! ingress is never half alive.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::directory::DirectoryView;
use angelia_shared::ids::MemberId;
use angelia_shared::log::{Appender, AppenderOptions, EventLog, OpenLogError, OpenWriterError, Writer, WriterOptions};
use angelia_shared::members::{Members, MembersError, MembersView, Membership, Service};
use angelia_shared::vault::Vault;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::admission::{Admission, AdmissionError, AdmissionOptions};
use super::api_log::ApiLog;
use super::chats::Chats;
use super::hand_over::{HandOverOptions, KeyedCalls, Live};
use super::http::server::{self, Answering, ServerOptions};
use super::http::{self, Routes, Services};
use super::prometheus;
use super::refusals::RefusalLog;
use crate::config::Config;

/// How often the metrics' memory is tidied.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How long the services may take to end after the last answer. Each bounds itself; this is for what does not.
const END_WITHIN: Duration = Duration::from_secs(20);

/// The ingress could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunIngressError {
    /// A setting cannot be used.
    #[error("{0}")]
    Config(String),
    /// The log, a bucket or a stream could not be opened.
    #[error("cannot open what the ingress keeps in the broker")]
    Open(#[source] OpenLogError),
    /// It cannot tell others that it lives; a ledger would fence its writers.
    #[error("the ingress cannot join the members")]
    Join(#[from] MembersError),
    /// Other processes cannot be answered.
    #[error("cannot listen to the other processes of the ingress")]
    Subscribe(#[from] async_nats::SubscribeError),
    /// The API's writer could not be opened.
    #[error("cannot open the writer of the API")]
    Writer(#[from] OpenWriterError),
    /// The address that is listened on cannot be told.
    #[error("cannot tell the address that is listened on")]
    Listen(#[source] std::io::Error),
    /// Admission ended.
    #[error("admission ended")]
    Admission(#[source] AdmissionError),
    /// A part ended that should not.
    #[error("{0} ended before its time")]
    Ended(&'static str),
    /// A part panicked.
    #[error("{0} failed")]
    Failed(&'static str, #[source] JoinError),
}

/// Runs the ingress on `listener` until `shutdown`, and returns when everything that was answered is stored.
///
/// # Errors
/// [`RunIngressError`], at the start or when a part of it cannot go on.
pub async fn run(
    config: Config,
    listener: TcpListener,
    log: EventLog,
    vault: Arc<Vault>,
    member: MemberId,
    shutdown: CancellationToken,
) -> Result<(), RunIngressError> {
    let (_open, gate) = watch::channel(true);
    run_gated(config, listener, log, vault, member, gate, shutdown).await
}

/// As [`run`], but `/readyz` does not say that it is ready before `gate` is true, whatever else is.
///
/// # Errors
/// As [`run`].
pub async fn run_gated(
    config: Config,
    listener: TcpListener,
    log: EventLog,
    vault: Arc<Vault>,
    member: MemberId,
    gate: watch::Receiver<bool>,
    shutdown: CancellationToken,
) -> Result<(), RunIngressError> {
    config.check().map_err(RunIngressError::Config)?;
    if config.operator_token.0.is_empty() {
        warn!("no operator_token is set: nobody can make workspaces or grant credits through this process");
    }
    prometheus::install();
    let address = listener.local_addr().map_err(RunIngressError::Listen)?;
    let public_url = match config.public_url.trim_end_matches('/') {
        "" => local_url(address),
        url => url.to_owned(),
    };
    // The parts outlive the server, which still needs them for its last answers.
    let stop_parts = CancellationToken::new();
    let _stop_on_error = stop_parts.clone().drop_guard();
    let stops = Stops { serving: shutdown.child_token(), parts: stop_parts };
    let _stop_serving_on_error = stops.serving.clone().drop_guard();
    let admission = AdmissionOptions { orders_max: config.waiting_calls_max, ..AdmissionOptions::default() };
    let (services, parts) = start(log, vault, member, gate, admission, &stops).await?;
    let options = ServerOptions {
        connections_max: config.connections_max,
        header_timeout: Duration::from_secs(config.header_timeout_s),
        drain: Duration::from_secs(config.drain_s),
    };
    let routes = Routes::of(http::app(config, public_url, services));
    info!(listen.address = %address, member.id = %member, "the ingress takes calls");
    supervise(listener, routes, options, parts, stops, shutdown).await
}

/// What ends the parts: those that take calls, then those that work for them.
struct Stops {
    serving: CancellationToken,
    parts: CancellationToken,
}

/// What this machine reaches `address` by: an address that means "any" is none to connect to.
fn local_url(address: SocketAddr) -> String {
    match (address.ip().is_unspecified(), address.is_ipv6()) {
        (true, true) => format!("http://[::1]:{}", address.port()),
        (true, false) => format!("http://127.0.0.1:{}", address.port()),
        (false, _) => format!("http://{address}"),
    }
}

/// The tasks behind the server.
struct Tasks {
    directory: JoinHandle<()>,
    members: JoinHandle<()>,
    keyed_calls: JoinHandle<()>,
    admission: JoinHandle<Result<(), AdmissionError>>,
    appender: JoinHandle<()>,
    refusals: JoinHandle<()>,
    /// Renews the member key; told to take it away when the writers have been closed.
    renewing: JoinHandle<()>,
    leave: DropGuard,
}

async fn start(
    log: EventLog,
    vault: Arc<Vault>,
    member: MemberId,
    gate: watch::Receiver<bool>,
    admission: AdmissionOptions,
    Stops { serving, parts: stop }: &Stops,
) -> Result<(Services, Tasks), RunIngressError> {
    let replicas = log.replicas();
    let members = Members::open(&log, replicas).await?;
    let leave = CancellationToken::new();
    // Before any writer is opened: the ledger fences the writers of those who are no members.
    let (own, renewing) = Membership::join(&members, Service::Ingress, member, leave.clone()).await?;
    let leave = leave.drop_guard();
    let (others, members_task) = MembersView::start(&own, stop.clone());
    let chats = Chats::open(log.clone(), replicas).await.map_err(RunIngressError::Open)?;
    let refusals = RefusalLog::start(log.clone(), Arc::clone(&vault), replicas, stop.clone()).await;
    let (refusals, refusals_task) = refusals.map_err(RunIngressError::Open)?;
    let (directory, directory_task) = DirectoryView::start(log.clone(), "ingress", stop.clone());
    let (admission, admission_task) = Admission::start(log.clone(), member, admission, stop.clone());
    let alive = others.clone();
    let live: Live = Arc::new(move || {
        let (members, me) = (others.read(), std::iter::once(member));
        me.chain(members.of(Service::Ingress).map(|other| other.member).filter(|other| *other != member)).collect()
    });
    let options = HandOverOptions::default();
    let keyed_calls = KeyedCalls::start(admission.clone(), log.clone(), member, live, options, serving.clone());
    let (keyed_calls, keyed_calls_task) = keyed_calls.await?;
    let options = WriterOptions { role: "ingress-api".to_owned(), member, fails_fast: true };
    let writer = Writer::open(log.clone(), options).await?;
    let (appender, appender_task) = Appender::start(writer, AppenderOptions::default(), stop.clone());
    let api_log = ApiLog::new(appender);
    let (members, stopping) = (alive, serving.clone());
    let services =
        Services { log, vault, directory, api_log, admission, keyed_calls, chats, refusals, gate, members, stopping };
    let tasks = Tasks {
        directory: directory_task,
        members: members_task,
        keyed_calls: keyed_calls_task,
        admission: admission_task,
        appender: appender_task,
        refusals: refusals_task,
        renewing,
        leave,
    };
    Ok((services, tasks))
}

async fn supervise(
    listener: TcpListener,
    routes: impl Answering,
    options: ServerOptions,
    mut tasks: Tasks,
    stops: Stops,
    shutdown: CancellationToken,
) -> Result<(), RunIngressError> {
    let mut server = tokio::spawn(server::serve(listener, routes, options, stops.serving.clone()));
    let mut upkeep = tokio::time::interval(UPKEEP_EVERY);
    let early = loop {
        tokio::select! {
            biased;
            // Before the parts are looked at that end with it, and in time.
            () = shutdown.cancelled() => break None,
            ended = &mut server => break Some(ended_early("the server", ended)),
            ended = tasks.ended() => break Some(ended),
            _ = upkeep.tick() => prometheus::upkeep(),
        }
    };
    stops.serving.cancel();
    if !server.is_finished() && server.await.is_err() {
        warn!("the server failed while it was stopped");
    }
    tasks.answer_others().await;
    stops.parts.cancel();
    let ended = tokio::time::timeout(END_WITHIN, tasks.end(early.is_some())).await;
    match (early, ended) {
        (Some(error), _) => Err(error),
        (None, Ok(ended)) => ended,
        (None, Err(_)) => {
            warn!("stopped before every part had ended");
            Ok(())
        }
    }
}

impl Tasks {
    /// Waits for any task to end; none should.
    async fn ended(&mut self) -> RunIngressError {
        tokio::select! {
            ended = &mut self.directory => ended_early("the directory's reader", ended),
            ended = &mut self.members => ended_early("the members' reader", ended),
            ended = &mut self.keyed_calls => ended_early("answering other processes", ended),
            ended = &mut self.appender => ended_early("the API's writer", ended),
            ended = &mut self.refusals => ended_early("the log of refused calls", ended),
            ended = &mut self.renewing => ended_early("the member key's renewal", ended),
            ended = &mut self.admission => match ended {
                Ok(Ok(())) => RunIngressError::Ended("admission"),
                Ok(Err(error)) => RunIngressError::Admission(error),
                Err(error) => RunIngressError::Failed("admission", error),
            },
        }
    }

    /// Waits until what other processes had asked is answered: that needs the lane.
    async fn answer_others(&mut self) {
        if self.keyed_calls.is_finished() {
            return;
        }
        if !matches!(tokio::time::timeout(END_WITHIN, &mut self.keyed_calls).await, Ok(Ok(()))) {
            warn!("stopped before every other process was answered");
        }
    }

    /// Waits for all tasks to end after the signal, but those that took calls. A task that has ended before cannot be awaited again.
    async fn end(self, is_failed: bool) -> Result<(), RunIngressError> {
        if is_failed {
            let still_running = [self.directory, self.members, self.appender, self.refusals]
                .into_iter()
                .filter(|task| !task.is_finished());
            futures_util::future::join_all(still_running).await;
            if !self.admission.is_finished() {
                let _first_error_counts = self.admission.await;
            }
            drop(self.leave);
            if !self.renewing.is_finished() {
                let _first_error_counts = self.renewing.await;
            }
            return Ok(());
        }
        let failed = |name| move |error| RunIngressError::Failed(name, error);
        let (admission, appender) = tokio::join!(self.admission, self.appender);
        // Its writers are closed: nobody must fence them any more.
        drop(self.leave);
        self.renewing.await.map_err(failed("the member key's renewal"))?;
        admission.map_err(failed("admission"))?.map_err(RunIngressError::Admission)?;
        appender.map_err(failed("the API's writer"))?;
        self.directory.await.map_err(failed("the directory's reader"))?;
        self.members.await.map_err(failed("the members' reader"))?;
        self.refusals.await.map_err(failed("the log of refused calls"))
    }
}

fn ended_early(name: &'static str, ended: Result<(), JoinError>) -> RunIngressError {
    match ended {
        Ok(()) => RunIngressError::Ended(name),
        Err(error) => RunIngressError::Failed(name, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> ServerOptions {
        let second = Duration::from_secs(1);
        ServerOptions { connections_max: 16, header_timeout: second, drain: second }
    }

    fn stops(shutdown: &CancellationToken) -> Stops {
        Stops { serving: shutdown.child_token(), parts: CancellationToken::new() }
    }

    /// Tasks that end when they are told.
    fn tasks(stops: &Stops) -> Tasks {
        let quiet = || tokio::spawn(stops.parts.clone().cancelled_owned());
        let keyed_calls = tokio::spawn(stops.serving.clone().cancelled_owned());
        let stop = stops.parts.clone();
        let admission = tokio::spawn(async move {
            stop.cancelled().await;
            Ok(())
        });
        let leave = CancellationToken::new();
        let renewing = tokio::spawn(leave.clone().cancelled_owned());
        Tasks {
            directory: quiet(),
            members: quiet(),
            keyed_calls,
            admission,
            appender: quiet(),
            refusals: quiet(),
            renewing,
            leave: leave.drop_guard(),
        }
    }

    async fn supervised(break_one: impl FnOnce(&mut Tasks)) -> Result<(), RunIngressError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let shutdown = CancellationToken::new();
        let stops = stops(&shutdown);
        let mut tasks = tasks(&stops);
        break_one(&mut tasks);
        supervise(listener, axum::Router::new(), options(), tasks, stops, shutdown).await
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_ends_the_whole_with_its_name() {
        let ended = supervised(|tasks| tasks.appender = tokio::spawn(async {})).await;
        assert!(matches!(ended, Err(RunIngressError::Ended("the API's writer"))), "{ended:?}");
        let ended = supervised(|tasks| tasks.members = tokio::spawn(async {})).await;
        assert!(matches!(ended, Err(RunIngressError::Ended("the members' reader"))), "{ended:?}");
        let ended = supervised(|tasks| tasks.keyed_calls = tokio::spawn(async {})).await;
        assert!(matches!(ended, Err(RunIngressError::Ended("answering other processes"))), "{ended:?}");
        let ended = supervised(|tasks| tasks.admission = tokio::spawn(async { Ok(()) })).await;
        assert!(matches!(ended, Err(RunIngressError::Ended("admission"))), "{ended:?}");
        let failed = supervised(|tasks| tasks.directory = tokio::spawn(async { panic!("on purpose") })).await;
        assert!(matches!(failed, Err(RunIngressError::Failed("the directory's reader", _))), "{failed:?}");
    }

    #[tokio::test]
    async fn the_signal_ends_everything_without_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let stops = stops(&shutdown);
        let (tasks, parts) = (tasks(&stops), stops.parts.clone());
        let ended = supervise(listener, axum::Router::new(), options(), tasks, stops, shutdown).await;
        assert!(ended.is_ok() && parts.is_cancelled(), "{ended:?}");
    }

    #[test]
    fn an_address_that_means_any_is_shown_as_one_to_connect_to() {
        let shown = |address: &str| local_url(address.parse().expect("an address"));
        assert_eq!(shown("0.0.0.0:8080"), "http://127.0.0.1:8080");
        assert_eq!(shown("[::]:8080"), "http://[::1]:8080");
        assert_eq!(shown("192.0.2.1:80"), "http://192.0.2.1:80");
    }
}
