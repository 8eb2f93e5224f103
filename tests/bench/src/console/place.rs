//! What is looked at, and by whom.

use angelia_shared::clock::monotonic;
use anyhow::{Context as _, bail};
use reqwest::header::{AUTHORIZATION, COOKIE};

use super::town::Town;

/// A page or a list.
pub(super) struct Place {
    pub(super) name: String,
    path: String,
    /// Only the operator may look at it.
    pub(super) is_operators: bool,
    /// It is a page for people, which must not be too long.
    pub(super) is_page: bool,
    pub(super) has_aims: bool,
}

/// How it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) first_ms: f64,
    pub(super) whole_ms: f64,
    pub(super) bytes: usize,
}

impl Place {
    pub(super) fn of_page(name: impl Into<String>, path: String) -> Self {
        Self { name: name.into(), path, is_operators: false, is_page: true, has_aims: true }
    }

    pub(super) fn of_api(name: impl Into<String>, path: String) -> Self {
        Self { is_page: false, ..Self::of_page(name, path) }
    }

    fn without_aims(self) -> Self {
        Self { has_aims: false, ..self }
    }
}

/// Everything that there is to look at.
pub(super) fn all(town: &Town) -> Vec<Place> {
    let baseline = Place::of_api("static answer (baseline)", "/livez".to_owned()).without_aims();
    [baseline].into_iter().chain(pages(town)).chain(lists(town)).collect()
}

fn pages(town: &Town) -> Vec<Place> {
    let Town { webhook, message, account, first_query, half, amid, .. } = town;
    let page = |rest: &str| {
        let name = rest.split_once('/').map_or(rest, |(_, rest)| rest);
        // Ids say nothing.
        let name = name.replace(webhook.as_str(), "…").replace(message.as_str(), "…").replace(account.as_str(), "…");
        Place::of_page(name, format!("/console/w/{}{rest}", town.workspace))
    };
    let mut pages: Vec<Place> = [
        "/webhooks".to_owned(),
        format!("/webhooks/{webhook}"),
        "/messages".to_owned(),
        "/messages?state=queued".to_owned(),
        "/messages?state=read".to_owned(),
        format!("/messages?account={account}"),
        "/messages?q=Hello".to_owned(),
        "/messages?q=nowhere+at+all".to_owned(),
        format!("/messages?{first_query}"),
        format!("/messages/{message}"),
        format!("/messages/{message}?as_of={amid}"),
        "/chats".to_owned(),
        "/chats?q=nowhere".to_owned(),
        "/accounts".to_owned(),
        format!("/accounts/{account}"),
        "/credits?range=hour".to_owned(),
        "/credits?range=month".to_owned(),
        "/audit".to_owned(),
        format!("/audit?as_of={half}"),
        "/access".to_owned(),
    ]
    .iter()
    .map(|rest| page(rest))
    .collect();
    pages.push(Place { is_operators: true, ..Place::of_page("installation", "/console/installation".to_owned()) });
    pages
}

fn lists(town: &Town) -> Vec<Place> {
    let Town { webhook, half, .. } = town;
    let list = |rest: &str| {
        let name = rest.replace(webhook.as_str(), "…");
        Place::of_api(format!("API {name}"), format!("{}{rest}", town.path()))
    };
    [
        "/messages".to_owned(),
        "/messages?limit=1000".to_owned(),
        "/messages?state=read".to_owned(),
        "/messages?q=nowhere+at+all".to_owned(),
        "/statement".to_owned(),
        "/statement?limit=1000".to_owned(),
        "/chats".to_owned(),
        "/chats?limit=1000".to_owned(),
        format!("/webhooks/{webhook}/activations"),
        "/accounts".to_owned(),
        "/credits".to_owned(),
        format!("/credits?as_of={half}"),
        "/webhooks".to_owned(),
        "/tokens".to_owned(),
    ]
    .iter()
    .map(|rest| list(rest))
    .collect()
}

/// Somebody who looks, on a connection of his own.
pub(super) struct Visitor {
    http: reqwest::Client,
    base: String,
    token: String,
    cookie: String,
}

impl Visitor {
    /// Signs in.
    pub(super) async fn sign_in(base: String, token: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        let form = http
            .post(format!("{base}/console/sign-in"))
            .header("origin", &base)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={token}"));
        let answer = form.send().await?;
        let cookie = answer.headers().get("set-cookie").context("the console gives no session")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { http, base, token: token.to_owned(), cookie })
    }

    /// Looks at a place.
    pub(super) async fn look(&self, place: &Place) -> anyhow::Result<Came> {
        self.read(place).await.map(|(came, _)| came)
    }

    /// The same with what came.
    pub(super) async fn read(&self, place: &Place) -> anyhow::Result<(Came, Vec<u8>)> {
        let request = self.http.get(format!("{}{}", self.base, place.path));
        let request = if place.is_page {
            request.header(COOKIE, &self.cookie)
        } else {
            request.header(AUTHORIZATION, format!("Bearer {}", self.token))
        };
        let ms = |began: std::time::Instant| began.elapsed().as_secs_f64() * 1_000.0;
        let began = monotonic();
        let answer = request.send().await?;
        let (first_ms, status) = (ms(began), answer.status());
        let body = answer.bytes().await?;
        let whole_ms = ms(began);
        if !status.is_success() {
            bail!("{} answered {status}: {}", place.path, String::from_utf8_lossy(&body));
        }
        Ok((Came { first_ms, whole_ms, bytes: body.len() }, body.into()))
    }
}
