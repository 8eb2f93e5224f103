//! Bodies and headers that somebody made up to break the parsers: a corpus of tricky ones, and mutations of them.
//!
//! The corpus is in `corpus/`, one file each, named after what is odd about it; add what was found elsewhere there. The same
//! checks run for longer, steered by coverage, under `cargo fuzz` (see `ingress/fuzz`).

#[path = "fuzz/checks.rs"]
mod checks;

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use angelia_ingress::domain::send_request;
use angelia_shared::clock;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The tricky inputs of one kind, in order of name.
struct Corpus(Vec<(String, Vec<u8>)>);

static BODIES: LazyLock<Corpus> = LazyLock::new(|| Corpus::read("body"));
static HEADERS: LazyLock<Corpus> = LazyLock::new(|| Corpus::read("header"));
static CALLBACKS: LazyLock<Corpus> = LazyLock::new(|| Corpus::read("callback"));

impl Corpus {
    fn read(kind: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(kind);
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .expect("the corpus is there")
            .map(|file| file.expect("it can be read"))
            .map(|file| {
                (file.file_name().into_string().expect("plain names"), std::fs::read(file.path()).expect("a file"))
            })
            .collect();
        files.sort();
        Self(files)
    }

    fn of(&self, name: &str) -> &[u8] {
        &self.0.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name} is missing")).1
    }

    fn pick(&self, at: &Index) -> &[u8] {
        &at.get(&self.0).1
    }
}

/// One change to some bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Truncate(Index),
    /// The end is that of another input.
    Splice(Index, Index, Index),
    /// A piece comes several times: repeated keys, long strings.
    Repeat(Index, usize, usize),
    /// All of it, inside so many of these.
    Nest(&'static str, &'static str, usize),
    Token(Index, &'static str),
}

/// What JSON and headers are made of, and what breaks them.
const TOKENS: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\u0000",
    "\\ud800",
    "\\udfff",
    "\\ud83d\\ude00",
    "null",
    "true",
    "-0",
    "1e999",
    "-1E-999",
    "18446744073709551616",
    "9223372036854775808",
    "0.1",
    "01",
    "NaN",
    "\u{feff}",
    "\u{0}",
    "\n",
    "\"action\":\"send\",",
    "\"text\":\"\",",
    "\"text\":",
    "\"phone\":1,",
    "\"chat_id\":-1,",
    "\"file_url\":\"http://\",",
    "\"file_name\":\"\u{202e}\",",
    "\"whatsapp account phone\":\"\",",
    "\"statuses\":[{}],",
    "\"value\":",
    ";q=",
    "10.0.0.1,",
    "::ffff:",
    "-00",
];
/// Bytes that are not UTF-8: a lone continuation, an overlong form, a surrogate, a beginning without an end.
const NOT_UTF_8: [&[u8]; 5] = [b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf0\x9f", b"\xff\xfe"];

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    let bytes = prop_oneof![vec(any::<u8>(), 1..4), select(&NOT_UTF_8[..]).prop_map(<[u8]>::to_vec)];
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, 1 << bit)),
        (at(), bytes).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at(), 1..20_usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        at().prop_map(Mutation::Truncate),
        (at(), at(), at()).prop_map(|(at, donor, from)| Mutation::Splice(at, donor, from)),
        (at(), 1..40_usize, 1..5_usize).prop_map(|(at, count, times)| Mutation::Repeat(at, count, times)),
        (select(&[("[", "]"), ("{\"x\":", "}"), ("[[{\"\":", "}]]"), ("\"", "\"")][..]), 1..150_usize)
            .prop_map(|((open, close), depth)| Mutation::Nest(open, close, depth)),
        (at(), select(&TOKENS[..])).prop_map(|(at, token)| Mutation::Token(at, token)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation, corpus: &Corpus) {
    let len = bytes.len();
    // An index may be the end, too.
    let place = |at: &Index| at.index(len + 1);
    match mutation {
        Mutation::Flip(at, bits) if len > 0 => bytes[at.index(len)] ^= bits,
        Mutation::Flip(..) => {}
        Mutation::Insert(at, new) => drop(bytes.splice(place(at)..place(at), new.iter().copied())),
        Mutation::Remove(at, count) => drop(bytes.drain(place(at)..(place(at) + count).min(len))),
        Mutation::Truncate(at) => bytes.truncate(place(at)),
        Mutation::Splice(at, donor, from) => {
            let donor = corpus.pick(donor);
            bytes.truncate(place(at));
            bytes.extend(&donor[from.index(donor.len() + 1)..]);
        }
        Mutation::Repeat(at, count, times) => {
            let piece = bytes[place(at)..(place(at) + count).min(len)].repeat(*times);
            drop(bytes.splice(place(at)..place(at), piece));
        }
        Mutation::Nest(open, close, depth) => {
            *bytes = [open.repeat(*depth).as_bytes(), bytes, close.repeat(*depth).as_bytes()].concat();
        }
        Mutation::Token(at, token) => drop(bytes.splice(place(at)..place(at), token.bytes())),
    }
}

