//! Changes: each form's fields become one call of the API; then the way back to the page, with what was done.

use angelia_shared::dice;
use angelia_shared::event::WorkspaceChanged;
use axum::body::Body;
use axum::response::Response;
use http::header::REFERER;
use http::request::Parts as Head;
use http::{Method, Request, StatusCode};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::form::Form;
use super::pages::{self, Tried};
use super::trouble::Trouble;
use super::visit::{self, Visit, encoded};
use super::{calls, frame};
use crate::domain::console::seen::{HookAnswer, LinkChecked, Webhook};
use crate::domain::console::trial::Trial;
use crate::domain::console::words as w;
use crate::domain::console::{figure, post, told};
use crate::shell::http::server::Peer;
use crate::shell::http::webhook;

/// Does what was posted.
pub(super) async fn act(visit: &Visit, segments: &[&str], form: &Form, head: &Head) -> Result<Response, Trouble> {
    let done = match segments {
        ["installation", rest @ ..] => installation(visit, rest, form).await,
        ["w", w, rest @ ..] => workspace(visit, &*visit.workspace(w)?, rest, form, head).await,
        _ => Err(Trouble::NotFound),
    };
    match done {
        Err(Trouble::Told { status, detail }) => Ok(again(visit, head, status, &detail).await),
        done => done,
    }
}

