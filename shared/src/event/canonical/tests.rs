use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::super::tests::golden;
use super::*;

/// Golden lines of the types that are read here, but for what is left to `serde`.
fn common_lines() -> Vec<Vec<u8>> {
    let left_out = ["AttemptEnded.deferred", "AttemptEnded.failed", "AttemptEnded.limited", "AttemptEnded.not_started"];
    let left_out = [left_out.as_slice(), &["AttemptEnded.unknown"]].concat();
    let names = [
        "MessageAccepted",
        "AttemptStarted",
        "AttemptEnded",
        "MessageSent",
        "MessageDelivered",
        "MessageRead",
        "MessageFailed",
        "CreditsDrawn",
        "KeyUsed",
        "BatchSealed",
    ];
    let files = golden("v1").into_iter().filter(|(file, _)| {
        names.contains(&file.split('.').next().unwrap_or_default()) && !left_out.contains(&file.as_str())
    });
    files.map(|(_, line)| line).collect()
}

fn by_serde(line: &[u8]) -> Option<Event> {
    serde_json::from_slice(line).ok()
}

#[test]
fn the_commonest_golden_lines_are_read_here() {
    let lines = common_lines();
    assert!(lines.len() >= 10);
    for line in lines {
        let event = read(&line);
        assert!(event.is_some(), "{}", String::from_utf8_lossy(&line));
        assert_eq!(event, by_serde(&line));
    }
}

#[test]
fn what_is_written_today_is_read_here_with_and_without_its_optional_fields() {
    for line in common_lines() {
        let Some(mut event) = read(&line) else { panic!("read above") };
        match &mut event {
            Event::MessageAccepted(fact) => {
                fact.traceparent = fact.traceparent.take().xor(Some("00-ab-cd-01".to_owned()))
            }
            Event::AttemptStarted(fact) => {
                let open = OpenMessage {
                    at: Position::new(7, 3),
                    message: fact.message,
                    stage: OpenStage::PutOff,
                    attempt: 2,
                    part: 1,
                    parts: 2,
                    credits: Credits(1),
                    provider_errors: 4,
                    held_since: Some(UnixMillis(5)),
                    not_before: Some(UnixMillis(6)),
                    media: Some(UploadedMedia { id: "né".to_owned(), kind: "image".to_owned() }),
                    began: Some(UnixMillis(7)),
                };
                let bare = OpenMessage { held_since: None, not_before: None, media: None, began: None, ..open.clone() };
                let (done_through, mark) = (Position::new(9, 0), 4);
                let (open, ended_beyond) = (vec![open, bare], vec![Position::new(11, 1), Position::new(12, 0)]);
                fact.carry = Carry { done_through, open, ended_beyond, mark, sendings: Sendings::default() };
            }
            Event::MessageFailed(fact) => (fact.provider_id, fact.reason) = (None, None),
            Event::MessageRead(fact) => fact.looked_up = true,
            _ => {}
        }
        let line = event.to_line();
        assert_eq!(read(&line), Some(event), "{}", String::from_utf8_lossy(&line));
    }
}

#[test]
fn escapes_spaces_other_orders_and_large_numbers_are_left_to_serde() {
    let line = br#"{"BatchSealed":{"v":1,"n":1,"count":0,"previous_digest":"D","digest":"D"}}"#;
    let line = String::from_utf8_lossy(line).replace('D', &"0a".repeat(32));
    assert!(read(line.as_bytes()).is_some());
    let changes = [
        ("\"n\":1", "\"n\": 1"),
        ("\"n\":1", "\"n\":01"),
        ("\"n\":1", "\"n\":-1"),
        ("\"n\":1", "\"n\":1.0"),
        ("\"n\":1", "\"n\":18446744073709551616"),
        ("\"v\":1", "\"v\":256"),
        ("\"n\":1,\"count\":0", "\"count\":0,\"n\":1"),
        ("\"0a", "\"\\u0030a"),
        ("}}", "}} "),
        ("}}", ",\"more\":0}}"),
    ];
    for (from, to) in changes {
        assert_eq!(read(line.replacen(from, to, 1).as_bytes()), None, "{to}");
    }
}

/// Bytes that have a meaning in JSON, or are allowed nowhere in it.
const TELLING: &[u8] = b"\"\\{}[],:019-.+eE ntfU\x00\x1f\x7f\xc3\n";

/// A line with some bytes changed, doubled or taken away.
fn changed(mut line: Vec<u8>, changes: &[(Index, u8, u8)]) -> Vec<u8> {
    for (at, kind, byte) in changes {
        let at = at.index(line.len());
        let byte = TELLING[usize::from(*byte) % TELLING.len()];
        match kind % 4 {
            0 => line[at] = byte,
            1 => line.insert(at, byte),
            2 => line.insert(at, line[at]),
            _ if line.len() > 1 => drop(line.remove(at)),
            _ => {}
        }
    }
    line
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_here_of_a_changed_line_is_what_serde_reads(
        which in any::<Index>(),
        changes in vec((any::<Index>(), any::<u8>(), any::<u8>()), 0..3),
    ) {
        let line = changed(which.get(&common_lines()).clone(), &changes);
        if let Some(event) = read(&line) {
            prop_assert_eq!(Some(event), by_serde(&line), "{}", String::from_utf8_lossy(&line));
        }
    }
}
