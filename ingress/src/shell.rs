//! What the ingress does: async, thin, few decisions.

pub mod admission;
mod api_log;
mod cache;
pub mod chats;
mod contents;
mod credentials;
mod directory_writer;
mod hand_over;
pub(crate) mod http;
pub mod keys;
pub mod prometheus;
mod rate_limits;
mod refusals;
pub mod run;
mod senders;
mod stream_page;
