//! Settings: typed, from a file, then the environment, then flags; checked before anything binds.
//!
//! Shape: every setting has one name, `message_expires_after_s`; it stands in the file (TOML) under that name and in the
//! environment as `ANGELIA_MESSAGE_EXPIRES_AFTER_S`. [`settings!`](crate::settings) declares a struct once; loading, the
//! printed configuration and the documentation come from that declaration.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What the environment's names begin with.
pub const ENV_PREFIX: &str = "ANGELIA_";

/// One declared setting, for `--print-config` and the documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it does, with unit and bounds.
    pub doc: String,
    /// The value in force, or `(hidden)`.
    pub value: String,
}

/// A setting cannot be used. Exit status 64.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or has tables where values belong.
    #[error("the settings file {path} is not a flat TOML file: {what}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A value cannot be read or is out of bounds.
    #[error("setting {name}: {what}")]
    Value {
        /// The setting.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// The file names settings that nobody declared.
    #[error("unknown settings in the file: {}", .0.join(", "))]
    Unknown(Vec<String>),
}

/// Where values come from, later ones first: flags, environment, file.
#[derive(Clone, Debug, Default)]
pub struct Source {
    file: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    flags: BTreeMap<String, String>,
}

impl Source {
    /// Reads the file, when there is one, and the environment.
    ///
    /// # Errors
    /// [`ConfigError::File`] and [`ConfigError::Syntax`].
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "this is the home of the environment")]
        let environment = std::env::vars()
            .filter_map(|(name, value)| Some((name.strip_prefix(ENV_PREFIX)?.to_ascii_lowercase(), value)))
            .collect();
        let file = file.map(read_file).transpose()?.unwrap_or_default();
        Ok(Self { file, environment, flags: BTreeMap::new() })
    }

    /// A source of flags only, for tests and for services inside `standalone`.
    #[must_use]
    pub fn from_flags(flags: impl IntoIterator<Item = (impl Into<String>, String)>) -> Self {
        Self::default().with_flags(flags)
    }

    /// The source with more flags; they win over everything before.
    #[must_use]
    pub fn with_flags(mut self, flags: impl IntoIterator<Item = (impl Into<String>, String)>) -> Self {
        self.flags.extend(flags.into_iter().map(|(name, value)| (name.into(), value)));
        self
    }

    /// Reads one value, or `default`.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it cannot be read as `T`.
    pub fn value<T: Value>(&self, name: &str, default: &str) -> Result<T, ConfigError> {
        let text = [&self.flags, &self.environment, &self.file].into_iter().find_map(|from| from.get(name));
        T::read(text.map_or(default, String::as_str)).map_err(|what| ConfigError::Value { name: name.to_owned(), what })
    }

    /// Checks that the file names only settings in `declared`.
    ///
    /// # Errors
    /// [`ConfigError::Unknown`] lists the others.
    pub fn check_file(&self, declared: &[&str]) -> Result<(), ConfigError> {
        let unknown: Vec<_> = self.file.keys().filter(|name| !declared.contains(&name.as_str())).cloned().collect();
        if unknown.is_empty() { Ok(()) } else { Err(ConfigError::Unknown(unknown)) }
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
    let syntax = |what: String| ConfigError::Syntax { path: path.to_owned(), what };
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| syntax(error.message().to_owned()))?;
    table
        .into_iter()
        .map(|(name, value)| match value {
            toml::Value::String(text) => Ok((name, text)),
            toml::Value::Integer(number) => Ok((name, number.to_string())),
            toml::Value::Boolean(truth) => Ok((name, truth.to_string())),
            toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => {
                Err(syntax(format!("{name} must be a text, a whole number or true/false")))
            }
        })
        .collect()
}

/// A type that a setting may have.
pub trait Value: Sized {
    /// Reads the text form.
    ///
    /// # Errors
    /// In words, for the operator.
    fn read(text: &str) -> Result<Self, String>;

    /// The text form, as `--print-config` shows it.
    fn show(&self) -> String;
}

macro_rules! plain_value {
    ($($kind:ty: $what:literal),* $(,)?) => {$(
        impl Value for $kind {
            fn read(text: &str) -> Result<Self, String> {
                parse(text, $what)
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

plain_value!(u16: "a whole number from 0 to 65535", u32: "a whole number", u64: "a whole number", usize: "a whole number",
    String: "a text", std::net::SocketAddr: "an address and port, as 127.0.0.1:8080");

impl Value for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" | "" => Ok(false),
            other => Err(format!("expected true or false, found {other:?}")),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }
    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl<T: Value> Value for Option<T> {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::read(text).map(Some) }
    }
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "(none)".to_owned(), T::show)
    }
}

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hidden(pub String);

impl Value for Hidden {
    fn read(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
    fn show(&self) -> String {
        if self.0.is_empty() { "(none)".to_owned() } else { "(hidden)".to_owned() }
    }
}

fn parse<T: FromStr<Err: Display>>(text: &str, what: &str) -> Result<T, String> {
    text.trim().parse().map_err(|error| format!("expected {what}, found {text:?} ({error})"))
}

/// Declares a struct of settings: documentation, type and default of each, in one place.
///
/// ```
/// angelia_shared::settings! {
///     /// What the example can be told.
///     pub struct Example {
///         /// Where to listen.
///         pub listen: std::net::SocketAddr = "127.0.0.1:8080",
///         /// After how many seconds to give up.
///         pub give_up_after_s: u64 = "30",
///     }
/// }
/// let example = Example::load(&angelia_shared::config::Source::default()).unwrap();
/// assert_eq!(example.give_up_after_s, 30);
/// ```
#[macro_export]
macro_rules! settings {
    ($(#[doc = $head:literal])* $vis:vis struct $name:ident {
        $($(#[doc = $doc:literal])+ pub $field:ident: $kind:ty = $default:literal,)*
    }) => {
        $(#[doc = $head])*
        #[derive(Clone)]
        $vis struct $name {
            $($(#[doc = $doc])+ pub $field: $kind,)*
        }

        impl $name {
            /// The names of all settings here.
            $vis const NAMES: &'static [&'static str] = &[$(stringify!($field)),*];

            /// Reads every setting, or its default.
            ///
            /// # Errors
            /// The first value that cannot be read.
            $vis fn load(source: &$crate::config::Source) -> Result<Self, $crate::config::ConfigError> {
                Ok(Self { $($field: source.value(stringify!($field), $default)?,)* })
            }

            /// Every setting with its documentation and the value in force.
            $vis fn show(&self) -> Vec<$crate::config::Setting> {
                vec![$($crate::config::Setting {
                    name: stringify!($field),
                    doc: concat!($($doc, "\n"),+).trim().to_owned(),
                    value: $crate::config::Value::show(&self.$field),
                }),*]
            }
        }
    };
}

#[cfg(test)]
mod tests;
