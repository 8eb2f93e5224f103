//! What is too much for one page: searches that go on, and the older calls of a webhook.

use std::collections::BTreeSet;

use angelia_tests::browser::Kind;
use angelia_tests::files::FileServer;
use angelia_tests::installation::{Setup, text};
use angelia_tests::tenant::{NEVER, Tenant, recipient};
use futures_util::StreamExt as _;
use serde_json::json;

use crate::{Web, installation, place, signed_in};

/// Messages that take longer to be looked into than one answer may, by far.
const MANY: usize = 4_000;

#[tokio::test]
async fn a_search_goes_on_until_it_has_found_what_is_there() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 2 * MANY as u64).await;
    let account = tenant.account(NEVER).await;
    let oldest = tenant.send(&account, &recipient("1234"), "the very first needle").await;
    let to = recipient("1234");
    let sent = futures_util::stream::iter(0..MANY).map(|n| {
        let body =
            json!({"action": "send", "text": format!("hay {n}"), "phone": to, "whatsapp account phone": account.phone});
        let tenant = &tenant;
        async move { tenant.call(&body).await.accepted() }
    });
    assert_eq!(sent.buffer_unordered(64).count().await, MANY);

    // Without a script: a page that says so, and the way on.
    let web = Web::signed_in(&installation.url(), &tenant.owner_token).await;
    let mut path = format!("/console/w/{}/messages?q=needle", tenant.id);
    let mut pages = 0;
    let found = loop {
        let page = web.get(&path).await.text();
        if page.contains("the very first needle") {
            break page;
        }
        assert!(page.contains("Nothing found among the newest messages"), "{page}");
        assert!(!page.contains("No message matches"), "{page}");
        let next = page.split("href=\"").filter(|rest| rest.contains("cursor=")).last().expect("a way on");
        path = next.split('"').next().unwrap_or_default().replace("&amp;", "&");
        pages += 1;
        assert!(pages < MANY, "it comes to the end");
    };
    assert!(pages > 0 && !found.contains("Nothing found"), "{pages} pages");

    // With it: by itself, and to the end.
    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    browser.go(&place(installation, &tenant.id, "/messages?q=needle")).await;
    browser.sees("#found tbody", "the very first needle").await;
    browser.until("it is over", "return !document.querySelector('#further[data-further]')").await;
    assert_eq!(browser.run("return document.querySelectorAll('#found tbody tr').length", json!([])).await, json!(1));
    browser.click("#found tbody a").await;
    browser.sees("main", oldest.trim_start_matches("wa_backend:")).await;
    browser.go(&place(installation, &tenant.id, "/messages?q=nowhere+at+all")).await;
    browser.sees("#found", "No message matches").await;
    browser.go(&place(installation, &tenant.id, "/messages?q=hay")).await;
    browser.until("a page is full", "return document.querySelectorAll('#found tbody tr').length === 40").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn all_calls_that_are_kept_can_be_looked_at() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 10).await;
    let account = tenant.account(NEVER).await;
    tenant.send(&account, &recipient("1234"), "accepted").await;
    for n in 0..64 {
        tenant.hook.call(&json!({"action": "send", "text": format!("refused {n}")})).await.refused(400);
    }
    let web = Web::signed_in(&installation.url(), &tenant.owner_token).await;
    let base = format!("/console/w/{}/webhooks/{}", tenant.id, tenant.webhook_id);
    let calls = |page: &str| -> Vec<String> {
        page.split("id=\"call-").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    };
    let first = calls(&web.get(&base).await.text());
    assert_eq!(first.len(), 50);
    let older = web.get(&format!("{base}?before={}", first[49])).await.text();
    let all: BTreeSet<String> = first.iter().cloned().chain(calls(&older)).collect();
    let kept = tenant.owner.list(&tenant.path(&format!("/webhooks/{}/activations", tenant.webhook_id))).await;
    assert_eq!(all, kept.iter().map(|call| text(call, "id").to_owned()).collect());
    assert!(!older.contains("Older calls") && older.contains("Newest calls"), "{older}");
    let gone = web.get(&format!("{base}?before=r999999999")).await.text();
    assert!(gone.contains("only the last 100 are kept"), "{gone}");

    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    browser.go(&format!("{}{base}", installation.url())).await;
    browser.click("#older-calls").await;
    browser.until("the rest is shown", "return document.querySelectorAll('.calls > li').length === 15").await;
    // A new call does not move what is looked at.
    tenant.hook.call(&json!({"action": "send", "text": "one more"})).await.refused(400);
    browser.until("it is live", "return document.body.dataset.live === 'on'").await;
    assert_eq!(browser.run("return document.querySelectorAll('.calls > li').length", json!([])).await, json!(15));
}

#[tokio::test]
async fn a_link_to_a_sharing_page_is_told_from_a_file() {
    let installation = Setup::new().set("ANGELIA_ATTACHMENTS_ALLOW_LOOPBACK", "true").start().await;
    let tenant = Tenant::new(&installation, 10).await;
    tenant.account(NEVER).await;
    let files = FileServer::start().await;
    let browser = signed_in(Kind::DESK, &installation, &tenant.owner_token).await;
    browser.go(&place(&installation, &tenant.id, &format!("/webhooks/{}", tenant.webhook_id))).await;
    // What drives and boxes give out under "copy link" is a page of theirs, whatever it calls itself.
    for path in ["/page?usp=sharing", "/disguised?dl=0"] {
        browser.fill("#try-file_url", &files.url(path)).await;
        browser.click("button[value=check]").await;
        let said = browser.sees("#try-answer", "leads to a web page instead of a file").await;
        assert!(said.contains("The link does not download a file") && said.contains("sharing"), "{said}");
        browser.run("document.querySelector('#try-answer').replaceChildren()", json!([])).await;
    }
    browser.fill("#try-file_url", &files.url("/file/report.pdf")).await;
    browser.click("button[value=check]").await;
    browser.sees("#try-answer", "application/pdf").await;
    assert_eq!(tenant.wallet().await.consumed, 0, "nothing was sent");
}
