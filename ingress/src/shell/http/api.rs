//! The API under `/api/v1`: JSON in and out, bearer tokens, problem documents (RFC 9457).
//!
//! Read in this order: [`table`] (one table makes router and document), the routes below, [`described`] (what a signature
//! says of a route), then a handler.
//!
//! Whom a route lets through, what it takes and what it answers is in its handler's signature: [`allowed::Allowed`] with the
//! right as a type, [`form::Fields`] and [`form::Parameters`], and the types of [`answer`].
//!
//! Changes are answered after they hold on this replica; reads ask a ledger that has seen everything that was answered
//! before.

mod account_forms;
mod accounts;
mod activations;
pub(super) mod allowed;
mod answer;
mod chats;
mod credits;
mod described;
mod document;
mod findings;
mod form;
mod ledger;
mod link_check;
mod messages;
mod moment;
mod pace_shown;
mod pages;
mod problem;
mod purge;
mod search;
mod statement;
mod table;
#[cfg(test)]
mod tests;
mod tokens;
mod turns;
mod webhook_form;
mod webhooks;
mod workspaces;

use axum::Router;
use axum::routing::get;
use http::Method;
use serde_json::{Value, json};

use self::pages::Reference;
use self::problem::Problem;
use self::table::{Table, about};
use super::{App, callbacks, health};

/// All routes but the webhook's own, which walks around the router; `public_url` is where callers find them.
pub(super) fn router(public_url: &str) -> Router<App> {
    let reference = Reference::default();
    let mut table = table(&reference);
    let router = table.router();
    reference.complete(document::document(table, public_url), public_url);
    router.fallback(unknown_path).method_not_allowed_fallback(method_not_allowed)
}

/// Everything that is answered over HTTP, but for the console's pages.
fn table(reference: &Reference) -> Table {
    let mut table = Table::new();
    inbound(&mut table);
    workspaces_and_money(&mut table);
    webhooks_and_tokens(&mut table);
    accounts_and_chats(&mut table);
    messages_and_links(&mut table);
    installation(&mut table, reference);
    table
}

const API: &str = "/api/v1";
const OF_WORKSPACE: &str = "/api/v1/workspaces/{w}";

fn inbound(table: &mut Table) {
    let what = "What integrations call. The URL is the only credential: it is shown with the webhook, and replaced by a rotation.";
    table.section("Sending", "", what);
    let send = about("send", "Sends a message").more(
        "Any `Content-Type` is accepted, and the body is read as JSON; `null` and `\"\"` in an optional field are as good as \
         left out. Unknown fields are ignored, and told in the webhook's activations.",
    );
    table.answered_before(Method::POST, "/hooks/{token}", send, webhook_form::describe);
}

fn workspaces_and_money(table: &mut Table) {
    table
        .section("Workspaces", API, "A workspace is one customer: its users, webhooks, accounts and credits.")
        .get("/workspaces", workspaces::list, about("list_workspaces", "Lists the workspaces"))
        .post(
            "/workspaces",
            workspaces::create,
            about("create_workspace", "Makes a workspace with a first owner's token"),
        );
    let concurrent = "others keep changing it at the same time.";
    table
        .section("Workspaces", OF_WORKSPACE, "")
        .get("", workspaces::show, about("show_workspace", "Shows a workspace"))
        .patch("", workspaces::edit, about("edit_workspace", "Changes a workspace").conflict(concurrent));
    let what = "A message costs one credit, or two with a text and a file. What could not be sent is refunded.";
    table
        .section("Credits", OF_WORKSPACE, what)
        .get(
            "/credits",
            credits::show,
            about("show_credits", "Shows what the wallet holds, now or at a point of the past"),
        )
        .post(
            "/credits",
            credits::grant,
            about("grant_credits", "Grants credits").conflict("the wallet would hold more than it may."),
        )
        .get(
            "/statement",
            statement::list,
            about("list_statement", "Lists every grant, charge and refund, oldest first"),
        );
}

fn webhooks_and_tokens(table: &mut Table) {
    let concurrent = "others keep changing it at the same time.";
    table
        .section("Webhooks", OF_WORKSPACE, "Inbound webhooks: the URLs that integrations call.")
        .get("/webhooks", webhooks::list, about("list_webhooks", "Lists the webhooks"))
        .post("/webhooks", webhooks::create, about("create_webhook", "Makes a webhook"))
        .get("/webhooks/{h}", webhooks::show, about("show_webhook", "Shows a webhook"))
        .patch(
            "/webhooks/{h}",
            webhooks::edit,
            about("edit_webhook", "Switches a webhook on or off").conflict(concurrent),
        )
        .delete("/webhooks/{h}", webhooks::remove, about("remove_webhook", "Removes a webhook").conflict(concurrent))
        .post(
            "/webhooks/{h}/rotate",
            webhooks::rotate,
            about("rotate_webhook", "Gives a webhook a new URL").conflict(concurrent),
        )
        .get(
            "/webhooks/{h}/activations",
            activations::list,
            about("list_activations", "Lists the last calls of a webhook, accepted and refused, newest first"),
        )
        .get(
            "/webhooks/{h}/activations.log",
            activations::download,
            about("download_activations", "Downloads the same as a file of JSON lines"),
        );
    table
        .section("Tokens", OF_WORKSPACE, "Access to a workspace. A token is shown once.")
        .get("/tokens", tokens::list, about("list_tokens", "Lists the tokens"))
        .post("/tokens", tokens::create, about("create_token", "Gives a token"))
        .get("/tokens/{t}", tokens::show, about("show_token", "Shows a token, without its secret"))
        .delete(
            "/tokens/{t}",
            tokens::revoke,
            about("revoke_token", "Revokes a token").conflict("it is the last owner's."),
        );
}

