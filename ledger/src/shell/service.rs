//! Answers questions over NATS: the micro service `ledger`, one endpoint a question.
//!
//! Shape: a JSON [`Question`] in, a JSON [`Reply`] out, each with the position at which it is true. A question may name a
//! position that its answer must have reached; it is waited for, within a bound.
//!
//! Not here: the answers (see `domain/answer.rs`, [`answers`] and [`contents`]).

mod answers;
mod contents;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::log::EventLog;
use angelia_shared::members::MembersView;
use angelia_shared::query::{
    self, AskAccounts, AskActivations, AskActivationsBefore, AskContents, AskCredits, AskCreditsThen, AskDigest,
    AskFindings, AskKey, AskMessage, AskMessageThen, AskMessages, AskPlaces, AskPosition, AskProviderId, AskStatement,
    AskUnspent, EACH_PREFIX, PREFIX, Question, Reply, SERVICE,
};
use angelia_shared::telemetry::chain;
use async_nats::service::endpoint::Endpoint;
use async_nats::service::error::Error as ServiceError;
use async_nats::service::{Request, Service, ServiceExt as _};
use futures_util::StreamExt as _;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::live::Live;
use super::store::StoreError;
use crate::domain::table::Unreadable;
use crate::metrics as names;

/// How long a question waits for the position that it names. Less than an asker waits, so that it learns why.
const BEHIND_AFTER: Duration = Duration::from_secs(2);
/// Questions that may wait or be answered at once; more wait in the subscription.
const QUESTIONS_AT_ONCE: usize = 1_024;
/// Questions that may read the projection or the log at once: more would only wait for each other.
const READS_AT_ONCE: usize = 32;
/// Pause before the ledger asks itself again.
const HEAR_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Room that an answer leaves of the largest message that the broker takes.
const PAYLOAD_MARGIN: usize = 4_096;

/// The questions cannot be answered any more.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The service could not be announced.
    #[error("cannot announce the service {SERVICE} to the broker")]
    Announce(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A subscription ended by itself.
    #[error("the service {SERVICE} no longer receives questions")]
    Ended,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The projection cannot be read.
    #[error("cannot read the projection")]
    Store(#[from] StoreError),
    /// The log cannot be read.
    #[error("cannot read the log")]
    Log(#[source] angelia_shared::log::HeadError),
    /// A record that the projection names is not what it should be.
    #[error("record {0} is not the acceptance that the projection names")]
    NotAnAcceptance(u64),
    /// The log cannot be read on.
    #[error("cannot read the log on")]
    Read(#[source] angelia_shared::log::ReadError),
    /// A row in memory cannot be read back: a bug.
    #[error("cannot read a row back")]
    Row(#[source] Unreadable),
    /// Too much lies between the events of a message.
    #[error("this message's history is too long to be told here: `angelia audit message --as-of` tells it")]
    TooFarApart,
}

/// What answers need.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) live: Arc<Live>,
    pub(crate) log: EventLog,
    pub(crate) members: MembersView,
    waiting: Arc<Semaphore>,
    reading: Arc<Semaphore>,
}

/// A question that the ledger answers, with the position at which the answer is true.
pub(crate) trait Answered: query::Ask<Answer: Send> + Send + 'static {
    /// Answers.
    fn answer(self, desk: &Desk) -> impl Future<Output = Result<(Self::Answer, u64), AnswerError>> + Send;

    /// Makes an answer that is too long for one message shorter; says whether it could. Callers go on after its end.
    fn shorten(_answer: &mut Self::Answer) -> bool {
        false
    }
}

/// Answers until `shutdown`; tells `up` when askers are heard.
///
/// # Errors
/// [`ServeError`] when questions do not arrive any more.
pub(crate) async fn run(
    live: Arc<Live>,
    log: EventLog,
    members: MembersView,
    up: oneshot::Sender<()>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let builder = log.client().service_builder().description("credits, messages and their states, from the log");
    let service = builder.start(SERVICE, env!("CARGO_PKG_VERSION")).await.map_err(ServeError::Announce)?;
    let desk = Desk {
        live,
        log,
        members,
        waiting: Arc::new(Semaphore::new(QUESTIONS_AT_ONCE)),
        reading: Arc::new(Semaphore::new(READS_AT_ONCE)),
    };
    let mut topics = JoinSet::new();
    listen::<AskPosition>(&mut topics, &service, &desk).await?;
    listen::<AskCredits>(&mut topics, &service, &desk).await?;
    listen::<AskCreditsThen>(&mut topics, &service, &desk).await?;
    listen::<AskUnspent>(&mut topics, &service, &desk).await?;
    listen::<AskStatement>(&mut topics, &service, &desk).await?;
    listen::<AskMessage>(&mut topics, &service, &desk).await?;
    listen::<AskMessages>(&mut topics, &service, &desk).await?;
    listen::<AskMessageThen>(&mut topics, &service, &desk).await?;
    listen::<AskPlaces>(&mut topics, &service, &desk).await?;
    listen::<AskContents>(&mut topics, &service, &desk).await?;
    listen::<AskActivations>(&mut topics, &service, &desk).await?;
    listen::<AskActivationsBefore>(&mut topics, &service, &desk).await?;
    listen::<AskAccounts>(&mut topics, &service, &desk).await?;
    listen::<AskKey>(&mut topics, &service, &desk).await?;
    listen::<AskProviderId>(&mut topics, &service, &desk).await?;
    listen::<AskDigest>(&mut topics, &service, &desk).await?;
    listen::<AskFindings>(&mut topics, &service, &desk).await?;
    let heard = async {
        // The broker takes subscriptions in order: once this is answered, all of them stand.
        while let Err(error) = query::ask(desk.log.client(), AskPosition {}, 0).await {
            debug!(error = %chain(&error), "the ledger does not hear itself yet");
            tokio::time::sleep(HEAR_AGAIN_AFTER).await;
        }
        info!("the ledger answers questions");
        // Whoever waited for it may have gone.
        let _unheard = up.send(());
        std::future::pending().await
    };
    let ended = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        _ = topics.join_next() => Err(ServeError::Ended),
        ended = heard => ended,
    };
    // Its subscriptions end with it; an error means that they have ended already.
    let _stopped = service.stop().await;
    topics.shutdown().await;
    ended
}

async fn listen<A: Answered>(topics: &mut JoinSet<()>, service: &Service, desk: &Desk) -> Result<(), ServeError> {
    // A queue group of its own hears everything.
    let own_queue = service.info().await.id;
    for group in [service.group(PREFIX), service.group_with_queue_group(EACH_PREFIX, own_queue)] {
        let endpoint = group.endpoint(A::TOPIC).await.map_err(ServeError::Announce)?;
        topics.spawn(attend::<A>(endpoint, desk.clone()));
    }
    Ok(())
}

async fn attend<A: Answered>(mut endpoint: Endpoint, desk: Desk) {
    let mut open = JoinSet::new();
    while let Some(request) = endpoint.next().await {
        while open.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&desk.waiting).acquire_owned().await else { return };
        let desk = desk.clone();
        open.spawn(async move {
            attend_one::<A>(&request, &desk).await;
            drop(place);
        });
    }
}

