//! How every page looks: light, dark, on a phone; what an accessibility audit says; how much it weighs; in which language.
//!
//! Pictures are stored in `target/screenshots`, for eyes.

use angelia_tests::browser::{Browser, Kind, target};
use angelia_tests::installation::Installation;
use angelia_tests::process;
use angelia_tests::tenant::{FAST, NEVER, Tenant, recipient};
use serde_json::{Value, json};

use crate::{installation, place, signed_in};

/// Most bytes of a page with everything that it loads.
const PAGE_BYTES_MAX: u64 = 200_000;

/// The audit's program, which `tests/run.sh` installs.
fn axe() -> String {
    let path = process::environment("ANGELIA_AXE").map_or_else(
        || target().join("axe").join("node_modules").join("axe-core").join("axe.min.js"),
        std::path::PathBuf::from,
    );
    let text = process::read(&path);
    assert!(!text.is_empty(), "{} is not there: tests/run.sh installs it", path.display());
    text
}

/// What is wrong with the page for somebody who cannot see or point: nothing, or where.
async fn audited(browser: &Browser, axe: &str) -> Vec<String> {
    browser.run(&format!("{axe};"), json!([])).await;
    let tags = r#"["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]"#;
    let script = format!(
        "const done = arguments[arguments.length - 1];
         axe.run(document, {{runOnly: {tags}}}).then((found) => done(found.violations.flatMap((one) =>
            one.nodes.map((node) => `${{one.id}}: ${{node.target}}: ${{node.failureSummary}}`))), (error) => done([String(error)]));"
    );
    let found = browser.run_to_end(&script).await;
    found.as_array().map(|all| all.iter().map(Value::to_string).collect()).unwrap_or_default()
}

/// Bytes of the page and what it loaded, before compression.
async fn weight(browser: &Browser) -> u64 {
    let script = "return performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))
                  .filter((one) => one.initiatorType !== 'eventsource' && one.initiatorType !== 'fetch')
                  .reduce((sum, one) => sum + one.decodedBodySize, 0)";
    browser.run(script, json!([])).await.as_f64().unwrap_or(0.0) as u64
}

/// A workspace in which every page has something to show, also what is hard to show.
async fn town(installation: &Installation) -> Tenant<'_> {
    let tenant = Tenant::new(installation, 60).await;
    let (fast, slow) = (tenant.account(FAST).await, tenant.account(NEVER).await);
    let failed = tenant.send(&fast, &recipient("0404"), "to nobody").await;
    tenant.until_refunded(&failed, 1).await;
    for text in
        ["שלום עולם, مرحبا بالعالم", "👩‍👩‍👧‍👦 family 🇬🇷", "<script>alert('x')</script>", &"wordwithoutspaces".repeat(20)]
    {
        tenant.send(&slow, &recipient("1111"), text).await;
    }
    let chat = json!({"phone": "+302101234567", "name": "دردشة العائلة 😀 with a name that goes on and on and on"});
    tenant.chat("family", &fast, chat).await;
    tenant.call(&json!({"action": "send", "chat_name": "nobody", "text": "x"})).await.refused(404);
    let file = json!({"action": "send", "phone": recipient("1111"), "text": "", "whatsapp account phone": slow.phone,
                      "file_url": "https://example.com/", "file_name": "תעודה \"final\".pdf"});
    tenant.call(&file).await.accepted();
    tenant
}

