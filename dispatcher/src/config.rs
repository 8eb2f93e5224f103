//! What the dispatcher can be told.

use angelia_shared::config::{ConfigError, Source};

use crate::transport::ProviderRule;

angelia_shared::settings! {
    /// The dispatcher's settings.
    pub struct Config {
        /// Whether attachments may come from 127.0.0.0/8 and ::1. For tests and demonstrations on one machine; `/readyz`
        /// shows it.
        pub attachments_allow_loopback: bool = "false",
        /// How many attachments are downloaded at once, 1 to 256, at most half of them ahead of their turn. Each holds up
        /// to 2 MiB of memory.
        pub attachments_at_once: usize = "16",
        /// Base URLs of accounts that may lead to addresses which are not public, with commas between, such as a
        /// sandbox's; `loopback` means any on this machine. `standalone` always allows its own sandbox.
        pub base_urls_allowed: ProviderRule = "",
        /// Seconds after which an unknown outcome is looked up in the provider's list of what it took, 0 to 3600; then again
        /// three times as long after it, for a day. 0: never, for numbers that people or other
        /// programs send with, too.
        pub look_up_after_s: u64 = "30",
        /// Messages that may wait in memory, 32 bytes each; beyond it the partitions with most of them read no further
        /// until some have gone. At least 100. What waits when the process starts is read in any case.
        pub queued_in_memory_max: usize = "8000000",
    }
}

impl Config {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn read(source: &Source) -> Result<Self, ConfigError> {
        let config = Self::load(source)?;
        if !(1..=256).contains(&config.attachments_at_once) {
            let what = format!("expected 1 to 256, found {}", config.attachments_at_once);
            return Err(ConfigError::Value { name: "attachments_at_once".to_owned(), what });
        }
        if config.queued_in_memory_max < 100 {
            let what = format!("expected at least 100, found {}", config.queued_in_memory_max);
            return Err(ConfigError::Value { name: "queued_in_memory_max".to_owned(), what });
        }
        if config.look_up_after_s > 3_600 {
            let what = format!("expected 0 to 3600, found {}", config.look_up_after_s);
            return Err(ConfigError::Value { name: "look_up_after_s".to_owned(), what });
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_attachments_are_off_by_default() {
        assert!(!Config::read(&Source::default()).unwrap().attachments_allow_loopback);
    }

    #[test]
    fn a_base_url_that_is_none_is_refused() {
        let source = Source::from_flags([("base_urls_allowed", "http://127.0.0.1:9000,sandbox".to_owned())]);
        assert!(matches!(Config::read(&source), Err(ConfigError::Value { name, .. }) if name == "base_urls_allowed"));
    }

    #[test]
    fn room_for_next_to_nothing_is_refused() {
        let source = Source::from_flags([("queued_in_memory_max", "99".to_owned())]);
        assert!(
            matches!(Config::read(&source), Err(ConfigError::Value { name, .. }) if name == "queued_in_memory_max")
        );
    }

    #[test]
    fn looking_up_later_than_an_hour_is_refused_and_never_is_not() {
        let read = |seconds: &str| Config::read(&Source::from_flags([("look_up_after_s", seconds.to_owned())]));
        assert!(matches!(read("3601"), Err(ConfigError::Value { name, .. }) if name == "look_up_after_s"));
        assert_eq!(read("0").unwrap().look_up_after_s, 0);
    }

    #[test]
    fn no_downloads_at_all_is_refused() {
        let source = Source::from_flags([("attachments_at_once", "0".to_owned())]);
        assert!(matches!(Config::read(&source), Err(ConfigError::Value { name, .. }) if name == "attachments_at_once"));
    }
}
