//! Every sentence of the console, in each of its languages.
//!
//! Shape: one constant a text, so that a text which lacks a language does not compile.

mod accounts;
mod credits;
mod general;
mod messages;
mod webhooks;

pub(crate) use accounts::*;
pub(crate) use credits::*;
pub(crate) use general::*;
pub(crate) use messages::*;
pub(crate) use webhooks::*;

use super::language::Language;

/// A text in every language. `{name}` is a place for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    english: &'static str,
    greek: &'static str,
}

impl Text {
    /// The text in a language.
    pub(crate) fn of(self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::Greek => self.greek,
        }
    }

    /// The text with its places filled.
    pub(crate) fn with(self, language: Language, values: &[(&str, &str)]) -> String {
        let mut out = String::new();
        let mut rest = self.of(language);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            out.push_str(before);
            // What is filled in is not looked at again: a value may have braces.
            out.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

macro_rules! words {
    ($($name:ident = $english:literal, $greek:literal;)*) => {
        $(pub(crate) const $name: $crate::domain::console::words::Text =
            $crate::domain::console::words::Text { english: $english, greek: $greek };)*
        #[cfg(test)]
        pub(super) const ALL: &[(&str, $crate::domain::console::words::Text)] = &[$((stringify!($name), $name)),*];
    };
}
use words;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> impl Iterator<Item = (&'static str, Text)> {
        [accounts::ALL, credits::ALL, general::ALL, messages::ALL, webhooks::ALL].into_iter().flatten().copied()
    }

    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
    }

    #[test]
    fn both_languages_say_something_with_the_same_values() {
        for (name, text) in all() {
            assert!(!text.english.trim().is_empty() && !text.greek.trim().is_empty(), "{name} is empty");
            assert_eq!(places(text.english), places(text.greek), "{name}");
        }
    }

    #[test]
    fn values_are_put_in_as_they_are() {
        let text = Text { english: "{a} and {b}.", greek: "{b} και {a}." };
        assert_eq!(text.with(Language::English, &[("a", "{b}"), ("b", "2")]), "{b} and 2.");
        assert_eq!(text.with(Language::Greek, &[("a", "1"), ("b", "2")]), "2 και 1.");
    }
}
