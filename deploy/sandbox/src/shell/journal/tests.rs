use std::sync::Mutex;

use super::*;
use crate::domain::body;
use crate::domain::recipient::Recipient;

/// Keeps what was appended in memory and fails as told.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<MemoryState>>);

#[derive(Default)]
struct MemoryState {
    bytes: Vec<u8>,
    appends: usize,
    failing: bool,
    cut_fails: bool,
}

impl Tape for Memory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().expect("no panic");
        state.appends += 1;
        let taken = if state.failing { bytes.len() / 2 } else { bytes.len() };
        state.bytes.extend_from_slice(&bytes[..taken]);
        if state.failing { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.0.lock().expect("no panic");
        if state.cut_fails {
            return Err(io::ErrorKind::Other.into());
        }
        state.bytes.truncate(usize::try_from(length).expect("short"));
        Ok(())
    }
}

struct Bench {
    memory: Memory,
    journal: Journal,
    promises: mpsc::Receiver<Vec<Promise>>,
    end: oneshot::Receiver<io::Result<()>>,
    _file: tempfile::NamedTempFile,
}

fn bench() -> Bench {
    let memory = Memory::default();
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let written = Arc::new(AtomicU64::new(0));
    let reader = Reader::new(Arc::new(file.reopen().expect("open")), Arc::clone(&written));
    let position = Position { last_seq: 0, written, script: Script::default() };
    // Room for all: unlike the courier, most tests never look.
    let (sender, promises) = mpsc::channel(4_096);
    let (journal, end) = start(memory.clone(), position, Delays::default(), reader, sender).expect("a thread");
    Bench { memory, journal, promises, end, _file: file }
}

impl Bench {
    fn lines(&self) -> Vec<serde_json::Value> {
        let state = self.memory.0.lock().expect("no panic");
        let text = std::str::from_utf8(&state.bytes).expect("utf-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect()
    }

    fn fail(&self, failing: bool) {
        self.memory.0.lock().expect("no panic").failing = failing;
    }
}

fn message(to: &str) -> Received {
    let recipient = Recipient::read(to, false).expect("a number");
    Received {
        received_at_ms: 1_000,
        phone_number_id: "100".into(),
        to: Some(to.into()),
        kind: Some("text".into()),
        body: body::object(&serde_json::json!({"to": to})),
        tracker: None,
        verdict: Verdict::Script { behaviour: Behaviour::of(&recipient), wamid: "wamid.X".into() },
    }
}

#[tokio::test]
async fn a_line_is_written_before_its_answer_and_its_promise() {
    let mut bench = bench();
    let recorded = bench.journal.record(message("14150000404")).await.expect("recorded");
    assert_eq!((recorded.offset, recorded.decision), (0, Some(Decision::Taken)));
    let lines = bench.lines();
    assert_eq!((&lines[0]["seq"], &lines[0]["answered"]), (&1.into(), &200.into()));
    let promises = bench.promises.recv().await.expect("a promise");
    assert_eq!((promises[0].due.seq, promises[0].due.at_ms), (1, 1_200));
}

#[tokio::test]
async fn many_who_wait_share_few_writes_and_keep_their_own_places() {
    let bench = bench();
    let journal = bench.journal.clone();
    let all = (0..2_000).map(|n| {
        let journal = journal.clone();
        tokio::spawn(async move { journal.record(message(&format!("1415{n:07}"))).await.expect("recorded").offset })
    });
    let mut offsets = futures_util::future::try_join_all(all).await.expect("no panic");
    offsets.sort_unstable();
    let state = bench.memory.0.lock().expect("no panic");
    let starts = state.bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at as u64 + 1);
    let starts: Vec<u64> = std::iter::once(0).chain(starts).take(2_000).collect();
    assert_eq!(offsets, starts);
    assert!(state.appends < 2_000, "{} writes", state.appends);
}

#[tokio::test]
async fn a_failed_write_leaves_nothing_behind_and_uses_no_seq() {
    let mut bench = bench();
    bench.journal.record(message("1")).await.expect("recorded");
    bench.fail(true);
    assert!(bench.journal.record(message("2")).await.is_err());
    bench.fail(false);
    let recorded = bench.journal.record(message("3")).await.expect("recorded");
    let lines = bench.lines();
    assert_eq!(lines.iter().map(|line| line["seq"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(lines[1]["to"], "3");
    assert_eq!(recorded.offset, lines[0].to_string().len() as u64 + 1);
    let promised = [bench.promises.recv().await.expect("1"), bench.promises.recv().await.expect("3")];
    assert_eq!(promised.map(|promises| promises.len()), [1, 1], "what was not written is not promised");
}

#[tokio::test]
async fn a_journal_that_cannot_be_cut_back_ends_the_thread() {
    let bench = bench();
    bench.fail(true);
    bench.memory.0.lock().expect("no panic").cut_fails = true;
    assert!(bench.journal.record(message("1")).await.is_err());
    assert!(bench.end.await.expect("an end").is_err());
    assert!(bench.journal.record(message("1")).await.is_err());
}

#[tokio::test]
async fn the_thread_ends_with_its_last_user() {
    let bench = bench();
    drop(bench.journal);
    assert!(bench.end.await.expect("an end").is_ok());
}
