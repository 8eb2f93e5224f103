//! Asks the Cloud API what it took: `GET …/message_history`, page by page.
//!
//! Source: Meta's published OpenAPI description of the Business Messaging API, v23.0, "Message History". It does not say in which
//! order messages come; the newest first, as Graph's lists usually do. If not, what is sought is not found.
//!
//! Invariants:
//! - A page that cannot be read ends the list with an error, never with half a page.
//! - What goes wrong here says nothing of the account: a token may send and lack the right to this list.

use angelia_shared::units::UnixMillis;
use angelia_shared::wamid;
use serde_json::Value;
use url::Url;

use super::answer::{self, Answer};
use super::detail;
use super::errors::{Class, classify};
use crate::transport::address::one_spelling;
use crate::transport::{Fate, NoHistory, ProviderClock, PutOffScope, Recipient, Report, Taken};

/// Messages a page: with four reports and a cursor each, a fourth of the longest answer that is read.
const A_PAGE: &str = "25";
/// Pages that are read, at most: at a message each two seconds, they reach back a quarter of an hour.
pub(super) const PAGES_MAX: usize = 20;
/// What is asked of each message.
const FIELDS: &str = "message_id,events{delivery_status,timestamp,error_description}";

/// One page of the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) taken: Vec<Taken>,
    /// Where the next one begins, if there is one.
    pub(super) next: Option<String>,
    /// What the provider's clock showed.
    pub(super) clock: Option<ProviderClock>,
}

/// The address of the page after `after`.
pub(super) fn page_url(mut url: Url, after: Option<&str>) -> Url {
    url.query_pairs_mut().append_pair("fields", FIELDS).append_pair("limit", A_PAGE);
    if let Some(after) = after {
        url.query_pairs_mut().append_pair("after", after);
    }
    url
}

/// Whether all of a page came up before `since`: newer ones do not follow.
pub(super) fn ends_before(page: &Page, since: UnixMillis) -> bool {
    !page.taken.is_empty() && page.taken.iter().all(|taken| taken.reports.iter().all(|report| report.at < since))
}

/// Judges the answer to a page. `secret` must not appear in any detail.
///
/// # Errors
/// [`NoHistory`].
pub(super) fn page(answer: &Answer, secret: &str) -> Result<Page, NoHistory> {
    let body = answer::json(answer);
    if let Some(error) = answer::graph_error(&body, secret) {
        return Err(match classify(error.code, error.is_transient, answer.status) {
            Class::PutOff(PutOffScope::Business | PutOffScope::Throughput, least) => {
                NoHistory::TooOften { retry_after: answer.retry_after.or(least), detail: error.detail }
            }
            Class::PutOff(..) => NoHistory::NotNow { detail: error.detail },
            Class::Fail(_) | Class::Hold(_) => NoHistory::NotOffered { detail: error.detail },
        });
    }
    let unreadable = || NoHistory::NotNow { detail: answer::unreadable(answer) };
    let entries = body["data"].as_array().filter(|_| answer::is_success(answer)).ok_or_else(unreadable)?;
    let taken = entries.iter().map(|entry| taken(entry, secret)).collect::<Option<Vec<_>>>().ok_or_else(unreadable)?;
    let paging = &body["paging"];
    let next = paging["cursors"]["after"].as_str().filter(|_| paging["next"].is_string());
    Ok(Page { taken, next: next.map(str::to_owned), clock: answer.clock })
}

fn taken(entry: &Value, secret: &str) -> Option<Taken> {
    let id = answer::id(&entry["message_id"])?;
    let to = wamid::recipient(&id).map(|digits| one_spelling(&Recipient::Person { digits }));
    let events = entry["events"]["data"].as_array().map_or(&[][..], Vec::as_slice);
    let mut reports: Vec<Report> = Vec::new();
    for report in events.iter().filter_map(|event| report(event, secret)) {
        // Of each kind the first: a server that makes up thousands writes none of them into the log.
        let same = |known: &Report| std::mem::discriminant(&known.fate) == std::mem::discriminant(&report.fate);
        if !reports.iter().any(same) {
            reports.push(report);
        }
    }
    Some(Taken { provider_id: wamid::veiled(&id), to, reports })
}

