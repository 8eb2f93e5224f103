//! Opens an installation for an audit or a backup: a broker that runs, or the store of one that is stopped.
//!
//! Invariants:
//! - A directory is never made for reading: a wrong name is an error, not an empty installation.
//! - A stopped installation is locked as long as its store is open, so that nobody starts it meanwhile.

use std::path::{Path, PathBuf};

use angelia_shared::config::{ConfigError, Source};
use angelia_shared::log::{Access, EventLog, connect};
use angelia_shared::telemetry::{self, LogForm};
use anyhow::{Context as _, bail};

use crate::broker::{self, Broker, BrokerConfig, DEFAULT_READY_WITHIN};
use crate::cli::Place;
use crate::data_dir::{DataDir, DataDirError};
use crate::services;
use crate::settings::{Config, Settings};

/// What is told of the work beside progress, unless the settings ask for more.
const LOG: &str = "warn";

/// A setting or a file that was named cannot be used (exit status 64).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unusable(pub(crate) String);

/// Reads the settings and starts logging.
///
/// # Errors
/// The first setting that cannot be used.
pub(crate) fn settings(place: &Place) -> Result<Config, Unusable> {
    let unusable = |error: ConfigError| Unusable(telemetry::chain(&error));
    let source = Source::read(place.config.as_deref()).map_err(unusable)?.with_flags(place.one());
    let log: String = source.value("log", LOG).map_err(unusable)?;
    let config = Settings::read(&source).map_err(unusable)?.program;
    let form = if config.log_json { LogForm::Json } else { LogForm::Text };
    telemetry::start(&log, form);
    Ok(config)
}

/// A broker that can be asked, and its installation's lock when it was stopped.
pub(crate) struct Opened {
    pub(crate) access: Access,
    broker: Option<Broker>,
}

impl Opened {
    /// Opens what the settings name.
    ///
    /// # Errors
    /// Says what to do: no installation there, broker away.
    pub(crate) async fn existing(config: &Config) -> anyhow::Result<Self> {
        if let Some(access) = services::access(config) {
            return Ok(Self { access, broker: None });
        }
        let dir = &config.data;
        if !dir.join(broker::STORE).is_dir() {
            bail!(
                "there is no installation in {}; name one with --data DIR, or a broker with --nats URL",
                dir.display()
            );
        }
        match open_dir(dir.clone()).await {
            Ok(held) => Self::start(held, config).await,
            Err(DataDirError::InUse { .. }) => {
                let access = broker::running(dir)
                    .with_context(|| format!("cannot find the broker of the installation in {}", dir.display()))?;
                Ok(Self { access, broker: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens what the settings name for a restore: a broker that runs, or a directory that is made for it.
    ///
    /// # Errors
    /// When the directory is in use, or the broker cannot be started.
    pub(crate) async fn to_fill(config: &Config) -> anyhow::Result<Self> {
        match services::access(config) {
            Some(access) => Ok(Self { access, broker: None }),
            None => Self::start(open_dir(config.data.clone()).await?, config).await,
        }
    }

    async fn start(data_dir: DataDir, config: &Config) -> anyhow::Result<Self> {
        let nats_server = config.nats_server.clone();
        let broker = Broker::start(BrokerConfig { data_dir, nats_server, ready_within: DEFAULT_READY_WITHIN }).await?;
        Ok(Self { access: broker.access(), broker: Some(broker) })
    }

    /// Connects, under a name that the broker shows.
    ///
    /// # Errors
    /// When the broker is away or refuses the sign-in.
    pub(crate) async fn connect(&self, name: &str) -> anyhow::Result<async_nats::Client> {
        Ok(connect(&self.access, name).await?)
    }

    /// Opens a stream to read it.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) async fn log(&self, stream: &str) -> anyhow::Result<EventLog> {
        Ok(EventLog::open_to_read(self.connect("angelia-audit").await?, stream).await?)
    }

    /// Lets go of it.
    pub(crate) async fn close(self) {
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
    }
}

async fn open_dir(dir: PathBuf) -> Result<DataDir, DataDirError> {
    let opened = tokio::task::spawn_blocking(move || DataDir::open(&dir)).await;
    opened.expect("opening returns its errors and is never aborted")
}

/// The master key's file, if there is one: what shows contents needs it, the rest does not.
pub(crate) fn master_key(config: &Config) -> Option<PathBuf> {
    Some(services::master_key_file(config)).filter(|file| Path::exists(file))
}
