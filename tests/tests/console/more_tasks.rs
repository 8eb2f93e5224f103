//! What owners, auditors and operators come for: credits, the audit, access, the installation.

use angelia_tests::browser::Kind;
use angelia_tests::tenant::{FAST, Tenant, recipient};
use angelia_tests::wait::{SOON, eventually};
use serde_json::json;

use crate::{Web, installation, place, sign_in, signed_in};

#[tokio::test]
async fn credits_show_the_balance_over_time_and_a_statement_to_keep() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 100).await;
    let account = tenant.account(FAST).await;
    let id = tenant.send(&account, &recipient("0404"), "lost").await;
    tenant.until_refunded(&id, 1).await;
    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    browser.go(&place(installation, &tenant.id, "/credits?range=hour")).await;
    assert_eq!(browser.sees("#available", "100").await, "100");
    browser.until("the plot is drawn", "return document.querySelectorAll('figure.plot svg polyline').length > 0").await;
    let says = browser.text("figcaption").await.unwrap_or_default();
    assert!(says.contains("to 100 credits, 1 consumed"), "{says}");
    let statement = browser.text(".statement").await.unwrap_or_default();
    for line in ["Grant", "Charge", "Refund", "for a test", "The number is not on WhatsApp"] {
        assert!(statement.contains(line), "{line} in {statement}");
    }
    // A charge moves the balance while the page is looked at.
    tenant.send(&account, &recipient("1111"), "sent").await;
    browser.sees("#available", "99").await;

    let web = Web::signed_in(&installation.url(), &tenant.owner_token).await;
    let file = web.get(&format!("/console/w/{}/credits/statement.csv?from=2020-01-01&to=", tenant.id)).await;
    assert_eq!(file.status, 200, "{}", file.text());
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"statement.csv\""));
    assert!(file.text().starts_with("seq,at,kind,credits"), "{}", file.text());
    assert_eq!(file.text().lines().count(), 5);
}

#[tokio::test]
async fn the_audit_shows_how_things_stood_by_mouse_and_keyboard() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 100).await;
    let account = tenant.account(FAST).await;
    let id = tenant.send(&account, &recipient("1234"), "then").await;
    let message = tenant.until(&id, &["read"]).await;
    let accepted = message["timeline"][0]["id"].as_str().and_then(|id| id.split('.').next()).expect("a place");
    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    browser.go(&place(installation, &tenant.id, "/audit")).await;
    browser.sees("#available", "99").await;
    browser.sees("section[aria-labelledby=verification]", "no contradiction").await;

    // As of the record of its acceptance it was queued; before it, it was not there.
    browser.fill("#as_of", accepted).await;
    browser.click(".filters button").await;
    let then = browser.sees("tbody tr", "queued").await;
    assert!(then.contains("read"), "and today: {then}");
    let before: u64 = accepted.parse::<u64>().expect("a sequence") - 1;
    browser.fill("#as_of", &before.to_string()).await;
    browser.click(".filters button").await;
    browser.sees("main", "No message had been accepted by then").await;
    browser.fill("#as_of", "99999999").await;
    browser.click(".filters button").await;
    browser.sees("main", "There is no such point of the log").await;

    browser.go(&place(installation, &tenant.id, "/audit")).await;
    browser.run("document.querySelector('#at').focus()", json!([])).await;
    browser.keys(&["\u{E011}"]).await;
    eventually("the slider's beginning is shown", SOON, async || {
        let available = browser.text("#available").await.unwrap_or_default();
        let is_there = browser.place().await.contains("at=") && available == "0";
        if is_there { Ok(()) } else { Err(available) }
    })
    .await;
    let focused = browser.run("return document.activeElement.id", json!([])).await;
    assert_eq!(focused, "at", "who moves it by keyboard can go on");
}

#[tokio::test]
async fn tokens_are_given_and_revoked_and_an_auditor_only_reads() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 100).await;
    tenant.account(FAST).await;
    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    browser.go(&place(installation, &tenant.id, "/access")).await;
    browser.fill("#token-label", "the accountant").await;
    browser.run("document.querySelector('#token-role').value = 'auditor'", json!([])).await;
    browser.click("#new ~ form button").await;
    browser.sees("#new-token", "shown this once").await;
    let token = browser.text("#new-token code").await.expect("a token is shown");

    let auditor = browser.beside(Kind::DESK).await;
    sign_in(&auditor, installation, &token).await;
    let menu = auditor.sees("nav.menu", "Credits").await;
    assert!(!menu.contains("Accounts") && !menu.contains("Access"), "{menu}");
    auditor.sees("main", "Only owners see the URL").await;
    for rest in ["/messages", "/credits", "/audit", &format!("/webhooks/{}", tenant.webhook_id)] {
        auditor.go(&place(installation, &tenant.id, rest)).await;
        let forms = "return [...document.querySelectorAll('main form')].filter(form => form.method === 'post').length";
        assert_eq!(auditor.run(forms, json!([])).await, json!(0), "{rest}");
    }
    for rest in ["/accounts", "/chats", "/access", "/accounts/new"] {
        auditor.go(&place(installation, &tenant.id, rest)).await;
        auditor.sees("h1", "Your token may not do this").await;
    }
    auditor.go(&place(installation, &tenant.id, "/credits")).await;
    auditor.sees("#available", "100").await;

    browser.go(&place(installation, &tenant.id, "/access")).await;
    browser.click(".plain li:last-child details summary").await;
    browser.click(".plain li:last-child details[open] button").await;
    browser.sees("#notices", "The token is revoked").await;
    // Without a reload, the auditor is out.
    auditor.sees("h1", "Sign in").await;
}

#[tokio::test]
async fn the_operator_makes_a_workspace_grants_credits_and_sees_every_service() {
    let installation = installation().await;
    let browser = signed_in(Kind::DESK, installation, &installation.quickstart().operator_token).await;
    browser.sees("h1", "Installation").await;
    for service in ["log", "ingress", "dispatcher", "ledger"] {
        browser.sees(&format!("#service-{service}"), "well").await;
    }
    browser.fill("#new-name", "Ψαρόπουλος & Υιοί <script>").await;
    browser.click("#new ~ form button").await;
    browser.sees("#new-token", "Give this token to its owner").await;
    let token = browser.text("#new-token code").await.expect("a token is shown");
    browser.go(&format!("{}/console/installation", installation.url())).await;
    // Other tests make workspaces, too: the list may grow above it.
    browser.sees("ul.plain", "Ψαρόπουλος & Υιοί <script>").await;
    let own = "return [...document.querySelectorAll('ul.plain > li')].find((li) => li.innerText.includes('Ψαρ')).id";
    let own = format!("#{}", browser.run(own, json!([])).await.as_str().expect("it is listed"));
    browser.click(&format!("{own} details summary")).await;
    browser.fill(&format!("{own} input[name=credits]"), "250").await;
    browser.fill(&format!("{own} input[name=reason]"), "first order").await;
    browser.click(&format!("{own} details button")).await;
    browser.sees("#notices", "The credits are granted").await;
    browser.sees(&own, "250").await;

    let owner = browser.beside(Kind::DESK).await;
    sign_in(&owner, installation, &token).await;
    owner.sees(".chip", "250 credits").await;
    owner.sees(".where", "Ψαρόπουλος & Υιοί <script>").await;
    owner.go(&format!("{}/console/installation", installation.url())).await;
    owner.sees("h1", "Your token may not do this").await;
}
