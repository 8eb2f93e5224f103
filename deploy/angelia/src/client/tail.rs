//! Follows messages: prints everything that happens to them, as it happens.
//!
//! Shape: the newest messages are read every second, and what their timelines have more than before is printed in the
//! order of the log. Messages that are still under way are asked for one by one once they are not among the newest any
//! more, up to [`WATCHED_MAX`] of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::api::{self, Api, NoAnswer};
use super::cli::TailArgs;
use super::place::{As, Place};
use super::shown;
use crate::audit::print;
use crate::signals;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Messages that are known from the beginning.
const FIRST: usize = 100;
/// Messages that are looked at in one look; more new ones than these in a second are skipped, and that is said.
const NEWEST_MAX: usize = 1_000;
/// Messages that are remembered.
const WATCHED_MAX: usize = 1_000;
/// Older messages that are asked for one by one in one look.
const ASKED_MAX: usize = 20;

pub(super) async fn run(args: TailArgs) -> anyhow::Result<()> {
    let place = Place::find(&args.remote, None)?;
    let (api, workspace) = (place.api(As::Owner)?, place.workspace()?);
    let mut tail = Tail { api, path: format!("{workspace}/messages"), account: args.account, watched: BTreeMap::new() };
    let newest = tail.newest(FIRST).await?.0;
    let (shown, older) = newest.split_at(newest.len().min(args.lines as usize));
    // What is older than those was there before: it is not news.
    older.iter().for_each(|message| drop(tail.news(message)));
    let events = shown.iter().rev().flat_map(|message| tail.news(message));
    show(events.collect(), args.remote.json)?;
    if args.no_follow {
        return Ok(());
    }
    let shutdown = signals::shutdown_on_signal()?;
    // Whoever follows ends it when they have seen enough.
    shutdown.run_until_cancelled(tail.follow(args.remote.json)).await.unwrap_or(Ok(()))
}

/// Something that happened to a message.
struct Event {
    /// Where it is in the log.
    at: (u64, u64),
    shown: Value,
}

/// A message, and how much of its timeline was shown.
struct Watched {
    id: String,
    entries: usize,
    is_over: bool,
}

struct Tail {
    api: Api,
    path: String,
    account: Option<String>,
    /// By where the acceptance is, so that the oldest are forgotten first.
    watched: BTreeMap<(u64, u64), Watched>,
}

impl Tail {
    /// The newest messages, newest first, until one that is known, and whether there are more new ones than that.
    async fn newest(&self, limit: usize) -> anyhow::Result<(Vec<Value>, bool)> {
        let page = limit.min(100).to_string();
        let query = [("limit", Some(page)), ("account", self.account.clone())];
        let (mut found, mut is_more) = (Vec::new(), false);
        // Known ones are read on to the end of their page: something may have happened to them.
        let mut known = 0;
        let each = |message: &Value| {
            known += usize::from(self.watched.contains_key(&place_of(message)));
            is_more = found.len() >= limit;
            if !is_more {
                found.push(message.clone());
            }
            Ok(!is_more && known < 100)
        };
        self.api.list(&self.path, &query, each).await?;
        Ok((found, is_more && known == 0))
    }

    /// Looks again and again, until it is refused.
    async fn follow(&mut self, json: bool) -> anyhow::Result<()> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.look().await {
                Ok((events, skipped)) => {
                    if skipped {
                        eprintln!("angelia: more than {NEWEST_MAX} new messages at once: some are not shown");
                    }
                    show(events, json)?;
                }
                // A server that is restarted comes back.
                Err(error) if error.is::<NoAnswer>() => eprintln!("angelia: {error:#}; trying again"),
                Err(error) => return Err(error),
            }
        }
    }

    /// One look: what happened since the last one, and whether something was skipped.
    async fn look(&mut self) -> anyhow::Result<(Vec<Event>, bool)> {
        let (newest, skipped) = self.newest(NEWEST_MAX).await?;
        let mut events: Vec<Event> = newest.iter().rev().flat_map(|message| self.news(message)).collect();
        let seen: Vec<_> = newest.iter().map(place_of).collect();
        let open = self.watched.iter().filter(|(place, watched)| !watched.is_over && !seen.contains(place));
        let open: Vec<String> = open.rev().take(ASKED_MAX).map(|(_, watched)| watched.id.clone()).collect();
        for id in open {
            let message = self.api.get(&format!("{}/{}", self.path, api::segment(&id))).await?;
            events.extend(self.news(&message));
        }
        events.sort_by_key(|event| event.at);
        Ok((events, skipped))
    }

    /// What a message's timeline has more than before.
    fn news(&mut self, message: &Value) -> Vec<Event> {
        let entries = message["timeline"].as_array().map(Vec::as_slice).unwrap_or_default();
        let id = message["id"].as_str().unwrap_or_default().to_owned();
        let is_over = matches!(message["state"].as_str(), Some("failed" | "read" | "cancelled"));
        let watched = Watched { id, entries: entries.len(), is_over };
        let before = self.watched.insert(place_of(message), watched).map_or(0, |before| before.entries);
        while self.watched.len() > WATCHED_MAX {
            self.watched.pop_first();
        }
        entries.iter().skip(before).map(|entry| event(message, entry)).collect()
    }
}

/// Where a message's acceptance is: its first event.
fn place_of(message: &Value) -> (u64, u64) {
    position(&message["timeline"][0]["id"])
}

fn position(value: &Value) -> (u64, u64) {
    let parts = value.as_str().and_then(|text| text.split_once('.'));
    parts.and_then(|(seq, line)| Some((seq.parse().ok()?, line.parse().ok()?))).unwrap_or_default()
}

fn event(message: &Value, entry: &Value) -> Event {
    let shown = json!({
        "at": entry["at"], "message_id": message["id"], "event": entry["event"], "detail": entry["detail"],
        "to": message["to"], "account_id": message["account_id"], "id": entry["id"],
    });
    Event { at: position(&entry["id"]), shown }
}

fn show(events: Vec<Event>, json: bool) -> anyhow::Result<()> {
    for Event { shown, .. } in events {
        if json {
            shown::line(&shown)?;
            continue;
        }
        let cell = |field: &str| shown::cell(&shown[field]);
        let detail = shown["detail"].as_str().map(|_| format!("  {}", cell("detail"))).unwrap_or_default();
        print(&format!("{}  {}  {}  {}{detail}\n", cell("at"), cell("message_id"), cell("to"), cell("event")))?;
    }
    Ok(())
}
