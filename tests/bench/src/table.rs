//! The figures as one table, each beside its aim.

use crate::stats::Spread;

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Aim {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// It is only told.
    None,
}

/// One row.
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// In which unit, and with how many digits after the point.
    pub(crate) unit: &'static str,
    pub(crate) digits: usize,
    /// One figure a round.
    pub(crate) figures: Vec<f64>,
    pub(crate) aim: Aim,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, digits: usize, figures: Vec<f64>, aim: Aim) -> Self {
        Self { what: what.into(), unit, digits, figures, aim }
    }

    fn line(&self) -> String {
        let Self { what, unit, digits, figures, aim } = self;
        let Spread { median, low, high } = Spread::of(figures);
        let figure = format!("{median:.digits$} {unit} ({low:.digits$}–{high:.digits$})");
        let aim = match aim {
            Aim::AtLeast(least) => format!("≥ {least} {unit}: {}", verdict(median >= *least)),
            Aim::AtMost(most) => format!("≤ {most} {unit}: {}", verdict(median <= *most)),
            Aim::None => String::new(),
        };
        format!("{what:<58} {figure:>38}  {aim}")
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

/// Prints the table.
pub(crate) fn print(rows: &[Row]) {
    println!("\n{:<58} {:>38}  aim", "what", "median (lowest–highest)");
    rows.iter().for_each(|row| println!("{}", row.line()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_stands_beside_its_aim_and_says_whether_it_is_met() {
        let line = |figures: &[f64], aim| Row::new("memory", "MiB", 1, figures.to_vec(), aim).line();
        assert!(line(&[2.0, 1.0, 4.0], Aim::AtMost(2.0)).ends_with("2.0 MiB (1.0–4.0)  ≤ 2 MiB: met"));
        assert!(line(&[2.5], Aim::AtMost(2.0)).ends_with("≤ 2 MiB: MISSED"));
        assert!(line(&[2.5], Aim::AtLeast(2.5)).ends_with("≥ 2.5 MiB: met"));
        assert!(line(&[2.5], Aim::AtLeast(3.0)).ends_with("MISSED"));
        assert!(line(&[2.5], Aim::None).ends_with("(2.5–2.5)  "));
    }
}
