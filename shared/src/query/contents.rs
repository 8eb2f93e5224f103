//! Questions about what only the log has: sealed contents, many at once, and messages as they were.

use serde::{Deserialize, Serialize};

use super::{Ask, MessageState, MessageView};
use crate::event::Sealed;
use crate::ids::{AccountId, MessageId, Position, WorkspaceId};

question!(
    /// Where are the messages of a workspace, newest first? All of them, up to the limit: an answer that is shorter is the
    /// end.
    AskPlaces {
        /// Whose.
        workspace: WorkspaceId,
        /// Only in this state.
        state: Option<MessageState>,
        /// Only of this account.
        account: Option<AccountId>,
        /// Only before this acceptance.
        before: Option<Position>,
        /// How many at most.
        limit: u32,
    } = "places" => Vec<Position>);
question!(
    /// The sealed contents of messages, by where they were accepted, in that order. A place without a message of the
    /// workspace is left out.
    AskContents {
        /// Whose.
        workspace: WorkspaceId,
        /// Which.
        places: Vec<Position>,
    } = "contents" => Vec<SealedContent>);
question!(
    /// One message as the log had it with the record at a sequence and everything before it; none when it was not accepted
    /// by then. Ask with `at_least`. Its place in the queue is not told.
    AskMessageThen {
        /// Whose.
        workspace: WorkspaceId,
        /// Which.
        message: MessageId,
        /// The sequence.
        as_of: u64,
    } = "message_then" => Option<MessageView>);

/// What a message says, for whoever holds the data key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SealedContent {
    /// Where the message was accepted.
    pub accepted: Position,
    /// The message.
    pub message: MessageId,
    /// Its content.
    pub sealed: Sealed,
}
