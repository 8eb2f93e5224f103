//! How soon the console's pages and the API's lists come, and how long they are, with very many messages.
//!
//! One installation with a workspace of very many messages (some sent, some failed, most waiting), chats, and lines of a
//! statement. Then every page in turn, again and again, on one kept connection: the time to the first byte and to the last
//! one. A static answer of the same server is the baseline. Nothing is sent meanwhile.

mod place;
mod town;

use std::collections::BTreeMap;

use angelia_shared::clock::monotonic;
use anyhow::Context as _;

use self::place::{Came, Place, Visitor};
use self::town::Town;
use crate::machine;
use crate::stats::Spread;

/// A page's first byte, its last one, and its length: the aims.
const FIRST_MS: f64 = 100.0;
const WHOLE_MS: f64 = 1_000.0;
const PAGE_BYTES: usize = 200_000;
/// What the script may be long.
const SCRIPT_BYTES: usize = 15_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many messages.
    #[arg(long, default_value_t = 100_000)]
    messages: u64,
    /// How many chats.
    #[arg(long, default_value_t = 3_000)]
    chats: usize,
    /// How many callers send them at once: few make many small records of the log, many make few large ones.
    #[arg(long, default_value_t = 8)]
    callers: usize,
    /// How many accounts they are on.
    #[arg(long, default_value_t = 20)]
    accounts: usize,
    /// How many seconds the accounts send before the pages are looked at.
    #[arg(long, default_value_t = 20)]
    sending_s: u64,
    /// How often each page is asked for.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
}

/// Measures every page.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    machine::describe()?;
    let town = Town::build(&args).await?;
    println!("{}", town.describe().await?);
    let visitors = [town.owner().await?, town.operator().await?];
    let places = place::all(&town);
    let mut came: BTreeMap<usize, Vec<Came>> = BTreeMap::new();
    for _ in 0..args.rounds {
        for (number, place) in places.iter().enumerate() {
            let visitor = &visitors[usize::from(place.is_operators)];
            came.entry(number).or_default().push(visitor.look(place).await?);
        }
    }
    print(&places, &came, args.rounds);
    for (what, query) in
        [("a text that is nowhere", "q=nowhere+at+all"), ("the first message's number", &*town.first_query)]
    {
        println!("{}", searched(&visitors[0], &town, what, query).await?);
    }
    assets(&visitors[0], &town).await
}

fn print(places: &[Place], came: &BTreeMap<usize, Vec<Came>>, rounds: usize) {
    println!("\n{rounds} times each; median (worst)");
    println!("{:<44} {:>20} {:>20} {:>10}  aims", "", "first byte, ms", "complete, ms", "kB");
    for (place, came) in places.iter().zip(came.values()) {
        let first = Spread::of(&came.iter().map(|one| one.first_ms).collect::<Vec<_>>());
        let whole = Spread::of(&came.iter().map(|one| one.whole_ms).collect::<Vec<_>>());
        let bytes = came.iter().map(|one| one.bytes).max().unwrap_or(0);
        let is_short = bytes <= PAGE_BYTES || !place.is_page;
        // The worst decides: somebody waits for it.
        let verdict = if !place.has_aims {
            ""
        } else if first.high <= FIRST_MS && whole.high <= WHOLE_MS && is_short {
            "met"
        } else {
            "MISSED"
        };
        let figure = |spread: Spread| format!("{:.1} ({:.1})", spread.median, spread.high);
        println!(
            "{:<44} {:>20} {:>20} {:>10.1}  {verdict}",
            place.name,
            figure(first),
            figure(whole),
            bytes as f64 / 1_000.0
        );
    }
}

/// Follows a search to its end, as the console's script does.
async fn searched(owner: &Visitor, town: &Town, what: &str, query: &str) -> anyhow::Result<String> {
    let (began, mut answers, mut slowest, mut found) = (monotonic(), 0, 0.0_f64, 0);
    let mut cursor = String::new();
    loop {
        let place = Place::of_api("search", format!("{}/messages?{query}&limit=40{cursor}", town.path()));
        let (came, answer) = owner.read(&place).await?;
        let answer: serde_json::Value = serde_json::from_slice(&answer).context("an answer is JSON")?;
        (answers, slowest) = (answers + 1, slowest.max(came.whole_ms));
        found += answer["items"].as_array().map_or(0, Vec::len);
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let whole_s = began.elapsed().as_secs_f64();
    let rate = town.messages as f64 / whole_s;
    Ok(format!(
        "search for {what}, to the end: {found} found in {whole_s:.2} s, {answers} answers, the slowest {slowest:.0} ms; {rate:.0} messages/s"
    ))
}

/// What a page loads besides itself.
async fn assets(owner: &Visitor, town: &Town) -> anyhow::Result<()> {
    let page = Place::of_page("page", format!("/console/w/{}/webhooks", town.workspace));
    let (_, page) = owner.read(&page).await?;
    let page = String::from_utf8(page).context("a page is text")?;
    let mut links: Vec<&str> = page.split('"').filter(|text| text.starts_with("/console/assets/")).collect();
    links.dedup();
    for link in links {
        let (came, _) = owner.read(&Place::of_page("asset", link.to_owned())).await?;
        let aim = match link.ends_with(".js") {
            true if came.bytes < SCRIPT_BYTES => "met",
            true => "MISSED",
            false => "",
        };
        println!("{link:<44} {:>20} B  {aim}", came.bytes);
    }
    Ok(())
}
