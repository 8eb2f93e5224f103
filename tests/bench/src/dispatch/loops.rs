//! The baseline: a loop for each account that sleeps and sends, without a log.

use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::units::UnixMillis;
use serde_json::json;
use tokio::task::JoinSet;

use super::account::RECIPIENT;
use super::lateness::Journal;
use super::world::mixed;
use crate::stats;

/// Sends for `accounts` accounts, with gaps as an account's; gives the lateness in milliseconds of each send in the `seconds`
/// after the first `warm_up` seconds.
pub(super) async fn run(
    url: &str,
    accounts: usize,
    (warm_up, seconds): (u64, u64),
    seed: u64,
    after: u64,
) -> anyhow::Result<Vec<u32>> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let from = clock::now().plus_ms(warm_up * 1_000);
    let until = from.plus_ms(seconds * 1_000);
    let mut loops = JoinSet::new();
    for account in 0..accounts {
        let (http, url) = (http.clone(), format!("{url}/v26.0/2{account:014}/messages"));
        loops.spawn(async move { one(&http, &url, account, until, seed).await });
    }
    let planned: Vec<(String, UnixMillis)> = loops.join_all().await.into_iter().flatten().collect();
    let journal = Journal::read(url.trim_end_matches('/'), after).await?;
    let late = planned.iter().filter(|(_, at)| *at >= from).filter_map(|(tracker, at)| {
        let received = journal.of_tracker(tracker).first()?;
        u32::try_from(received.ms_since(*at)).ok()
    });
    Ok(late.collect())
}

async fn one(
    http: &reqwest::Client,
    url: &str,
    account: usize,
    until: UnixMillis,
    seed: u64,
) -> Vec<(String, UnixMillis)> {
    let mut planned = Vec::new();
    for n in 0.. {
        let gap_ms = 1_500 + mixed(seed ^ ((account as u64) << 32) ^ n) % 1_001;
        // The first one anywhere in its gap: the accounts do not begin together.
        let gap_ms = if n == 0 { gap_ms % 1_500 } else { gap_ms };
        let at = clock::now().plus_ms(gap_ms);
        if at > until {
            break;
        }
        tokio::time::sleep(Duration::from_millis(gap_ms)).await;
        let tracker = format!("loop-{seed}-{account}-{n}");
        let body = json!({
            "messaging_product": "whatsapp", "recipient_type": "individual", "to": RECIPIENT, "type": "text",
            "text": {"preview_url": false, "body": "A text of the benchmark, as long as many are."},
            "biz_opaque_callback_data": tracker,
        });
        // A send that fails is not in the journal, and so not counted.
        let _answer = http.post(url).bearer_auth("a-token-of-the-benchmark").json(&body).send().await;
        planned.push((tracker, at));
    }
    planned
}

/// The `share` percentile of each round.
pub(super) fn percentiles(rounds: &mut [Vec<u32>], share: f64) -> Vec<f64> {
    rounds.iter_mut().map(|late| f64::from(stats::percentile_us(late, share))).collect()
}
