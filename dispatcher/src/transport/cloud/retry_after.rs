//! Reads the `Retry-After` header: seconds, or a date.
//!
//! A date is compared with the `Date` of the same answer, so that no clock of ours, right or wrong, takes part.
//!
//! Source: RFC 9110, 10.2.3 and 5.6.7 (three forms of dates).

use std::time::Duration;

use chrono::NaiveDateTime;

/// The longest wait that is believed. A longer one is asked for again by then, and a mistake costs an hour, not a day.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Says how long to wait; nothing if the header makes no sense.
pub(super) fn parse(retry_after: &str, date: Option<&str>) -> Option<Duration> {
    let asked = retry_after.trim();
    if !asked.is_empty() && asked.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a number holds are a long time, too.
        let seconds = asked.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let wait = http_date(asked)?.signed_duration_since(http_date(date?.trim())?);
    // A date that has passed means: now.
    Some(wait.to_std().unwrap_or(Duration::ZERO).min(LONGEST))
}

/// Reads a date in any of HTTP's forms.
pub(super) fn http_date(text: &str) -> Option<NaiveDateTime> {
    const FORMS: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: Option<&str> = Some("Sun, 06 Nov 1994 08:49:37 GMT");

    #[test]
    fn seconds_are_taken_as_they_are() {
        assert_eq!(parse("0", None), Some(Duration::ZERO));
        assert_eq!(parse(" 120 ", None), Some(Duration::from_secs(120)));
    }

    #[test]
    fn dates_of_all_three_forms_count_from_the_answers_own_date() {
        for date in ["Sun, 06 Nov 1994 08:50:07 GMT", "Sunday, 06-Nov-94 08:50:07 GMT", "Sun Nov  6 08:50:07 1994"] {
            assert_eq!(parse(date, DATE), Some(Duration::from_secs(30)), "{date}");
        }
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:00 GMT", DATE), Some(Duration::ZERO));
        assert_eq!(parse("Sun, 06 Nov 1994 08:50:07 GMT", None), None);
    }

    #[test]
    fn no_answer_makes_us_wait_longer_than_an_hour() {
        assert_eq!(parse("86400", None), Some(LONGEST));
        assert_eq!(parse(&"9".repeat(40), None), Some(LONGEST));
        assert_eq!(parse("Sat, 06 Nov 2094 08:49:37 GMT", DATE), Some(LONGEST));
    }

    #[test]
    fn nonsense_is_no_wait() {
        for asked in ["", "-1", "1.5", "soon", "12 s", "Mon, 06 Nov 1994 08:50:07 GMT", "Sun, 99 Nov 1994 08:49:37 GMT"]
        {
            assert_eq!(parse(asked, DATE), None, "{asked}");
        }
    }
}
