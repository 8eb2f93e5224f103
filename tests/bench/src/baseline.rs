//! The baselines: what a caller would get from the same HTTP server if it stored nothing, or published each call by itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use angelia_ingress::domain::{refusal, send_request};
use angelia_ingress::server::{self, ServerOptions};
use angelia_shared::ids::MessageId;
use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use clap::ValueEnum;
use tokio_util::sync::CancellationToken;

/// Which baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Parses the call and answers.
    NoLog,
    /// Parses the call, publishes it, and answers when the broker has acknowledged.
    Publish,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    kind: Kind,
    #[arg(long)]
    listen: SocketAddr,
    /// The broker, for `publish`.
    #[arg(long)]
    nats: Option<String>,
}

/// The stream that `publish` writes to.
const STREAM: &str = "BASELINE";

#[derive(Clone)]
struct Publisher(Arc<async_nats::jetstream::Context>);

/// Serves until killed.
pub(crate) async fn serve(args: Args) -> anyhow::Result<()> {
    let routes = match args.kind {
        Kind::NoLog => Router::new().route("/hooks/{token}", post(answer)),
        Kind::Publish => {
            let url = args.nats.context("publish needs --nats")?;
            // Its broker is started at the same moment.
            let client = loop {
                match async_nats::connect(&url).await {
                    Ok(client) => break client,
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                }
            };
            let jetstream = async_nats::jetstream::new(client);
            let config = async_nats::jetstream::stream::Config {
                name: STREAM.to_owned(),
                subjects: vec!["baseline.>".to_owned()],
                ..Default::default()
            };
            jetstream.create_stream(config).await?;
            Router::new().route("/hooks/{token}", post(publish)).with_state(Publisher(Arc::new(jetstream)))
        }
    };
    let listener = tokio::net::TcpListener::bind(args.listen).await?;
    let options = ServerOptions {
        connections_max: 10_000,
        header_timeout: Duration::from_secs(30),
        drain: Duration::from_secs(1),
    };
    server::serve(listener, routes, options, CancellationToken::new()).await;
    Ok(())
}

async fn answer(body: Bytes) -> impl IntoResponse {
    match send_request::parse(&body) {
        Ok(_) => (StatusCode::OK, refusal::accepted_body(MessageId::generate())),
        Err(refused) => (StatusCode::BAD_REQUEST, refused.body()),
    }
}

async fn publish(State(Publisher(jetstream)): State<Publisher>, body: Bytes) -> impl IntoResponse {
    if let Err(refused) = send_request::parse(&body) {
        return (StatusCode::BAD_REQUEST, refused.body());
    }
    let stored = match jetstream.publish("baseline.accepted", body).await {
        Ok(ack) => ack.await.is_ok(),
        Err(_) => false,
    };
    if stored {
        (StatusCode::OK, refusal::accepted_body(MessageId::generate()))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Vec::new())
    }
}