/// The page that was posted from, with what is wrong.
async fn again(visit: &Visit, head: &Head, status: StatusCode, detail: &str) -> Response {
    let referer = head.headers.get(REFERER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let from = referer.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    let place = post::way_back(from);
    let path = place.split('?').next().unwrap_or_default();
    let segments = visit::segments(path);
    let segments: Vec<&str> = segments.iter().map(String::as_str).filter(|part| *part != "try").collect();
    let page = match pages::within_time(visit, &segments).await {
        Ok(page) => pages::Page { at: Some(place.to_owned()), ..page },
        Err(trouble) => trouble.page(visit.manner),
    };
    frame::whole_with(visit, page, status, Some(detail)).await
}

fn back(place: &str, done: &str) -> Response {
    frame::redirect(&format!("{place}?done={done}"))
}

async fn installation(visit: &Visit, rest: &[&str], form: &Form) -> Result<Response, Trouble> {
    match rest {
        ["workspaces"] => {
            let made = visit.send(Method::POST, "/workspaces", &json!({"name": form.text("name")})).await?;
            let token = made["owner_token"].as_str().unwrap_or_default();
            Ok(frame::whole(visit, pages::with_owner_token(visit, token).await?, StatusCode::OK).await)
        }
        [id, "grant"] => {
            let credits: u64 = number(form, "credits")?.ok_or_else(|| Trouble::told(400, "`credits` is required"))?;
            let grant = json!({"credits": credits, "reason": form.text("reason")});
            visit.send(Method::POST, &format!("/workspaces/{}/credits", encoded(id)), &grant).await?;
            Ok(back("/console/installation", "granted"))
        }
        _ => Err(Trouble::NotFound),
    }
}

async fn workspace(
    visit: &Visit,
    workspace: &WorkspaceChanged,
    rest: &[&str],
    form: &Form,
    head: &Head,
) -> Result<Response, Trouble> {
    let (api, page) = (format!("/workspaces/{}", workspace.id), format!("/console/w/{}", workspace.id));
    match rest {
        ["webhooks"] => {
            let made = visit.send(Method::POST, &format!("{api}/webhooks"), &json!({})).await?;
            let id = made["id"].as_str().unwrap_or_default();
            Ok(back(&format!("{page}/webhooks/{}", encoded(id)), "webhook-made"))
        }
        ["webhooks", id, what] => {
            let (api, page) = (format!("{api}/webhooks/{}", encoded(id)), format!("{page}/webhooks"));
            webhook_of(visit, workspace, (&api, &page), id, what, form, head).await
        }
        ["messages", id, "cancel"] => {
            visit.send(Method::POST, &format!("{api}/messages/{}/cancel", encoded(id)), &json!({})).await?;
            Ok(back(&format!("{page}/messages/{}", encoded(id)), "cancel-asked"))
        }
        ["chats", rest @ ..] => chats(visit, &api, &format!("{page}/chats"), rest, form).await,
        ["accounts", rest @ ..] => accounts(visit, &api, &format!("{page}/accounts"), rest, form).await,
        ["access", rest @ ..] => access(visit, workspace, (&api, &format!("{page}/access")), rest, form).await,
        _ => Err(Trouble::NotFound),
    }
}

async fn webhook_of(
    visit: &Visit,
    workspace: &WorkspaceChanged,
    (api, list): (&str, &str),
    id: &str,
    what: &str,
    form: &Form,
    head: &Head,
) -> Result<Response, Trouble> {
    let page = format!("{list}/{}", encoded(id));
    match what {
        "switch" => {
            let on = form.text("to") == "on";
            visit.send(Method::PATCH, api, &json!({"enabled": on})).await?;
            Ok(back(&page, if on { "on" } else { "off" }))
        }
        "rotate" => {
            let grace_s = number(form, "grace_s")?.unwrap_or(0);
            visit.send(Method::POST, &format!("{api}/rotate"), &json!({"grace_s": grace_s})).await?;
            Ok(back(&page, "url-changed"))
        }
        "remove" => {
            visit.send(Method::DELETE, api, &json!({})).await?;
            Ok(back(list, "webhook-removed"))
        }
        "try" => tried(visit, workspace, api, id, form, head).await,
        _ => Err(Trouble::NotFound),
    }
}

/// Uses the form to try a webhook: shows the call, checks the link, or makes the call.
async fn tried(
    visit: &Visit,
    workspace: &WorkspaceChanged,
    api: &str,
    id: &str,
    form: &Form,
    head: &Head,
) -> Result<Response, Trouble> {
    let trial = pages::trial_of(form);
    let shown: Webhook = visit.get(api).await?;
    let tried = match form.text("do") {
        "send" => {
            let (status, said) = call(visit, &shown.url, &trial.body(), head).await;
            Tried::Sent(status, said)
        }
        "check" => Tried::Checked(checked(visit, workspace, &trial).await?),
        _ => Tried::Shown,
    };
    let page = pages::tried(visit, workspace, id, &trial, tried).await?;
    Ok(frame::whole(visit, page, StatusCode::OK).await)
}

/// Makes the call, as the visitor's own program would.
async fn call(visit: &Visit, url: &str, body: &Value, head: &Head) -> (u16, String) {
    let path = url.rfind("/hooks/").map_or("", |at| &url[at..]);
    let Ok(mut request) = Request::post(path).body(Body::from(body.to_string())) else { return (404, String::new()) };
    // The activation log shows where the call came from.
    if let Some(peer) = head.extensions.get::<Peer>() {
        request.extensions_mut().insert(*peer);
    }
    for value in head.headers.get_all("x-forwarded-for") {
        request.headers_mut().append("x-forwarded-for", value.clone());
    }
    let response = webhook::call(&visit.console.app, request).await;
    let status = response.status().as_u16();
    let answer = calls::read(response).await.ok().and_then(|bytes| serde_json::from_slice::<HookAnswer>(&bytes).ok());
    let said = answer.and_then(|answer| answer.data.message_id.or(answer.message)).unwrap_or_default();
    (status, said)
}

/// Whether a link downloads a file.
async fn checked(visit: &Visit, workspace: &WorkspaceChanged, trial: &Trial) -> Result<Markup, Trouble> {
    if trial.file_url.is_empty() {
        return Ok(html! { p .notice.warning { (visit.t(w::LINK_MISSING)) } });
    }
    let mut ask = json!({"url": trial.file_url});
    if !trial.file_name.is_empty() {
        ask["file_name"] = json!(trial.file_name);
    }
    let path = format!("/workspaces/{}/link-check", workspace.id);
    match visit.send(Method::POST, &path, &ask).await {
        Ok(found) => {
            let found = serde_json::from_value(found).map_err(|_| Trouble::Broken(String::new()))?;
            Ok(link_said(visit, &found))
        }
        Err(Trouble::SignedOut) => Err(Trouble::SignedOut),
        Err(Trouble::Told { detail, .. }) => Ok(html! {
            p .notice.bad { (visit.t(w::LINK_BAD)) ". " span lang="en" { (detail) } }
        }),
        Err(trouble) => Ok(html! {
            p .notice.warning { (visit.t(w::LINK_UNKNOWN)) ". " (trouble.sentence(visit.manner)) }
        }),
    }
}

fn link_said(visit: &Visit, found: &LinkChecked) -> Markup {
    if found.ok {
        let bytes = found.bytes.map(|bytes| visit.manner.number(bytes));
        return html! {
            p .notice {
                strong { (visit.t(w::LINK_GOOD)) }
                @if let Some(kind) = &found.content_type { " · " code { (kind) } }
                @if let Some(bytes) = bytes { " · " (bytes) " B" }
            }
        };
    }
    let reason = found.reason.as_deref().unwrap_or_default();
    html! {
        div .notice.bad {
            p { strong { (visit.t(w::LINK_BAD)) } }
            @match told::reason(reason) { Some(known) => p { (visit.t(known)) }, None => p lang="en" { (reason) } }
            @if reason == "attachment_is_a_web_page" { p { (visit.t(w::LINK_ADVICE_PAGE)) } }
            @if let Some(detail) = &found.detail { p lang="en" { bdi { (detail) } } }
        }
    }
}

async fn chats(visit: &Visit, api: &str, page: &str, rest: &[&str], form: &Form) -> Result<Response, Trouble> {
    let id = match rest {
        [id, "remove"] => {
            visit.send(Method::DELETE, &format!("{api}/chats/{}", encoded(id)), &json!({})).await?;
            return Ok(back(page, "chat-removed"));
        }
        [id] => (*id).to_owned(),
        // A chat needs an id, and a person who adds one need not think of it.
        [] => form.given("id").map_or_else(|| format!("chat-{}", &dice::token()[..10]), str::to_owned),
        _ => return Err(Trouble::NotFound),
    };
    let address = form.text("address");
    let kind = if address.contains('@') { "jid" } else { "phone" };
    let chat = json!({"account_id": form.text("account"), "name": form.text("name"), kind: address});
    visit.send(Method::PUT, &format!("{api}/chats/{}", encoded(&id)), &chat).await?;
    Ok(back(page, "chat-saved"))
}

async fn accounts(visit: &Visit, api: &str, page: &str, rest: &[&str], form: &Form) -> Result<Response, Trouble> {
    let [id, what] = rest else {
        let mut new =
            given(form, &["phone", "phone_number_id", "access_token", "app_secret", "verify_token", "base_url"]);
        new.insert("transport".to_owned(), json!("cloud"));
        let made = visit.send(Method::POST, &format!("{api}/accounts"), &Value::Object(new)).await?;
        let id = made["id"].as_str().unwrap_or_default();
        return Ok(back(&format!("{page}/{}", encoded(id)), "account-added"));
    };
    let (api, own) = (format!("{api}/accounts/{}", encoded(id)), format!("{page}/{}", encoded(id)));
    let (method, path, body, done) = match *what {
        "connect" => (Method::POST, format!("{api}/connect"), json!({}), "connected"),
        "disconnect" => (Method::POST, format!("{api}/disconnect"), json!({}), "disconnected"),
        "pause" => (Method::PATCH, api, json!({"state": "paused"}), "paused"),
        "purge" => (Method::POST, format!("{api}/purge"), json!({}), "purged"),
        "pace" => (Method::PATCH, api, json!({"pace": pace(form)?}), "pace-saved"),
        "settings" => {
            let names = ["phone_number_id", "access_token", "app_secret", "verify_token", "base_url"];
            (Method::PATCH, api, Value::Object(given(form, &names)), "settings-saved")
        }
        "remove" => {
            visit.send(Method::DELETE, &api, &json!({})).await?;
            return Ok(back(page, "account-removed"));
        }
        _ => return Err(Trouble::NotFound),
    };
    visit.send(method, &path, &body).await?;
    Ok(back(&own, done))
}

/// The fields that were filled in.
fn given(form: &Form, names: &[&str]) -> Map<String, Value> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), Value::from(form.given(name)?)))).collect()
}

