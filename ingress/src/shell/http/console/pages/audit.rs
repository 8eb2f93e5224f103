//! The audit: how balance and messages stood at a moment of the past, and whether the log holds together.

use angelia_shared::clock;
use angelia_shared::event::WorkspaceChanged;
use angelia_shared::ids::Position;
use angelia_shared::query::{
    self, AskDigest, AskFindings, AskMessageThen, AskMessages, DigestView, FindingsView, MessageView,
};
use angelia_shared::units::UnixMillis;
use angelia_shared::verification::{self, Verification};
use futures_util::{StreamExt as _, stream};
use maud::{Markup, html};

use super::Page;
use crate::domain::as_of::AsOf;
use crate::domain::console::seen::Credits;
use crate::domain::console::words as w;
use crate::domain::console::{figure, told};
use crate::shell::http::console::parts;
use crate::shell::http::console::trouble::Trouble;
use crate::shell::http::console::visit::Visit;

/// Messages of a moment that are shown.
const SHOWN: u32 = 20;
/// Messages whose past is told at once.
const TOLD_AT_ONCE: usize = 10;
/// Steps of the slider: fine enough for a finger, and the field beside it takes any moment.
const STEPS: i64 = 500;
/// How long the page waits for what the ledger has found.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(800);

/// `…/audit`.
pub(super) async fn page(visit: &Visit, workspace: &WorkspaceChanged) -> Result<Page, Trouble> {
    let now = clock::now();
    let asked = asked(visit, now);
    let (then, checked, recorded) = tokio::join!(then(visit, workspace, asked), checked(visit), recorded(visit));
    let base = format!("/console/w/{}/audit", workspace.id);
    let main = html! {
        (parts::head(visit.t(w::NAV_AUDIT), visit.t(w::AUDIT_LEAD), html! {}))
        section .card aria-labelledby="as-of" {
            h2 #as-of { (visit.t(w::AS_OF)) " " (chosen(visit, asked)) }
            (slider(visit, workspace, &base, asked, now))
            @match &then {
                Err(Trouble::Told { .. } | Trouble::NotFound) => p .notice.bad role="alert" { (visit.t(w::NO_SUCH_POINT)) },
                Err(trouble) => p .notice.warning { (trouble.sentence(visit.manner)) },
                Ok((credits, messages)) => (stood(visit, workspace, *credits, messages)),
            }
        }
        section .card aria-labelledby="verification" {
            h2 #verification { (visit.t(w::VERIFICATION)) }
            h3 { (visit.t(w::VERIFIED_LAST)) }
            (last(visit, recorded.as_ref()))
            h3 { (visit.t(w::VERIFIED_ALWAYS)) }
            (verification(visit, workspace, checked.as_ref()))
        }
    };
    Ok(Page::live(visit.t(w::NAV_AUDIT), main))
}

/// The moment that is asked for: the slider's time, or what was typed; none is the present.
fn asked(visit: &Visit, now: UnixMillis) -> Option<Result<AsOf, ()>> {
    if let Some(typed) = visit.query.given("as_of") {
        return Some(AsOf::parse(&figure::day_or_time(typed)).ok_or(()));
    }
    let at: i64 = visit.query.given("at")?.parse().ok()?;
    (at < now.0).then_some(Ok(AsOf::Time(UnixMillis(at))))
}

/// A message now, and as it was; none when that is not told.
struct Then {
    now: MessageView,
    then: Option<MessageView>,
}

async fn then(
    visit: &Visit,
    workspace: &WorkspaceChanged,
    asked: Option<Result<AsOf, ()>>,
) -> Result<(Credits, Vec<Then>), Trouble> {
    let mut path = format!("/workspaces/{}/credits", workspace.id);
    match asked {
        None => {}
        Some(Err(())) => return Err(Trouble::told(400, "")),
        Some(Ok(AsOf::Seq(seq))) => path.push_str(&format!("?as_of={seq}")),
        Some(Ok(AsOf::Time(time))) => path.push_str(&format!("?as_of={}", time.to_rfc3339())),
    }
    let credits: Credits = visit.get(&path).await?;
    let before = Some(Position::new(credits.as_of_seq.saturating_add(1), 0));
    let ask = AskMessages { workspace: workspace.id, state: None, account: None, before, limit: SHOWN };
    let client = visit.console.app.log.client();
    let away = |_| Trouble::Unavailable("the ledger does not answer".to_owned());
    let (messages, _) = query::ask(client, ask, credits.as_of_seq).await.map_err(away)?;
    if asked.is_none() {
        return Ok((credits, messages.into_iter().map(|now| Then { then: Some(now.clone()), now }).collect()));
    }
    let told = stream::iter(messages).map(|now| async move {
        let ask = AskMessageThen { workspace: workspace.id, message: now.message, as_of: credits.as_of_seq };
        // One whose history is too long to be told here does not keep the others from being told.
        let then = query::ask(client, ask, credits.as_of_seq).await.ok().and_then(|(then, _)| then);
        Then { now, then }
    });
    Ok((credits, told.buffered(TOLD_AT_ONCE).collect().await))
}

