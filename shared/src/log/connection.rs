//! Connects to the broker in the way that the writer's rules need.

use std::time::Duration;

use async_nats::{Client, ConnectOptions};

/// Commands that the client may hold before they are on the wire. The client sends held commands *after* a reconnect,
/// when their callers have long given up (2,048 of 2,100 timed-out publishes were stored, once), so this is kept near one
/// batch.
const CLIENT_CAPACITY: usize = 256;

/// The longest pause between two tries to reconnect. The client's own default goes to 4 s, which callers would see as
/// 4 s of 503.
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(250);

/// How long one request to the broker may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the broker is and how to sign in.
#[derive(Clone, Default)]
pub struct Access {
    /// `nats://host:port`, or several with commas.
    pub url: String,
    /// User name; none when the broker asks for none.
    pub user: Option<String>,
    /// Password of `user`.
    pub password: Option<String>,
}

/// The broker could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to the broker at {url}")]
pub struct ConnectError {
    url: String,
    source: async_nats::ConnectError,
}

/// Connects under `name`, which the broker shows in its list of connections.
///
/// # Errors
/// When the broker does not answer or refuses the sign-in. A connection that is lost later comes back by itself.
pub async fn connect(access: &Access, name: &str) -> Result<Client, ConnectError> {
    let mut options = ConnectOptions::new()
        .name(name)
        .client_capacity(CLIENT_CAPACITY)
        .subscription_capacity(65_536)
        .request_timeout(Some(REQUEST_TIMEOUT))
        .connection_timeout(Duration::from_secs(2))
        .ping_interval(Duration::from_secs(5))
        .reconnect_delay_callback(|attempt| Duration::from_millis(10 << attempt.min(5)).min(RECONNECT_DELAY_MAX));
    if let (Some(user), Some(password)) = (&access.user, &access.password) {
        options = options.user_and_password(user.clone(), password.clone());
    }
    let servers: Vec<&str> = access.url.split(',').map(str::trim).collect();
    options.connect(servers).await.map_err(|source| ConnectError { url: access.url.clone(), source })
}

/// Whether `client` is connected at this moment.
pub(crate) fn is_connected(client: &Client) -> bool {
    client.connection_state() == async_nats::connection::State::Connected
}

/// How often a pending request looks whether the connection on which it was asked still stands.
const CONNECTION_CHECK: Duration = Duration::from_millis(50);

/// Tells connections apart: a server counts its clients anew when it starts, so its own id belongs to it.
pub(crate) fn identity(client: &Client) -> (String, u64) {
    let info = client.server_info();
    (info.server_id, info.client_id)
}

/// Awaits an answer as long as it can come: it is lost with the connection on which it was asked.
///
/// `None` says only that nobody will answer. What was asked may have been done, or may still be.
pub(crate) async fn while_connected<T>(client: &Client, answer: impl Future<Output = T>) -> Option<T> {
    let asked_on = identity(client);
    let mut answer = std::pin::pin!(answer);
    while is_connected(client) && identity(client) == asked_on {
        if let Ok(answer) = tokio::time::timeout(CONNECTION_CHECK, answer.as_mut()).await {
            return Some(answer);
        }
    }
    None
}
