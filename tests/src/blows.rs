//! What is done to whom: kill -9 and a start a moment later, a stop that the process knows nothing of, and a wire to the broker
//! that is cut or stands still.
//!
//! Shape: (seed, name of a member) -> its [`Blow`]s. Each member has a plan of its own, so blows overlap as they like.

use std::time::Duration;

use angelia_shared::clock;
use futures_util::future::join_all;
use nix::sys::signal::Signal;
use tokio::time::sleep;

use crate::dice::Dice;
use crate::fleet::Member;

/// Time to warm up before the first.
const FIRST_AFTER: Duration = Duration::from_millis(1_500);

/// How often a supervisor looks.
const LOOKS_EVERY: Duration = Duration::from_millis(200);

/// How long a process may be stopped: from a moment to more than the longest lease (a member's key, 5 s), in milliseconds.
const STOPPED_MS: (f64, f64) = (100.0, 8_000.0);

/// How long one with a wire may be stopped, or its wire broken: as often as not for longer than its lease. Not longer than
/// the lease and a call's time-out together: a process that is stopped in the moment before a call makes it when it wakes up.
const BEYOND_LEASE_MS: (u64, u64) = (5_500, 10_000);

/// How long a killed process stays dead, in milliseconds.
const DEAD_MS: (u64, u64) = (0, 2_500);

/// One fault.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// SIGKILL; started again after this time.
    Kill(Duration),
    /// SIGSTOP; continued after this time.
    Stop(Duration),
    /// Its connections are closed; it may connect again after this time.
    Cut(Duration),
    /// Its wire stands still for this time.
    Stall(Duration),
}

impl Blow {
    fn lasts(self) -> Duration {
        match self {
            Self::Kill(lasts) | Self::Stop(lasts) | Self::Cut(lasts) | Self::Stall(lasts) => lasts,
        }
    }
}

/// The blows to one member, each with its time from the beginning. `rest` is how long it is left alone on average.
fn plan(seed: u64, member: &Member, rest: Duration, length: Duration) -> Vec<(Duration, Blow)> {
    let mut dice = Dice::of(seed, &member.name);
    // Every kind comes before one comes again.
    let mut deck: Vec<u8> = Vec::new();
    let mut plan = Vec::new();
    let mut at = FIRST_AFTER;
    loop {
        at += dice.until_next(rest);
        if at >= length {
            return plan;
        }
        if deck.is_empty() {
            deck = (0..if member.wire.is_some() { 4 } else { 2 }).collect();
        }
        let kind = deck.swap_remove(dice.below(deck.len()));
        let lasts = if kind == 0 {
            dice.between(DEAD_MS.0, DEAD_MS.1)
        } else if member.wire.is_some() && dice.happens(0.5) {
            dice.between(BEYOND_LEASE_MS.0, BEYOND_LEASE_MS.1)
        } else {
            dice.of_any_size(STOPPED_MS.0, STOPPED_MS.1)
        };
        let blow = match kind {
            0 => Blow::Kill(lasts),
            1 => Blow::Stop(lasts),
            2 => Blow::Cut(lasts),
            _ => Blow::Stall(lasts),
        };
        plan.push((at, blow));
        at += blow.lasts();
    }
}

/// Hammers the members for so long, each left alone for `rest` of its name on average. All of them run afterwards.
///
/// # Panics
/// When one ends that nobody killed.
pub async fn hammer(
    members: impl IntoIterator<Item = &mut Member>,
    rest: impl Fn(&str) -> Duration,
    seed: u64,
    length: Duration,
) {
    let began = clock::monotonic();
    let rest = &rest;
    join_all(members.into_iter().map(|member| async move {
        for (at, blow) in plan(seed, member, rest(&member.name), length) {
            while began.elapsed() < at {
                sleep(LOOKS_EVERY.min(at.saturating_sub(began.elapsed()))).await;
                member.supervise();
            }
            println!("{:>7.2} s  {:<12} {blow:?}", began.elapsed().as_secs_f64(), member.name);
            strike(member, blow).await;
        }
    }))
    .await;
}

async fn strike(member: &mut Member, blow: Blow) {
    let lasts = sleep(blow.lasts());
    match (blow, &member.wire) {
        (Blow::Kill(_), _) => {
            member.kill();
            lasts.await;
            member.start();
        }
        (Blow::Stop(_), _) => {
            member.signal(Signal::SIGSTOP);
            lasts.await;
            member.signal(Signal::SIGCONT);
        }
        (Blow::Cut(_), Some(wire)) => {
            wire.cut();
            lasts.await;
            wire.flow();
        }
        (Blow::Stall(_), Some(wire)) => {
            wire.stall();
            lasts.await;
            wire.flow();
        }
        (Blow::Cut(_) | Blow::Stall(_), None) => unreachable!("only a wire is cut"),
    }
}
