//! The API under `/api/v1`: JSON in and out, bearer tokens, problem documents (RFC 9457).
//!
//! Whom a route lets through is in its handler's signature: [`allowed::Allowed`] with the right as a type.
//!
//! Changes are answered after they hold on this replica; reads ask a ledger that has seen everything that was answered
//! before.

mod accounts;
mod activations;
pub(super) mod allowed;
mod answer;
mod chats;
mod credits;
mod findings;
mod ledger;
mod messages;
mod pace_shown;
mod problem;
mod purge;
mod statement;
mod tokens;
mod turns;
mod webhooks;
mod workspaces;

use super::App;
use axum::Router;
use axum::routing::{delete, get, post};
use problem::Problem;

/// The routes, without their prefix.
pub(super) fn router() -> Router<App> {
    let of_workspace = Router::new()
        .route("/", get(workspaces::show).patch(workspaces::edit))
        .route("/credits", get(credits::show).post(credits::grant))
        .route("/statement", get(statement::list))
        .route("/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/webhooks/{h}", get(webhooks::show).patch(webhooks::edit).delete(webhooks::remove))
        .route("/webhooks/{h}/rotate", post(webhooks::rotate))
        .route("/webhooks/{h}/activations", get(activations::list))
        .route("/webhooks/{h}/activations.log", get(activations::download))
        .route("/accounts", get(accounts::list).post(accounts::create))
        .route("/accounts/{a}", get(accounts::show).patch(accounts::edit).delete(accounts::remove))
        .route("/accounts/{a}/connect", post(accounts::connect))
        .route("/accounts/{a}/disconnect", post(accounts::disconnect))
        .route("/accounts/{a}/purge", post(purge::purge))
        .route("/chats", get(chats::list))
        .route("/chats/{c}", get(chats::show).put(chats::put).delete(chats::remove))
        .route("/messages", get(messages::list))
        .route("/messages/{m}", get(messages::show))
        .route("/messages/{m}/cancel", post(messages::cancel))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{t}", delete(tokens::revoke));
    Router::new()
        .route("/workspaces", get(workspaces::list).post(workspaces::create))
        .route("/findings", get(findings::show))
        .nest("/workspaces/{w}", of_workspace)
        .fallback(unknown_path)
}

/// Answers every path that is none.
pub(super) async fn unknown_path() -> Problem {
    Problem::not_found("nothing is at this path")
}

/// Answers every method that a path does not have; `Allow` lists those that it has.
pub(super) async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed("this path has other methods")
}
