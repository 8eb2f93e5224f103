use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sample(u64);

impl Row for Sample {
    const TABLE: u8 = 7;
    type Key = (WorkspaceId, Position);

    fn write(&self, out: &mut Encoder) {
        out.number(self.0);
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        input.number().map(Sample)
    }
}

fn tables(keys: &[(u128, u64, u16)]) -> MemoryTables {
    let mut tables = MemoryTables::default();
    for (n, (workspace, seq, line)) in keys.iter().enumerate() {
        tables.put(&(WorkspaceId(*workspace), Position::new(*seq, *line)), &Sample(n as u64));
    }
    tables
}

fn found(tables: &MemoryTables, span: &Span, direction: Direction) -> Vec<u64> {
    let mut found = Vec::new();
    let visit = |_: (WorkspaceId, Position), row: Sample| {
        found.push(row.0);
        ControlFlow::Continue(())
    };
    tables.scan::<Sample>(span, direction, visit).unwrap();
    found
}

#[test]
fn a_scan_of_a_prefix_sees_its_rows_in_order_and_no_other() {
    let tables = tables(&[(1, 9, 0), (1, 10, 0), (1, 9, 1), (u128::MAX, 1, 0), (2, 1, 0)]);
    let one = Span::under::<Sample>(&WorkspaceId(1));
    assert_eq!(found(&tables, &one, Direction::Up), [0, 2, 1]);
    assert_eq!(found(&tables, &one, Direction::Down), [1, 2, 0]);
    assert_eq!(found(&tables, &Span::under::<Sample>(&WorkspaceId(u128::MAX)), Direction::Up), [3]);
    assert_eq!(found(&tables, &Span::all::<Sample>(), Direction::Up), [0, 2, 1, 4, 3]);
}

#[test]
fn bounds_cut_a_scan_on_both_sides() {
    let tables = tables(&[(1, 1, 0), (1, 2, 0), (1, 3, 0)]);
    let key = (WorkspaceId(1), Position::new(2, 0));
    let all = || Span::under::<Sample>(&WorkspaceId(1));
    assert_eq!(found(&tables, &all().starting_at::<Sample>(&key), Direction::Up), [1, 2]);
    assert_eq!(found(&tables, &all().after::<Sample>(&key), Direction::Up), [2]);
    assert_eq!(found(&tables, &all().before::<Sample>(&key), Direction::Down), [0]);
    assert!(found(&tables, &all().after::<Sample>(&key).before::<Sample>(&key), Direction::Up).is_empty());
}

#[test]
fn a_value_with_bytes_left_over_is_unreadable() {
    let mut tables = MemoryTables::default();
    let key = (WorkspaceId(1), Position::new(1, 0));
    tables.put_bytes(key_bytes::<Sample>(&key), Some(vec![1, 2]));
    assert_eq!(tables.get::<Sample>(&key), Err(Unreadable { table: 7 }));
    let visit = |_: (WorkspaceId, Position), _: Sample| ControlFlow::Continue(());
    assert_eq!(tables.scan::<Sample>(&Span::all::<Sample>(), Direction::Up, visit), Err(Unreadable { table: 7 }));
}

proptest! {
    #[test]
    fn numbers_times_and_texts_read_back(number: u64, time: i64, text: String, id: u128) {
        let mut out = Encoder::default();
        out.number(number);
        out.time(UnixMillis(time));
        out.text(&text);
        out.id(id);
        out.optional(Some(number), Encoder::number);
        out.optional(None::<u64>, Encoder::number);
        let mut input = Decoder(&out.0);
        prop_assert_eq!(input.number(), Some(number));
        prop_assert_eq!(input.time(), Some(UnixMillis(time)));
        prop_assert_eq!(input.text(), Some(text.as_str()));
        prop_assert_eq!(input.id(), Some(id));
        prop_assert_eq!(input.optional(Decoder::number), Some(Some(number)));
        prop_assert_eq!(input.optional(Decoder::number), Some(None));
        prop_assert!(input.0.is_empty());
    }

    #[test]
    fn keys_sort_as_their_parts_do(a: (u64, u16), b: (u64, u16), c: i64, d: i64) {
        let bytes = |key: &dyn Fn(&mut Vec<u8>)| { let mut out = Vec::new(); key(&mut out); out };
        let position = |(seq, line): (u64, u16)| bytes(&|out| Position::new(seq, line).write(out));
        prop_assert_eq!(position(a).cmp(&position(b)), a.cmp(&b));
        let time = |ms: i64| bytes(&|out| UnixMillis(ms).write(out));
        prop_assert_eq!(time(c).cmp(&time(d)), c.cmp(&d));
    }

    #[test]
    fn bytes_of_any_kind_never_panic_the_decoder(bytes: Vec<u8>) {
        let mut input = Decoder(&bytes);
        while !input.0.is_empty() && (input.number().is_some() || input.text().is_some() || input.time().is_some()) {}
    }
}
