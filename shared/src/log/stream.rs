//! Opens the stream, or makes it, and refuses one whose settings would break a promise.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::{self, kv, stream};

use crate::subject;

/// Name of the stream.
pub const STREAM: &str = "ANGELIA_EVENTS";
/// The stream's metadata that says how many partitions there are.
const PARTITIONS_KEY: &str = "angelia.partitions";
/// Partitions of a new stream.
pub const DEFAULT_PARTITIONS: u16 = 64;
/// The oldest server whose atomic batches the writer was checked with.
const SERVER_MIN: (u64, u64) = (2, 14);

/// The open log: a connection and the stream.
#[derive(Clone)]
pub struct EventLog {
    pub(crate) client: Client,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) stream: stream::Stream<()>,
    partitions: u16,
    replicas: usize,
}

/// The log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// The server is too old for atomic batches.
    #[error("the broker is nats-server {found}, but 2.14 or newer is needed; upgrade it")]
    ServerTooOld {
        /// Its version.
        found: String,
    },
    /// The server runs without JetStream, or this user may not use it.
    #[error("the broker has no JetStream for this user; start nats-server with -js and allow it for the account")]
    NoJetStream(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The stream could not be read or made.
    #[error("cannot open the stream {STREAM}")]
    Stream(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is nothing to read.
    #[error("cannot read the stream {name}: is this the right broker, and was anything ever stored there?")]
    NotThere {
        /// The stream.
        name: String,
        /// What the broker said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The stream is there with a setting that would break a promise.
    #[error("the stream {STREAM} has {setting} = {found}, but {wanted} is needed; mend it with `nats stream edit`")]
    WrongSetting {
        /// The setting.
        setting: &'static str,
        /// What it must be.
        wanted: String,
        /// What it is.
        found: String,
    },
}

impl EventLog {
    /// Opens the stream, making it with `replicas` copies and `partitions` when it is not there.
    ///
    /// # Errors
    /// [`OpenLogError`] says what to do.
    pub async fn open(client: Client, replicas: usize, partitions: u16) -> Result<Self, OpenLogError> {
        check_version(&client.server_info().version)?;
        let jetstream = jetstream::new(client.clone());
        jetstream.query_account().await.map_err(|error| OpenLogError::NoJetStream(Box::new(error)))?;
        let wanted = settings(replicas, partitions);
        let info = match jetstream.get_stream(STREAM).await {
            Ok(found) => found.cached_info().clone(),
            Err(_) => {
                let made = jetstream.create_stream(wanted.clone()).await;
                made.map_err(|error| OpenLogError::Stream(Box::new(error)))?.cached_info().clone()
            }
        };
        let partitions = check(&info.config)?;
        let replicas = info.config.num_replicas;
        let stream =
            jetstream.get_stream_no_info(STREAM).await.map_err(|error| OpenLogError::Stream(Box::new(error)))?;
        Ok(Self { client, jetstream, stream, partitions, replicas })
    }

    /// Opens the stream `name` to read it: the log itself, or a copy under another name. Nothing is made or checked, and
    /// no right is needed but to ask for the stream's state.
    ///
    /// # Errors
    /// [`OpenLogError::NotThere`] when the stream is not there or does not answer.
    pub async fn open_to_read(client: Client, name: &str) -> Result<Self, OpenLogError> {
        let not_there = |error: Box<dyn std::error::Error + Send + Sync>| OpenLogError::NotThere {
            name: name.to_owned(),
            source: error,
        };
        let jetstream = jetstream::new(client.clone());
        let found = jetstream.get_stream(name).await.map_err(|error| not_there(Box::new(error)))?;
        let config = &found.cached_info().config;
        let partitions = partitions_of(config).unwrap_or(DEFAULT_PARTITIONS);
        let replicas = config.num_replicas;
        let stream = jetstream.get_stream_no_info(name).await.map_err(|error| not_there(Box::new(error)))?;
        Ok(Self { client, jetstream, stream, partitions, replicas })
    }

    /// How many partitions the stream was made with.
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// How many copies the stream has: what stands beside the log has as many.
    pub fn replicas(&self) -> usize {
        self.replicas
    }

    /// The connection, for requests beside the log.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The JetStream context, for buckets beside the log.
    pub fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }

    /// Whether the connection stands at this moment.
    pub fn is_connected(&self) -> bool {
        super::connection::is_connected(&self.client)
    }

    /// The stream's last sequence, from the leader.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn last_sequence(&self) -> Result<u64, OpenLogError> {
        let info = self.stream.get_info().await.map_err(|error| OpenLogError::Stream(Box::new(error)))?;
        Ok(info.state.last_sequence)
    }

    /// Opens the bucket `name`, making it when it is not there. `history` is per key; `max_age` none keeps for ever.
    ///
    /// # Errors
    /// When the broker does not answer or the bucket has other settings.
    pub async fn bucket(
        &self,
        name: &str,
        replicas: usize,
        max_age: Option<Duration>,
    ) -> Result<kv::Store, OpenLogError> {
        if let Ok(found) = self.jetstream.get_key_value(name).await {
            return Ok(found);
        }
        let config = kv::Config {
            bucket: name.to_owned(),
            history: 1,
            num_replicas: replicas,
            max_age: max_age.unwrap_or_default(),
            storage: stream::StorageType::File,
            limit_markers: max_age,
            ..Default::default()
        };
        self.jetstream.create_key_value(config).await.map_err(|error| OpenLogError::Stream(Box::new(error)))
    }
}

