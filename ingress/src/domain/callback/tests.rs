use proptest::prelude::*;
use serde_json::json;

use super::*;

fn sign(secret: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any key");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn body(statuses: serde_json::Value) -> Vec<u8> {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15105566777", "phone_number_id": "106"},
        "statuses": statuses,
    }}]}]})
    .to_string()
    .into_bytes()
}

fn read_one(status: serde_json::Value) -> Report {
    let mut read = read(&body(json!([status]))).expect("a notification");
    assert_eq!((read.reports.len(), read.not_understood), (1, 0));
    read.reports.remove(0)
}

#[test]
fn a_known_signature_is_genuine() {
    // RFC 4231, test case 2.
    let signature = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert!(is_genuine(signature.as_bytes(), b"Jefe", b"what do ya want for nothing?"));
}

#[test]
fn a_signature_of_other_bytes_another_secret_or_another_form_is_not_genuine() {
    let signature = sign(b"secret", b"{}");
    assert!(is_genuine(signature.as_bytes(), b"secret", b"{}"));
    assert!(!is_genuine(signature.as_bytes(), b"secret", b"{} "));
    assert!(!is_genuine(signature.as_bytes(), b"Secret", b"{}"));
    for form in ["", "sha256=", &signature[7..], &signature[..70], &signature.replace("sha256", "sha1")] {
        assert!(!is_genuine(form.as_bytes(), b"secret", b"{}"), "{form}");
    }
}

#[test]
fn an_empty_secret_signs_nothing() {
    assert!(!is_genuine(sign(b"", b"{}").as_bytes(), b"", b"{}"));
}

#[test]
fn a_status_is_read_with_its_mark_and_time() {
    let report = read_one(json!({"id": "wamid.A", "status": "delivered", "timestamp": "1698266945",
        "recipient_id": "14151231234", "biz_opaque_callback_data": "3EB09FCC85FE99662E46.1"}));
    assert_eq!(
        report,
        Report {
            phone_number_id: "106".to_owned(),
            provider_id: wamid::veiled("wamid.A"),
            tracker: Some(Tracker { message: MessageId(0x9FCC_85FE_9966_2E46), part: 1 }),
            fate: Fate::Delivered,
            at: Some(UnixMillis(1_698_266_945_000)),
        }
    );
}

#[test]
fn each_kind_of_status_has_its_fate() {
    for (status, fate) in
        [("sent", Fate::Sent), ("delivered", Fate::Delivered), ("read", Fate::Read), ("played", Fate::Read)]
    {
        assert_eq!(read_one(json!({"id": "w", "status": status})).fate, fate);
    }
}

#[test]
fn a_failure_has_a_reason_and_the_providers_words_without_numbers() {
    let fate = read_one(json!({"id": "w", "status": "failed", "errors": [{"code": 131026, "title": "Undeliverable",
        "message": "Message undeliverable", "error_data": {"details": "cannot reach 14151230404 now"}}]}))
    .fate;
    let detail = "(#131026) cannot reach … now".to_owned();
    assert_eq!(fate, Fate::Failed { reason: FailReason::RecipientNotOnWhatsapp, detail, hold: None });
}

#[test]
fn a_failure_whose_errors_are_of_any_form_is_a_failure() {
    let detail = |detail: &str| (FailReason::NotExplained, detail.to_owned());
    let fate = |errors| match read_one(json!({"id": "w", "status": "failed", "errors": errors})).fate {
        Fate::Failed { reason, detail, hold: None } => (reason, detail),
        fate => panic!("{fate:?}"),
    };
    for errors in [json!([]), json!(null), json!("odd"), json!([{}]), json!({"odd": [1]})] {
        assert_eq!(fate(errors.clone()), detail("no reason was given"), "{errors}");
    }
    assert_eq!(fate(json!([{"title": "It broke"}])), detail("It broke"));
    let bare = read_one(json!({"id": "w", "status": "failed"})).fate;
    let (reason, detail) = detail("no reason was given");
    assert_eq!(bare, Fate::Failed { reason, detail, hold: None });
}

#[test]
fn marks_that_are_not_ours_are_no_marks() {
    for mark in [
        "",
        "3EB09FCC85FE99662E46",
        "3EB09FCC85FE99662E46.",
        "3EB09FCC85FE99662E46.256",
        "order 17",
        "wa_backend:3EB09FCC85FE99662E46.0",
        "3EB09FCC85FE99662E46.+1",
    ] {
        assert_eq!(Tracker::parse(mark), None, "{mark}");
    }
}

#[test]
fn a_strange_status_does_not_hold_up_the_others() {
    let read = read(&body(json!([
        {"id": "a", "status": "sent"},
        {"id": 5, "status": "sent"},
        {"id": "b", "status": "warning"},
        "nonsense",
        {"id": "c", "status": "read", "timestamp": 1698266945},
        {"id": "d", "status": "read", "timestamp": {"strange": true}},
    ])))
    .expect("a notification");
    let ids: Vec<_> = read.reports.iter().map(|report| (report.provider_id.clone(), report.at.is_some())).collect();
    assert_eq!(ids, [("a", false), ("c", true), ("d", false)].map(|(id, has_time)| (wamid::veiled(id), has_time)));
    assert_eq!(read.not_understood, 3);
}

#[test]
fn batches_of_batches_are_read_whole_and_other_changes_passed_over() {
    let change = |id: &str, field: &str| json!({"field": field, "value": {"metadata": {"phone_number_id": id}, "statuses": [{"id": id, "status": "sent"}]}});
    let body = json!({"entry": [
        {"changes": [change("1", "messages"), change("2", "messages")]},
        {"changes": [{"field": "account_alerts", "value": {"alert": 1}}, change("3", "messages")]},
        {},
    ]});
    let read = read(body.to_string().as_bytes()).expect("a notification");
    let ids: Vec<_> = read.reports.iter().map(|report| report.phone_number_id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
}

#[test]
fn what_has_no_entries_cannot_be_read() {
    for body in ["", "{}", "[]", "{\"entry\":5}", "\u{0}"] {
        assert!(read(body.as_bytes()).is_err(), "{body}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _any_answer = read(&bytes);
        prop_assert!(!is_genuine(&bytes, b"secret", &bytes));
    }

    #[test]
    fn exactly_the_signed_bytes_are_genuine(bytes in proptest::collection::vec(any::<u8>(), 1..60), at in any::<prop::sample::Index>()) {
        let signature = sign(b"secret", &bytes);
        prop_assert!(is_genuine(signature.as_bytes(), b"secret", &bytes));
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= 1;
        prop_assert!(!is_genuine(signature.as_bytes(), b"secret", &changed));
    }
}