fn chosen(visit: &Visit, asked: Option<Result<AsOf, ()>>) -> Markup {
    match asked {
        Some(Ok(AsOf::Time(time))) => html! { output #as-of-shown for="at" { (parts::time(&time.to_rfc3339())) } },
        Some(Ok(AsOf::Seq(seq))) => {
            html! { output #as-of-shown for="at" { (visit.t(w::RECORD)) " " (visit.manner.number(seq)) } }
        }
        Some(Err(())) | None => {
            html! { output #as-of-shown for="at" { (visit.t(w::NOW)) } }
        }
    }
}

fn slider(
    visit: &Visit,
    workspace: &WorkspaceChanged,
    base: &str,
    asked: Option<Result<AsOf, ()>>,
    now: UnixMillis,
) -> Markup {
    let first = workspace.created_at.0;
    let step = ((now.0 - first) / STEPS).max(1);
    let at = match asked {
        Some(Ok(AsOf::Time(time))) => time.0.clamp(first, now.0),
        Some(Ok(AsOf::Seq(_)) | Err(())) | None => now.0,
    };
    html! {
        form .slider method="get" action=(base) data-auto data-keep {
            label for="at" .visually-hidden { (visit.t(w::AS_OF)) }
            input #at name="at" type="range" min=(first) max=(now.0) step=(step) value=(at) data-shows="as-of-shown";
            div .row.meta { span { (parts::time(&workspace.created_at.to_rfc3339())) } span .space {} span { (visit.t(w::NOW)) } }
            noscript { button type="submit" { (visit.t(w::SHOW)) } }
        }
        form .filters method="get" action=(base) data-keep {
            div .field.grow {
                label for="as_of" { (visit.t(w::AS_OF_EXACT)) }
                input #as_of name="as_of" value=(visit.query.text("as_of")) dir="ltr" maxlength="40" aria-describedby="as-of-hint";
            }
            button type="submit" { (visit.t(w::SHOW)) }
            // Below both, so that the button stands beside the field.
            p #as-of-hint .hint.whole { (visit.t(w::AS_OF_EXACT_HINT)) }
        }
    }
}

fn stood(visit: &Visit, workspace: &WorkspaceChanged, credits: Credits, messages: &[Then]) -> Markup {
    let number = |value| html! { (visit.manner.number(value)) };
    html! {
        p .hint { (visit.manner.with(w::AT_RECORD, &[("n", &visit.manner.number(credits.as_of_seq))])) }
        h3 { (visit.t(w::BALANCE_THEN)) }
        dl .figures {
            (parts::pair(visit.t(w::AVAILABLE), html! { span #available { (number(credits.available)) } }))
            (parts::pair(visit.t(w::GRANTED_SUM), number(credits.granted)))
            (parts::pair(visit.t(w::CONSUMED), number(credits.consumed)))
            (parts::pair(visit.t(w::REFUNDED_SUM), number(credits.refunded)))
        }
        h3 { (visit.t(w::MESSAGES_THEN)) }
        p .hint { (visit.t(w::MESSAGES_THEN_LEAD)) }
        @if messages.is_empty() { p .hint { (visit.t(w::NO_MESSAGES_THEN)) } }
        @else {
            div .scroll { table .stack.then {
                thead { tr { th scope="col" { (visit.t(w::ACCEPTED_AT)) } th scope="col" { (visit.t(w::MESSAGE_ID)) } th scope="col" { (visit.t(w::STATE_THEN)) } th scope="col" { (visit.t(w::STATE_TODAY)) } } }
                tbody { @for message in messages { (row(visit, workspace, message, credits.as_of_seq)) } }
            } }
        }
    }
}

fn row(visit: &Visit, workspace: &WorkspaceChanged, message: &Then, as_of: u64) -> Markup {
    let Then { now, then } = message;
    html! {
        tr #{ "then-" (now.message) } {
            td { (parts::time(&now.accepted_at.to_rfc3339())) }
            td { a href={ "/console/w/" (workspace.id) "/messages/" (now.message) "?as_of=" (as_of) } { code { (now.message) } } }
            td data-label=(visit.t(w::STATE_THEN)) { @match then {
                Some(then) => {
                    (parts::state(visit.manner, then.state))
                    @if then.parts.len() > 1 { @for part in &then.parts {
                        div .hint { (visit.manner.with(w::PART_N, &[("n", &(part.part + 1).to_string())])) " " (visit.t(told::state(part.state).0)) }
                    } }
                }
                None => (visit.t(w::NOT_KNOWN)),
            } }
            td data-label=(visit.t(w::STATE_TODAY)) { (parts::state(visit.manner, now.state)) }
        }
    }
}

/// The last recorded verification; the outer none when nobody can say.
async fn recorded(visit: &Visit) -> Option<Option<Verification>> {
    let last = verification::last(&visit.console.app.log);
    tokio::time::timeout(PATIENCE, last).await.ok()?.ok()
}

fn last(visit: &Visit, recorded: Option<&Option<Verification>>) -> Markup {
    let number = |value| visit.manner.number(value);
    let Some(recorded) = recorded else { return html! { p .notice.warning { (visit.t(w::VERIFIED_UNKNOWN)) } } };
    html! {
        @match recorded {
            None => p #last-verified { (visit.t(w::VERIFIED_NEVER)) },
            Some(Verification { at, program, by, last_seq, live, finding, .. }) => {
                div #last-verified .notice.bad[finding.is_some()] {
                    p { (parts::time(&at.to_rfc3339())) ": "
                        @match finding {
                            None => strong { (visit.manner.with(w::VERIFIED_WELL, &[("n", &number(*last_seq))])) },
                            Some(found) => strong { (visit.manner.with(w::VERIFIED_BROKEN, &[("invariant", &found.invariant), ("at", &found.at.to_string())])) },
                        }
                    }
                    // What is broken may be another workspace's matter.
                    @if let Some(found) = finding.as_ref().filter(|_| visit.is_operator()) { p lang="en" { bdi { (found.what) } } }
                    @if *live && finding.is_none() { p { (visit.t(w::VERIFIED_LIVE)) } }
                    p .hint { bdi { (program) } @if let Some(by) = by { " · " bdi { (by) } } }
                }
            }
        }
        p .hint { (visit.t(w::VERIFY_YOURSELF)) " " code { "angelia audit verify --record" } }
    }
}

async fn checked(visit: &Visit) -> Option<(DigestView, FindingsView, u64)> {
    let client = visit.console.app.log.client();
    let both = async { tokio::join!(query::ask(client, AskDigest {}, 0), query::ask(client, AskFindings {}, 0)) };
    let (digest, findings) = tokio::time::timeout(PATIENCE, both).await.ok()?;
    let ((digest, at), (findings, _)) = (digest.ok()?, findings.ok()?);
    Some((digest, findings, at))
}

fn verification(
    visit: &Visit,
    workspace: &WorkspaceChanged,
    checked: Option<&(DigestView, FindingsView, u64)>,
) -> Markup {
    let Some((digest, findings, at)) = checked else {
        return html! { p .notice.warning { (visit.t(w::VERIFY_AWAY)) } };
    };
    let ours: Vec<_> = findings.first.iter().filter(|found| found.workspace == Some(workspace.id)).collect();
    html! {
        @if findings.contradictions == 0 {
            p .notice { (visit.manner.with(w::VERIFIED, &[("n", &visit.manner.number(*at))])) }
        } @else {
            div .notice.bad {
                p { (visit.manner.with(w::CONTRADICTIONS, &[("n", &visit.manner.number(findings.contradictions))])) }
                @if !ours.is_empty() {
                    p { (visit.t(w::OF_THIS_WORKSPACE)) }
                    ul { @for found in ours { li lang="en" { code { (found.position) } " " (found.invariant) ": " bdi { (found.what) } } } }
                }
            }
        }
        details {
            summary { (visit.t(w::DETAILS)) }
            dl .pairs {
                (parts::pair(visit.t(w::LOG_DIGEST), html! { code .wrap { (shown(&digest.log)) } }))
                (parts::pair(visit.t(w::STATE_DIGEST), html! { code .wrap { (shown(&digest.state)) } }))
            }
        }
    }
}

/// A digest in its hex form, which is how it is written as JSON.
fn shown(digest: &angelia_shared::event::Digest) -> String {
    serde_json::to_value(digest).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