fn settings(replicas: usize, partitions: u16) -> stream::Config {
    stream::Config {
        name: STREAM.to_owned(),
        subjects: vec![subject::ALL.to_owned()],
        storage: stream::StorageType::File,
        num_replicas: replicas,
        allow_atomic_publish: true,
        allow_direct: true,
        deny_delete: true,
        deny_purge: true,
        // Broker dedup is not used: a duplicate would reject a whole batch. The window costs memory, so it is short.
        duplicate_window: Duration::from_millis(100),
        metadata: HashMap::from([(PARTITIONS_KEY.to_owned(), partitions.to_string())]),
        ..Default::default()
    }
}

fn check_version(version: &str) -> Result<(), OpenLogError> {
    let mut numbers = version.split(['.', '-']).map(|part| part.parse::<u64>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < SERVER_MIN { Err(OpenLogError::ServerTooOld { found: version.to_owned() }) } else { Ok(()) }
}

/// Checks every setting that a promise rests on; returns the partitions.
fn check(config: &stream::Config) -> Result<u16, OpenLogError> {
    let must = |setting, right: bool, wanted: &str, found: String| {
        if right { Ok(()) } else { Err(OpenLogError::WrongSetting { setting, wanted: wanted.to_owned(), found }) }
    };
    must("subjects", config.subjects == [subject::ALL], subject::ALL, config.subjects.join(","))?;
    must("storage", config.storage == stream::StorageType::File, "file", format!("{:?}", config.storage))?;
    let retention = config.retention;
    must("retention", retention == stream::RetentionPolicy::Limits, "limits", format!("{retention:?}"))?;
    must("no_ack", !config.no_ack, "false", config.no_ack.to_string())?;
    must("sealed", !config.sealed, "false", config.sealed.to_string())?;
    let at_once = config.persist_mode != Some(stream::PersistenceMode::Async);
    must("persist_mode", at_once, "default", format!("{:?}", config.persist_mode))?;
    must("allow_atomic", config.allow_atomic_publish, "true", config.allow_atomic_publish.to_string())?;
    must("allow_direct", config.allow_direct, "true", config.allow_direct.to_string())?;
    must("deny_delete", config.deny_delete, "true", config.deny_delete.to_string())?;
    must("deny_purge", config.deny_purge, "true", config.deny_purge.to_string())?;
    must("max_age", config.max_age.is_zero(), "0", format!("{:?}", config.max_age))?;
    must("max_msgs", config.max_messages <= 0, "unlimited", config.max_messages.to_string())?;
    must("max_bytes", config.max_bytes <= 0, "unlimited", config.max_bytes.to_string())?;
    let per_subject = config.max_messages_per_subject;
    must("max_msgs_per_subject", per_subject <= 0, "unlimited", per_subject.to_string())?;
    partitions_of(config).ok_or_else(|| OpenLogError::WrongSetting {
        setting: PARTITIONS_KEY,
        wanted: "a number from 1 to 65535".to_owned(),
        found: config.metadata.get(PARTITIONS_KEY).cloned().unwrap_or_else(|| "nothing".to_owned()),
    })
}

fn partitions_of(config: &stream::Config) -> Option<u16> {
    config.metadata.get(PARTITIONS_KEY)?.parse().ok().filter(|n| *n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_before_2_14_is_refused() {
        for old in ["2.9.10", "2.13.9", "1.99.0", "nonsense"] {
            assert!(matches!(check_version(old), Err(OpenLogError::ServerTooOld { .. })), "{old}");
        }
        for good in ["2.14.0", "2.15.1", "2.15.0-RC.1", "3.0.0"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn each_setting_that_a_promise_rests_on_is_checked() {
        assert_eq!(check(&settings(1, 64)).unwrap(), 64);
        type Spoil = fn(&mut stream::Config);
        let spoil: [(&str, Spoil); 11] = [
            ("retention", |c| c.retention = stream::RetentionPolicy::WorkQueue),
            ("no_ack", |c| c.no_ack = true),
            ("sealed", |c| c.sealed = true),
            ("persist_mode", |c| c.persist_mode = Some(stream::PersistenceMode::Async)),
            ("allow_atomic", |c| c.allow_atomic_publish = false),
            ("deny_delete", |c| c.deny_delete = false),
            ("deny_purge", |c| c.deny_purge = false),
            ("max_age", |c| c.max_age = Duration::from_secs(1)),
            ("max_msgs", |c| c.max_messages = 10),
            ("storage", |c| c.storage = stream::StorageType::Memory),
            ("angelia.partitions", |c| c.metadata.clear()),
        ];
        for (name, spoil) in spoil {
            let mut config = settings(1, 64);
            spoil(&mut config);
            assert!(
                matches!(check(&config), Err(OpenLogError::WrongSetting { setting, .. }) if setting == name),
                "{name}"
            );
        }
    }
}