/// One event, unless its kind is not known here (as is `DELETED`, long after) or it has no time: then it says nothing.
fn report(event: &Value, secret: &str) -> Option<Report> {
    let at = event["timestamp"].as_i64().filter(|seconds| (0..=32_503_680_000).contains(seconds))?;
    let fate = match event["delivery_status"].as_str()? {
        "SENT" => Fate::Sent,
        "DELIVERED" => Fate::Delivered,
        "READ" => Fate::Read,
        "FAILED" => Fate::Failed(detail::clean(event["error_description"].as_str().unwrap_or_default(), secret)),
        _ => return None,
    };
    Some(Report { fate, at: UnixMillis(at * 1_000) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAMID: &str = "wamid.HBgLNjAxNzM1MjYyMzMVAgARGBJCNkY5NTBENEU3ODYxQTM3RUQA";

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: None, clock: None, body: body.as_bytes().to_vec() }
    }

    fn read(body: &str) -> Result<Page, NoHistory> {
        page(&answer(200, body), "s3cret")
    }

    fn is_not_now(result: &Result<Page, NoHistory>) -> bool {
        matches!(result, Err(NoHistory::NotNow { .. }))
    }

    #[test]
    fn a_page_tells_ids_recipients_and_what_became_of_them() {
        let body = format!(
            r#"{{"data":[{{"id":"1","message_id":"{WAMID}","events":{{"data":[
                {{"id":"2","delivery_status":"SENT","timestamp":1640995200}},
                {{"id":"3","delivery_status":"FAILED","timestamp":1640995260,"error_description":"no s3cret"}},
                {{"id":"4","delivery_status":"DELETED","timestamp":1640995261}},
                {{"id":"7","delivery_status":"SENT","timestamp":1640995262}},
                {{"id":"5","delivery_status":"READ"}}]}}}},
                {{"id":"6","message_id":"wamid.other"}}],
              "paging":{{"cursors":{{"before":"B","after":"A"}},"next":"https://graph.facebook.com/…"}}}}"#
        );
        let page = read(&body).expect("a page");
        let report = |fate, seconds: i64| Report { fate, at: UnixMillis(seconds * 1_000) };
        let reports = vec![report(Fate::Sent, 1_640_995_200), report(Fate::Failed("no …".to_owned()), 1_640_995_260)];
        let first = Taken { provider_id: wamid::veiled(WAMID), to: Some("60173526233".to_owned()), reports };
        let second = Taken { provider_id: wamid::veiled("wamid.other"), to: None, reports: vec![] };
        assert_eq!(page, Page { taken: vec![first, second], next: Some("A".to_owned()), clock: None });
    }

    #[test]
    fn the_last_page_has_no_next_though_it_has_cursors() {
        let page = read(r#"{"data":[],"paging":{"cursors":{"before":"B","after":"A"}}}"#).expect("a page");
        assert_eq!(page, Page { taken: vec![], next: None, clock: None });
    }

    #[test]
    fn what_is_no_page_is_not_now() {
        for body in ["", "{}", "<html>", "null", r#"{"data":{}}"#, r#"{"data":[{"id":"1"}]}"#, r#"{"data":[7]}"#] {
            assert!(is_not_now(&read(body)), "{body}");
        }
        assert!(is_not_now(&page(&answer(302, r#"{"data":[]}"#), "s")), "a status that denies it");
    }

    #[test]
    fn a_missing_right_is_told_apart_from_a_bad_moment() {
        let error = |status, code: i64| {
            page(&answer(status, &format!(r#"{{"error":{{"message":"for s3cret","code":{code}}}}}"#)), "s3cret")
        };
        for (status, code) in [(400, 10), (403, 200), (400, 100), (401, 190), (404, 803)] {
            let not_offered = error(status, code);
            let Err(NoHistory::NotOffered { detail }) = not_offered else { panic!("{code}: {not_offered:?}") };
            assert!(!detail.contains("s3cret"), "{detail}");
        }
        for (status, code) in [(500, 1), (503, 131_016), (500, 999)] {
            assert!(is_not_now(&error(status, code)), "{code}");
        }
        for (status, code) in [(429, 130_429), (400, 4), (400, 80_007), (429, 999)] {
            assert!(matches!(error(status, code), Err(NoHistory::TooOften { .. })), "{code}");
        }
    }

    #[test]
    fn the_address_asks_for_one_page_after_another() {
        let url = Url::parse("https://graph.facebook.com/v26.0/1065/message_history").expect("an address");
        let first = page_url(url.clone(), None);
        let fields = "fields=message_id%2Cevents%7Bdelivery_status%2Ctimestamp%2Cerror_description%7D&limit=25";
        assert_eq!(first.query(), Some(fields));
        assert_eq!(page_url(url, Some("a&b=")).query(), Some(format!("{fields}&after=a%26b%3D").as_str()));
    }

    #[test]
    fn a_page_that_is_older_throughout_is_the_last_that_is_read() {
        let at = |seconds: i64| Report { fate: Fate::Sent, at: UnixMillis(seconds * 1_000) };
        let page = |reports: &[&[i64]]| Page {
            taken: reports
                .iter()
                .map(|times| Taken {
                    provider_id: "w".to_owned(),
                    to: None,
                    reports: times.iter().copied().map(at).collect(),
                })
                .collect(),
            next: None,
            clock: None,
        };
        let since = UnixMillis(100_000);
        assert!(ends_before(&page(&[&[98, 99], &[1]]), since));
        assert!(!ends_before(&page(&[&[98, 100], &[1]]), since));
        assert!(!ends_before(&page(&[&[99], &[200]]), since));
        assert!(!ends_before(&page(&[]), since), "an empty page tells nothing");
    }
}
