//! Credits: the balance with its age, how it went, the statement.

use angelia_shared::clock;
use angelia_shared::event::WorkspaceChanged;
use angelia_shared::query::{StatementKind, StatementLine};
use maud::{Markup, PreEscaped, html};

use super::{Page, newest};
use crate::domain::console::seen::Credits;
use crate::domain::console::told::{self, Tone};
use crate::domain::console::words::{self as w, Text};
use crate::shell::http::console::history::Moment;
use crate::shell::http::console::trouble::Trouble;
use crate::shell::http::console::visit::Visit;
use crate::shell::http::console::{parts, plot};

/// How long a page waits for its plot; after that the live stream brings it.
const PLOT_WITHIN: std::time::Duration = std::time::Duration::from_millis(1_500);

const RANGES: [(&str, Text, i64); 4] = [
    ("hour", w::RANGE_HOUR, 3_600_000),
    ("day", w::RANGE_DAY, 86_400_000),
    ("week", w::RANGE_WEEK, 604_800_000),
    ("month", w::RANGE_MONTH, 2_592_000_000),
];

/// `…/credits`.
pub(super) async fn page(visit: &Visit, workspace: &WorkspaceChanged) -> Result<Page, Trouble> {
    let asked = visit.query.text("range");
    let (range, _, range_ms) = RANGES.into_iter().find(|(name, ..)| *name == asked).unwrap_or(RANGES[1]);
    let now = clock::now();
    let history = visit.console.history.of(&visit.console.app, workspace.id, workspace.created_at, range_ms, now);
    let (figure, moments, lines) = tokio::join!(
        visit.figures(workspace.id),
        tokio::time::timeout(PLOT_WITHIN, history),
        newest::lines(&visit.console.app, workspace.id),
    );
    let moments = moments.ok().and_then(Result::ok);
    let base = format!("/console/w/{}/credits", workspace.id);
    let main = html! {
        (parts::head(visit.t(w::NAV_CREDITS), visit.t(w::CREDITS_LEAD), html! {}))
        @if !figure.warning.is_empty() { div .notice.warning role="status" { @for sentence in &figure.warning { p { (sentence) } } } }
        @if let Some(credits) = figure.credits { (totals(visit, workspace, credits)) }
        section .card aria-labelledby="over-time" {
            div .row { h2 #over-time { (visit.t(w::OVER_TIME)) } span .space {} (ranges(visit, &base, range)) }
            @match &moments { Some(moments) => (drawn(visit, moments)), None => p .hint { (visit.t(w::PLOT_LATER)) } }
        }
        section .card aria-labelledby="statement" {
            h2 #statement { (visit.t(w::STATEMENT)) }
            p .hint { (visit.t(w::STATEMENT_LEAD)) }
            (download(visit, &base))
            @match &lines {
                None => p .notice.warning { (visit.t(w::LEDGER_AWAY)) },
                Some(lines) if lines.is_empty() => (parts::empty(visit.manner, w::NO_LINES, w::NO_LINES_NEXT)),
                Some(lines) => (table(visit, workspace, lines)),
            }
        }
    };
    Ok(Page::live(visit.t(w::NAV_CREDITS), main))
}

fn totals(visit: &Visit, workspace: &WorkspaceChanged, credits: Credits) -> Markup {
    let low = workspace.low_balance.map_or(0, |low| low.0);
    let number = |value| html! { (visit.manner.number(value)) };
    html! {
        @if credits.available == 0 { p .notice.bad role="alert" { (visit.t(w::NONE_LEFT)) } }
        @else if credits.available < low { p .notice.warning { (visit.manner.with(w::LOW_NOW, &[("n", &visit.manner.number(low))])) } }
        dl .figures.big {
            (parts::pair(visit.t(w::AVAILABLE), html! { span #available { (number(credits.available)) } }))
            (parts::pair(visit.t(w::GRANTED_SUM), number(credits.granted)))
            (parts::pair(visit.t(w::CONSUMED), number(credits.consumed)))
            (parts::pair(visit.t(w::REFUNDED_SUM), number(credits.refunded)))
        }
    }
}

fn ranges(visit: &Visit, base: &str, chosen: &str) -> Markup {
    html! {
        ul .choices aria-label=(visit.t(w::RANGE)) {
            @for (name, text, _) in RANGES {
                li { a href={ (base) "?range=" (name) } aria-current=[(name == chosen).then_some("true")] { (visit.t(text)) } }
            }
        }
    }
}

fn drawn(visit: &Visit, moments: &[Moment]) -> Markup {
    let (Some(first), Some(last)) = (moments.first(), moments.last()) else { return html! {} };
    let number = |value| visit.manner.number(value);
    let says = visit.manner.with(
        w::PLOT_SAYS,
        &[
            ("first", &number(first.available)),
            ("last", &number(last.available)),
            ("consumed", &number(last.consumed.saturating_sub(first.consumed))),
        ],
    );
    // Both are our own drawings: numbers and times, and no text that somebody wrote.
    let drawing = |size| PreEscaped(plot::svg(moments, size, visit.manner).unwrap_or_default());
    html! {
        figure .plot {
            div .wide-only { (drawing((860, 270))) }
            div .narrow-only { (drawing((360, 260))) }
            figcaption .hint {
                span .key.line { (visit.t(w::BALANCE)) } " " span .key.bar { (visit.t(w::CONSUMED)) } " · UTC" br;
                (says)
            }
        }
    }
}

fn download(visit: &Visit, base: &str) -> Markup {
    html! {
        form .filters method="get" action={ (base) "/statement.csv" } data-keep data-file {
            div .field { label for="from" { (visit.t(w::FROM)) } input #from name="from" type="date"; }
            div .field { label for="to" { (visit.t(w::UNTIL)) } input #to name="to" type="date"; }
            button type="submit" { (visit.t(w::DOWNLOAD_STATEMENT)) }
        }
    }
}

fn table(visit: &Visit, workspace: &WorkspaceChanged, lines: &[StatementLine]) -> Markup {
    html! {
        div .scroll {
            table .stack.statement {
                thead { tr {
                    th scope="col" { (visit.t(w::TIME)) } th scope="col" { (visit.t(w::WHAT)) } th scope="col" .number { (visit.t(w::CREDITS_COL)) }
                    th scope="col" .number { (visit.t(w::BALANCE)) } th scope="col" { (visit.t(w::REASON)) }
                } }
                tbody { @for line in lines { (row(visit, workspace, line)) } }
            }
        }
    }
}

fn row(visit: &Visit, workspace: &WorkspaceChanged, line: &StatementLine) -> Markup {
    let (text, meant, sign) = match line.moved.kind {
        StatementKind::Grant => (w::KIND_GRANT, Tone::Good, "+"),
        StatementKind::Charge => (w::KIND_CHARGE, Tone::Plain, "−"),
        StatementKind::Refund => (w::KIND_REFUND, Tone::Busy, "+"),
    };
    let reason = line.moved.reason.as_deref().unwrap_or_default();
    html! {
        tr #{ "line-" (line.at_position.to_string().replace('.', "-")) } {
            td { (parts::time(&line.moved.at.to_rfc3339())) }
            td { (parts::badge(visit.t(text), meant)) }
            td .number { (sign) (visit.manner.number(line.moved.credits.0)) }
            td .number { (visit.manner.number(line.balance.0)) }
            td .text {
                @match told::reason(reason) { Some(known) => (visit.t(known)), None => bdi { (reason) } }
                @if let Some(message) = line.moved.message { " " a href={ "/console/w/" (workspace.id) "/messages/" (message) } { code { (message) } } }
            }
        }
    }
}
