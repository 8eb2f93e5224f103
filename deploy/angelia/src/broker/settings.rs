//! The server's settings file, and the names of the broker's files.
//!
//! Shape: [`Address`] -> text. No path appears in it: the server starts inside its directory, so nothing needs quoting,
//! whatever the data directory is called.

use angelia_shared::log::Access;

/// The broker's directory under the data directory.
pub(super) const DIR: &str = "nats";
/// The settings, relative to the data directory.
pub(super) const CONFIG_FILE: &str = "nats/nats.conf";
/// The password, relative to the data directory.
pub(super) const PASSWORD_FILE: &str = "nats/password";
/// The port of the last start, relative to the data directory.
pub(super) const PORT_FILE: &str = "nats/port";
/// The settings' name inside the broker's directory.
pub(super) const CONFIG_NAME: &str = "nats.conf";
/// The pid file's name inside the broker's directory; the server writes it itself, before it opens its store.
pub(super) const PID_NAME: &str = "nats-server.pid";

/// Where the broker answers, and to whom. It has no Debug, because of the password.
#[derive(Clone)]
pub(super) struct Address {
    /// A port of the loopback interface.
    pub(super) port: u16,
    /// Hex, so that it needs no quoting anywhere.
    pub(super) password: String,
}

impl Address {
    /// The only user.
    pub(super) const USER: &str = "angelia";

    /// The URL without credentials.
    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The URL with credentials.
    pub(super) fn access(&self) -> Access {
        Access { url: self.url(), user: Some(Self::USER.to_owned()), password: Some(self.password.clone()) }
    }
}

/// Writes the settings file.
pub(super) fn render(address: &Address) -> String {
    let Address { port, password } = address;
    let user = Address::USER;
    format!(
        r#"# Written by angelia at every start; changes are lost.
server_name: "angelia"

# Only this machine, and nobody without the password. There is no monitoring port.
host: "127.0.0.1"
port: {port}
authorization {{
  user: "{user}"
  password: "{password}"
}}

# A message, with headers, of a batch. The largest that Angelia writes is far smaller.
max_payload: 1MB

pid_file: "{PID_NAME}"
# The lines go into Angelia's own log, which has a time.
logtime: false

jetstream {{
  store_dir: "store"
  # On disk before it is acknowledged: an answer to a webhook call rests on it.
  sync_interval: always
  # All streams are on disk.
  max_memory_store: 64MB
  # The disk is the limit. The server's own default is three quarters of what is free at its start, which shrinks as
  # the store grows.
  max_file_store: 1PB
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_sync_every_write_and_listen_on_this_machine_only() {
        let text = render(&Address { port: 4321, password: "0a1b".to_owned() });
        for line in [
            "host: \"127.0.0.1\"",
            "port: 4321",
            "  password: \"0a1b\"",
            "  sync_interval: always",
            "  store_dir: \"store\"",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing from:\n{text}");
        }
    }

    #[test]
    fn settings_open_no_other_door() {
        let text = render(&Address { port: 4321, password: "0a1b".to_owned() });
        for word in ["http", "no_auth_user", "cluster", "leafnodes", "websocket", "mqtt"] {
            assert!(!text.lines().any(|line| line.trim_start().starts_with(word)), "{word} is set in:\n{text}");
        }
    }
}
