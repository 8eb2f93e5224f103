//! What a simulated run is made of: its size, its troubles, its dice, and a rule to leave out.

/// How much of everything a run has. The same scenario always runs the same way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) accounts: usize,
    /// One bit for each account: its transport recognises the ids of messages.
    pub(super) linked: u8,
    pub(super) messages: usize,
    pub(super) cancels: usize,
    pub(super) crashes: usize,
    pub(super) pauses: usize,
    /// Claims by an owner that wrongly believes the other one gone.
    pub(super) rivals: usize,
    pub(super) releases: usize,
    /// Changes of an account's settings.
    pub(super) changes: usize,
}

impl Scenario {
    /// A run with much trouble.
    pub(super) fn rough(seed: u64) -> Self {
        let linked = Dice(seed ^ 0x5A5A).below(8) as u8;
        Self {
            seed,
            accounts: 3,
            linked,
            messages: 10,
            cancels: 8,
            crashes: 6,
            pauses: 2,
            rivals: 4,
            releases: 1,
            changes: 1,
        }
    }

    /// A run with some of everything.
    pub(super) fn eventful(seed: u64) -> Self {
        let mut dice = Dice(seed ^ 0xA5A5);
        Self {
            seed,
            accounts: 1 + dice.below(3) as usize,
            linked: dice.below(8) as u8,
            messages: 2 + dice.below(9) as usize,
            cancels: dice.below(8) as usize,
            crashes: dice.below(4) as usize,
            pauses: dice.below(3) as usize,
            rivals: dice.below(4) as usize,
            releases: dice.below(3) as usize,
            changes: dice.below(4) as usize,
        }
    }
}

/// A rule of the design that a run can be made without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Every attempt event is guarded by its claim.
    EventsAreGuarded,
    /// A snapshot is complete only when one's own claim has arrived.
    SnapshotHasOwnClaim,
    /// Nothing is done before everything below one's own claim was read.
    CatchUpComesFirst,
    /// What is on its way to the log does not count as ended for the mark.
    MarkWaitsForTheLog,
    /// The mark does not pass an acceptance that has not ended. A cancel request comes after the acceptance of its
    /// message, so the mark does not pass that either while it has no answer.
    MarkWaitsForTheQueue,
    /// What has ended out of turn is carried.
    EndedBeyondIsCarried,
    /// What was begun is carried.
    OpenIsCarried,
    /// Whoever claims again begins with empty memory.
    MemoryIsEmpty,
    /// A restarted process claims anew.
    RestartClaimsAnew,
    /// `AttemptStarted` is in the log before the call.
    StartIsDurable,
    /// A call begins soon after its start was handed in, or not at all.
    CallStartsSoon,
    /// A call's result belongs to the claim under which it started. The wait for an earlier owner's call covers for
    /// this one, so it takes two to break something.
    ResultBelongsToItsClaim,
    /// Where a message may be sent again, a fenced owner reports only that it was sent.
    FencedReportsOnlySent,
    /// After a crash the time is waited that the earlier owner's call may take.
    CrashCostsTheTimeout,
}

/// Seeded dice.
#[derive(Clone, Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// A number below `end`, which must not be zero.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of a hundred throws.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
