//! What the ledger can be told.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use angelia_shared::config::{ConfigError, Source};

angelia_shared::settings! {
    /// The ledger's settings.
    pub struct Config {
        /// Where the ledger keeps its projection. Nothing in it is irreplaceable: a missing or damaged folder is rebuilt
        /// from the log.
        pub ledger_dir: PathBuf = "angelia-data/ledger",
        /// After how many seconds an outcome that stays unknown is settled by the workspace's policy, 1 to 604800.
        pub unknown_deadline_s: u64 = "3600",
        /// Memory for the projection's cache, in MiB, 4 to 65536.
        pub ledger_cache_mib: u64 = "32",
        /// For how many milliseconds changes gather in memory before they are written, 1 to 10000. What is not written
        /// is read from the log again after a crash.
        pub ledger_flush_ms: u64 = "50",
        /// After how many records a checkpoint is written, 1 to 100000000.
        pub ledger_checkpoint_records: u64 = "100000",
        /// After how many seconds a checkpoint is written when something changed since the last one, 1 to 86400.
        pub ledger_checkpoint_s: u64 = "60",
    }
}

impl Config {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn read(source: &Source) -> Result<Self, ConfigError> {
        let config = Self::load(source)?;
        if config.ledger_dir.as_os_str().is_empty() {
            let what = "expected a folder, found nothing".to_owned();
            return Err(ConfigError::Value { name: "ledger_dir".to_owned(), what });
        }
        within("unknown_deadline_s", config.unknown_deadline_s, 1..=604_800)?;
        within("ledger_cache_mib", config.ledger_cache_mib, 4..=65_536)?;
        within("ledger_flush_ms", config.ledger_flush_ms, 1..=10_000)?;
        within("ledger_checkpoint_records", config.ledger_checkpoint_records, 1..=100_000_000)?;
        within("ledger_checkpoint_s", config.ledger_checkpoint_s, 1..=86_400)?;
        Ok(config)
    }
}

fn within(name: &str, value: u64, bounds: RangeInclusive<u64>) -> Result<(), ConfigError> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let what = format!("expected {} to {}, found {value}", bounds.start(), bounds.end());
    Err(ConfigError::Value { name: name.to_owned(), what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_bounds() {
        let config = Config::read(&Source::default()).unwrap();
        assert_eq!((config.unknown_deadline_s, config.ledger_cache_mib), (3_600, 32));
    }

    #[test]
    fn a_value_out_of_bounds_names_its_setting() {
        for (name, value) in [
            ("unknown_deadline_s", "0"),
            ("unknown_deadline_s", "604801"),
            ("ledger_cache_mib", "3"),
            ("ledger_flush_ms", "0"),
            ("ledger_checkpoint_records", "0"),
            ("ledger_checkpoint_s", "86401"),
            ("ledger_dir", ""),
        ] {
            let refused = Config::read(&Source::from_flags([(name, value.to_owned())]));
            assert!(matches!(refused, Err(ConfigError::Value { name: named, .. }) if named == name), "{name}");
        }
    }
}
