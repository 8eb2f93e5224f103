//! What can be set.

use std::path::PathBuf;

/// Says where the sandbox keeps its journal and whom it calls back. Holds secrets, so it has no `Debug`.
pub struct Config {
    /// Directory of the journal; created when missing, one running sandbox each.
    pub data_dir: PathBuf,
    /// Where callbacks are posted: an `http` or `https` URL.
    pub callback_url: String,
    /// Key of the callbacks' signatures.
    pub app_secret: String,
    /// The only bearer token that is let in; without it, any non-empty one.
    pub access_token: Option<String>,
}
