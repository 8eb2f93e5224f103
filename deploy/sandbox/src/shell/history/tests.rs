use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::fields::Fields;

/// One line of a journal: whose it is, whether a message was taken, and how long it is.
type Sketch = (bool, bool, usize);

struct Bench {
    file: Arc<File>,
    reader: Reader,
    /// `seq` and id of the messages of number 100, oldest first.
    messages: Vec<(u64, String)>,
}

fn bench(sketches: &[Sketch]) -> Bench {
    let mut file = tempfile::tempfile().expect("a temporary file");
    let (mut length, mut messages) = (0, Vec::new());
    for (seq, (is_ours, is_taken, padding)) in (1_u64..).zip(sketches) {
        let wamid = is_taken.then(|| format!("wamid.{seq}"));
        let line = format!(
            "{{\"seq\":{seq},\"received_at_ms\":5,\"phone_number_id\":{},\"to\":\"1\",\"type\":\"text\",\"body\":{},\
             \"tracker\":null,\"wamid\":{},\"answered\":{}}}\n",
            json!(if *is_ours { "100" } else { "200" }),
            json!({"p": "x".repeat(*padding)}),
            json!(wamid),
            if *is_taken { 200 } else { 400 },
        );
        file.write_all(line.as_bytes()).expect("written");
        length += line.len() as u64;
        messages.extend(wamid.filter(|_| *is_ours).map(|wamid| (seq, wamid)));
    }
    // What is not whole must not be seen.
    file.write_all(b"{\"seq\":99,\"received_at_ms\":5,\"phone_number_id\":\"100\"").expect("written");
    let file = Arc::new(file);
    let reader = Reader::new(Arc::clone(&file), Arc::new(AtomicU64::new(length)));
    Bench { file, reader, messages }
}

impl Bench {
    fn try_find(&self, query: &Query, left: u64) -> io::Result<Result<Page, Refusal>> {
        Search { phone_number_id: "100", query, now_ms: 9, delays: Delays::default(), left }.page(&self.reader)
    }

    fn find(&self, place: Place, limit: usize, left: u64) -> Page {
        self.try_find(&query(place, limit), left).expect("read").expect("a page")
    }

    /// Ids of the messages newer than `seq`, newest first.
    fn newer_than(&self, seq: u64) -> Vec<&str> {
        self.messages.iter().rev().filter(|(of, _)| *of > seq).map(|(_, wamid)| wamid.as_str()).collect()
    }
}

fn query(place: Place, limit: usize) -> Query {
    Query { message_id: None, fields: Fields::default(), limit, place }
}

fn wamids(page: &Page) -> Vec<String> {
    page.entries.iter().map(|entry| entry.wamid.clone()).collect()
}

fn sketches(most: usize) -> impl Strategy<Value = Vec<Sketch>> {
    prop::collection::vec(
        (any::<bool>(), any::<bool>(), prop_oneof![29 => 0..300_usize, 1 => 60_000..70_000_usize]),
        0..most,
    )
}

