//! One account: its state and queue, its pace, its settings at WhatsApp.

use angelia_shared::event::WorkspaceChanged;
use angelia_shared::ids::AccountId;
use maud::{Markup, html};

use super::Page;
use super::accounts::{connection, figures};
use crate::domain::console::figure;
use crate::domain::console::seen::{Account, Pace};
use crate::domain::console::words as w;
use crate::shell::http::console::parts;
use crate::shell::http::console::trouble::Trouble;
use crate::shell::http::console::visit::Visit;

/// `…/accounts/{a}`.
pub(super) async fn page(visit: &Visit, workspace: &WorkspaceChanged, id: &str) -> Result<Page, Trouble> {
    let id: AccountId = id.parse().map_err(|_| Trouble::NotFound)?;
    let account: Account = visit.get(&format!("/workspaces/{}/accounts/{id}", workspace.id)).await?;
    let base = format!("/console/w/{}/accounts", workspace.id);
    let place = format!("{base}/{id}");
    let main = html! {
        div .head {
            div {
                h1 { bdi dir="ltr" { (account.phone) } " " (parts::account_state(visit.manner, &account.state)) }
                p .lead {
                    @match (&account.paused_until, &account.connected_at) {
                        (Some(until), _) => { (visit.t(w::PAUSED_UNTIL)) " " (parts::until(until)) }
                        (None, Some(at)) => { (visit.t(w::CONNECTED_AT)) " " (parts::time(at)) }
                        (None, None) => { (visit.t(w::CREATED)) " " (parts::time(&account.created_at)) }
                    }
                }
            }
            div .actions { (connection(visit, &base, &account)) }
        }
        @if account.state == "blocked" { p .notice.bad role="alert" { (visit.t(w::BLOCKED_NEXT)) } }
        @if let Some(reason) = &account.state_reason { p .notice.warning lang="en" { (reason) } }
        section .card aria-label=(visit.t(w::QUEUE)) {
            (figures(visit, &account))
            div .confirms {
                a .button href={ "/console/w/" (workspace.id) "/messages?account=" (id) } { (visit.t(w::SHOW_MESSAGES)) }
                (parts::confirmed(visit.t(w::PURGE), visit.t(w::PURGE_WARNING), &format!("{place}/purge"), visit.t(w::PURGE), html! {}))
                @if account.state != "disconnected" {
                    (parts::confirmed(visit.t(w::DISCONNECT), visit.t(w::DISCONNECT_WARNING), &format!("{place}/disconnect"), visit.t(w::DISCONNECT), html! {}))
                }
                (parts::confirmed(visit.t(w::REMOVE_ACCOUNT), visit.t(w::REMOVE_ACCOUNT_WARNING), &format!("{place}/remove"), visit.t(w::REMOVE_ACCOUNT), html! {}))
            }
        }
        section .card aria-labelledby="pace" {
            h2 #pace { (visit.t(w::PACE)) }
            p .hint { (visit.t(w::PACE_LEAD)) }
            (pace(visit, &place, &account.pace))
        }
        section .card aria-labelledby="settings" {
            h2 #settings { (visit.t(w::SETTINGS)) }
            p .hint { (visit.t(w::SETTINGS_LEAD)) }
            (settings(visit, &place, &account))
        }
        section .card aria-labelledby="link" {
            h2 #link { (visit.t(w::LINK_DEVICE)) }
            // The code of an account on a linked device stands here, as long as one can be scanned.
            div #link-code { p .hint { (visit.t(w::LINK_DEVICE_NONE)) } }
        }
    };
    Ok(Page::live(account.phone.clone(), main))
}

fn pace(visit: &Visit, place: &str, pace: &Pace) -> Markup {
    let or_empty = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let (from, to, zone) =
        pace.quiet_hours.as_ref().map_or(("", "", ""), |quiet| (&quiet.from, &quiet.to, &quiet.time_zone));
    let warm = pace.warm_up.as_ref();
    let fields = [
        ("gap_low", w::GAP_LOW, figure::seconds(pace.gap_ms.0), "number", true),
        ("gap_high", w::GAP_HIGH, figure::seconds(pace.gap_ms.1), "number", true),
        ("hourly_cap", w::HOURLY_CAP, or_empty(pace.hourly_cap), "number", false),
        ("daily_cap", w::DAILY_CAP, or_empty(pace.daily_cap), "number", false),
        (
            "recipient_gap",
            w::RECIPIENT_GAP,
            pace.recipient_gap_ms.map(figure::seconds).unwrap_or_default(),
            "number",
            false,
        ),
        ("quiet_from", w::QUIET_FROM, from.to_owned(), "time", false),
        ("quiet_to", w::QUIET_TO, to.to_owned(), "time", false),
        ("time_zone", w::TIME_ZONE, zone.to_owned(), "text", false),
        ("warm_first", w::WARM_FIRST, or_empty(warm.map(|warm| warm.first_day)), "number", false),
        ("warm_more", w::WARM_MORE, or_empty(warm.map(|warm| warm.more_each_day)), "number", false),
        ("warm_days", w::WARM_DAYS, or_empty(warm.map(|warm| warm.days)), "number", false),
    ];
    html! {
        form .grid data-keep method="post" action={ (place) "/pace" } {
            @for (name, label, value, kind, required) in &fields {
                @let hint = if *name == "time_zone" { visit.t(w::TIME_ZONE_HINT) } else { "" };
                (parts::Field { name, label: visit.t(*label), value, kind, hint, required: *required }.shown("pace"))
            }
            div .buttons.wide { button .primary type="submit" { (visit.t(w::SAVE)) } }
        }
    }
}

fn settings(visit: &Visit, place: &str, account: &Account) -> Markup {
    let secret = |name, label| parts::Field {
        name,
        label: visit.t(label),
        value: "",
        kind: "password",
        hint: visit.t(w::KEEP_SECRET),
        required: false,
    };
    let shown = |name, label, value| parts::Field {
        name,
        label: visit.t(label),
        value,
        kind: "text",
        hint: "",
        required: true,
    };
    html! {
        dl .pairs {
            (parts::pair(visit.t(w::TRANSPORT), html! { code { (account.transport) } }))
            (parts::pair(visit.t(w::CALLBACK_URL), html! { (parts::copied(visit.manner, &account.callback_url, visit.t(w::CALLBACK_URL))) p .hint { (visit.t(w::CALLBACK_HINT)) } }))
        }
        form .grid data-keep method="post" action={ (place) "/settings" } {
            (shown("phone_number_id", w::PHONE_NUMBER_ID, &account.phone_number_id).shown("set"))
            (shown("base_url", w::BASE_URL, &account.base_url).shown("set"))
            (secret("access_token", w::ACCESS_TOKEN).shown("set"))
            (secret("app_secret", w::APP_SECRET).shown("set"))
            (secret("verify_token", w::VERIFY_TOKEN).shown("set"))
            div .buttons.wide { button .primary type="submit" { (visit.t(w::SAVE)) } }
        }
    }
}
