//! The ingress over real HTTP, with a real broker, and a small ledger and dispatcher of the tests' own.

#[path = "http/api.rs"]
mod api;
#[path = "http/callbacks.rs"]
mod callbacks;
#[path = "http/chats.rs"]
mod chats;
#[path = "http/crowd.rs"]
mod crowd;
#[path = "http/health.rs"]
mod health;
#[path = "http/idempotency.rs"]
mod idempotency;
#[path = "http/ledger.rs"]
mod ledger;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/links.rs"]
mod links;
#[path = "http/long_statement.rs"]
mod long_statement;
#[path = "http/purge.rs"]
mod purge;
#[path = "http/reads.rs"]
mod reads;
#[path = "http/roles.rs"]
mod roles;
#[path = "http/support.rs"]
mod support;
#[path = "http/transfer.rs"]
mod transfer;
#[path = "http/webhook.rs"]
mod webhook;
