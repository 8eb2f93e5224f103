//! What is done to whom: kill -9 and a start a moment later, or a stop that the process knows nothing of.
//!
//! Shape: (seed, name of a member) -> its [`Blow`]s. Each member has a plan of its own, so blows overlap as they like.

use std::time::Duration;

use angelia_shared::clock;
use angelia_tests::fleet::Member;
use futures_util::future::join_all;
use nix::sys::signal::Signal;
use tokio::time::sleep;

use crate::dice::Dice;

/// Time to warm up before the first.
const FIRST_AFTER: Duration = Duration::from_millis(1_500);

/// How often a supervisor looks.
const LOOKS_EVERY: Duration = Duration::from_millis(200);

/// How long a process may be stopped: from a moment to more than the longest lease (a member's key, 5 s), in milliseconds.
const STOPPED_MS: (f64, f64) = (100.0, 8_000.0);

/// How long a killed process stays dead, in milliseconds.
const DEAD_MS: (u64, u64) = (0, 2_500);

/// One fault.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// SIGKILL; started again after this time.
    Kill(Duration),
    /// SIGSTOP; continued after this time.
    Stop(Duration),
}

/// How long a member is left alone on average. The broker's faults hit everybody, so they are rarer.
fn rest(name: &str) -> Duration {
    match name.split('-').next() {
        Some("ingress") => Duration::from_secs(6),
        Some("ledger") => Duration::from_secs(8),
        Some("dispatcher") => Duration::from_secs(9),
        _ => Duration::from_secs(11),
    }
}

/// The blows to one member, each with its time from the beginning.
fn plan(seed: u64, name: &str, length: Duration) -> Vec<(Duration, Blow)> {
    let mut dice = Dice::of(seed, name);
    let mut plan = Vec::new();
    let mut at = FIRST_AFTER;
    loop {
        at += dice.until_next(rest(name));
        if at >= length {
            return plan;
        }
        let blow = if dice.happens(0.5) {
            Blow::Kill(dice.between(DEAD_MS.0, DEAD_MS.1))
        } else {
            Blow::Stop(dice.of_any_size(STOPPED_MS.0, STOPPED_MS.1))
        };
        plan.push((at, blow));
        let (Blow::Kill(lasts) | Blow::Stop(lasts)) = blow;
        at += lasts;
    }
}

/// Hammers every member for so long. All of them run afterwards.
///
/// # Panics
/// When one ends that nobody killed.
pub(crate) async fn hammer(members: &mut [Member], seed: u64, length: Duration) {
    let began = clock::monotonic();
    join_all(members.iter_mut().map(|member| async move {
        for (at, blow) in plan(seed, &member.name, length) {
            while began.elapsed() < at {
                sleep(LOOKS_EVERY.min(at.saturating_sub(began.elapsed()))).await;
                member.supervise();
            }
            println!("{:>7.2} s  {:<12} {blow:?}", began.elapsed().as_secs_f64(), member.name);
            match blow {
                Blow::Kill(lasts) => {
                    member.kill();
                    sleep(lasts).await;
                    member.start();
                }
                Blow::Stop(lasts) => {
                    member.signal(Signal::SIGSTOP);
                    sleep(lasts).await;
                    member.signal(Signal::SIGCONT);
                }
            }
        }
    }))
    .await;
}