async fn every_page(kind: Kind, name: &str) {
    let installation = installation().await;
    let tenant = town(installation).await;
    let axe = axe();
    let browser = Browser::open(kind).await;
    browser.go(&format!("{}/console", installation.url())).await;
    looked_at(&browser, &axe, &format!("{name}-sign-in")).await;
    drop(browser);

    let browser = signed_in(kind, installation, &tenant.owner_token).await;
    let account = tenant.owner.get(&tenant.path("/accounts")).await.expect(200)["items"][0]["id"].clone();
    let message = tenant.owner.get(&tenant.path("/messages?state=failed")).await.expect(200)["items"][0]["id"].clone();
    let pages = [
        ("webhooks", "/webhooks".to_owned()),
        ("webhook", format!("/webhooks/{}", tenant.webhook_id)),
        ("messages", "/messages".to_owned()),
        ("message", format!("/messages/{}", message.as_str().unwrap_or_default())),
        ("chats", "/chats".to_owned()),
        ("chat", "/chats/family".to_owned()),
        ("accounts", "/accounts".to_owned()),
        ("account", format!("/accounts/{}", account.as_str().unwrap_or_default())),
        ("new-account", "/accounts/new".to_owned()),
        ("credits", "/credits?range=hour".to_owned()),
        ("audit", "/audit".to_owned()),
        ("access", "/access".to_owned()),
    ];
    for (page, rest) in pages {
        browser.go(&place(installation, &tenant.id, &rest)).await;
        browser.until("the page is made", "return !!document.querySelector('#live h1')").await;
        looked_at(&browser, &axe, &format!("{name}-{page}")).await;
    }
    drop(browser);
    let browser = signed_in(kind, installation, &installation.quickstart().operator_token).await;
    looked_at(&browser, &axe, &format!("{name}-installation")).await;
}

async fn looked_at(browser: &Browser, axe: &str, name: &str) {
    browser.picture(name).await;
    assert_eq!(audited(browser, axe).await, Vec::<String>::new(), "{name}");
    let (inner, whole) = ("window.innerWidth", "document.documentElement.scrollWidth");
    let widths = browser.run(&format!("return [{inner}, {whole}]"), json!([])).await;
    assert!(widths[1].as_u64() <= widths[0].as_u64(), "{name} is wider than its window: {widths}");
    let weight = weight(browser).await;
    assert!((1_000..PAGE_BYTES_MAX).contains(&weight), "{name} weighs {weight} bytes");
    assert_eq!(browser.complaints().await, Vec::<String>::new(), "{name}");
}

#[tokio::test]
async fn every_page_is_well_made_in_light() {
    every_page(Kind::DESK, "light").await;
}

#[tokio::test]
async fn every_page_is_well_made_in_dark() {
    every_page(Kind { is_dark: true, ..Kind::DESK }, "dark").await;
}

#[tokio::test]
async fn every_page_is_well_made_on_a_phone_in_greek() {
    every_page(Kind { language: "el", ..Kind::PHONE }, "phone").await;
}

#[tokio::test]
async fn language_and_colours_are_the_browsers_until_somebody_chooses() {
    let installation = installation().await;
    let browser = Browser::open(Kind { language: "el", ..Kind::DESK }).await;
    browser.go(&format!("{}/console/sign-in", installation.url())).await;
    browser.sees("h1", "Σύνδεση").await;
    let colour = "return getComputedStyle(document.body).backgroundColor";
    let light = browser.run(colour, json!([])).await;
    browser.run("document.querySelector('[name=language]').value = 'en'", json!([])).await;
    browser.run("document.querySelector('[name=theme]').value = 'dark'", json!([])).await;
    browser.click(".preferences button").await;
    browser.sees("h1", "Sign in").await;
    assert_ne!(browser.run(colour, json!([])).await, light, "it is dark");
    browser.go(&format!("{}/console/sign-in", installation.url())).await;
    browser.sees("h1", "Sign in").await;
    let lang = browser.run("return document.documentElement.lang", json!([])).await;
    assert_eq!(lang, "en");
}

#[tokio::test]
async fn somebody_with_a_keyboard_alone_signs_in_and_finds_the_content() {
    let installation = installation().await;
    let browser = Browser::open(Kind::DESK).await;
    browser.go(&format!("{}/console", installation.url())).await;
    let focused = "return document.activeElement.id";
    assert_eq!(browser.run(focused, json!([])).await, "token", "one can type at once");
    let keys: Vec<String> = installation.quickstart().owner_token.chars().map(String::from).collect();
    browser.keys(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    browser.keys(&["\u{E007}"]).await;
    browser.sees("h1", "Inbound webhooks").await;
    browser.keys(&["\u{E004}"]).await;
    let first = browser.run("return document.activeElement.textContent", json!([])).await;
    assert_eq!(first, "Skip to the content");
    browser.keys(&["\u{E007}"]).await;
    browser.until("the content has the focus", "return document.activeElement.id === 'main'").await;
}
