//! Makes one try to download a file.
//!
//! Redirects are followed here, not by the HTTP client, so that each hop is judged like the first link.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use url::Url;

use super::guard::{GuardedResolver, Lookup, NotPublic, SystemLookup};
use super::link::{self, LinkRefusal};
use super::{Attachment, Fetch, content};
use crate::transport::{BuildClientError, FailReason, http_client};
use angelia_shared::reach::AddressRule;

/// The largest file: 2 MiB, exactly this many bytes included.
pub const FILE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The most redirects that are followed.
pub const REDIRECTS_MAX: usize = 3;
/// The longest try, all redirects included. 2 MiB in it are 100 KB/s.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest to look a name up, connect and shake hands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Downloads files. One for a process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    http: reqwest::Client,
    rule: AddressRule,
    whole: Duration,
}

/// Why a try ends before there is a file.
#[derive(Debug)]
enum Stop {
    Refused(FailReason, String),
    Again(String),
}

impl From<LinkRefusal> for Stop {
    fn from(refusal: LinkRefusal) -> Stop {
        Stop::Refused(refusal.reason(), refusal.detail().to_owned())
    }
}

impl Fetcher {
    /// Prepares downloads with the system's name lookup.
    ///
    /// # Errors
    /// [`BuildClientError`] when TLS cannot be set up. Nothing to retry.
    pub fn new(rule: AddressRule) -> Result<Fetcher, BuildClientError> {
        Self::with_lookup(rule, Arc::new(SystemLookup))
    }

    /// Prepares downloads with another name lookup, guarded all the same.
    ///
    /// # Errors
    /// [`BuildClientError`] when TLS cannot be set up. Nothing to retry.
    pub fn with_lookup(rule: AddressRule, lookup: Arc<dyn Lookup>) -> Result<Fetcher, BuildClientError> {
        Self::with_timeout(rule, lookup, FETCH_TIMEOUT)
    }

    fn with_timeout(rule: AddressRule, lookup: Arc<dyn Lookup>, whole: Duration) -> Result<Fetcher, BuildClientError> {
        let resolver = GuardedResolver::new(lookup, rule);
        let http = http_client::one_shot(CONNECT_TIMEOUT).dns_resolver(resolver).build()?;
        Ok(Fetcher { http, rule, whole })
    }

    /// Makes one try to download what `link` leads to; `file_name` is the name it will be sent under.
    pub async fn fetch(&self, link: &str, file_name: &str) -> Fetch {
        let tried = tokio::time::timeout(self.whole, self.download(link, file_name)).await;
        match tried.unwrap_or_else(|_| Err(Stop::Again("the download took too long".to_owned()))) {
            Ok(attachment) => Fetch::Fetched(attachment),
            Err(Stop::Refused(reason, detail)) => Fetch::Refused { reason, detail },
            Err(Stop::Again(detail)) => Fetch::Again { detail },
        }
    }

    async fn download(&self, link: &str, file_name: &str) -> Result<Attachment, Stop> {
        let mut url = link::check(link, self.rule)?;
        for _redirects in 0..=REDIRECTS_MAX {
            let response = self.ask(&url).await?;
            match redirect(&response) {
                Some(location) => url = link::follow(&url, location, self.rule)?,
                None => return receive(response, file_name).await,
            }
        }
        let detail = format!("more than {REDIRECTS_MAX} redirects");
        Err(Stop::Refused(FailReason::AttachmentTooManyRedirects, detail))
    }

    async fn ask(&self, url: &Url) -> Result<reqwest::Response, Stop> {
        // The file is wanted as it is: an encoding would be sent on to the recipient, or be a bomb when undone.
        let asking = self.http.get(url.clone()).header(ACCEPT, "*/*").header(ACCEPT_ENCODING, "identity").send();
        let response = asking.await.map_err(|error| stop_of(&error))?;
        // The resolver lets no other address through; this holds even if a client's way to connect changes.
        if response.remote_addr().is_some_and(|peer| !self.rule.allows(peer.ip())) {
            return Err(not_public());
        }
        Ok(response)
    }
}

fn not_public() -> Stop {
    Stop::from(LinkRefusal::Address)
}

fn stop_of(error: &reqwest::Error) -> Stop {
    if NotPublic::caused(error) {
        return not_public();
    }
    let detail = if error.is_dns() {
        "the link's host name was not found"
    } else if error.is_connect() {
        "no connection to the link's server"
    } else {
        "the link's server ended the connection without an answer"
    };
    Stop::Again(detail.to_owned())
}

fn redirect(response: &reqwest::Response) -> Option<&str> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    text(response.headers(), &LOCATION).filter(|_| is_redirect)
}

/// Judges the last answer of a chain by its status and its headers, then reads it.
async fn receive(response: reqwest::Response, file_name: &str) -> Result<Attachment, Stop> {
    let status = response.status().as_u16();
    let answered = format!("the link's server answered {status}");
    match status {
        200..=299 => {}
        408 | 425 | 429 => return Err(Stop::Again(answered)),
        // A redirect that leads nowhere will not change its mind, either.
        300..=499 => return Err(Stop::Refused(FailReason::AttachmentLinkRefused, answered)),
        _ => return Err(Stop::Again(answered)),
    }
    let header = text(response.headers(), &CONTENT_TYPE).map(str::to_owned);
    if content::announces_a_page(header.as_deref()) {
        return Err(web_page("the server says that it is a web page"));
    }
    let bytes = body(response).await?;
    if bytes.is_empty() {
        return Err(Stop::Refused(FailReason::AttachmentEmpty, "the file has no bytes".to_owned()));
    }
    if content::is_a_page(&bytes, file_name) {
        return Err(web_page("the contents are a web page"));
    }
    let content_type = content::media_type(&bytes, header.as_deref(), file_name);
    Ok(Attachment { bytes, content_type })
}

fn web_page(detail: &str) -> Stop {
    Stop::Refused(FailReason::AttachmentIsAWebPage, detail.to_owned())
}

fn too_large() -> Stop {
    Stop::Refused(FailReason::AttachmentTooLarge, format!("more than {FILE_BYTES_MAX} bytes"))
}

/// Reads a body, counting: what a server says about the length is believed only when it is too much.
async fn body(mut response: reqwest::Response) -> Result<Bytes, Stop> {
    let announced: Option<u64> = text(response.headers(), &CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let expected = usize::try_from(announced.unwrap_or(0)).unwrap_or(usize::MAX);
    if expected > FILE_BYTES_MAX {
        return Err(too_large());
    }
    let mut bytes = BytesMut::with_capacity(expected);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > FILE_BYTES_MAX => return Err(too_large()),
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes.freeze()),
            Err(_) => return Err(Stop::Again("the connection ended within the file".to_owned())),
        }
    }
}

/// Some servers write a `Location` with letters beyond ASCII; in UTF-8 these can be read.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
}

#[cfg(test)]
mod tests;
