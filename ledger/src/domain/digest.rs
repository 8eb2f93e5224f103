//! One digest over the state: wallets, lanes and counts.
//!
//! Shape: SHA-256 over lines of text, so that anyone can compute it from a replay. In this order, each line ended by `\n`:
//! `angelia ledger state 1`; per workspace, by id, `wallet {id} {granted} {drawn} {returned} {refunded} {consumed}
//! {messages}`; per writer and workspace, by ids, `lane {writer} {workspace} {drawn} {accepted} {returned}` (an ended
//! writer's lane only while it has a rest); by name `event {name} {count}` and `unknown {name} {count}`; then
//! `stray_receipts {count}` and `contradictions {count}`.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use angelia_shared::event::Digest;
use sha2::{Digest as _, Sha256};

use super::head::Head;
use super::lanes::Lane;
use super::table::{Direction, Span, Tables};
use super::wallet::Wallet;

/// The digest of the state at `head`.
///
/// # Errors
/// When the store cannot be read.
pub fn state_digest<T: Tables>(tables: &T, head: &Head) -> Result<Digest, T::Error> {
    let mut sha = Sha256::new_with_prefix("angelia ledger state 1\n");
    let mut line = String::new();
    let mut add = |text: std::fmt::Arguments<'_>| {
        line.clear();
        writeln!(line, "{text}").expect("a string takes any text");
        sha.update(&line);
    };
    tables.scan::<Wallet>(&Span::all::<Wallet>(), Direction::Up, |id, wallet| {
        let (t, consumed, messages) = (wallet.totals, wallet.consumed, wallet.messages);
        let (granted, drawn, returned, refunded) = (t.granted, t.drawn, t.returned, t.refunded);
        add(format_args!("wallet {id} {granted} {drawn} {returned} {refunded} {consumed} {messages}"));
        ControlFlow::Continue(())
    })?;
    tables.scan::<Lane>(&Span::all::<Lane>(), Direction::Up, |(writer, workspace), lane| {
        let Lane { drawn, accepted, returned } = lane;
        add(format_args!("lane {writer} {workspace} {drawn} {accepted} {returned}"));
        ControlFlow::Continue(())
    })?;
    for (kind, counts) in [("event", &head.counts.events), ("unknown", &head.counts.unknown)] {
        for (name, count) in counts {
            add(format_args!("{kind} {name} {count}"));
        }
    }
    add(format_args!("stray_receipts {}", head.counts.stray_receipts));
    add(format_args!("contradictions {}", head.counts.contradictions));
    Ok(Digest(sha.finalize().into()))
}
