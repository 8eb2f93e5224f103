//! The languages of the console, and which one a browser would rather have.

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Language {
    /// English.
    #[default]
    English,
    /// Greek.
    Greek,
}

impl Language {
    /// Every language, as the switch lists them.
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::Greek];

    /// Its code in BCP 47.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Greek => "el",
        }
    }

    /// Its name in itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Greek => "Ελληνικά",
        }
    }

    /// The language with this code.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// What `Accept-Language` likes best of what there is; English when it names neither. The first of equals wins.
    pub(crate) fn accepted(header: &str) -> Self {
        let mut best = (0, Self::English);
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1_000), thousandths);
            let primary = tag.split('-').next().unwrap_or_default();
            if let (Some(language), Some(weight)) = (Self::from_code(primary), weight)
                && weight > best.0
            {
                best = (weight, language);
            }
        }
        best.1
    }
}

/// Reads `1`, `0.8`, `0.333` as thousandths.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(rest) || rest.len() > 3 {
        return None;
    }
    let rest: u32 = format!("{rest:0<3}").parse().ok()?;
    Some((whole.parse::<u32>().ok()?.min(1) * 1_000 + rest).min(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_favourite_is_taken_and_english_when_it_knows_neither() {
        for (header, language) in [
            ("", Language::English),
            ("el", Language::Greek),
            ("el-GR,el;q=0.9,en;q=0.8", Language::Greek),
            ("en-GB,en;q=0.9,el;q=0.8", Language::English),
            ("de,el;q=0.3,en;q=0.2", Language::Greek),
            ("de-DE, fr", Language::English),
            ("en;q=0,el;q=0.1", Language::Greek),
            ("el;q=nonsense", Language::English),
            ("EL", Language::Greek),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
    }

    #[test]
    fn a_code_reads_back() {
        for language in Language::ALL {
            assert_eq!(Language::from_code(language.code()), Some(language));
        }
        assert_eq!(Language::from_code("fr"), None);
    }
}
