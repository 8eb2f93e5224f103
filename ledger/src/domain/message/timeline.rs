//! What happened to a message, oldest first, within a bound: a message that is put off all day must not grow for ever.

use angelia_shared::ids::Position;
use angelia_shared::query::TimelineEntry;
use angelia_shared::units::UnixMillis;

use super::super::table::{Decoder, Encoder};

/// Entries that are kept. A message that goes smoothly has six.
pub const ENTRIES_MAX: usize = 48;
/// How many of the oldest stay when entries are left out; the rest are the newest.
const OLDEST_KEPT: usize = 16;
/// Characters of a detail: codes are short.
const DETAIL_MAX: usize = 80;

/// Names that entries have, so that one is half a byte in the store. Only ever added to.
const NAMES: [&str; 14] = [
    "MessageAccepted",
    "CancelRequested",
    "AttemptStarted",
    "AttemptEnded",
    "PartRefused",
    "MessageExpired",
    "MessageCancelled",
    "MessageSent",
    "MessageDelivered",
    "MessageRead",
    "MessageFailed",
    "OutcomeSettled",
    "CreditsRefunded",
    "KeyUsed",
];

// The other half of the byte is the part's.
const _: () = assert!(NAMES.len() <= 16);

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Where it is in the log.
    pub position: Position,
    /// When.
    pub at: UnixMillis,
    /// The event's name.
    pub event: &'static str,
    /// The part that it is about, unless it is the whole message.
    pub part: Option<u8>,
    /// What it adds: a code.
    pub detail: Option<String>,
}

/// What happened, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    entries: Vec<Happened>,
    /// How many were left out after the oldest ones.
    left_out: u64,
}

impl Timeline {
    /// Adds the newest entry.
    pub fn add(&mut self, mut entry: Happened) {
        if let Some(detail) = &mut entry.detail {
            detail.truncate(detail.char_indices().nth(DETAIL_MAX).map_or(detail.len(), |(at, _)| at));
        }
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.remove(OLDEST_KEPT);
            self.left_out += 1;
        }
        self.entries.push(entry);
    }

    /// The timeline as callers see it. Where entries were left out, the next one says so.
    pub fn view(&self) -> Vec<TimelineEntry> {
        let mut view: Vec<_> = self
            .entries
            .iter()
            .map(|entry| TimelineEntry {
                at: entry.at,
                event: entry.event.to_owned(),
                position: entry.position,
                part: entry.part,
                detail: entry.detail.clone(),
            })
            .collect();
        if self.left_out > 0 {
            let note = format!("{} earlier entries are only in the log", self.left_out);
            let after = &mut view[OLDEST_KEPT];
            after.detail = Some(after.detail.take().map_or(note.clone(), |detail| format!("{detail}; {note}")));
        }
        view
    }

    /// Where its entries are in the log, and between which two of them others were left out.
    pub fn places(&self) -> (Vec<Position>, Option<(Position, Position)>) {
        let places: Vec<_> = self.entries.iter().map(|entry| entry.position).collect();
        let gap = (self.left_out > 0).then(|| (places[OLDEST_KEPT - 1], places[OLDEST_KEPT]));
        (places, gap)
    }

    /// Writes the timeline's bytes. Times are told from the acceptance, which keeps them small.
    pub fn write(&self, out: &mut Encoder, accepted_at: UnixMillis) {
        out.number(self.left_out);
        out.number(self.entries.len() as u64);
        let mut seq = 0;
        for entry in &self.entries {
            out.number(entry.position.seq - seq);
            seq = entry.position.seq;
            out.number(u64::from(entry.position.line));
            out.time(UnixMillis(entry.at.0.saturating_sub(accepted_at.0)));
            let name = NAMES.iter().position(|name| *name == entry.event).expect("every name is in the list");
            // A message has at most two parts; the other half of the byte is for the part.
            let part = entry.part.map_or(0, |part| part.saturating_add(1).min(15));
            out.byte(name as u8 | part << 4);
            out.optional(entry.detail.as_deref(), Encoder::text);
        }
    }

    /// Reads what [`write`](Self::write) wrote.
    pub fn read(input: &mut Decoder<'_>, accepted_at: UnixMillis) -> Option<Self> {
        let left_out = input.number()?;
        let mut seq = 0_u64;
        let entries = (0..input.number()?).map(|_| {
            seq = seq.checked_add(input.number()?)?;
            let position = Position::new(seq, input.small()?);
            let at = UnixMillis(input.time()?.0.checked_add(accepted_at.0)?);
            let what = input.byte()?;
            Some(Happened {
                position,
                at,
                event: NAMES.get(usize::from(what & 0xf)).copied()?,
                part: (what >> 4).checked_sub(1),
                detail: input.optional(Decoder::text)?.map(str::to_owned),
            })
        });
        Some(Self { entries: entries.collect::<Option<_>>()?, left_out })
    }
}
