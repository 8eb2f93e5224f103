//! Who calls, and what they write down: every request and what came back.

use std::time::{Duration, Instant};

use angelia_shared::clock;
use angelia_tests::checker::callers::{Call, Grant, Told, Try};
use angelia_tests::client::{Answer, http};
use angelia_tests::tenant::unique;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::town::{Town, Workspace};
use angelia_tests::dice::Dice;

/// Pause between two calls of one client, in milliseconds.
const THINKS_MS: (u64, u64) = (100, 3_000);
/// How many times a call with a key is tried until it is left alone.
const TRIES_MAX: usize = 8;
/// How patient callers are, in milliseconds: some leave while their call is in the middle of it.
const PATIENCE_MS: [u64; 6] = [40, 300, 3_000, 3_000, 15_000, 15_000];
/// What recipients do in the sandbox; most just get their message.
const SCRIPTS: [(&str, f64); 6] =
    [("0404", 0.05), ("0408", 0.02), ("0409", 0.01), ("0503", 0.01), ("0202", 0.05), ("0429", 0.01)];

/// The load: everybody who calls while it is hammered.
pub(crate) struct Load<'a> {
    pub(crate) town: &'a Town,
    /// Where the replicas are.
    pub(crate) urls: &'a [String],
    pub(crate) seed: u64,
    /// When it ends.
    pub(crate) until: Instant,
}

/// What a call is made of.
struct Letter {
    price: u64,
    body: String,
    key: Option<String>,
}

impl Load<'_> {
    /// Lets so many clients call until the end; returns what they wrote down.
    pub(crate) async fn calls(&self, clients: usize) -> Vec<Call> {
        let http = http();
        join_all((0..clients).map(|number| self.client(&http, number))).await.concat()
    }

    async fn client(&self, http: &reqwest::Client, number: usize) -> Vec<Call> {
        let mut dice = Dice::of(self.seed, &format!("client {number}"));
        let mut calls = Vec::new();
        loop {
            sleep(dice.between(THINKS_MS.0, THINKS_MS.1)).await;
            if clock::monotonic() >= self.until {
                return calls;
            }
            let workspace = self.town.pick(&mut dice);
            let letter = self.letter(workspace, &mut dice);
            calls.push(self.call(http, workspace, &letter, &mut dice).await);
        }
    }

    fn letter(&self, workspace: &Workspace, dice: &mut Dice) -> Letter {
        let mut at = dice.unit();
        let script = SCRIPTS.iter().find(|(_, share)| {
            at -= share;
            at < 0.0
        });
        let script = script.map_or("1234", |(script, _)| script);
        let mut body = json!({
            "action": "send", "text": "struck", "phone": format!("+1415{:07}{script}", unique()),
            "whatsapp account phone": dice.one_of(&workspace.phones),
        });
        let price = if dice.happens(0.1) {
            body["file_url"] = Value::from(self.town.files.url("/file/a.pdf"));
            body["file_name"] = Value::from("a.pdf");
            2
        } else {
            1
        };
        let key = dice.happens(0.35).then(|| format!("{:016x}", dice.roll()));
        Letter { price, body: body.to_string(), key }
    }

    /// Makes one call. With a key it is tried again, on any replica, while nobody knows what became of it, sometimes
    /// although it is known, and sometimes before anybody can know.
    async fn call(&self, http: &reqwest::Client, workspace: &Workspace, letter: &Letter, dice: &mut Dice) -> Call {
        let keyed = letter.key.is_some();
        let mut call = Call { workspace: workspace.id, price: letter.price, keyed, tries: Vec::new() };
        loop {
            // At the same time everywhere: nobody has read yet what another one writes.
            let everywhere = keyed && dice.happens(0.3);
            let first = dice.below(self.urls.len());
            let replicas = (0..if everywhere { self.urls.len() } else { 1 }).map(|n| (first + n) % self.urls.len());
            let requests: Vec<_> = replicas
                .map(|replica| {
                    let url = format!("{}{}", self.urls[replica], workspace.hook);
                    let patience = Duration::from_millis(*dice.one_of(&PATIENCE_MS));
                    request(http, url, letter, patience, trace(dice))
                })
                .collect();
            let tries = join_all(requests).await;
            let is_known = tries.iter().any(|one| matches!(one.told, Told::Accepted(_)));
            let is_over = tries.iter().any(|one| matches!(one.told, Told::NotEnough));
            let again = if is_known { dice.happens(0.2) } else { !is_over };
            call.tries.extend(tries);
            if !again || !keyed || call.tries.len() >= TRIES_MAX {
                return call;
            }
            sleep(dice.between(20, 1_500)).await;
        }
    }

    /// Lets the operator grant a few credits now and then, mostly to the poor; returns what was written down.
    pub(crate) async fn grants(&self, token: &str) -> Vec<Grant> {
        let (http, mut dice) = (http(), Dice::of(self.seed, "operator"));
        let mut grants = Vec::new();
        let poor: Vec<_> = self.town.workspaces.iter().filter(|workspace| workspace.is_poor).collect();
        while clock::monotonic() < self.until {
            let to = if dice.happens(0.8) { *dice.one_of(&poor) } else { self.town.pick(&mut dice) };
            let reason = format!("number {}", grants.len());
            let url = format!("{}/api/v1{}", dice.one_of(self.urls), to.path("/credits"));
            let body = json!({"credits": 1 + dice.below(12), "reason": reason});
            let request = http.post(url).bearer_auth(token).json(&body).timeout(Duration::from_secs(12));
            let status = Answer::to(request).await.map(|answer| answer.status);
            let was_told = matches!(status, Ok(200 | 201));
            assert!(was_told || matches!(status, Ok(503) | Err(_)), "a grant was refused with {status:?}");
            grants.push(Grant { workspace: to.id, reason, was_told });
            sleep(dice.between(100, 700)).await;
        }
        grants
    }
}

