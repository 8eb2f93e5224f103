//! Judges an answer of the Cloud API.
//!
//! Shape: [`Answer`] -> [`Outcome`]. Pure.
//!
//! An error in Graph's form is the provider's word that it did not accept. Anything else that is not a success in
//! Graph's form (a proxy's page, half an answer, a redirect) is no word at all: *unknown* for a message.

use std::time::Duration;

use angelia_shared::wamid;
use serde_json::Value;

use super::detail;
use super::errors::{Class, classify};
use crate::transport::{FailReason, MediaId, Outcome, ProviderClock, PutOffScope};

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// What the provider's clock showed.
    pub(super) clock: Option<ProviderClock>,
    pub(super) body: Vec<u8>,
}

/// An error in Graph's form.
pub(super) struct GraphError {
    pub(super) code: i64,
    pub(super) is_transient: bool,
    pub(super) detail: String,
}

/// Judges the answer to a message. `secret` must not appear in any detail.
pub(super) fn of_send(answer: &Answer, secret: &str) -> Outcome {
    let body = json(answer);
    if let Some(error) = graph_error(&body, secret) {
        return outcome(answer, error, |reason| reason);
    }
    match accepted_id(&body) {
        Some(provider_id) if is_success(answer) => {
            Outcome::Sent { provider_id: wamid::veiled(&provider_id), canonical_recipient: canonical_recipient(&body) }
        }
        Some(_) | None => Outcome::Unknown { detail: unreadable(answer) },
    }
}

/// Judges the answer to an upload.
pub(super) fn of_upload(answer: &Answer, secret: &str) -> Result<MediaId, Outcome> {
    let body = json(answer);
    if let Some(error) = graph_error(&body, secret) {
        // Nothing but the file was handed in, so what is rejected is the file.
        return Err(outcome(answer, error, |_| FailReason::MediaRejected));
    }
    match id(&body["id"]) {
        Some(media_id) if is_success(answer) => Ok(MediaId(media_id)),
        // Gateways before Graph refuse by size or type in words of their own.
        Some(_) | None if matches!(answer.status, 413 | 415) => {
            Err(Outcome::Failed { reason: FailReason::MediaRejected, detail: unreadable(answer) })
        }
        Some(_) | None => Err(Outcome::PutOff {
            scope: PutOffScope::Provider,
            retry_after: answer.retry_after,
            code: None,
            detail: unreadable(answer),
        }),
    }
}

fn outcome(answer: &Answer, error: GraphError, reason_of: impl Fn(FailReason) -> FailReason) -> Outcome {
    let GraphError { code, is_transient, detail } = error;
    match classify(code, is_transient, answer.status) {
        Class::Fail(reason) => Outcome::Failed { reason: reason_of(reason), detail },
        Class::Hold(state) => Outcome::AccountHeld { state, code: Some(code), detail },
        Class::PutOff(scope, least) => {
            Outcome::PutOff { scope, retry_after: answer.retry_after.or(least), code: Some(code), detail }
        }
    }
}

