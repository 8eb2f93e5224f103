//! `audit export` and `audit what-if`: one pass over the log's events.

use std::fmt::Write as _;
use std::path::Path;

use angelia_ledger::audit::export::{self, Wanted};
use angelia_ledger::audit::point::Point;
use angelia_ledger::audit::read::{Progress, Reading};
use angelia_ledger::audit::what_if::{Day, Policy, WhatIf};
use angelia_shared::csv;
use angelia_shared::ids::WorkspaceId;
use angelia_shared::log::{EventLog, Record};
use serde::Serialize;

use super::place::Unusable;
use super::progress::teller;
use super::{check_point, print, print_json};
use crate::cli::Format;

/// Prints the wanted events.
pub(super) async fn export(
    log: &EventLog,
    from: Option<Point>,
    to: Option<Point>,
    workspace: Option<WorkspaceId>,
    format: Format,
) -> anyhow::Result<bool> {
    for point in [from, to] {
        check_point(log, point).await?;
    }
    let wanted = Wanted { from, to, workspace };
    let format = match format {
        Format::Jsonl => export::Format::JsonLines,
        Format::Csv => export::Format::Csv,
    };
    if format == export::Format::Csv {
        print(&csv::line(export::COLUMNS))?;
    }
    each(log, "export", |records| {
        let text: String = records.iter().map(|record| export::write(record, &wanted, format)).collect();
        print(&text)?;
        Ok(records.last().is_some_and(|last| wanted.is_over(last)))
    })
    .await?;
    Ok(true)
}

/// Goes through the whole log, until `visit` says that it has seen enough.
async fn each(
    log: &EventLog,
    name: &'static str,
    mut visit: impl FnMut(&[Record]) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let mut reading = Reading::start(log, name).await?;
    let (of, mut tell) = (reading.end(), teller(name));
    while let Some(records) = reading.next().await {
        if visit(&records)? {
            return Ok(());
        }
        tell(Progress { done: records.last().map_or(0, |last| last.seq), of });
    }
    Ok(reading.finish().await?)
}

/// Reads a policy's file.
///
/// # Errors
/// [`Unusable`] when it cannot be read or says what no policy can.
pub(super) fn policy(file: &Path) -> Result<Policy, Unusable> {
    let unusable = |what: String| Unusable(format!("cannot use the policy {}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
    let policy: Policy = toml::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    policy.check().map_err(|bad| unusable(bad.to_string()))?;
    Ok(policy)
}

#[derive(Serialize)]
struct Shown<'a> {
    workspace: WorkspaceId,
    day: String,
    #[serde(flatten)]
    differs: &'a Day,
}

/// Prints what would have been different.
pub(super) async fn what_if(log: &EventLog, policy: Policy, json: bool) -> anyhow::Result<bool> {
    let mut what_if = WhatIf::new(policy);
    each(log, "what-if", |records| {
        records.iter().for_each(|record| what_if.record(record));
        Ok(false)
    })
    .await?;
    let shown = what_if.differences().map(|(workspace, day, differs)| Shown { workspace, day, differs });
    let shown: Vec<_> = shown.collect();
    if json {
        print_json(&shown)?
    } else {
        print(&text(&shown))?
    }
    Ok(true)
}

fn text(days: &[Shown<'_>]) -> String {
    if days.is_empty() {
        return "nothing would have been different\n".to_owned();
    }
    let mut out = String::new();
    for Shown { workspace, day, differs } in days {
        writeln!(out, "{day}  workspace {workspace}").expect("a string takes any text");
        let rows = [
            ("credits charged", differs.charged),
            ("credits given back", differs.refunded),
            ("messages refused", differs.refused),
            ("attempts", differs.attempts),
            ("waited, in ms", differs.waited_ms),
        ];
        for (name, both) in rows.into_iter().filter(|(_, both)| both.was != both.would) {
            let change = i128::from(both.would) - i128::from(both.was);
            writeln!(out, "  {name:<20}{:>14} -> {:>14}  ({change:+})", both.was, both.would)
                .expect("a string takes any text");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_in_the_documentation_can_be_used() {
        let page = include_str!("../../../AUDIT.md");
        let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("policy.toml");
        std::fs::write(&file, example).expect("written");
        let policy = policy(&file).expect("it says what a policy can");
        assert_eq!(policy.pace.gap_ms, Some((1_500, 2_500)));
        assert_eq!(policy.refunds.percent["expired"], 50);
    }

    #[test]
    fn a_policy_that_is_missing_or_out_of_bounds_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("policy.toml");
        assert!(policy(&file).expect_err("it is not there").0.contains("policy.toml"));
        std::fs::write(&file, "[refunds]\ndefault_percent = 101\n").expect("written");
        assert!(policy(&file).expect_err("more than all").0.contains("refunds.default_percent"));
    }
}
