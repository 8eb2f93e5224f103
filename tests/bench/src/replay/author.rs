//! Writes a log as the services would: the same seed gives the same work, but for ids and times.

use std::collections::VecDeque;

use angelia_shared::clock;
use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::{
    AttemptEnded, AttemptStarted, Carry, CreditsDrawn, CreditsGranted, Event, MessageAccepted, PartitionClaimed,
    Receipt, Sealed, Totals,
};
use angelia_shared::ids::{AccountId, KeyId, MemberId, MessageId, Position, WebhookId, WorkspaceId};
use angelia_shared::log::entry::Pending;
use angelia_shared::log::{Entry, EventLog, Group, Stored, Writer, WriterOptions};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::{Credits, UnixMillis};
use anyhow::Context as _;

/// Workspaces that share a batch, and messages of each in it: as at full admission load.
const TOGETHER: usize = 16;
const EACH: u64 = 32;
/// More than any workspace spends here.
const GRANT: Credits = Credits(1_000_000_000);
/// The gap after each attempt.
const FLOOR_MS: u64 = 1_500;
/// What a sealed text of a sentence or two takes.
const SEALED_BYTES: usize = 200;

/// A log under construction.
pub(crate) struct Author {
    writer: Writer,
    dice: u64,
    wallets: Vec<Totals>,
    /// When the account of each workspace may begin its next attempt: nobody waits for it, but the log must be sound.
    turns: Vec<UnixMillis>,
    /// The claim of each partition.
    claims: Vec<u64>,
    /// Messages accepted so far.
    pub(crate) messages: u64,
    /// Events written so far, without the seals.
    pub(crate) events: u64,
}

/// A message that was accepted.
struct Accepted {
    id: MessageId,
    /// The workspace's number.
    number: usize,
    at: Position,
}

impl Author {
    /// Opens a writer and grants every workspace credits.
    pub(crate) async fn open(log: EventLog, workspaces: usize, seed: u64) -> anyhow::Result<Self> {
        let options = WriterOptions { role: "bench".to_owned(), member: MemberId(seed.into()), fails_fast: false };
        let writer = Writer::open(log, options).await.context("cannot open a writer")?;
        let wallets = vec![Totals::default(); workspaces];
        let (turns, claims) = (vec![UnixMillis(0); workspaces], Vec::new());
        let mut author = Self { writer, dice: seed, wallets, turns, claims, messages: 0, events: 0 };
        author.claim(MemberId(seed.into())).await?;
        let mut groups = Vec::with_capacity(workspaces);
        for number in 0..workspaces {
            let totals = author.wallets[number].granting(GRANT).context("a wallet is full")?;
            author.wallets[number] = totals;
            let (reason, at) = ("benchmark".to_owned(), clock::now());
            let event = Event::CreditsGranted(CreditsGranted { v: 1, credits: GRANT, reason, totals, at });
            groups.push(Group::one(Entry::new(Subject::Wallet(workspace(number)), &event)));
        }
        author.commit(groups).await?;
        Ok(author)
    }

    /// Claims every partition, as a dispatcher does before its first attempt.
    async fn claim(&mut self, member: MemberId) -> anyhow::Result<()> {
        let groups = (0..self.writer.log().partitions()).map(Partition).map(|part| {
            let claimed = PartitionClaimed { v: 1, part: Some(part), member, at: clock::now() };
            Group::one(Entry::new(Subject::PartitionClaim(part), &Event::PartitionClaimed(claimed)))
        });
        let stored = self.commit(groups.collect()).await?;
        self.claims = stored.iter().map(|group| group.positions[0].seq).collect();
        Ok(())
    }

    /// Writes at least `count` more messages. Of a hundred, `lived` are sent, delivered and read; the others wait.
    pub(crate) async fn write(&mut self, count: u64, lived: u64) -> anyhow::Result<()> {
        let until = self.messages + count;
        while self.messages < until {
            let accepted = self.accept().await?;
            let lived: Vec<_> = accepted.into_iter().filter(|_| self.roll() % 100 < lived).collect();
            let mut attempts = Vec::with_capacity(lived.len() * 2);
            for message in &lived {
                attempts.extend(self.attempt(message));
            }
            self.commit(attempts).await?;
            let receipts = lived.iter().flat_map(|message| self.receipts(message)).collect();
            self.commit(receipts).await?;
        }
        Ok(())
    }

