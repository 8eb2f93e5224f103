//! Makes a request's body fit on one line of the journal, changing nothing that it says.
//!
//! Not here: what a body must contain (see `request.rs`).

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// Deepest nesting that is taken. Readers of JSON commonly stop at 128, and the journal adds a level.
const DEEPEST: usize = 64;

/// Most characters shown of a body that is no JSON object.
const RAW_CHARS: usize = 4_096;

/// Removes the white space between the tokens of `json`, which must be valid JSON, and keeps key order, numbers and
/// escapes as they are. `None` when it is nested too deeply.
pub(crate) fn compact(json: &str) -> Option<Box<RawValue>> {
    let mut out = String::with_capacity(json.len());
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for c in json.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else {
            match c {
                '"' => in_string = true,
                '{' | '[' => depth += 1,
                '}' | ']' => depth = depth.saturating_sub(1),
                ' ' | '\t' | '\r' | '\n' => continue,
                _ => {}
            }
            if depth > DEEPEST {
                return None;
            }
        }
        out.push(c);
    }
    RawValue::from_string(out).ok()
}

/// Shows a body that is no JSON object.
pub(crate) fn unreadable(raw: &[u8]) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Unreadable {
        raw: String,
    }
    // Four bytes a character are enough to find the first characters.
    let head = &raw[..raw.len().min(RAW_CHARS * 4)];
    object(&Unreadable { raw: String::from_utf8_lossy(head).chars().take(RAW_CHARS).collect() })
}

/// Writes a value whose JSON cannot fail: strings, numbers and maps with string keys.
pub(crate) fn object(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("plain strings and numbers always have a JSON form")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn white_space_goes_but_not_inside_strings() {
        let compacted =
            compact("{ \"b\" : [ 1 , 2.50 ] ,\r\n\t\"a\" : \"x \\\" \\\\\" , \"a\": null }").expect("shallow");
        assert_eq!(compacted.get(), r#"{"b":[1,2.50],"a":"x \" \\","a":null}"#);
    }

    #[test]
    fn a_nesting_of_65_is_too_deep() {
        assert!(compact(&format!("{}{}", "[".repeat(64), "]".repeat(64))).is_some());
        assert!(compact(&format!("{}{}", "[".repeat(65), "]".repeat(65))).is_none());
    }

    #[test]
    fn brackets_in_strings_are_not_depth() {
        assert!(compact(&format!("\"{}\"", "[".repeat(100))).is_some());
    }

    #[test]
    fn an_unreadable_body_is_cut_at_a_character() {
        let shown = unreadable("é".repeat(5_000).as_bytes());
        let shown: Value = serde_json::from_str(shown.get()).expect("json");
        assert_eq!(shown["raw"].as_str().expect("a string").chars().count(), 4_096);
        assert_eq!(unreadable(b"\xff{").get(), "{\"raw\":\"\u{fffd}{\"}");
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn compacting_keeps_the_value_and_leaves_one_line(value in json()) {
            let pretty = serde_json::to_string_pretty(&value).expect("json");
            let compacted = compact(&pretty).expect("shallow");
            prop_assert!(!compacted.get().contains('\n'));
            prop_assert_eq!(compacted.get(), serde_json::to_string(&value).expect("json"));
        }
    }
}
