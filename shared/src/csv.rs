//! Writes tables that spreadsheets open without running anything.
//!
//! Shape: cells -> one line of RFC 4180. A cell that a spreadsheet would take for a formula gets an apostrophe before it.

/// Writes one line, with its line end.
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_cell(&mut out, cell);
    }
    out.push_str("\r\n");
    out
}

fn write_cell(out: &mut String, cell: &str) {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let is_quoted = is_formula || cell.contains(['"', ',', '\r', '\n']);
    if !is_quoted {
        out.push_str(cell);
        return;
    }
    out.push('"');
    if is_formula {
        out.push('\'');
    }
    for c in cell.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::line;

    #[test]
    fn plain_cells_stay_plain() {
        assert_eq!(line(["17", "charge", "", "a b"]), "17,charge,,a b\r\n");
    }

    #[test]
    fn separators_and_quotes_are_quoted() {
        assert_eq!(line(["a,b", "say \"hi\"", "two\nlines"]), "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\r\n");
    }

    #[test]
    fn what_would_be_a_formula_is_text() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(line([cell]), format!("\"'{cell}\"\r\n"));
        }
    }

    /// Reads one line back by the rules of RFC 4180.
    fn read(line: &str) -> Vec<String> {
        let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
        let mut chars = line.strip_suffix("\r\n").expect("a line end").chars().peekable();
        while let Some(c) = chars.next() {
            match (quoted, c) {
                (true, '"') if chars.peek() == Some(&'"') => cell.extend(chars.next()),
                (_, '"') => quoted = !quoted,
                (false, ',') => cells.push(std::mem::take(&mut cell)),
                (_, c) => cell.push(c),
            }
        }
        cells.push(cell);
        cells
    }

    proptest! {
        #[test]
        fn cells_read_back_and_none_begins_like_a_formula(cells in proptest::collection::vec("[-=+@\t\",\r\na']{0,6}", 1..4)) {
            let back = read(&line(cells.iter().map(String::as_str)));
            prop_assert_eq!(back.len(), cells.len());
            for (read, cell) in back.iter().zip(&cells) {
                prop_assert!(!read.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
                let quoted = format!("'{cell}");
                prop_assert!(read == cell || *read == quoted);
            }
        }
    }
}