    async fn accept(&mut self) -> anyhow::Result<Vec<Accepted>> {
        let workspaces = self.wallets.len();
        let together = TOGETHER.min(workspaces);
        // Neighbours from a random place on: one draw a workspace in a batch.
        let first = (self.roll() % workspaces as u64) as usize;
        let mut groups = Vec::with_capacity(together);
        let mut ids = Vec::new();
        for number in (first..first + together).map(|number| number % workspaces) {
            let id = workspace(number);
            let (credits, writer, at) = (Credits(EACH), self.writer.id(), clock::now());
            let totals = self.wallets[number].drawing(credits).context("a wallet is empty")?;
            self.wallets[number] = totals;
            let drawn = Event::CreditsDrawn(CreditsDrawn { v: 1, writer, credits, totals, at });
            let messages: Vec<_> = (0..EACH).map(|_| MessageId::generate()).collect();
            let acceptances = messages.iter().map(|message| self.acceptance(id, *message));
            let entries = [Entry::new(Subject::Wallet(id), &drawn)].into_iter().chain(acceptances);
            groups.push(entries.collect());
            ids.extend(messages.into_iter().map(|message| (message, number)));
        }
        let stored = self.commit(groups).await?;
        let places = stored.iter().flat_map(|group| group.positions[1..].iter().copied());
        let accepted = places.zip(ids).map(|(at, (id, number))| Accepted { id, number, at });
        let accepted: Vec<_> = accepted.collect();
        self.messages += accepted.len() as u64;
        Ok(accepted)
    }

    fn acceptance(&self, workspace: WorkspaceId, message: MessageId) -> Entry {
        let account = account(workspace);
        let fact = MessageAccepted {
            v: 1,
            message,
            workspace,
            webhook: WebhookId(workspace.0 + 2),
            account,
            credits: Credits(1),
            has_text: true,
            has_file: false,
            at: clock::now(),
            expires_after_ms: 86_400_000,
            writer: self.writer.id(),
            sealed: Sealed { key_id: KeyId(1), data: "A".repeat(SEALED_BYTES) },
            traceparent: None,
        };
        Entry::new(Subject::Accepted(self.partition(workspace)), &Event::MessageAccepted(Box::new(fact)))
    }

    fn partition(&self, workspace: WorkspaceId) -> Partition {
        Partition::of(account(workspace), self.writer.log().partitions())
    }

    fn attempt(&mut self, of: &Accepted) -> [Group; 2] {
        let workspace = workspace(of.number);
        let partition = self.partition(workspace);
        let subject = Subject::Attempt(partition, workspace, account(workspace));
        let (message, credits, carry) = (of.id, Credits(1), Carry::default);
        let at = self.turns[of.number].max(clock::now());
        self.turns[of.number] = at.plus_ms(FLOOR_MS);
        let (attempt, part, parts, claim) = (1, 0, 1, self.claims[usize::from(partition.0)]);
        let started = AttemptStarted {
            v: 1,
            message,
            accepted: of.at,
            attempt,
            part,
            parts,
            credits,
            claim,
            at,
            floor_ms: FLOOR_MS,
            idempotent: false,
            carry: carry(),
        };
        let outcome = AttemptOutcome::Sent { provider_id: format!("wamid.{message}") };
        let (gap_ms, carry) = (FLOOR_MS, carry());
        let ended = AttemptEnded { v: 1, message, attempt, part, parts, credits, claim, at, gap_ms, outcome, carry };
        [Event::AttemptStarted(Box::new(started)), Event::AttemptEnded(Box::new(ended))]
            .map(|event| Group::one(Entry::new(subject, &event)))
    }

    fn receipts(&self, of: &Accepted) -> [Group; 2] {
        let workspace = workspace(of.number);
        let subject = Subject::Receipt(self.partition(workspace));
        let at = clock::now();
        let receipt = Receipt {
            v: 1,
            message: of.id,
            workspace,
            account: account(workspace),
            part: 0,
            at,
            received_at: at,
            provider_id: None,
            reason: None,
            detail: None,
            looked_up: false,
        };
        [Event::MessageDelivered(receipt.clone()), Event::MessageRead(receipt)]
            .map(|event| Group::one(Entry::new(subject, &event)))
    }

    async fn commit(&mut self, groups: Vec<Group>) -> anyhow::Result<Vec<Stored>> {
        let mut queue = VecDeque::with_capacity(groups.len());
        let mut answers = Vec::with_capacity(groups.len());
        for group in groups {
            self.events += group.entries.len() as u64;
            let (pending, answer) = Pending::new(group);
            queue.push_back(pending);
            answers.push(answer);
        }
        while !queue.is_empty() {
            self.writer.commit(&mut queue).await;
        }
        let mut stored = Vec::with_capacity(answers.len());
        for answer in answers {
            stored.push(answer.await?.map_err(|error| anyhow::anyhow!("not stored: {error}"))?);
        }
        Ok(stored)
    }

    /// SplitMix64. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The id of the workspace of this number. Spread, as ULIDs are.
fn workspace(number: usize) -> WorkspaceId {
    WorkspaceId((number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) & !0xff)
}

fn account(workspace: WorkspaceId) -> AccountId {
    AccountId(workspace.0 + 1)
}
