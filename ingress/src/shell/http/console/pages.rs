//! The pages: each asks what it needs and shows it.

mod access;
mod account;
mod accounts;
mod audit;
mod chats;
mod credits;
mod installation;
mod message;
mod messages;
mod newest;
mod services;
mod trying;
mod webhook;
mod webhooks;

use std::time::Duration;

use futures_util::future::BoxFuture;
use maud::Markup;

pub(super) use self::access::with_token;
pub(super) use self::installation::with_owner_token;
pub(super) use self::trying::trial_of;
pub(super) use self::webhook::{Tried, tried};
use super::trouble::Trouble;
use super::visit::Visit;

/// How long a page may take to be made; then it says that it is on its way, and the live stream brings it.
const MADE_WITHIN: Duration = Duration::from_secs(3);

/// A page's inside.
pub(super) struct Page {
    /// Its title.
    pub(super) title: String,
    /// What it shows.
    pub(super) main: Markup,
    /// Whether it is worth being made again.
    pub(super) is_live: bool,
    /// Where it is made again, when that is not the place that was asked for.
    pub(super) at: Option<String>,
}

impl Page {
    /// A page that changes by itself.
    pub(super) fn live(title: impl Into<String>, main: Markup) -> Self {
        Self { title: title.into(), main, is_live: true, at: None }
    }

    /// A page that stays as it is.
    pub(super) fn still(title: impl Into<String>, main: Markup) -> Self {
        Self { title: title.into(), main, is_live: false, at: None }
    }
}

/// Makes a page, or says that it takes too long.
pub(super) async fn within_time(visit: &Visit, segments: &[&str]) -> Result<Page, Trouble> {
    tokio::time::timeout(MADE_WITHIN, page(visit, segments)).await.unwrap_or(Err(Trouble::Slow))
}

/// Whether a page asks about so many things that it is not made again with every record of the log.
pub(super) fn is_costly(segments: &[&str]) -> bool {
    matches!(segments, ["installation"] | ["w", _, "audit"])
}

/// Makes the page at a place.
fn page<'a>(visit: &'a Visit, segments: &'a [&'a str]) -> BoxFuture<'a, Result<Page, Trouble>> {
    Box::pin(async move {
        match segments {
            ["installation"] => installation::page(visit, None).await,
            ["w", w] | ["w", w, "webhooks"] => webhooks::page(visit, &*visit.workspace(w)?).await,
            ["w", w, "webhooks", h] => webhook::page(visit, &*visit.workspace(w)?, h).await,
            ["w", w, "messages"] => messages::page(visit, &*visit.workspace(w)?).await,
            ["w", w, "messages", m] => message::page(visit, &*visit.workspace(w)?, m).await,
            ["w", w, "chats"] => chats::page(visit, &*visit.workspace(w)?).await,
            ["w", w, "chats", c] => chats::edit(visit, &*visit.workspace(w)?, c).await,
            ["w", w, "accounts"] => accounts::page(visit, &*visit.workspace(w)?).await,
            ["w", w, "accounts", "new"] => accounts::new(visit, &*visit.workspace(w)?),
            ["w", w, "accounts", a] => account::page(visit, &*visit.workspace(w)?, a).await,
            ["w", w, "credits"] => credits::page(visit, &*visit.workspace(w)?).await,
            ["w", w, "audit"] => audit::page(visit, &*visit.workspace(w)?).await,
            ["w", w, "access"] => access::page(visit, &*visit.workspace(w)?, None).await,
            _ => Err(Trouble::NotFound),
        }
    })
}
