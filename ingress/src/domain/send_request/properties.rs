//! What holds for any body, with `serde_json::Value` as the judge of what is JSON.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use serde_json::Value;

use super::*;
use crate::domain::field::Field;

/// Bodies that the mutations start from: each field, each spelling, escapes, nesting, characters of all lengths.
const CORPUS: [&str; 6] = [
    r#"{"action":"send","text":"hi","phone":"+14151231234"}"#,
    r#"{"action":"send","whatsapp account phone":"+15105566777","chat_name":"Ж 😀","text":"a\nb\u0000\ud83d\ude00"}"#,
    r#"{"action":"send","text":"","file_url":"https://example.com/a.pdf","file_name":"a.pdf","jid":"1@g.us"}"#,
    r#"{ "text" : " " , "chat_id" : -12 , "whatsapp_account_phone" : "1" , "action" : "send" , "x" : [1.5e3,{"y":null}] }"#,
    r#"{"jid":null,"chat_name":"","action":"send","text":"hi","chat_id":"c","unknown":{"a":[true,false,"\\\/\""]}}"#,
    "\u{feff}{\"action\":\"send\",\n\"text\":\"é\u{202e}\",\"phone\":\"1\",\"file_name\":\"f\"}",
];

/// A call as the caller means it: key and value, every key once.
#[derive(Clone, Debug)]
struct Call {
    text: String,
    file: Option<(String, String)>,
    recipient: (Field, String),
    account: Option<(Field, String)>,
    unknown: BTreeMap<String, Value>,
}

impl Call {
    fn pairs(&self) -> Vec<(String, Value)> {
        let pair = |field: Field, value: &str| (field.name().to_owned(), Value::from(value));
        let mut pairs = vec![pair(Field::Action, "send"), pair(Field::Text, &self.text)];
        if let Some((url, name)) = &self.file {
            pairs.extend([pair(Field::FileUrl, url), pair(Field::FileName, name)]);
        }
        pairs.push(pair(self.recipient.0, &self.recipient.1));
        pairs.extend(self.account.iter().map(|(field, value)| pair(*field, value)));
        pairs.extend(self.unknown.iter().map(|(key, value)| (key.clone(), value.clone())));
        pairs
    }

    fn expected(&self) -> Parsed<'_> {
        let value = Cow::Borrowed(self.recipient.1.as_str());
        let recipient = match self.recipient.0 {
            Field::ChatId => Recipient::ChatId(value),
            Field::Jid => Recipient::Jid(value),
            Field::Phone => Recipient::Phone(value),
            Field::ChatName => Recipient::ChatName(value),
            other => panic!("{other} is no recipient"),
        };
        let mut warnings = Vec::new();
        let mut account_phone = self.account.as_ref().map(|(_, value)| Cow::Borrowed(value.as_str()));
        if let (Field::ChatId, Some((field, _))) = (self.recipient.0, &self.account) {
            warnings.push(Warning::AccountPhoneWithChatId { field: *field });
            account_phone = None;
        }
        warnings.extend(self.unknown.keys().map(|key| Warning::UnknownField { key: key.clone() }));
        let file = self.file.as_ref().map(|(url, name)| File { url: url.into(), name: name.into() });
        Parsed { text: Cow::Borrowed(&self.text), file, recipient, account_phone, warnings }
    }
}

