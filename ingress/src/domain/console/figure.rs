//! Numbers, spans and times as people read them. Times are written in UTC; the browser shows them in its own zone.

use angelia_shared::units::UnixMillis;

use super::language::Language;
use super::words as w;

/// A whole number in groups of three.
pub(crate) fn number(language: Language, number: u64) -> String {
    let (digits, mark) = (number.to_string(), if language == Language::Greek { '.' } else { ',' });
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(mark);
        }
        out.push(digit);
    }
    out
}

/// A span of time in its largest fitting unit: `45 s`, `3 min`, `2 h`, `5 d`.
pub(crate) fn span(language: Language, ms: u64) -> String {
    let s = ms / 1_000;
    let (count, unit) = match s {
        0..=89 => (s, w::UNIT_SECONDS),
        90..=5_399 => ((s + 30) / 60, w::UNIT_MINUTES),
        5_400..=172_799 => ((s + 1_800) / 3_600, w::UNIT_HOURS),
        _ => ((s + 43_200) / 86_400, w::UNIT_DAYS),
    };
    format!("{count} {}", unit.of(language))
}

/// Milliseconds as seconds with at most one digit after the point: `1.5`, `2`, `0.05`.
pub(crate) fn seconds(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1_000, ms % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Seconds as somebody types them, `1.5` or `2`, as milliseconds.
pub(crate) fn millis(text: &str) -> Option<u64> {
    let text = text.trim().replace(',', ".");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(rest) || rest.len() > 3 {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(format!("{rest:0<3}").parse().ok()?)
}

/// A time in UTC: `2026-11-29 10:14:41 UTC`.
pub(crate) fn utc(at: UnixMillis) -> String {
    let text = at.to_rfc3339();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

/// A day as a date field gives it, as the time of its beginning; anything else as it is.
pub(crate) fn day_or_time(text: &str) -> String {
    let is_day = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if is_day { format!("{text}T00:00:00Z") } else { text.to_owned() }
}

/// The beginning of a text, with an ellipsis when there is more.
pub(crate) fn beginning(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let english = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (value, text) in english {
            assert_eq!(number(Language::English, value), text);
        }
        assert_eq!(number(Language::Greek, 12_000), "12.000");
    }

    #[test]
    fn spans_are_told_in_one_unit() {
        for (ms, text) in [(0, "0 s"), (89_999, "89 s"), (90_000, "2 min"), (7_200_000, "2 h"), (864_000_000, "10 d")] {
            assert_eq!(span(Language::English, ms), text);
        }
    }

    #[test]
    fn seconds_read_back_as_milliseconds() {
        for ms in [0, 50, 1_500, 2_000, 86_400_000] {
            assert_eq!(millis(&seconds(ms)), Some(ms));
        }
        assert_eq!(millis("1,5"), Some(1_500));
        for text in ["", ".", "-1", "1.2345", "x", "1.x", "99999999999999999999"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(beginning("γειά", 2), "γε…");
        assert_eq!(beginning("γειά", 4), "γειά");
        assert_eq!(utc(UnixMillis(0)), "1970-01-01 00:00:00 UTC");
    }
}
