//! A dispatcher in its surroundings: a real broker, the real sandbox, and what ingress would have written.
//!
//! Read in this order: [`world`] (all of it), [`dispatcher`] (starts, stops and kills the service), [`chronicle`] (what the
//! log says), [`journal`] (what WhatsApp received: the truth), [`checker`] (the invariants over both).
//!
//! Not here: assertions about one subject (see the tests).

pub(crate) mod account;
pub(crate) mod checker;
pub(crate) mod chronicle;
pub(crate) mod dispatcher;
pub(crate) mod gate;
pub(crate) mod journal;
pub(crate) mod message;
pub(crate) mod sandbox;
pub(crate) mod turns;
pub(crate) mod wait;
pub(crate) mod web;
pub(crate) mod world;

pub(crate) use account::Account;
pub(crate) use angelia_shared::testing::Proxy;
pub(crate) use chronicle::Log;
pub(crate) use gate::Gate;
pub(crate) use message::Message;
pub(crate) use wait::{LATER, eventually};
pub(crate) use web::{Reply, Web};
pub(crate) use world::World;

/// The settings of most tests: their files and their provider are on this machine.
pub(crate) fn config() -> angelia_dispatcher::config::Config {
    let flags =
        [("attachments_allow_loopback", "true"), ("attachments_at_once", "4"), ("base_urls_allowed", "loopback")];
    let flags = flags.map(|(name, value)| (name, value.to_owned()));
    angelia_dispatcher::config::Config::read(&angelia_shared::config::Source::from_flags(flags)).expect("settings")
}

/// A recipient for whom nothing special happens.
pub(crate) const SOMEBODY: &str = "+14151231234";
