//! What the program can be told, whichever role it runs.

use std::net::SocketAddr;
use std::path::PathBuf;

use angelia_shared::config::{ConfigError, Hidden, Source};

angelia_shared::settings! {
    /// Settings of the program itself. Each role has more of its own.
    pub(crate) struct Config {
        /// Where the webhook, the API and the console listen.
        pub listen: SocketAddr = "127.0.0.1:8080",
        /// Where everything is kept: the embedded broker's store, keys, the ledger's projection.
        pub data: PathBuf = "./angelia-data",
        /// URL of an existing broker, `nats://host:4222`, several with commas. Empty: `standalone` starts its own.
        pub nats: String = "",
        /// User name at the existing broker.
        pub nats_user: String = "",
        /// Password at the existing broker.
        pub nats_password: Hidden = "",
        /// The program of the embedded broker; empty: `nats-server` on the PATH.
        pub nats_server: Option<PathBuf> = "",
        /// File with the master key, 64 hex digits. Empty: `DATA/master-key`, made by `standalone` on its first start.
        pub master_key_file: Option<PathBuf> = "",
        /// Copies of the log and the buckets when they are made: 1, or 3 on a cluster.
        pub replicas: usize = "1",
        /// Shares of the accounts when the log is made; fixed from then on.
        pub partitions: u16 = "64",
        /// What is logged, as `info` or `info,angelia_dispatcher=debug`.
        pub log: String = "info,async_nats=warn",
        /// Whether log lines are JSON objects.
        pub log_json: bool = "false",
    }
}

/// Where the ledger's projection is kept under the data directory, unless the settings name another place.
const LEDGER_DIR: &str = "ledger";

/// All settings of all roles, read and checked before anything binds.
pub(crate) struct Settings {
    pub(crate) program: Config,
    pub(crate) ingress: angelia_ingress::config::Config,
    pub(crate) dispatcher: angelia_dispatcher::config::Config,
    pub(crate) ledger: angelia_ledger::config::Config,
}

impl Settings {
    /// Reads every setting.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub(crate) fn read(source: &Source) -> Result<Self, ConfigError> {
        let groups = [
            Config::NAMES,
            angelia_ingress::config::Config::NAMES,
            angelia_dispatcher::config::Config::NAMES,
            angelia_ledger::config::Config::NAMES,
        ];
        source.check_file(&groups.concat())?;
        let program = Config::load(source)?;
        if ![1, 3, 5].contains(&program.replicas) {
            return Err(value("replicas", format!("expected 1, 3 or 5, found {}", program.replicas)));
        }
        if program.partitions == 0 {
            return Err(value("partitions", "expected 1 to 65535, found 0".to_owned()));
        }
        let ingress = angelia_ingress::config::Config::load(source)?;
        ingress.check().map_err(|what| value("ingress", what))?;
        let dispatcher = angelia_dispatcher::config::Config::read(source)?;
        let mut ledger = angelia_ledger::config::Config::read(source)?;
        if source.value::<String>("ledger_dir", "")?.is_empty() {
            ledger.ledger_dir = program.data.join(LEDGER_DIR);
        }
        Ok(Self { program, ingress, dispatcher, ledger })
    }

    /// Every setting with its documentation, as a settings file.
    pub(crate) fn show(&self) -> String {
        let groups = [
            ("program", self.program.show()),
            ("ingress", self.ingress.show()),
            ("dispatcher", self.dispatcher.show()),
            ("ledger", self.ledger.show()),
        ];
        let mut text = String::new();
        for (group, settings) in groups {
            text.push_str(&format!("## {group}\n\n"));
            for setting in settings {
                for line in setting.doc.lines() {
                    text.push_str(&format!("# {}\n", line.trim()));
                }
                text.push_str(&format!("{} = {:?}\n\n", setting.name, setting.value));
            }
        }
        text
    }
}

fn value(name: &str, what: String) -> ConfigError {
    ConfigError::Value { name: name.to_owned(), what }
}