/// A trace that no other request has.
fn trace(dice: &mut Dice) -> String {
    format!("{:016x}{:016x}", dice.roll(), dice.roll())
}

/// Makes one request and writes down what came of it.
async fn request(http: &reqwest::Client, url: String, letter: &Letter, patience: Duration, trace: String) -> Try {
    let mut request = http.post(url).header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    if let Some(key) = &letter.key {
        request = request.header("idempotency-key", key);
    }
    let from = clock::now();
    let answer = Answer::to(request.body(letter.body.clone()).timeout(patience)).await;
    let told = match answer {
        Err(_) => Told::Nothing,
        Ok(answer) => told(&answer),
    };
    Try { trace, from, to: clock::now(), told }
}

/// Reads an answer; one that does not have the promised form ends the test.
fn told(answer: &Answer) -> Told {
    match answer.status {
        200 => Told::Accepted(answer.accepted().parse().expect("a message's id")),
        402 => {
            answer.refused(402);
            Told::NotEnough
        }
        503 => {
            answer.refused(503);
            assert!(answer.header("retry-after").is_some(), "a 503 says when to come back");
            Told::Unavailable
        }
        other => {
            answer.refused(other);
            Told::Refused(other)
        }
    }
}

/// One more call to a workspace at this replica, after the load: by somebody who waits for the answer.
pub(crate) async fn buy(http: &reqwest::Client, replica: &str, workspace: &Workspace, dice: &mut Dice) -> Call {
    let body = json!({
        "action": "send", "text": "the last", "phone": format!("+1415{:07}1234", unique()),
        "whatsapp account phone": workspace.phones[0],
    });
    let letter = Letter { price: 1, body: body.to_string(), key: None };
    let url = format!("{replica}{}", workspace.hook);
    let one = request(http, url, &letter, Duration::from_secs(20), trace(dice)).await;
    Call { workspace: workspace.id, price: 1, keyed: false, tries: vec![one] }
}
