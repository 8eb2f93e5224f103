use super::*;
use crate::domain::field::Field;
use crate::domain::request_fault::Kind;

/// Every row of the table of refusals, with the answer's bytes.
fn rows() -> Vec<(Refusal, &'static str)> {
    let invalid = Refusal::InvalidRequest;
    vec![
        (
            Refusal::InvalidJson { what: "expected value".into(), line: 2, column: 7 },
            r#"{"status":400,"data":{},"message":"Request body is not valid JSON: expected value at line 2 column 7"}"#,
        ),
        (
            invalid(RequestFault::NotAnObject { found: Kind::Array }),
            r#"{"status":400,"data":{},"message":"Request body must be a JSON object, not an array"}"#,
        ),
        (
            invalid(RequestFault::RepeatedKey { key: "a\"b".into() }),
            r#"{"status":400,"data":{},"message":"`a\"b` is given more than once"}"#,
        ),
        (
            invalid(RequestFault::Missing { field: Field::Text }),
            r#"{"status":400,"data":{},"message":"`text` is required"}"#,
        ),
        (
            invalid(RequestFault::NotAString { field: Field::Phone, found: Kind::Number }),
            r#"{"status":400,"data":{},"message":"`phone` must be a string, not a number"}"#,
        ),
        (invalid(RequestFault::OtherAction), r#"{"status":400,"data":{},"message":"`action` must be \"send\""}"#),
        (
            invalid(RequestFault::TooLong { field: Field::FileName, chars_max: 255 }),
            r#"{"status":400,"data":{},"message":"`file_name` must have at most 255 characters"}"#,
        ),
        (
            invalid(RequestFault::UnusableFileUrl),
            r#"{"status":400,"data":{},"message":"`file_url` must be an absolute http or https URL with a host"}"#,
        ),
        (
            invalid(RequestFault::FileNameMissing),
            r#"{"status":400,"data":{},"message":"`file_name` is required with `file_url`"}"#,
        ),
        (
            invalid(RequestFault::UnsafeFileName),
            r#"{"status":400,"data":{},"message":"`file_name` must be a plain file name, without path separators (/ and \\) and control characters"}"#,
        ),
        (
            invalid(RequestFault::EmptyMessage),
            r#"{"status":400,"data":{},"message":"`text` may be empty only with `file_url`"}"#,
        ),
        (
            invalid(RequestFault::UnusableChatId),
            r#"{"status":400,"data":{},"message":"`chat_id` must be a string or a 64-bit integer"}"#,
        ),
        (
            invalid(RequestFault::NoRecipient),
            r#"{"status":400,"data":{},"message":"A recipient is required: exactly one of `chat_id`, `jid`, `phone`, `chat_name`"}"#,
        ),
        (
            invalid(RequestFault::SeveralRecipients { given: vec![Field::ChatId, Field::Phone] }),
            r#"{"status":400,"data":{},"message":"Exactly one recipient is allowed, but these were given: `chat_id`, `phone`"}"#,
        ),
        (
            invalid(RequestFault::AccountPhonesDiffer),
            r#"{"status":400,"data":{},"message":"`whatsapp account phone` and `whatsapp_account_phone` are the same field and must not differ"}"#,
        ),
        (
            invalid(RequestFault::TextOverTransportLimit { chars_max: 4096 }),
            r#"{"status":400,"data":{},"message":"`text` must have at most 4096 characters for the sending account"}"#,
        ),
        (
            Refusal::InvalidKey(KeyFault::TooLong),
            r#"{"status":400,"data":{},"message":"Idempotency-Key must have at most 255 characters"}"#,
        ),
        (
            Refusal::InvalidKey(KeyFault::Repeated),
            r#"{"status":400,"data":{},"message":"Idempotency-Key must be given only once"}"#,
        ),
        (
            Refusal::InvalidKey(KeyFault::BadQuotes),
            r#"{"status":400,"data":{},"message":"Idempotency-Key must be bare, or between one pair of double quotes"}"#,
        ),
        (
            Refusal::InvalidKey(KeyFault::BadCharacter),
            r#"{"status":400,"data":{},"message":"Idempotency-Key must have only printable ASCII characters"}"#,
        ),
        (
            Refusal::InvalidKey(KeyFault::Empty),
            r#"{"status":400,"data":{},"message":"Idempotency-Key must not be empty"}"#,
        ),
        (
            Refusal::NotEnoughCredits { needed: Credits(2), available: Credits(1) },
            r#"{"status":402,"data":{},"message":"Not enough message credits: 2 needed, 1 available"}"#,
        ),
        (Refusal::WebhookDisabled, r#"{"status":403,"data":{},"message":"Webhook is disabled"}"#),
        (Refusal::WebhookNotFound, r#"{"status":404,"data":{},"message":"Webhook not found"}"#),
        (Refusal::ChatNotFound, r#"{"status":404,"data":{},"message":"Chat not found"}"#),
        (Refusal::AccountNotFound, r#"{"status":404,"data":{},"message":"WhatsApp account not found"}"#),
        (
            Refusal::AmbiguousChatName,
            r#"{"status":409,"data":{},"message":"`chat_name` matches several chats, use `chat_id`"}"#,
        ),
        (Refusal::NoActiveAccount, r#"{"status":409,"data":{},"message":"No active WhatsApp account to send from"}"#),
        (
            Refusal::KeyInFlight,
            r#"{"status":409,"data":{},"message":"A request with the same Idempotency-Key is still in progress"}"#,
        ),
        (Refusal::MethodNotAllowed, r#"{"status":405,"data":{},"message":"Use POST"}"#),
        (Refusal::BodyTooLarge, r#"{"status":413,"data":{},"message":"Request body is larger than 65536 bytes"}"#),
        (Refusal::KeyReused, r#"{"status":422,"data":{},"message":"Idempotency-Key was used with another body"}"#),
        (Refusal::TooManyRequests { retry_after_s: 3 }, r#"{"status":429,"data":{},"message":"Too many requests"}"#),
        (
            Refusal::LogUnavailable { retry_after_s: 1 },
            r#"{"status":503,"data":{},"message":"Messages cannot be accepted right now, try again in 1 s"}"#,
        ),
    ]
}

#[test]
fn every_refusal_has_exactly_this_body() {
    for (refusal, body) in rows() {
        assert_eq!(String::from_utf8(refusal.body()).unwrap(), body, "{refusal:?}");
    }
}

#[test]
fn the_body_repeats_the_status() {
    for (refusal, body) in rows() {
        assert!(body.starts_with(&format!(r#"{{"status":{},"#, refusal.status())), "{refusal:?}");
    }
}

#[test]
fn only_429_and_503_say_when_to_try_again() {
    for (refusal, _) in rows() {
        let expected = match refusal.status() {
            429 => Some(3),
            503 => Some(1),
            _ => None,
        };
        assert_eq!(refusal.retry_after_s(), expected, "{refusal:?}");
    }
}

#[test]
fn a_success_has_exactly_this_body() {
    let message = "wa_backend:3EB09FCC85FE99662E46".parse().unwrap();
    assert_eq!(
        String::from_utf8(accepted_body(message)).unwrap(),
        r#"{"status":"success","data":{"message_id":"wa_backend:3EB09FCC85FE99662E46"}}"#
    );
}
