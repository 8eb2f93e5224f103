//! Reads why a message failed from a status's `errors`, whatever their form: that it failed is certain.

use angelia_shared::account_hold::ProviderHold;
use angelia_shared::cloud_code;
use angelia_shared::fail_reason::FailReason;
use serde_json::Value;

use super::{Fate, detail};

/// The failure that `errors`, the JSON of a list of errors, tells. The first with a code counts; without any, the first that
/// says something.
pub(super) fn read(errors: &str) -> Fate {
    let errors = match serde_json::from_str(errors) {
        Ok(Value::Array(errors)) => errors,
        Ok(alone @ Value::Object(_)) => vec![alone],
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | Err(_) => Vec::new(),
    };
    if let Some((error, code)) = errors.iter().find_map(|error| Some((error, code(error)?))) {
        let detail = format!("(#{code}) {}", detail::clean(words(error).unwrap_or_default()));
        return Fate::Failed { reason: cloud_code::reported(code), detail, hold: ProviderHold::of_code(code) };
    }
    let detail = errors.iter().find_map(words).map_or_else(|| "no reason was given".to_owned(), detail::clean);
    Fate::Failed { reason: FailReason::NotExplained, detail, hold: None }
}

/// The code, as a number or as digits.
fn code(error: &Value) -> Option<i64> {
    match error.get("code")? {
        Value::Number(code) => code.as_i64(),
        Value::String(digits) => digits.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The provider's words, from the most to the least exact.
fn words(error: &Value) -> Option<&str> {
    let details = error.get("error_data").and_then(|data| data.get("details"));
    let all = [details, error.get("message"), error.get("title")];
    all.into_iter().flatten().filter_map(Value::as_str).find(|words| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failed(errors: Value) -> (FailReason, String, Option<ProviderHold>) {
        match read(&errors.to_string()) {
            Fate::Failed { reason, detail, hold } => (reason, detail, hold),
            fate @ (Fate::Sent | Fate::Delivered | Fate::Read) => panic!("{fate:?}"),
        }
    }

    #[test]
    fn a_failure_without_a_code_is_not_explained_and_keeps_its_words() {
        for error in [
            json!({"title": "It broke near 14151230404"}),
            json!({"code": null, "message": "It broke near 14151230404"}),
            json!({"code": {"odd": 1}, "title": "less exact", "error_data": {"details": "It broke near 14151230404"}}),
            json!({"code": "unusual", "title": 5, "message": "It broke near 14151230404", "error_data": null}),
            json!({"code": 1.5, "title": "It broke near 14151230404", "message": "", "error_data": {"details": ""}}),
        ] {
            let told = (FailReason::NotExplained, "It broke near …".to_owned(), None);
            assert_eq!(failed(json!([error])), told, "{error}");
            assert_eq!(failed(error.clone()), told, "one error that is no list: {error}");
        }
    }

    #[test]
    fn a_failure_that_says_nothing_is_not_explained() {
        let told = || (FailReason::NotExplained, "no reason was given".to_owned(), None);
        for errors in [json!([]), json!(null), json!({}), json!([{}]), json!(["odd", 5]), json!("odd"), json!(5)] {
            assert_eq!(failed(errors.clone()), told(), "{errors}");
        }
        for text in ["", "[{\"code\": 1e999}]"] {
            let Fate::Failed { reason, detail, hold } = read(text) else { panic!("it failed") };
            assert_eq!((reason, detail, hold), told(), "{text}");
        }
    }

    #[test]
    fn the_first_error_with_a_code_counts() {
        let errors = json!(["odd", {"title": "no code"}, {"code": "131026", "title": "as digits"}, {"code": 190}]);
        let told = (FailReason::RecipientNotOnWhatsapp, "(#131026) as digits".to_owned(), None);
        assert_eq!(failed(errors), told);
    }

    #[test]
    fn a_code_of_the_account_says_what_becomes_of_it() {
        let of = |code: i64| failed(json!([{"code": code, "title": "t"}]));
        let held = |code, hold| (FailReason::AccountHeld, format!("(#{code}) t"), Some(hold));
        assert_eq!(of(131_048), held(131_048, ProviderHold::ForNow));
        assert_eq!(of(190), held(190, ProviderHold::UntilMended));
        assert_eq!(of(131_000), (FailReason::ProviderError, "(#131000) t".to_owned(), None));
    }
}