fn mutated(corpus: &'static Corpus) -> impl Strategy<Value = Vec<u8>> {
    (any::<Index>(), vec(mutation(), 1..6)).prop_map(|(seed, mutations)| {
        let mut bytes = corpus.pick(&seed).to_vec();
        for mutation in &mutations {
            mutate(&mut bytes, mutation, corpus);
        }
        bytes
    })
}

#[test]
fn the_corpus_holds_and_so_does_each_beginning_of_it() {
    for (corpus, check) in [
        (&*BODIES, checks::body as fn(&[u8])),
        (&*HEADERS, checks::header as fn(&[u8])),
        (&*CALLBACKS, checks::callback as fn(&[u8])),
    ] {
        assert!(corpus.0.len() >= 20, "the corpus has shrunk");
        for (_, bytes) in &corpus.0 {
            check(bytes);
            for end in 0..bytes.len().min(400) {
                check(&bytes[..end]);
            }
        }
    }
}

#[test]
fn what_the_corpus_is_for_is_told_apart() {
    let is_taken = |name: &str| send_request::parse(BODIES.of(name)).is_ok();
    for name in [
        "plain",
        "account",
        "both-spellings",
        "file",
        "chat-id-number",
        "byte-order-mark",
        "deep-arrays",
        "white-space",
    ] {
        assert!(is_taken(name), "{name}");
    }
    for (name, words) in [
        ("spellings-differ", "whatsapp account phone"),
        ("repeated-key-escaped", "`text`"),
        ("repeated-unknown", "`k`"),
        ("chat-id-huge", "chat_id"),
        ("lone-surrogate-ignored", "not valid JSON"),
        ("invalid-utf-8-in-key", "invalid UTF-8"),
        ("too-deep", "not valid JSON"),
        ("utf-16", "invalid UTF-8"),
        ("trailing", "not valid JSON"),
        ("form", "not valid JSON"),
    ] {
        let refused = send_request::parse(BODIES.of(name)).err().unwrap_or_else(|| panic!("{name} is taken"));
        assert!(refused.message().contains(words), "{name}: {}", refused.message());
    }
}

#[test]
fn the_worst_bodies_of_the_largest_size_are_answered_soon() {
    const SIZE: usize = 65_536;
    let call = |rest: &str| format!(r#"{{"action":"send","text":"t","phone":"1"{rest}}}"#);
    let keys: String = (0..6_000).map(|n| format!(",\"{n}\":0")).collect();
    let alike: String = (0..250).map(|n| format!(",\"{}{n}\":0", "k".repeat(250))).collect();
    let worst = [
        "[".repeat(SIZE),
        "{\"\":".repeat(SIZE / 4),
        "\"".repeat(SIZE),
        " ".repeat(SIZE),
        "\n".repeat(SIZE),
        "1".repeat(SIZE),
        format!("0.{}e-{}", "0".repeat(SIZE / 2), "9".repeat(SIZE / 2 - 10)),
        call(&keys),
        call(&alike),
        call(&",\"k\":0".repeat(9_000)),
        call(&format!(",\"k\":\"{}\"", "\\u0041".repeat(10_000))),
        call(&format!(",\"k\":[{}0]", "0,".repeat(30_000))),
        call(&format!(",\"k\":[{}0]", "[],".repeat(20_000))),
    ];
    for body in &worst {
        let began = clock::monotonic();
        checks::body(body.as_bytes());
        checks::callback(body.as_bytes());
        // Milliseconds, if it is linear; minutes, if a depth or a number of keys costs its square.
        assert!(began.elapsed() < Duration::from_secs(10), "{:?} for {}…", began.elapsed(), &body[..40]);
    }
    for value in &worst[..7] {
        checks::header(value.as_bytes());
    }
}

// What fails is printed, and belongs in the corpus.
proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_mutated_body_is_accepted_or_refused_in_form(bytes in mutated(&BODIES)) {
        checks::body(&bytes);
    }

    #[test]
    fn any_mutated_header_is_read_or_refused_in_form(bytes in mutated(&HEADERS)) {
        checks::header(&bytes);
    }

    #[test]
    fn any_mutated_callback_is_read_or_not(bytes in mutated(&CALLBACKS)) {
        checks::callback(&bytes);
    }
}
