//! Reads the commonest events in exactly the form in which this version writes them: every field, in its order, without a
//! space or an escape. Reading lines is much of a replay's work, and names that always come in one order need no look-up.
//!
//! Shape: line -> event; `None` for anything else, which may be an event all the same and is read by `serde`.
//!
//! Invariants:
//! - What is read here is what `serde` reads of the same line.

#[cfg(test)]
mod tests;

use super::attempt::{AttemptOutcome, OpenStage, UploadedMedia};
use super::{
    AttemptEnded, AttemptStarted, BatchSealed, Carry, CreditsDrawn, Digest, Event, KeyUsed, MessageAccepted,
    OpenMessage, Receipt, Sealed, Sendings, Totals,
};
use crate::ids::{AccountId, KeyId, MessageId, Position, WebhookId, WorkspaceId, WriterId, read_ulid};
use crate::units::{Credits, UnixMillis};

/// Reads a line, if it is one of the commonest.
pub(super) fn read(line: &[u8]) -> Option<Event> {
    let mut input = Input(line);
    input.literal("{\"")?;
    let name = input.until_quote()?;
    input.literal(":{\"v\":")?;
    let v = input.number()?;
    let event = match name {
        b"MessageAccepted" => Event::MessageAccepted(Box::new(input.accepted(v)?)),
        b"AttemptStarted" => Event::AttemptStarted(Box::new(input.started(v)?)),
        b"AttemptEnded" => Event::AttemptEnded(Box::new(input.ended(v)?)),
        b"MessageSent" => Event::MessageSent(input.receipt(v)?),
        b"MessageDelivered" => Event::MessageDelivered(input.receipt(v)?),
        b"MessageRead" => Event::MessageRead(input.receipt(v)?),
        b"MessageFailed" => Event::MessageFailed(input.receipt(v)?),
        b"CreditsDrawn" => Event::CreditsDrawn(input.drawn(v)?),
        b"KeyUsed" => Event::KeyUsed(input.key_used(v)?),
        b"BatchSealed" => Event::BatchSealed(input.sealed(v)?),
        _ => return None,
    };
    input.literal("}}")?;
    input.0.is_empty().then_some(event)
}

