//! What the ingress decides, without doing it: sync, no clock, no randomness, no IO.

pub mod accept;
pub mod access;
pub mod account_choice;
pub mod account_settings;
pub mod admission;
pub mod callback;
pub mod caller;
pub mod chat;
pub mod field;
pub mod hand_over;
pub mod idempotency_key;
pub mod input;
pub mod jid;
pub mod key_map;
pub mod page;
pub mod phone;
pub mod purse;
pub mod rate;
pub mod refusal;
pub mod request_fault;
pub mod send_request;
pub mod token;
pub mod traceparent;
pub mod turn;
pub mod wallet;
pub mod wallet_then;
