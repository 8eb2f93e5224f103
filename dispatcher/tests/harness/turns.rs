//! Asks the dispatcher when messages go and what holds them, as ingress does.

use std::time::Duration;

use angelia_shared::event::Event;
use angelia_shared::ids::{MessageId, Position};
use angelia_shared::turns::{self, AccountTurn, AskTurn, AskTurns};
use angelia_shared::units::UnixMillis;

use super::account::Account;
use super::wait::{LATER, eventually};
use super::world::World;

/// Where these messages were accepted.
async fn places(world: &World, messages: &[MessageId]) -> Vec<Position> {
    let place = |of: MessageId| {
        world.chronicle.look(|log| {
            let found =
                log.0.iter().find(|logged| matches!(&logged.event, Event::MessageAccepted(a) if a.message == of));
            found.map(|logged| logged.at)
        })
    };
    eventually("the acceptances are read", LATER, async || {
        messages.iter().map(|of| place(*of)).collect::<Option<Vec<_>>>().ok_or("not yet".to_owned())
    })
    .await
}

/// Asks until the owner says of the first message that `held_by` holds it.
pub(crate) async fn held_by(world: &World, account: &Account, messages: &[MessageId], held_by: &str) -> AccountTurn {
    let messages = places(world, messages).await;
    let ask = AskTurns { accounts: vec![AskTurn { account: account.id(), messages }] };
    eventually(held_by, LATER, async || {
        let answer = turns::ask(world.log.client(), account.part, &ask, Duration::from_secs(2)).await;
        let turn = answer.and_then(|mut turns| turns.pop()).ok_or("no answer".to_owned())?;
        let first = turn.messages[0].clone().and_then(|message| message.held_by);
        if first.as_deref() == Some(held_by) { Ok(turn) } else { Err(format!("{turn:?}")) }
    })
    .await
}

/// When a message is expected to go.
pub(crate) fn expected_at(turn: &AccountTurn, nth: usize) -> Option<UnixMillis> {
    turn.messages[nth].as_ref().and_then(|message| message.expected_at)
}
