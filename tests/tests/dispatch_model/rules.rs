//! What may be left out, and how much may happen.

/// The protocol's rules that the dispatcher's pure code does not keep by itself: each is kept by the broker, or by whoever
/// carries out what the pure code decides and stores what it says. In the model each can be left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The broker checks the guard of an attempt's events: the claim is the newest.
    pub(crate) events_are_guarded: bool,
    /// A snapshot is complete only when one's own claim has arrived. Without: a replica that lags serves an older one.
    pub(crate) snapshot_has_own_claim: bool,
    /// Nothing begins before everything below one's own claim was read.
    pub(crate) catch_up_comes_first: bool,
    /// The mark waits for what has not ended, and for cancels without an answer. Without: it is where the owner has read to.
    pub(crate) mark_waits: bool,
    /// What is on its way to the log has not ended for the mark. Without: only what waits in a queue holds it.
    pub(crate) mark_waits_for_the_log: bool,
    /// What has ended out of turn is carried.
    pub(crate) ended_beyond_is_carried: bool,
    /// What was begun is carried.
    pub(crate) open_is_carried: bool,
    /// What is unknown was tried for the last time. Without: where a message may be sent again, it counts as still open.
    pub(crate) unknown_is_final: bool,
    /// Whoever claims again begins with empty memory.
    pub(crate) memory_is_empty: bool,
    /// A restarted process claims anew. Without: it goes on under the claim of the process before it.
    pub(crate) restart_claims_anew: bool,
    /// A start is in the log before its call.
    pub(crate) start_is_durable: bool,
    /// A call begins soon after its start was handed in, or not at all.
    pub(crate) call_starts_soon: bool,
    /// A call's result belongs to the claim under which it started. Without: to whatever claim its process has.
    pub(crate) result_belongs_to_its_claim: bool,
    /// Where a message may be sent again, a fenced owner tells only that it was sent. Without: also that it failed.
    pub(crate) fenced_tells_only_sent: bool,
    /// After a crash the time is waited that the earlier owner's call may take.
    pub(crate) crash_costs_the_timeout: bool,
    /// A partition is released after its last attempt.
    pub(crate) release_comes_last: bool,
}

impl Rules {
    pub(crate) const ALL: Self = Self {
        events_are_guarded: true,
        snapshot_has_own_claim: true,
        catch_up_comes_first: true,
        mark_waits: true,
        mark_waits_for_the_log: true,
        ended_beyond_is_carried: true,
        open_is_carried: true,
        unknown_is_final: true,
        memory_is_empty: true,
        restart_claims_anew: true,
        start_is_durable: true,
        call_starts_soon: true,
        result_belongs_to_its_claim: true,
        fenced_tells_only_sent: true,
        crash_costs_the_timeout: true,
        release_comes_last: true,
    };
}

/// A message of a world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    /// Its account, 0 or 1.
    pub(crate) account: u8,
    /// 1, or 2 for a text and a file; its price as well.
    pub(crate) parts: u8,
}

/// A small partition: two processes that may own it, one or two accounts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    /// Messages in the order of their acceptance.
    pub(crate) orders: &'static [Order],
    /// How many of them, the last ones, are accepted at some time, and not before all else.
    pub(crate) later: usize,
    /// Whether the transport recognises what it has taken already.
    pub(crate) idempotent: bool,
    pub(crate) budget: Budget,
}

/// What may still happen. Order and delay are free; these are counted so that the histories have an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Processes that die, and are started again.
    pub(crate) crashes: u8,
    /// Claims of a process that wrongly takes the other one for dead.
    pub(crate) rivals: u8,
    /// Owners that are to give the partition away.
    pub(crate) releases: u8,
    /// Times in which nobody has the partition, because nobody has noticed yet.
    pub(crate) orphaned: u8,
    /// Requests or answers that are lost.
    pub(crate) silences: u8,
    /// Messages that the provider refuses.
    pub(crate) refusals: u8,
    /// Messages that the provider puts off.
    pub(crate) put_offs: u8,
    /// Calls that are not begun, because the lease is not fresh.
    pub(crate) stale_leases: u8,
    /// Cancel requests.
    pub(crate) cancels: u8,
    /// Callbacks that a part was sent.
    pub(crate) callbacks: u8,
    /// Callbacks that a part which was taken has failed.
    pub(crate) failures: u8,
}

impl Budget {
    /// Nothing but sending and delays.
    pub(crate) const NOTHING: Self = Self {
        crashes: 0,
        rivals: 0,
        releases: 0,
        orphaned: 0,
        silences: 0,
        refusals: 0,
        put_offs: 0,
        stale_leases: 0,
        cancels: 0,
        callbacks: 0,
        failures: 0,
    };

    /// More of everything that happens in this world already.
    #[must_use]
    pub(crate) fn larger(self, by: u8) -> Self {
        let more = |count: u8| if count == 0 { 0 } else { count + by };
        let Self { crashes, rivals, releases, orphaned, silences, refusals, .. } = self;
        let Self { put_offs, stale_leases, cancels, callbacks, failures, .. } = self;
        Self {
            crashes: more(crashes),
            rivals: more(rivals),
            releases: more(releases),
            orphaned: more(orphaned),
            silences: more(silences),
            refusals: more(refusals),
            put_offs: more(put_offs),
            stale_leases: more(stale_leases),
            cancels: more(cancels),
            callbacks: more(callbacks),
            failures: more(failures),
        }
    }
}