fn accounts_and_chats(table: &mut Table) {
    let concurrent = "others keep changing it at the same time.";
    table
        .section("Accounts", OF_WORKSPACE, "WhatsApp accounts that send.")
        .get("/accounts", accounts::list, about("list_accounts", "Lists the accounts"))
        .post(
            "/accounts",
            accounts::create,
            about("create_account", "Adds an account").conflict("an account with this number is already there."),
        )
        .get("/accounts/{a}", accounts::show, about("show_account", "Shows an account"))
        .patch(
            "/accounts/{a}",
            accounts::edit,
            about("edit_account", "Changes an account's pace, credentials or state").conflict(concurrent),
        )
        .delete(
            "/accounts/{a}",
            accounts::remove,
            about("remove_account", "Removes an account; what waits on it expires").conflict(concurrent),
        )
        .post(
            "/accounts/{a}/connect",
            accounts::connect,
            about("connect_account", "Lets an account send").conflict("a credential must be given again."),
        )
        .post(
            "/accounts/{a}/disconnect",
            accounts::disconnect,
            about("disconnect_account", "Stops an account; its queue waits").conflict(concurrent),
        )
        .post(
            "/accounts/{a}/purge",
            purge::purge,
            about("purge_account", "Cancels everything that waits on an account now"),
        );
    table
        .section("Chats", OF_WORKSPACE, "Persons and groups that can be addressed by a `chat_id` or a name.")
        .get("/chats", chats::list, about("list_chats", "Lists or searches the chats, the longest unchanged first"))
        .get("/chats/{c}", chats::show, about("show_chat", "Shows a chat"))
        .put("/chats/{c}", chats::put, about("put_chat", "Stores a chat under an id").conflict(concurrent))
        .delete("/chats/{c}", chats::remove, about("remove_chat", "Removes a chat").conflict(concurrent));
}

fn messages_and_links(table: &mut Table) {
    table
        .section("Messages", OF_WORKSPACE, "What was accepted, and what became of it.")
        .get("/messages", messages::list, about("list_messages", "Lists or searches the messages, newest first"))
        .get(
            "/messages/{m}",
            messages::show,
            about("show_message", "Shows a message with everything that happened to it"),
        )
        .post(
            "/messages/{m}/cancel",
            messages::cancel,
            about("cancel_message", "Asks for a queued message to be cancelled and refunded")
                .more("The answer shows the message as it was; it may already be on its way.")
                .conflict("it is not queued any more."),
        )
        .post(
            "/link-check",
            link_check::check,
            about("check_link", "Says whether a link really downloads a file that would be sent")
                .more("It takes as long as the link's server does, up to 20 s."),
        );
}

fn installation(table: &mut Table, reference: &Reference) {
    table.section("Installation", API, "For whoever runs it.").get(
        "/findings",
        findings::show,
        about("show_findings", "Shows facts in the log that cannot be true, and events that are not understood"),
    );
    let text = |what: &str, kind: &str| json!({"description": what, "content": {kind: {"schema": {"type": "string"}}}});
    let object =
        |what: &str| json!({"description": what, "content": {"application/json": {"schema": {"type": "object"}}}});
    let plain = |what: &str| json!({"description": what});
    let alive = text("The process runs.", "text/plain");
    let (ready, not_ready) = (object("A webhook call would succeed."), object("It would not; `reasons` says why."));
    table
        .section("Installation", "", "")
        .open(Method::GET, "/livez", get(health::live), about("live", "Says that the process runs"), &[(200, alive)])
        .open(
            Method::GET,
            "/readyz",
            get(health::ready),
            about("ready", "Says whether a webhook call would succeed now"),
            &[(200, ready), (503, not_ready)],
        )
        .open(
            Method::GET,
            "/metrics",
            get(health::metrics),
            about("metrics", "Shows metrics for Prometheus"),
            &[(200, text("The metrics.", "text/plain"))],
        );
    let verify = [
        (200, text("The challenge.", "text/plain")),
        (403, plain("The token is another one.")),
        (503, plain("Not now.")),
    ];
    table
        .section("Provider", "", "What WhatsApp calls. An account shows its own `callback_url`.")
        .open(
            Method::GET,
            "/callbacks/cloud/{account}",
            get(callbacks::verify),
            about("verify_callback", "Answers the challenge with which WhatsApp sets a callback up"),
            &verify,
        )
        .open(
            Method::POST,
            "/callbacks/cloud/{account}",
            axum::routing::post(callbacks::take),
            about("take_callback", "Takes signed reports of what became of messages"),
            &callback_answers(),
        );
    reference.add_to(table);
}

fn callback_answers() -> [(u16, Value); 7] {
    let plain = |what: &str| json!({"description": what});
    [
        (200, plain("Every report in it is stored.")),
        (400, plain("The body is not a callback.")),
        (401, plain("The signature is missing or wrong.")),
        (404, plain("The account is not there.")),
        (408, plain("The body did not arrive in time.")),
        (413, plain("The body is too large.")),
        (503, plain("Not now: it is to be sent again.")),
    ]
}

/// Answers every path that is none.
pub(super) async fn unknown_path() -> Problem {
    Problem::not_found("nothing is at this path")
}

/// Answers every method that a path does not have; `Allow` lists those that it has.
pub(super) async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed("this path has other methods")
}
