//! Reads what the API is given: JSON objects and query parameters, field by field, each problem naming its field.
//!
//! Shape: bytes -> [`Input`]; then one call a field, then [`Input::finish`], which refuses what nobody asked for.
//!
//! Not here: what the fields of one call mean together.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Number, Value};

/// What is wrong with an input. `Display` gives the sentence for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFault {
    /// The field or parameter; none when it is about the whole.
    pub field: Option<&'static str>,
    /// What is wrong, to be read after the field's name.
    pub what: String,
}

impl InputFault {
    /// A fault of one field.
    pub fn of(field: &'static str, what: impl Into<String>) -> Self {
        Self { field: Some(field), what: what.into() }
    }

    /// A fault of the whole.
    pub fn whole(what: impl Into<String>) -> Self {
        Self { field: None, what: what.into() }
    }
}

impl fmt::Display for InputFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "`{field}` {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Named values that nobody has read yet.
#[derive(Debug, Default)]
pub struct Input {
    values: Vec<(String, Value)>,
    /// Parameters have no kinds: there, digits are a number.
    is_query: bool,
}

impl Input {
    /// Reads a JSON object. An empty body is an object without fields.
    ///
    /// # Errors
    /// When the bytes are not JSON, not an object, or repeat a key.
    pub fn from_json(bytes: &[u8]) -> Result<Self, InputFault> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let Members(values) = serde_json::from_slice(bytes)
            .map_err(|error| InputFault::whole(format!("the body is not a JSON object: {error}")))?;
        Self::without_repeats(values, false)
    }

    /// Reads a query string, percent-decoded.
    ///
    /// # Errors
    /// When a parameter is repeated.
    pub fn from_query(query: &str) -> Result<Self, InputFault> {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let values = pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect();
        Self::without_repeats(values, true)
    }

    fn without_repeats(values: Vec<(String, Value)>, is_query: bool) -> Result<Self, InputFault> {
        let mut seen = BTreeSet::new();
        if let Some((name, _)) = values.iter().find(|(name, _)| !seen.insert(name)) {
            return Err(InputFault::whole(format!("`{}` is given more than once", shown(name))));
        }
        Ok(Self { values, is_query })
    }

    /// Takes a value as it is; `null` counts as absent.
    pub fn value(&mut self, field: &'static str) -> Option<Value> {
        let at = self.values.iter().position(|(name, _)| name == field)?;
        Some(self.values.swap_remove(at).1).filter(|value| !value.is_null())
    }

    /// Takes an optional text of `1..=chars_max` characters.
    ///
    /// # Errors
    /// When it is no text, empty, or longer.
    pub fn text(&mut self, field: &'static str, chars_max: usize) -> Result<Option<String>, InputFault> {
        let text = match self.value(field) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(_) => return Err(InputFault::of(field, "must be a text")),
        };
        if text.is_empty() {
            return Err(InputFault::of(field, "must not be empty"));
        }
        if text.chars().nth(chars_max).is_some() {
            return Err(InputFault::of(field, format!("must have at most {chars_max} characters")));
        }
        Ok(Some(text))
    }

    /// Takes a required text of `1..=chars_max` characters.
    ///
    /// # Errors
    /// As [`text`](Self::text), and when it is absent.
    pub fn required_text(&mut self, field: &'static str, chars_max: usize) -> Result<String, InputFault> {
        self.text(field, chars_max)?.ok_or_else(|| InputFault::of(field, "is required"))
    }

    /// Takes an optional whole number.
    ///
    /// # Errors
    /// When it is none, or outside `bounds`.
    pub fn number(
        &mut self,
        field: &'static str,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, InputFault> {
        let number = match self.value(field) {
            None => return Ok(None),
            Some(Value::Number(number)) => whole(&number),
            Some(Value::String(text)) if self.is_query && text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            Some(_) => None,
        };
        let fault =
            || InputFault::of(field, format!("must be a whole number from {} to {}", bounds.start(), bounds.end()));
        number.filter(|number| bounds.contains(number)).map(Some).ok_or_else(fault)
    }

    /// Takes an optional truth value.
    ///
    /// # Errors
    /// When it is none.
    pub fn truth(&mut self, field: &'static str) -> Result<Option<bool>, InputFault> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(truth)),
            Some(_) => Err(InputFault::of(field, "must be true or false")),
        }
    }

    /// Takes an optional value of any form that has a text, with `read` to understand it.
    ///
    /// # Errors
    /// When it is no text or `read` gives `None`; `expected` completes "must be".
    pub fn parsed<T>(
        &mut self,
        field: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, InputFault> {
        let found = match self.value(field) {
            None => return Ok(None),
            Some(Value::String(text)) => read(&text),
            Some(_) => None,
        };
        found.map(Some).ok_or_else(|| InputFault::of(field, format!("must be {expected}")))
    }

    /// Refuses what was not taken.
    ///
    /// # Errors
    /// Names the first value that is left.
    pub fn finish(self) -> Result<(), InputFault> {
        match self.values.first() {
            None => Ok(()),
            Some((name, _)) => Err(InputFault::whole(format!("`{}` is not known here", shown(name)))),
        }
    }
}

