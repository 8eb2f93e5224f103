//! Kill -9 of each part in the middle of work: nothing lost, nothing doubled, in order, at its pace, and paid for once.

mod disk_full;
mod ledger;
mod money;
mod open_attempts;
mod queues;
mod replicas;
mod stops;

use angelia_tests::client::Answer;
use angelia_tests::installation::{Installation, text};
use angelia_tests::journal::Line;
use angelia_tests::tenant::{Account, Tenant, recipient};
use angelia_tests::wait::{LATER, eventually};
use serde_json::json;

/// The gap of the accounts here: short enough for a test, long enough that a broken pace shows.
const GAP: [u64; 2] = [400, 600];

/// How many accounts share the work.
const ACCOUNTS: usize = 3;

/// A tenant with a queue on each of several accounts, in the middle of being sent.
struct Work<'a> {
    tenant: Tenant<'a>,
    accounts: Vec<Account>,
    /// The accepted messages of each account, in order of acceptance.
    queues: Vec<Vec<String>>,
}

impl<'a> Work<'a> {
    /// Accepts `each` messages for every account, in turns, and returns as soon as some were sent.
    async fn begin(installation: &'a Installation, each: usize) -> Self {
        let tenant = Tenant::new(installation, 1_000).await;
        let mut accounts = Vec::new();
        for _ in 0..ACCOUNTS {
            accounts.push(tenant.account(GAP).await);
        }
        let mut work = Self { tenant, queues: vec![Vec::new(); accounts.len()], accounts };
        for n in 0..each {
            for account in 0..ACCOUNTS {
                work.accept(account, &format!("number {n}")).await;
            }
        }
        eventually("some messages are sent", LATER, async || {
            let sent = work.sends().await.len();
            if sent >= 2 * ACCOUNTS { Ok(()) } else { Err(format!("{sent} are")) }
        })
        .await;
        work
    }

    async fn accept(&mut self, account: usize, words: &str) {
        let id = self.tenant.send(&self.accounts[account], &recipient("1234"), words).await;
        self.queues[account].push(id);
    }

    /// Everything that WhatsApp received from these accounts, in order.
    async fn sends(&self) -> Vec<Line> {
        let journal = self.tenant.journal().await;
        let ours = |line: &&Line| self.accounts.iter().any(|account| account.phone_number_id == line.phone_number_id);
        journal.0.iter().filter(ours).cloned().collect()
    }

    /// Checks that everything ends as promised. At most `unknown` messages of each account may have an unknown outcome.
    async fn ends_well(&self, unknown: usize) {
        let mut unknowns = vec![0; ACCOUNTS];
        for (account, queue) in self.queues.iter().enumerate() {
            for id in queue {
                let message = self.tenant.until(id, &["sent", "delivered", "read", "unknown"]).await;
                unknowns[account] += usize::from(text(&message, "state") == "unknown");
            }
        }
        assert!(unknowns.iter().all(|count| *count <= unknown), "messages of unknown outcome: {unknowns:?}");
        self.was_sent_once_in_order_at_its_pace().await;
        let accepted: usize = self.queues.iter().map(Vec::len).sum();
        let wallet = self.tenant.wallet().await;
        assert_eq!((wallet.consumed, wallet.refunded), (accepted as u64, 0));
        self.tenant.check_log().await;
    }

    async fn was_sent_once_in_order_at_its_pace(&self) {
        let sends = self.sends().await;
        for (account, queue) in self.accounts.iter().zip(&self.queues) {
            let lines: Vec<_> = sends.iter().filter(|l| l.phone_number_id == account.phone_number_id).collect();
            for id in queue {
                let times = lines.iter().filter(|line| line.belongs_to(id)).count();
                let unknown = times == 0 && text(&self.tenant.message(id).await, "state") == "unknown";
                assert!(times == 1 || unknown, "{id} was sent {times} times");
            }
            let order: Vec<_> = lines.iter().filter_map(|l| queue.iter().position(|id| l.belongs_to(id))).collect();
            assert!(order.is_sorted(), "account {}: sent in the order {order:?}", account.id);
            let gaps: Vec<_> = lines.windows(2).map(|pair| pair[1].received_at_ms - pair[0].received_at_ms).collect();
            let floor = i64::try_from(GAP[0]).expect("a gap is small");
            assert!(gaps.iter().all(|gap| *gap >= floor), "account {}: gaps of {gaps:?}", account.id);
        }
    }
}

/// A call while something is dead: accepted, or refused without a false success, or cut off.
fn accepted(answer: reqwest::Result<Answer>) -> Option<String> {
    let answer = answer.ok()?;
    if answer.status == 200 {
        return Some(answer.accepted());
    }
    answer.refused(503);
    assert!(answer.header("retry-after").is_some_and(|after| after.parse::<u64>().is_ok()), "{:?}", answer.headers);
    None
}

/// The body of a text to a number from an account.
fn call(account: &Account, phone: &str, words: &str) -> String {
    json!({"action": "send", "text": words, "phone": phone, "whatsapp account phone": account.phone}).to_string()
}
