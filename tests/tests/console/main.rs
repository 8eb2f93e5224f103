//! The console in a real browser: each page's main task, live updates, looks, accessibility; and what must not get in.

mod away;
mod live;
mod long_lists;
mod looks;
mod more_tasks;
mod security;
mod services;
mod tasks;
mod then;

use angelia_tests::browser::{Browser, Kind};
use angelia_tests::client::Answer;
use angelia_tests::installation::{Installation, Setup, Shared};
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};

static SHARED: Shared = Shared::new(Setup::new);

async fn installation() -> &'static Installation {
    SHARED.get().await
}

/// A browser that signed in with a token.
async fn signed_in(kind: Kind, installation: &Installation, token: &str) -> Browser {
    let browser = Browser::open(kind).await;
    sign_in(&browser, installation, token).await;
    browser
}

async fn sign_in(browser: &Browser, installation: &Installation, token: &str) {
    browser.go(&format!("{}/console", installation.url())).await;
    browser.fill("#token", token).await;
    browser.click("main button.primary").await;
    browser.until("it is signed in", "return !!document.querySelector('nav.menu')").await;
}

/// A place of a workspace.
fn place(installation: &Installation, workspace: &str, rest: &str) -> String {
    format!("{}/console/w/{workspace}{rest}", installation.url())
}

/// The console over plain HTTP, as a browser would speak it: for what a browser would not do.
struct Web {
    http: reqwest::Client,
    base: String,
    cookie: Option<String>,
}

impl Web {
    /// Nobody yet.
    fn new(base: &str) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        Self { http: http.expect("a client can be made"), base: base.to_owned(), cookie: None }
    }

    /// Whoever holds `token`.
    async fn signed_in(base: &str, token: &str) -> Self {
        let mut web = Self::new(base);
        let answer = web.post("/console/sign-in", &[("token", token)]).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let set = answer.headers.get(SET_COOKIE).expect("a session is given").to_str().expect("text");
        web.cookie = Some(set.split(';').next().unwrap_or_default().to_owned());
        web
    }

    fn with(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        let request = self.with(self.http.get(format!("{}{path}", self.base)));
        Answer::to(request).await.expect("the console answers")
    }

    /// A post of a form from one of the console's own pages.
    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let base = self.base.clone();
        self.post_from(path, form, &[("sec-fetch-site", "same-origin"), (ORIGIN.as_str(), &base)]).await
    }

    /// A post of a form with these headers.
    async fn post_from(&self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let mut request = self.with(self.http.post(format!("{}{path}", self.base)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let body: Vec<String> =
            form.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"));
        Answer::to(request).await.expect("the console answers")
    }
}