/// A number that is whole, also when it is written with a fraction of zero: some languages know no other numbers.
pub fn whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| number.to_string().strip_suffix(".0")?.parse().ok())
}

/// A name that a caller made up may be as long as the body.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// An object's members in order, repeats included.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Input {
        Input::from_json(text.as_bytes()).expect("an object")
    }

    fn fault(text: &str) -> String {
        Input::from_json(text.as_bytes()).expect_err("a fault").to_string()
    }

    #[test]
    fn every_fault_names_its_field() {
        let mut input = json(r#"{"name":5,"long":"abc","empty":"","n":-1,"t":"yes"}"#);
        assert_eq!(input.text("name", 9).unwrap_err().to_string(), "`name` must be a text");
        assert_eq!(input.text("long", 2).unwrap_err().to_string(), "`long` must have at most 2 characters");
        assert_eq!(input.text("empty", 2).unwrap_err().to_string(), "`empty` must not be empty");
        assert_eq!(input.number("n", 0..=9).unwrap_err().to_string(), "`n` must be a whole number from 0 to 9");
        assert_eq!(input.truth("t").unwrap_err().to_string(), "`t` must be true or false");
        assert_eq!(input.required_text("gone", 2).unwrap_err().to_string(), "`gone` is required");
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_fraction_of_zero() {
        let mut input = json(r#"{"a":5.0,"b":1e3,"c":5.5,"d":-0.0,"e":1e30,"f":0.0}"#);
        assert_eq!(input.number("a", 1..=9), Ok(Some(5)));
        assert_eq!(input.number("b", 1..=9_999), Ok(Some(1_000)));
        assert_eq!(input.number("f", 0..=9), Ok(Some(0)));
        for field in ["c", "d", "e"] {
            assert!(input.number(field, 0..=u64::MAX).is_err(), "{field}");
        }
    }

    #[test]
    fn null_is_absent_and_an_empty_body_has_no_fields() {
        assert_eq!(json(r#"{"name":null}"#).text("name", 9), Ok(None));
        assert!(json("").finish().is_ok());
    }

    #[test]
    fn what_is_not_an_object_is_refused_and_so_are_repeats_and_strangers() {
        for text in ["[]", "5", "{", " \n", "\u{1}", "{\"a\":1}x"] {
            assert!(fault(text).starts_with("the body is not a JSON object: "), "{text}");
        }
        assert_eq!(fault(r#"{"a":1,"b":2,"a":1}"#), "`a` is given more than once");
        let mut input = json(r#"{"name":"x","nmae":"y"}"#);
        assert_eq!(input.text("name", 9), Ok(Some("x".to_owned())));
        assert_eq!(input.finish().unwrap_err().to_string(), "`nmae` is not known here");
    }

    #[test]
    fn parameters_are_decoded_and_their_digits_are_numbers() {
        assert!(json(r#"{"limit":"7"}"#).number("limit", 1..=9).is_err(), "in JSON a text is no number");
        let mut query = Input::from_query("q=a%20b&limit=7").expect("parameters");
        assert_eq!(query.text("q", 9), Ok(Some("a b".to_owned())));
        assert_eq!(query.number("limit", 1..=9), Ok(Some(7)));
        assert!(query.finish().is_ok());
        assert!(Input::from_query("a=1&a=2").is_err());
        assert!(Input::from_query("limit=").expect("parameters").number("limit", 1..=9).is_err());
    }
}
