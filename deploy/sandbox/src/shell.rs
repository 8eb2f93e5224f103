//! Files, tasks and sockets, in the order a newcomer should read them.

pub(crate) mod serve;

pub(crate) mod connections;
pub(crate) mod http;

pub(crate) mod courier;
pub(crate) mod delivered;
pub(crate) mod history;
pub(crate) mod journal;
pub(crate) mod reader;
pub(crate) mod recovery;

mod clock;