pub(super) fn json(answer: &Answer) -> Value {
    // `Null` has no fields: the same as an answer in a form that is not known.
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

pub(super) fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

pub(super) fn unreadable(answer: &Answer) -> String {
    format!("the answer with status {} is not in the provider's form", answer.status)
}

/// An error is in Graph's form when it has an integer code; the rest of it may be missing.
pub(super) fn graph_error(body: &Value, secret: &str) -> Option<GraphError> {
    let error = &body["error"];
    let code = error["code"].as_i64()?;
    let mut words = vec![format!("code {code}")];
    if let Some(subcode) = error["error_subcode"].as_i64() {
        words.push(format!("subcode {subcode}"));
    }
    for field in [&error["message"], &error["error_data"]["details"]] {
        words.extend(field.as_str().map(|text| detail::clean(text, secret)).filter(|text| !text.is_empty()));
    }
    if let Some(trace) = error["fbtrace_id"].as_str() {
        words.push(format!("trace {}", detail::clean(trace, secret)));
    }
    let is_transient = error["is_transient"].as_bool().unwrap_or(false);
    Some(GraphError { code, is_transient, detail: words.join("; ") })
}

fn accepted_id(body: &Value) -> Option<String> {
    id(&body["messages"][0]["id"])
}

pub(super) fn id(value: &Value) -> Option<String> {
    value.as_str().filter(|id| !id.is_empty()).map(str::to_owned)
}

fn canonical_recipient(body: &Value) -> Option<String> {
    let number = body["contacts"][0]["wa_id"].as_str()?;
    let is_number = !number.is_empty() && number.len() <= 15 && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ProviderHold;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: None, clock: None, body: body.as_bytes().to_vec() }
    }

    fn error(status: u16, code: i64) -> Answer {
        answer(status, &format!(r#"{{"error":{{"message":"m","type":"OAuthException","code":{code}}}}}"#))
    }

    const ACCEPTED: &str = r#"{"messaging_product":"whatsapp","contacts":[{"input":"+1 415","wa_id":"14151231234"}],
        "messages":[{"id":"wamid.HBgL","message_status":"accepted"}]}"#;

    #[test]
    fn an_accepted_message_is_sent_with_its_id_and_the_canonical_number() {
        let sent =
            Outcome::Sent { provider_id: wamid::veiled("wamid.HBgL"), canonical_recipient: Some("14151231234".into()) };
        assert_eq!(of_send(&answer(200, ACCEPTED), "s"), sent);
    }

    #[test]
    fn a_missing_or_strange_contact_does_not_spoil_an_accepted_message() {
        for contacts in ["[]", "[{}]", "null", r#"[{"wa_id":""}]"#, r#"[{"wa_id":"LID:1"}]"#, r#"[{"wa_id":5}]"#] {
            let body = format!(r#"{{"contacts":{contacts},"messages":[{{"id":"w"}}]}}"#);
            let sent = Outcome::Sent { provider_id: wamid::veiled("w"), canonical_recipient: None };
            assert_eq!(of_send(&answer(200, &body), "s"), sent, "{contacts}");
        }
    }

    #[test]
    fn what_is_not_in_the_providers_form_is_unknown_with_any_status() {
        let deep = "[".repeat(100_000);
        let bodies = [
            "",
            "{}",
            "null",
            "<html>502 Bad Gateway</html>",
            r#"{"messages":[]}"#,
            r#"{"messages":[{"id":""}]}"#,
            r#"{"messages":[{"id":7}]}"#,
            r#"{"error":"no"}"#,
            r#"{"error":{"message":"no code"}}"#,
            r#"{"error":{"code":"190"}}"#,
            r#"{"error":{"code":1.5}}"#,
            &ACCEPTED[..80],
            &deep,
        ];
        for body in bodies {
            for status in [200, 302, 400, 404, 413, 429, 500, 502] {
                let outcome = of_send(&answer(status, body), "s");
                assert!(matches!(outcome, Outcome::Unknown { .. }), "{status} {outcome:?}");
            }
        }
        // A success's form under a status that denies it proves neither.
        assert!(matches!(of_send(&answer(500, ACCEPTED), "s"), Outcome::Unknown { .. }));
    }

    #[test]
    fn an_error_in_graphs_form_is_never_unknown() {
        for code in [0, 1, 4, 100, 190, 131_026, 131_048, 999_999] {
            for status in [200, 400, 429, 500] {
                let outcome = of_send(&error(status, code), "s");
                assert!(!matches!(outcome, Outcome::Unknown { .. } | Outcome::Sent { .. }), "{code}: {outcome:?}");
            }
        }
    }

    #[test]
    fn codes_become_the_outcomes_of_their_classes() {
        let failed = of_send(&error(400, 131_026), "s");
        assert_eq!(
            failed,
            Outcome::Failed { reason: FailReason::RecipientNotOnWhatsapp, detail: "code 131026; m".to_owned() }
        );
        let held = of_send(&error(401, 190), "s");
        assert_eq!(
            held,
            Outcome::AccountHeld {
                state: ProviderHold::UntilMended,
                code: Some(190),
                detail: "code 190; m".to_owned()
            }
        );
    }

    #[test]
    fn a_retry_after_outweighs_the_tables_wait() {
        let wait = |answer: &Answer| match of_send(answer, "s") {
            Outcome::PutOff { scope, retry_after, .. } => (scope, retry_after),
            other => panic!("not put off: {other:?}"),
        };
        let asked = Some(Duration::from_secs(17));
        assert_eq!(wait(&error(400, 131_056)), (PutOffScope::Pair, Some(Duration::from_secs(6))));
        assert_eq!(wait(&Answer { retry_after: asked, ..error(400, 131_056) }), (PutOffScope::Pair, asked));
        assert_eq!(wait(&Answer { retry_after: asked, ..error(429, 130_429) }), (PutOffScope::Throughput, asked));
        assert_eq!(wait(&error(500, 131_000)), (PutOffScope::Provider, None));
    }

    #[test]
    fn transient_errors_are_tried_again() {
        let body = r#"{"error":{"message":"m","code":131009,"is_transient":true}}"#;
        let outcome = of_send(&answer(400, body), "s");
        assert!(matches!(outcome, Outcome::PutOff { scope: PutOffScope::Provider, .. }), "{outcome:?}");
    }

    #[test]
    fn details_tell_code_words_and_trace_but_no_secret_and_no_number() {
        let body = r#"{"error":{"message":"bad token EAAsecret","code":190,"error_subcode":33,
            "error_data":{"details":"for +1 415 123 1234"},"fbtrace_id":"AbC1"}}"#;
        let Outcome::AccountHeld { detail, .. } = of_send(&answer(401, body), "EAAsecret") else {
            panic!("190 is the account's");
        };
        assert_eq!(detail, "code 190; subcode 33; bad token …; for +…; trace AbC1");
    }

    #[test]
    fn an_upload_gives_its_id() {
        assert_eq!(
            of_upload(&answer(200, r#"{"id":"4490709327384033"}"#), "s"),
            Ok(MediaId("4490709327384033".into()))
        );
    }

    #[test]
    fn an_upload_is_rejected_put_off_or_held_but_never_unknown() {
        let rejected = |outcome: &Result<MediaId, Outcome>| {
            matches!(outcome, Err(Outcome::Failed { reason: FailReason::MediaRejected, .. }))
        };
        for refused in [error(400, 100), error(400, 131_053), error(400, 999_999), answer(413, "<html>")] {
            assert!(rejected(&of_upload(&refused, "s")), "{refused:?}");
        }
        for unsure in [answer(200, "{}"), answer(502, "<html>"), answer(404, ""), error(500, 1), answer(302, "")] {
            let outcome = of_upload(&unsure, "s");
            assert!(matches!(outcome, Err(Outcome::PutOff { scope: PutOffScope::Provider, .. })), "{outcome:?}");
        }
        assert!(matches!(of_upload(&error(401, 190), "s"), Err(Outcome::AccountHeld { .. })));
        let throttled = of_upload(&error(429, 130_429), "s");
        assert!(matches!(throttled, Err(Outcome::PutOff { scope: PutOffScope::Throughput, .. })), "{throttled:?}");
    }
}
