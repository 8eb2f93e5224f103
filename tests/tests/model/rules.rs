//! What may be left out, and how much may happen.

/// The protocol's rules that are not the pure code's own: each is kept by the broker, or by whoever carries out what the
/// pure code decides. In the model each can be left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The broker checks a seal's guard: the writer's record before.
    pub(crate) seal_guard: bool,
    /// The broker checks the guard of a wallet's entries: the wallet's head.
    pub(crate) wallet_guard: bool,
    /// A draw and what it pays for are one group. Without: the draw falls, the rest is handed in again.
    pub(crate) one_group: bool,
    /// A batch is settled by the first record after the writer's previous one. Without: by the last.
    pub(crate) first_record: bool,
    /// An error after a second transmission is ambiguous. Without: it counts as one after the first.
    pub(crate) late_errors_are_ambiguous: bool,
    /// The ledger fences a writer before it returns what that one left.
    pub(crate) fence: bool,
    /// What the ledger returns is computed when its projection has passed the fence.
    pub(crate) return_after_fence: bool,
    /// The ledger guards with the wallet's head in its projection. Without: with the head that it reads from the log.
    pub(crate) projected_head: bool,
    /// The ledger refunds only what it has projected. Without: what it has just decided, too.
    pub(crate) projected_refund: bool,
}

impl Rules {
    pub(crate) const ALL: Self = Self {
        seal_guard: true,
        wallet_guard: true,
        one_group: true,
        first_record: true,
        late_errors_are_ambiguous: true,
        fence: true,
        return_after_fence: true,
        projected_head: true,
        projected_refund: true,
    };
}

/// A small installation: one workspace, two lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    /// Credits in the wallet at first.
    pub(crate) granted: u64,
    /// The prices of the orders that come to each lane, in turn.
    pub(crate) orders: [&'static [u64]; 2],
    pub(crate) budget: Budget,
}

/// What may still happen. Order, delay and loss are free; these are counted so that the histories have an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Answers that are lost or late.
    pub(crate) silences: u8,
    /// Refusals for no reason (10164).
    pub(crate) refusals: u8,
    /// Lanes that die.
    pub(crate) crashes: u8,
    /// Writers that the ledger takes for dead, rightly or not.
    pub(crate) fences: u8,
    /// Writers that are opened in place of fenced ones.
    pub(crate) reopenings: u8,
    /// Times that everything held is idle.
    pub(crate) pauses: u8,
    /// Messages that are attempted and whose outcome stays unknown.
    pub(crate) unknowns: u8,
    /// Messages that are attempted and fail.
    pub(crate) failures: u8,
    /// Reports that a message of unknown outcome was delivered.
    pub(crate) reports: u8,
    /// Unknown outcomes that a ledger settles by the deadline.
    pub(crate) settlements: u8,
}

impl Budget {
    /// Nothing but orders, rounds and delays.
    pub(crate) const NOTHING: Self = Self {
        silences: 0,
        refusals: 0,
        crashes: 0,
        fences: 0,
        reopenings: 0,
        pauses: 0,
        unknowns: 0,
        failures: 0,
        reports: 0,
        settlements: 0,
    };

    /// More of everything that happens in this world already.
    #[must_use]
    pub(crate) fn larger(self, by: u8) -> Self {
        let more = |count: u8| if count == 0 { 0 } else { count + by };
        let Self { silences, refusals, crashes, fences, reopenings, pauses, unknowns, failures, reports, settlements } =
            self;
        Self {
            silences: more(silences),
            refusals: more(refusals),
            crashes: more(crashes),
            fences: more(fences),
            reopenings: more(reopenings),
            pauses: more(pauses),
            unknowns: more(unknowns),
            failures: more(failures),
            reports: more(reports),
            settlements: more(settlements),
        }
    }
}