/// A pace from its form: what is empty is off.
fn pace(form: &Form) -> Result<Value, Trouble> {
    let gap =
        |name| figure::millis(form.text(name)).ok_or_else(|| Trouble::told(400, "a gap must be a number of seconds"));
    let recipient_gap = match form.given("recipient_gap") {
        Some(_) => Some(gap("recipient_gap")?),
        None => None,
    };
    let quiet = ["quiet_from", "quiet_to", "time_zone"].map(|name| form.text(name));
    let quiet = match quiet {
        ["", "", _] => Value::Null,
        [from, to, zone] => json!({"from": from, "to": to, "time_zone": zone}),
    };
    let warm = match (number(form, "warm_first")?, number(form, "warm_more")?, number(form, "warm_days")?) {
        (None, None, None) => Value::Null,
        (first_day, more_each_day, days) => {
            json!({"first_day": first_day, "more_each_day": more_each_day, "days": days})
        }
    };
    Ok(json!({
        "gap_ms": [gap("gap_low")?, gap("gap_high")?],
        "hourly_cap": number(form, "hourly_cap")?,
        "daily_cap": number(form, "daily_cap")?,
        "recipient_gap_ms": recipient_gap,
        "quiet_hours": quiet,
        "warm_up": warm,
    }))
}

/// A whole number; none when the field is empty.
fn number(form: &Form, name: &str) -> Result<Option<u64>, Trouble> {
    let Some(text) = form.given(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Trouble::told(400, format!("`{name}` must be a whole number")))
}

async fn access(
    visit: &Visit,
    workspace: &WorkspaceChanged,
    (api, page): (&str, &str),
    rest: &[&str],
    form: &Form,
) -> Result<Response, Trouble> {
    match rest {
        ["tokens"] => {
            let mut new = given(form, &["label"]);
            new.insert("role".to_owned(), json!(form.text("role")));
            let made = visit.send(Method::POST, &format!("{api}/tokens"), &Value::Object(new)).await?;
            let token = made["token"].as_str().unwrap_or_default();
            Ok(frame::whole(visit, pages::with_token(visit, workspace, token).await?, StatusCode::OK).await)
        }
        ["tokens", id, "revoke"] => {
            visit.send(Method::DELETE, &format!("{api}/tokens/{}", encoded(id)), &json!({})).await?;
            Ok(back(page, "revoked"))
        }
        ["workspace"] => {
            let low = number(form, "low_balance")?.unwrap_or(0);
            let edit =
                json!({"name": form.text("name"), "unknown_policy": form.text("unknown_policy"), "low_balance": low});
            visit.send(Method::PATCH, api, &edit).await?;
            Ok(back(page, "saved"))
        }
        _ => Err(Trouble::NotFound),
    }
}