fn call() -> impl Strategy<Value = Call> {
    // Values without white space around them, which is tested by example.
    let id = "[^\\s]([^\\s]|[^\\s] [^\\s]){0,40}";
    let file = proptest::option::of(("https?://[a-z]{1,9}(:80)?/[a-zА-я/?=&#%]{0,20}", "[a-zA-Zа-я😀 ]{1,60}"));
    let account_field = prop_oneof![Just(Field::AccountPhone), Just(Field::AccountPhoneUnderscored)];
    let unknown_key =
        "[a-zé\"\\\\\u{0}-\u{1f}]{0,12}".prop_filter("a known field", |key| Field::from_name(key).is_none());
    (
        any::<String>(),
        file,
        (proptest::sample::select(&Field::RECIPIENTS[..]), id),
        proptest::option::of((account_field, id)),
        proptest::collection::btree_map(unknown_key, json_value(), 0..4),
    )
        .prop_map(|(text, file, recipient, account, unknown)| Call { text, file, recipient, account, unknown })
        .prop_filter("neither text nor file", |call| !call.text.is_empty() || call.file.is_some())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Writes the object with its keys in the given order. `is_escaped` writes every character of keys and strings as `\uXXXX`.
fn write(pairs: &[(String, Value)], is_escaped: bool) -> String {
    let string = |text: &str| match is_escaped {
        true => format!("\"{}\"", text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>()),
        false => Value::from(text).to_string(),
    };
    let members: Vec<_> = pairs
        .iter()
        .map(|(key, value)| match value {
            Value::String(text) => format!("{}:{}", string(key), string(text)),
            other => format!("{}:{other}", string(key)),
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

/// What every answer has to hold, whatever the bytes.
fn check_any(bytes: &[u8]) -> Result<(), TestCaseError> {
    let json = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let judged = serde_json::from_slice::<Value>(json);
    match parse(bytes) {
        Ok(parsed) => {
            let value = judged.map_err(|error| TestCaseError::fail(format!("accepted what is not JSON: {error}")))?;
            prop_assert_eq!(&value["action"], "send");
            prop_assert_eq!(&value["text"], parsed.text.as_ref());
            if let Some(file) = &parsed.file {
                prop_assert_eq!(&value["file_url"], file.url.as_ref());
                prop_assert_eq!(&value["file_name"], file.name.as_ref());
            }
            prop_assert!(parsed.file.is_some() || !parsed.text.is_empty());
            prop_assert!(matches!(parsed.price(), Credits(1 | 2)));
        }
        Err(refusal) => {
            prop_assert_eq!(refusal.status(), 400);
            prop_assert!(serde_json::from_slice::<Value>(&refusal.body()).is_ok());
            let is_json_fault = matches!(refusal, Refusal::InvalidJson { .. });
            prop_assert_eq!(is_json_fault, judged.is_err(), "{:?}", refusal);
            if let Refusal::InvalidJson { line, column, .. } = refusal {
                let lines =
                    String::from_utf8_lossy(json).split('\n').map(|line| line.chars().count()).collect::<Vec<_>>();
                prop_assert!((1..=lines.len()).contains(&line), "line {}", line);
                prop_assert!(column <= lines[line - 1] + 1, "column {} of {}", column, lines[line - 1]);
            }
        }
    }
    Ok(())
}

/// One change to a body's bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize),
    Swap(Index, Index),
    Splice(Index, Index, Index),
    Token(Index, &'static str),
}

/// What JSON is made of, and what breaks it.
const TOKENS: [&str; 16] =
    ["{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "null", "-0", "1e999", "\"text\":", "\u{feff}", "\n"];

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        (at(), 1..20_usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (at(), 1..40_usize).prop_map(|(at, count)| Mutation::Repeat(at, count)),
        (at(), at()).prop_map(|(one, other)| Mutation::Swap(one, other)),
        (at(), at(), at()).prop_map(|(at, donor, from)| Mutation::Splice(at, donor, from)),
        (at(), proptest::sample::select(&TOKENS[..])).prop_map(|(at, token)| Mutation::Token(at, token)),
    ]
}

fn mutate(body: &mut Vec<u8>, mutation: &Mutation) {
    if body.is_empty() {
        return;
    }
    let slice = |at: &Index, count: usize, len: usize| at.index(len)..(at.index(len) + count).min(len);
    let len = body.len();
    match mutation {
        Mutation::Replace(at, byte) => body[at.index(len)] = *byte,
        Mutation::Insert(at, byte) => body.insert(at.index(len), *byte),
        Mutation::Remove(at, count) => drop(body.drain(slice(at, *count, len))),
        Mutation::Repeat(at, count) => {
            let again = body[slice(at, *count, len)].to_vec();
            body.splice(at.index(len)..at.index(len), again);
        }
        Mutation::Swap(one, other) => body.swap(one.index(len), other.index(len)),
        Mutation::Splice(at, donor, from) => {
            let donor = CORPUS[donor.index(CORPUS.len())].as_bytes();
            body.truncate(at.index(len));
            body.extend(&donor[from.index(donor.len())..]);
        }
        Mutation::Token(at, token) => drop(body.splice(at.index(len)..at.index(len), token.bytes())),
    }
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in vec(any::<u8>(), 0..200)) {
        check_any(&bytes)?;
    }

    #[test]
    fn any_text_and_any_json_get_an_answer(text in any::<String>(), value in json_value()) {
        check_any(text.as_bytes())?;
        check_any(value.to_string().as_bytes())?;
    }

    #[test]
    fn a_call_gives_its_fields_back_in_any_key_order_and_however_escaped(
        (call, pairs) in call().prop_flat_map(|call| {
            let pairs = Just(call.pairs()).prop_shuffle();
            (Just(call), pairs)
        }),
        is_escaped in any::<bool>(),
    ) {
        let body = write(&pairs, is_escaped);
        prop_assert_eq!(parse(body.as_bytes()), Ok(call.expected()));
    }

    #[test]
    fn an_unknown_field_changes_only_the_warnings(call in call(), at in any::<Index>(), value in json_value()) {
        let mut pairs = call.pairs();
        let before = write(&pairs, false);
        pairs.insert(at.index(pairs.len() + 1), ("新".to_owned(), value));
        let after = write(&pairs, false);
        let mut expected = parse(before.as_bytes()).unwrap();
        expected.warnings.push(Warning::UnknownField { key: "新".to_owned() });
        prop_assert_eq!(parse(after.as_bytes()), Ok(expected));
    }

    #[test]
    fn a_repeated_key_is_always_refused(
        call in call(), which in any::<Index>(), at in any::<Index>(), value in json_value(), is_escaped in any::<bool>(),
    ) {
        let mut pairs = call.pairs();
        let key = which.get(&pairs).0.clone();
        pairs.insert(at.index(pairs.len() + 1), (key.clone(), value));
        let body = write(&pairs, is_escaped);
        prop_assert_eq!(parse(body.as_bytes()), Err(Refusal::InvalidRequest(RequestFault::RepeatedKey { key })));
    }

    #[test]
    fn a_call_without_a_required_key_is_always_refused(call in call(), field in subsequence(vec![0_usize, 1], 1)) {
        let mut pairs = call.pairs();
        pairs.remove(field[0]);
        let fault = RequestFault::Missing { field: [Field::Action, Field::Text][field[0]] };
        let body = write(&pairs, false);
        prop_assert_eq!(parse(body.as_bytes()), Err(Refusal::InvalidRequest(fault)));
    }

    #[test]
    fn a_call_cut_off_anywhere_is_not_json(call in call(), at in any::<Index>(), is_escaped in any::<bool>()) {
        let body = write(&call.pairs(), is_escaped);
        let cut = &body.as_bytes()[..at.index(body.len())];
        let is_refused = matches!(parse(cut), Err(Refusal::InvalidJson { .. }));
        prop_assert!(is_refused);
    }

    #[test]
    fn a_text_is_within_its_limit_or_not(text in ".{1,40}", chars_max in 0..40_usize) {
        let body = write(&[
            ("action".to_owned(), "send".into()), ("text".to_owned(), text.clone().into()), ("jid".to_owned(), "j".into()),
        ], false);
        let parsed = parse(body.as_bytes()).unwrap();
        prop_assert_eq!(check_limits(&parsed, chars_max).is_ok(), text.chars().count() <= chars_max);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn mutated_calls_get_an_answer(seed in 0..CORPUS.len(), mutations in vec(mutation(), 1..8)) {
        let mut body = CORPUS[seed].as_bytes().to_vec();
        for mutation in &mutations {
            mutate(&mut body, mutation);
        }
        check_any(&body)?;
    }
}

#[test]
fn the_corpus_is_accepted_and_each_of_its_bodies_cut_off_anywhere_is_not_json() {
    for body in CORPUS {
        assert!(parse(body.as_bytes()).is_ok(), "{body}");
        for end in 0..body.len() {
            let cut = &body.as_bytes()[..end];
            assert!(matches!(parse(cut), Err(Refusal::InvalidJson { .. })), "{body} cut to {end}");
        }
    }
}