proptest! {
    #[test]
    fn links_lead_past_every_message_once_whatever_a_request_may_look_at(
        sketches in sketches(40), limit in 1..6_usize, left in prop_oneof![1..3_000_u64, Just(u64::MAX)],
    ) {
        let bench = bench(&sketches);
        let mut page = bench.find(Place::Newest, limit, left);
        prop_assert!(!page.has_newer);
        let mut seen = wamids(&page);
        for _ in 0..=sketches.len() {
            prop_assert!(page.entries.len() <= limit);
            if !page.has_older {
                break;
            }
            let (_, oldest) = page.covered.expect("what leads on covers something");
            page = bench.find(Place::After(oldest), limit, left);
            seen.extend(wamids(&page));
        }
        prop_assert!(!page.has_older, "it ends");
        prop_assert_eq!(&seen, &bench.newer_than(0));

        let Some((begin, _)) = page.covered else { return Ok(()) };
        let mut seen = Vec::new();
        for _ in 0..=sketches.len() {
            if !page.has_newer {
                break;
            }
            let (newest, _) = page.covered.expect("what leads on covers something");
            page = bench.find(Place::Before(newest), limit, left);
            seen.splice(0..0, wamids(&page));
        }
        prop_assert!(!page.has_newer, "it ends");
        prop_assert_eq!(&seen, &bench.newer_than(begin.seq));
    }

    #[test]
    fn a_request_that_may_look_at_everything_fills_its_page_and_links_to_what_is_there(
        sketches in sketches(40), limit in 1..6_usize, at in 0..40_u64,
    ) {
        let bench = bench(&sketches);
        let places = [Place::Newest, Place::After(Cursor { seq: at }), Place::Before(Cursor { seq: at })];
        for place in places {
            let is_known = place == Place::Newest || (1..=sketches.len() as u64).contains(&at);
            let Ok(page) = bench.try_find(&query(place, limit), u64::MAX).expect("read") else {
                prop_assert!(!is_known);
                continue;
            };
            prop_assert!(is_known);
            let all = bench.newer_than(0);
            let newer = match place {
                Place::Newest => 0,
                Place::After(_) => bench.newer_than(at - 1).len(),
                Place::Before(_) => bench.newer_than(at).len().saturating_sub(limit),
            };
            let older = match place {
                Place::Newest | Place::After(_) => (newer + limit).min(all.len()),
                Place::Before(_) => bench.newer_than(at).len(),
            };
            prop_assert_eq!(&wamids(&page), &all[newer..older]);
            prop_assert_eq!((page.has_newer, page.has_older), (newer > 0, older < all.len()));
        }
    }
}

fn one(message_id: &str, place: Place) -> Query {
    Query { message_id: Some(message_id.into()), ..query(place, 25) }
}

#[test]
fn one_message_is_found_alone_and_nothing_links_on() {
    let bench = bench(&[(true, true, 0); 9]);
    let page = bench.try_find(&one("wamid.4", Place::Newest), u64::MAX).expect("read").expect("a page");
    assert_eq!((wamids(&page), page.has_newer, page.has_older), (vec!["wamid.4".into()], false, false));
}

#[test]
fn a_message_that_is_not_there_is_unknown_but_only_once_all_was_looked_at() {
    let bench = bench(&[(true, true, 0), (false, true, 0), (true, false, 0)]);
    for message_id in ["wamid.2", "wamid.3", "wamid.9"] {
        let all = bench.try_find(&one(message_id, Place::Newest), u64::MAX).expect("read");
        assert!(matches!(all, Err(Refusal::UnknownMessage)), "{all:?}");
        let part = bench.try_find(&one(message_id, Place::Newest), 1).expect("read").expect("a page");
        assert!(part.entries.is_empty() && part.has_older);
    }
    let after = one("wamid.1", Place::After(Cursor { seq: 1 }));
    assert!(matches!(bench.try_find(&after, u64::MAX).expect("read"), Err(Refusal::UnknownMessage)));
}

#[test]
fn a_page_of_a_long_journal_reads_its_end_only() {
    let bench = bench(&vec![(true, true, 200); 2_000]);
    let page = bench.find(Place::Newest, 100, u64::MAX);
    assert_eq!(wamids(&page).first().map(String::as_str), Some("wamid.2000"));
    // Were anything before the last lines read, it would not be a journal's.
    let head = bench.reader.place(1_500).expect("read").expect("a line").start;
    let zeros = vec![0; usize::try_from(head).expect("short")];
    std::os::unix::fs::FileExt::write_all_at(&*bench.file, &zeros, 0).expect("written");
    let again = bench.find(Place::Newest, 100, u64::MAX);
    assert_eq!(wamids(&again), wamids(&page));
}

#[test]
fn what_is_no_journal_line_is_an_error_not_a_gap() {
    let bench = bench(&[(true, true, 0); 3]);
    let at = bench.reader.place(2).expect("read").expect("a line").start;
    for (offset, byte) in [(at, b'['), (at + 60, b'"')] {
        std::os::unix::fs::FileExt::write_all_at(&*bench.file, &[byte], offset).expect("written");
        let error = bench.try_find(&query(Place::Newest, 25), u64::MAX).expect_err("unreadable");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        std::os::unix::fs::FileExt::write_all_at(&*bench.file, b"{", at).expect("written");
    }
    bench.file.set_len(10).expect("cut");
    let error = bench.try_find(&query(Place::Newest, 25), u64::MAX).expect_err("too short");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
