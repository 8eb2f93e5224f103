//! One part of a message: what goes out as one WhatsApp message.

use angelia_shared::query::{MessageState, PartView};
use angelia_shared::units::{Credits, UnixMillis};
use angelia_shared::wamid;

use super::super::refund::Money;
use super::super::table::{Decoder, Encoder};
use super::{of_rank, rank};

/// What is known of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its state.
    pub state: MessageState,
    /// Whether an attempt of it is in the log.
    pub begun: bool,
    /// What it costs of the message's price, once an event has told.
    pub credits: Option<Credits>,
    /// What became of that price.
    pub money: Money,
    /// The provider's id.
    pub provider_id: Option<String>,
    /// Reason code of its failure.
    pub reason: Option<String>,
    /// When its outcome became unknown, while it is.
    pub unknown_since: Option<UnixMillis>,
}

impl Default for Part {
    fn default() -> Self {
        Self::new()
    }
}

impl Part {
    /// A part of which nothing is known yet.
    pub fn new() -> Self {
        Self {
            state: MessageState::Queued,
            begun: false,
            credits: None,
            money: Money::default(),
            provider_id: None,
            reason: None,
            unknown_since: None,
        }
    }

    /// Its price, as far as told.
    pub fn price(&self) -> Credits {
        self.credits.unwrap_or_default()
    }

    /// What is still owed for it.
    pub fn owed(&self) -> Credits {
        self.money.owed(self.price())
    }

    /// Moves up to `state`, or stays.
    pub fn raise(&mut self, state: MessageState) {
        self.state = self.state.max(state);
        if self.state != MessageState::Unknown {
            self.unknown_since = None;
        }
    }

    /// Keeps the first id that the provider gave.
    pub fn note_provider_id(&mut self, id: &str) {
        if self.provider_id.is_none() && !id.is_empty() {
            // Events of earlier versions have it as the provider wrote it.
            self.provider_id = Some(wamid::veiled(id));
        }
    }

    /// Keeps the first failure's reason.
    pub fn note_reason(&mut self, reason: &str) {
        if self.reason.is_none() {
            self.reason = Some(reason.to_owned());
        }
    }

    /// The part as callers see it.
    pub fn view(&self, number: usize) -> PartView {
        PartView {
            part: u8::try_from(number).unwrap_or(u8::MAX),
            state: self.state,
            credits: self.price(),
            provider_id: self.provider_id.clone(),
            reason: self.reason.clone().filter(|_| self.state == MessageState::Failed),
        }
    }

    /// Writes what rules read of it: the time since when it is unknown decides nothing but when it is settled.
    pub fn pack(&self, out: &mut Encoder) {
        let (begun, priced) = (u8::from(self.begun), u8::from(self.credits.is_some()));
        out.byte(rank(self.state) | begun << 4 | priced << 5);
        if let Some(credits) = self.credits {
            out.credits(credits);
        }
        self.money.write(out);
    }

    /// Reads what [`pack`](Self::pack) wrote.
    pub fn unpack(input: &mut Decoder<'_>) -> Option<Self> {
        let bits = input.byte()?;
        let credits = if bits & 0x20 != 0 { Some(input.credits()?) } else { None };
        let (state, money) = (of_rank(bits & 0x0F)?, Money::read(input)?);
        Some(Self { state, begun: bits & 0x10 != 0, credits, money, ..Self::new() })
    }

    /// Writes the part's bytes.
    pub fn write(&self, out: &mut Encoder) {
        out.byte(rank(self.state));
        out.flag(self.begun);
        out.optional(self.credits, Encoder::credits);
        self.money.write(out);
        out.optional(self.provider_id.as_deref(), Encoder::text);
        out.optional(self.reason.as_deref(), Encoder::text);
        out.optional(self.unknown_since, Encoder::time);
    }

    /// Reads what [`write`](Self::write) wrote.
    pub fn read(input: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            state: of_rank(input.byte()?)?,
            begun: input.flag()?,
            credits: input.optional(Decoder::credits)?,
            money: Money::read(input)?,
            provider_id: input.optional(Decoder::text)?.map(str::to_owned),
            reason: input.optional(Decoder::text)?.map(str::to_owned),
            unknown_since: input.optional(Decoder::time)?,
        })
    }
}
