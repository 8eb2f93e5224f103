//! The form to try a webhook, and the same call for other programs.

use angelia_shared::event::WorkspaceChanged;
use maud::{Markup, html};

use super::webhook::Tried;
use crate::domain::console::seen::{Account, Listed};
use crate::domain::console::told;
use crate::domain::console::trial::{Kind, Trial};
use crate::domain::console::words as w;
use crate::shell::http::console::form::Form;
use crate::shell::http::console::parts;
use crate::shell::http::console::trouble::Trouble;
use crate::shell::http::console::visit::Visit;

/// What was filled in.
pub(in crate::shell::http::console) fn trial_of(form: &Form) -> Trial {
    Trial {
        kind: Kind::from_name(form.text("kind")).unwrap_or_default(),
        to: form.text("to").to_owned(),
        // Forms send line ends as two characters.
        text: form.raw("text").replace("\r\n", "\n"),
        file_url: form.text("file_url").to_owned(),
        file_name: form.text("file_name").to_owned(),
        account: form.text("account").to_owned(),
    }
}

/// The form and the call.
pub(super) async fn form(
    visit: &Visit,
    workspace: &WorkspaceChanged,
    place: &str,
    url: &str,
    trial: &Trial,
    tried: Option<&Tried>,
) -> Result<Markup, Trouble> {
    let accounts: Listed<Account> = visit.get(&format!("/workspaces/{}/accounts?limit=100", workspace.id)).await?;
    let kinds = |kind| match kind {
        Kind::Phone => w::KIND_PHONE,
        Kind::ChatId => w::KIND_CHAT_ID,
        Kind::ChatName => w::KIND_CHAT_NAME,
        Kind::Jid => w::KIND_JID,
    };
    let (sample, call) = (sample(visit, trial), "try-call");
    let field = |name, label, value, kind, hint| parts::Field {
        name,
        label: visit.t(label),
        value,
        kind,
        hint,
        required: false,
    };
    Ok(html! {
        section .card #try aria-labelledby="try-title" {
            h2 #try-title { (visit.t(w::TRY_IT)) }
            p .hint { (visit.t(w::TRY_LEAD)) }
            form .grid data-keep data-preview=(call) method="post" action={ (place) "/try#try" } {
                div .field {
                    label for="try-kind" { (visit.t(w::RECIPIENT_KIND)) }
                    select #try-kind name="kind" {
                        @for kind in Kind::ALL {
                            option value=(kind.field().name()) selected[kind == trial.kind] { (visit.t(kinds(kind))) }
                        }
                    }
                }
                (parts::Field { name: "to", label: visit.t(w::RECIPIENT), value: &trial.to, kind: "text", hint: visit.t(w::RECIPIENT_HINT), required: true }.shown("try"))
                div .field.wide {
                    label for="try-text" { (visit.t(w::TEXT)) }
                    textarea #try-text name="text" rows="3" dir="auto" { (trial.text) }
                }
                (field("file_url", w::FILE_URL, &trial.file_url, "url", visit.t(w::FILE_URL_HINT)).shown("try"))
                (field("file_name", w::FILE_NAME, &trial.file_name, "text", "").shown("try"))
                div .field {
                    label for="try-account" { (visit.t(w::SEND_FROM)) }
                    select #try-account name="account" {
                        option value="" { (visit.t(w::SEND_FROM_ANY)) }
                        @for account in &accounts.items {
                            option value=(account.phone) selected[account.phone == trial.account] { (account.phone) }
                        }
                    }
                }
                div .buttons.wide {
                    button .primary type="submit" name="do" value="send" { (visit.t(w::SEND)) }
                    button type="submit" name="do" value="check" formnovalidate { (visit.t(w::CHECK_LINK)) }
                    button type="submit" name="do" value="show" formnovalidate { (visit.t(w::SHOW_CALL)) }
                }
            }
            div #try-answer data-keep role="status" { @if let Some(tried) = tried { (answer(visit, workspace, tried)) } }
            div #(call) data-keep {
                h3 { (visit.t(w::THE_CALL)) }
                h4 { (visit.t(w::CURL)) } (parts::block(visit.manner, &sample.curl(url), visit.t(w::CURL)))
                h4 { (visit.t(w::JSON)) } (parts::block(visit.manner, &sample.json(), visit.t(w::JSON)))
                details { summary { (visit.t(w::CRM)) } (crm(visit, url, &sample)) }
            }
        }
    })
}

/// What the call is shown with: what was filled in, or something to begin with.
fn sample(visit: &Visit, trial: &Trial) -> Trial {
    let mut sample = trial.clone();
    if sample.to.is_empty() {
        sample.to = match sample.kind {
            Kind::Phone => "+30 210 1234567".to_owned(),
            Kind::ChatId | Kind::ChatName => "…".to_owned(),
            Kind::Jid => "302101234567@s.whatsapp.net".to_owned(),
        };
    }
    if sample.text.is_empty() && sample.file_url.is_empty() {
        sample.text = visit.t(w::SAMPLE_TEXT).to_owned();
    }
    sample
}

fn answer(visit: &Visit, workspace: &WorkspaceChanged, tried: &Tried) -> Markup {
    match tried {
        Tried::Shown => html! {},
        Tried::Checked(said) => said.clone(),
        Tried::Sent(200, id) => {
            let id = id.trim_start_matches("wa_backend:");
            html! {
                p .notice { (visit.t(w::SENT_AS)) " " a href={ "/console/w/" (workspace.id) "/messages/" (id) } { code { (id) } } }
            }
        }
        Tried::Sent(status, said) => html! {
            div .notice.bad {
                p { (visit.manner.with(w::TRY_REFUSED, &[("status", &status.to_string())])) ": " strong lang="en" { bdi { (said) } } }
                p { (visit.t(told::refusal(*status))) }
            }
        },
    }
}

fn crm(visit: &Visit, url: &str, sample: &Trial) -> Markup {
    let places = [("zoho", "${Leads.Phone}"), ("hubspot", "{{ contact.phone }}"), ("pipedrive", "[person_phone]")];
    html! {
        p { (visit.t(w::CRM_LEAD)) }
        dl .pairs {
            (parts::pair("URL", html! { code .wrap dir="ltr" { (url) } }))
            (parts::pair(visit.t(w::CRM_METHOD), html! { code { "POST" } }))
            (parts::pair(visit.t(w::CRM_HEADER), html! { code { "Content-Type: application/json" } }))
            (parts::pair(visit.t(w::CRM_BODY_TYPE), html! { (visit.t(w::CRM_RAW)) }))
            (parts::pair(visit.t(w::BODY), html! { code .wrap { (sample.body()) } }))
        }
        p { (visit.manner.with(w::CRM_PLACEHOLDERS, &places)) }
        p { (visit.t(w::CRM_IDEMPOTENCY)) }
    }
}
