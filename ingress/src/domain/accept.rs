//! Whether a caller would rather have CSV than JSON, by its `Accept` header (RFC 9110 §12.5.1).

/// Says whether `text/csv` is asked for by name, and not less than `application/json`.
pub fn prefers_csv(accept: &str) -> bool {
    let csv = weight(accept, "text/csv");
    csv > 0 && csv >= weight(accept, "application/json")
}

/// The weight of a media type that is listed by name, in thousandths; 0 when it is not listed.
fn weight(accept: &str, media_type: &str) -> u32 {
    let ranges = accept.split(',').map(|range| range.split(';').map(str::trim));
    let weights = ranges.filter_map(|mut parts| {
        parts.next().filter(|name| name.eq_ignore_ascii_case(media_type))?;
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some(quality.map_or(1_000, thousandths))
    });
    weights.max().unwrap_or(0)
}

fn thousandths(quality: &str) -> u32 {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole, digits.parse::<u32>()) {
        ("0", Ok(thousandths)) => thousandths,
        ("1", Ok(_)) => 1_000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::prefers_csv;

    #[test]
    fn csv_is_given_when_it_is_asked_for_by_name() {
        for accept in ["text/csv", "TEXT/CSV; header=present", "application/json;q=0.5, text/csv", "text/csv;q=0.001"] {
            assert!(prefers_csv(accept), "{accept}");
        }
    }

    #[test]
    fn otherwise_json_is() {
        for accept in [
            "",
            "*/*",
            "text/*",
            "application/json",
            "text/csv;q=0",
            "text/csv;q=0.4,application/json;q=0.9",
            "text/csv;q=x",
        ] {
            assert!(!prefers_csv(accept), "{accept}");
        }
    }
}
