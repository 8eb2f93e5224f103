//! What is printed: tables for people, JSON for programs.

use serde_json::Value;

use crate::audit::print;

/// A text without what would move a terminal's cursor or colour it.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A value as a person reads it.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) | Value::Object(_) => plain(&value.to_string()),
    }
}

/// Prints a value: as JSON, or its fields one a line.
pub(super) fn one(value: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        return print(&format!("{}\n", serde_json::to_string_pretty(value)?));
    }
    let fields: Vec<_> = value.as_object().into_iter().flatten().collect();
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines = fields.iter().map(|(name, value)| format!("{name:width$}  {}\n", cell(value)));
    print(&lines.collect::<String>())
}

/// Prints one value of a list as a line of JSON.
pub(super) fn line(value: &Value) -> anyhow::Result<()> {
    print(&format!("{value}\n"))
}

/// Rows under their heads, as wide as they need to be.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    columns: &'static [&'static str],
}

impl Table {
    /// An empty table of these fields.
    pub(super) fn of(columns: &'static [&'static str]) -> Self {
        Self { rows: vec![columns.iter().map(|name| name.to_uppercase()).collect()], columns }
    }

    /// Adds an item's fields.
    pub(super) fn add(&mut self, item: &Value) {
        self.rows.push(self.columns.iter().map(|name| cell(&item[*name])).collect());
    }

    /// Prints it.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
        };
        print(&self.rows.iter().map(line).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_from_outside_reaches_the_terminal_as_a_command() {
        assert_eq!(cell(&json!("a\u{1b}[31mb\nc\u{9b}d")), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
        assert_eq!(cell(&json!({"name": "\u{7}"})), "{\"name\":\"\\u0007\"}");
        assert_eq!(cell(&json!("Άννα 🙂 مرحبا")), "Άννα 🙂 مرحبا");
    }
}