async fn attend_one<A: Answered>(request: &Request, desk: &Desk) {
    let started = clock::monotonic();
    let reply = reply::<A>(&request.message.payload, desk).await;
    let answered = matches!(reply, Ok(Reply::Answer { .. }));
    let name = if answered { names::QUESTIONS_ANSWERED } else { names::QUESTIONS_FAILED };
    metrics::counter!(name, "topic" => A::TOPIC).increment(1);
    metrics::histogram!(names::QUESTION_SECONDS, "topic" => A::TOPIC).record(started.elapsed().as_secs_f64());
    let payload = match reply {
        Ok(reply) => Ok(within_payload::<A>(reply, desk)),
        Err(error) => {
            warn!(topic = A::TOPIC, error = %chain(&error), "a question has no answer now");
            Err(ServiceError { status: error.to_string(), code: 503 })
        }
    };
    // An asker that has gone, or a broker that is away, hears nothing; it asks again.
    let _unheard = request.respond(payload.map(Into::into)).await;
}

async fn reply<A: Answered>(payload: &[u8], desk: &Desk) -> Result<Reply<A::Answer>, AnswerError> {
    let question: Question<A> = match serde_json::from_slice(payload) {
        Ok(question) => question,
        Err(error) => return Ok(Reply::Refused(format!("not a question about {}: {error}", A::TOPIC))),
    };
    if !desk.live.reached(question.at_least, BEHIND_AFTER).await {
        return Ok(Reply::Behind { as_of_seq: desk.live.position() });
    }
    let _turn = desk.reading.acquire().await;
    let (answer, as_of_seq) = question.ask.answer(desk).await?;
    Ok(Reply::Answer { as_of_seq, answer })
}

/// Writes a reply that the broker takes as one message.
fn within_payload<A: Answered>(mut reply: Reply<A::Answer>, desk: &Desk) -> Vec<u8> {
    let largest = desk.log.client().server_info().max_payload.saturating_sub(PAYLOAD_MARGIN);
    loop {
        let payload = serde_json::to_vec(&reply).expect("answers have only string keys and plain values");
        let shortened = match &mut reply {
            Reply::Answer { answer, .. } if payload.len() > largest => A::shorten(answer),
            Reply::Answer { .. } | Reply::Behind { .. } | Reply::Refused(_) => return payload,
        };
        if !shortened {
            reply = Reply::Refused("the answer is too large for one message".to_owned());
        }
    }
}