/// What is left of a line.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn literal(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text.as_bytes())?;
        Some(())
    }

    /// Whether this comes next; it is passed then.
    fn has(&mut self, text: &str) -> bool {
        self.literal(text).is_some()
    }

    fn flag(&mut self) -> Option<bool> {
        if self.has("true") { Some(true) } else { self.literal("false").map(|()| false) }
    }

    /// Digits without a leading zero.
    fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        let (mut number, mut count) = (0_u64, 0);
        // Nineteen digits fit; longer numbers are left to `serde`.
        while let Some(digit @ b'0'..=b'9') = self.0.get(count)
            && count < 19
        {
            number = number * 10 + u64::from(digit - b'0');
            count += 1;
        }
        if count == 0 || (count > 1 && self.0[0] == b'0') {
            return None;
        }
        self.0 = &self.0[count..];
        T::try_from(number).ok()
    }

    /// A time after 1970.
    fn time(&mut self) -> Option<UnixMillis> {
        self.number().map(UnixMillis)
    }

    fn credits(&mut self) -> Option<Credits> {
        self.number().map(Credits)
    }

    /// What stands before the next quote, which is passed.
    fn until_quote(&mut self) -> Option<&'a [u8]> {
        let (text, rest) = self.0.split_at(memchr::memchr(b'"', self.0)?);
        self.0 = &rest[1..];
        Some(text)
    }

    /// The rest of a text whose first quote is behind us.
    fn text(&mut self) -> Option<&'a str> {
        let text = self.until_quote()?;
        let plain = text.iter().fold(true, |plain, byte| plain & (*byte >= b' ') & (*byte != b'\\'));
        std::str::from_utf8(text).ok().filter(|_| plain)
    }

    /// What stands in the next `len` bytes, behind which the text ends.
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    fn ulid(&mut self) -> Option<u128> {
        read_ulid(self.bytes(ulid::ULID_LEN)?)
    }

    fn message(&mut self) -> Option<MessageId> {
        MessageId::read(self.bytes(20)?)
    }

    fn position(&mut self) -> Option<Position> {
        let seq = self.number()?;
        self.literal(".")?;
        let line = self.number()?;
        self.literal("\"")?;
        Some(Position { seq, line })
    }

    fn digest(&mut self) -> Option<Digest> {
        self.text()?.parse().ok()
    }

    /// An optional text behind this.
    fn optional(&mut self, before: &str) -> Option<Option<String>> {
        if self.has(before) { self.text().map(|text| Some(text.to_owned())) } else { Some(None) }
    }

    /// A list behind this; none when it is not there.
    fn list<T>(&mut self, before: &str, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        if self.has(before) {
            // An empty one would have been left out.
            items.push(item(self)?);
            while self.has(",") {
                items.push(item(self)?);
            }
            self.literal("]")?;
        }
        Some(items)
    }

    fn accepted(&mut self, v: u8) -> Option<MessageAccepted> {
        self.literal(",\"message\":\"")?;
        let message = self.message()?;
        self.literal(",\"workspace\":\"")?;
        let workspace = WorkspaceId(self.ulid()?);
        self.literal(",\"webhook\":\"")?;
        let webhook = WebhookId(self.ulid()?);
        self.literal(",\"account\":\"")?;
        let account = AccountId(self.ulid()?);
        self.literal(",\"credits\":")?;
        let credits = self.credits()?;
        self.literal(",\"has_text\":")?;
        let has_text = self.flag()?;
        self.literal(",\"has_file\":")?;
        let has_file = self.flag()?;
        self.literal(",\"at\":")?;
        let at = self.time()?;
        self.literal(",\"expires_after_ms\":")?;
        let expires_after_ms = self.number()?;
        self.literal(",\"writer\":\"")?;
        let writer = WriterId(self.ulid()?);
        self.literal(",\"sealed\":{\"key_id\":\"")?;
        let key_id = KeyId(self.ulid()?);
        self.literal(",\"data\":\"")?;
        let sealed = Sealed { key_id, data: self.text()?.to_owned() };
        self.literal("}")?;
        let traceparent = self.optional(",\"traceparent\":\"")?;
        Some(MessageAccepted {
            v,
            message,
            workspace,
            webhook,
            account,
            credits,
            has_text,
            has_file,
            at,
            expires_after_ms,
            writer,
            sealed,
            traceparent,
        })
    }

    fn started(&mut self, v: u8) -> Option<AttemptStarted> {
        self.literal(",\"message\":\"")?;
        let message = self.message()?;
        self.literal(",\"accepted\":\"")?;
        let accepted = self.position()?;
        let (attempt, part, parts, credits, claim, at) = self.attempt()?;
        self.literal(",\"floor_ms\":")?;
        let floor_ms = self.number()?;
        self.literal(",\"idempotent\":")?;
        let idempotent = self.flag()?;
        let carry = self.carry()?;
        Some(AttemptStarted {
            v,
            message,
            accepted,
            attempt,
            part,
            parts,
            credits,
            claim,
            at,
            floor_ms,
            idempotent,
            carry,
        })
    }

    fn ended(&mut self, v: u8) -> Option<AttemptEnded> {
        self.literal(",\"message\":\"")?;
        let message = self.message()?;
        let (attempt, part, parts, credits, claim, at) = self.attempt()?;
        self.literal(",\"gap_ms\":")?;
        let gap_ms = self.number()?;
        self.literal(",\"outcome\":")?;
        let outcome = self.outcome()?;
        let carry = self.carry()?;
        Some(AttemptEnded { v, message, attempt, part, parts, credits, claim, at, gap_ms, outcome, carry })
    }

    /// What both ends of an attempt say.
    fn attempt(&mut self) -> Option<(u32, u8, u8, Credits, u64, UnixMillis)> {
        self.literal(",\"attempt\":")?;
        let attempt = self.number()?;
        self.literal(",\"part\":")?;
        let part = self.number()?;
        self.literal(",\"parts\":")?;
        let parts = self.number()?;
        self.literal(",\"credits\":")?;
        let credits = self.credits()?;
        self.literal(",\"claim\":")?;
        let claim = self.number()?;
        self.literal(",\"at\":")?;
        Some((attempt, part, parts, credits, claim, self.time()?))
    }

    /// The commonest outcome.
    fn outcome(&mut self) -> Option<AttemptOutcome> {
        self.literal("{\"sent\":{\"provider_id\":\"")?;
        let provider_id = self.text()?.to_owned();
        self.literal("}}")?;
        Some(AttemptOutcome::Sent { provider_id })
    }

    /// What an account's owner remembers, unless caps are on.
    fn carry(&mut self) -> Option<Carry> {
        self.literal(",\"carry\":{\"done_through\":\"")?;
        let done_through = self.position()?;
        let open = self.list(",\"open\":[", Self::open)?;
        let ended_beyond = self.list(",\"ended_beyond\":[", |input| {
            input.literal("\"")?;
            input.position()
        })?;
        self.literal(",\"mark\":")?;
        let mark = self.number()?;
        self.literal("}")?;
        Some(Carry { done_through, open, ended_beyond, mark, sendings: Sendings::default() })
    }

    fn open(&mut self) -> Option<OpenMessage> {
        self.literal("{\"at\":\"")?;
        let at = self.position()?;
        self.literal(",\"message\":\"")?;
        let message = self.message()?;
        self.literal(",\"stage\":\"")?;
        let stage = match self.text()? {
            "open" => OpenStage::Open,
            "put_off" => OpenStage::PutOff,
            "unknown" => OpenStage::Unknown,
            _ => return None,
        };
        self.literal(",\"attempt\":")?;
        let attempt = self.number()?;
        self.literal(",\"part\":")?;
        let part = self.number()?;
        self.literal(",\"parts\":")?;
        let parts = self.number()?;
        self.literal(",\"credits\":")?;
        let credits = self.credits()?;
        self.literal(",\"provider_errors\":")?;
        let provider_errors = self.number()?;
        let held_since = if self.has(",\"held_since\":") { Some(self.time()?) } else { None };
        let not_before = if self.has(",\"not_before\":") { Some(self.time()?) } else { None };
        let media = if self.has(",\"media\":{\"id\":\"") { Some(self.media()?) } else { None };
        let began = if self.has(",\"began\":") { Some(self.time()?) } else { None };
        self.literal("}")?;
        Some(OpenMessage {
            at,
            message,
            stage,
            attempt,
            part,
            parts,
            credits,
            provider_errors,
            held_since,
            not_before,
            media,
            began,
        })
    }

    fn media(&mut self) -> Option<UploadedMedia> {
        let id = self.text()?.to_owned();
        self.literal(",\"kind\":\"")?;
        let kind = self.text()?.to_owned();
        self.literal("}")?;
        Some(UploadedMedia { id, kind })
    }

    fn receipt(&mut self, v: u8) -> Option<Receipt> {
        self.literal(",\"message\":\"")?;
        let message = self.message()?;
        self.literal(",\"workspace\":\"")?;
        let workspace = WorkspaceId(self.ulid()?);
        self.literal(",\"account\":\"")?;
        let account = AccountId(self.ulid()?);
        self.literal(",\"part\":")?;
        let part = self.number()?;
        self.literal(",\"at\":")?;
        let at = self.time()?;
        self.literal(",\"received_at\":")?;
        let received_at = self.time()?;
        let provider_id = self.optional(",\"provider_id\":\"")?;
        let reason = self.optional(",\"reason\":\"")?;
        let detail = self.optional(",\"detail\":\"")?;
        let looked_up = self.has(",\"looked_up\":true");
        Some(Receipt { v, message, workspace, account, part, at, received_at, provider_id, reason, detail, looked_up })
    }

    fn drawn(&mut self, v: u8) -> Option<CreditsDrawn> {
        self.literal(",\"writer\":\"")?;
        let writer = WriterId(self.ulid()?);
        self.literal(",\"credits\":")?;
        let credits = self.credits()?;
        self.literal(",\"totals\":{\"granted\":")?;
        let granted = self.credits()?;
        self.literal(",\"drawn\":")?;
        let drawn = self.credits()?;
        self.literal(",\"returned\":")?;
        let returned = self.credits()?;
        self.literal(",\"refunded\":")?;
        let totals = Totals { granted, drawn, returned, refunded: self.credits()? };
        self.literal("},\"at\":")?;
        Some(CreditsDrawn { v, writer, credits, totals, at: self.time()? })
    }

    fn key_used(&mut self, v: u8) -> Option<KeyUsed> {
        self.literal(",\"key\":\"")?;
        let key = self.text()?.to_owned();
        self.literal(",\"fingerprint\":\"")?;
        let fingerprint = self.text()?.to_owned();
        self.literal(",\"workspace\":\"")?;
        let workspace = WorkspaceId(self.ulid()?);
        self.literal(",\"message\":\"")?;
        Some(KeyUsed { v, key, fingerprint, workspace, message: self.message()? })
    }

    fn sealed(&mut self, v: u8) -> Option<BatchSealed> {
        self.literal(",\"n\":")?;
        let n = self.number()?;
        self.literal(",\"count\":")?;
        let count = self.number()?;
        self.literal(",\"previous_digest\":\"")?;
        let previous_digest = self.digest()?;
        self.literal(",\"digest\":\"")?;
        Some(BatchSealed { v, n, count, previous_digest, digest: self.digest()? })
    }
}
