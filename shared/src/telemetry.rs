//! Sets up what a process says of itself: log lines on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Starts logging with `filter` (as `info,angelia_dispatcher=debug`). A second call changes nothing.
pub fn start(filter: &str, form: LogForm) {
    let registry = tracing_subscriber::registry().with(EnvFilter::new(filter));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(true);
    // A test process starts it more than once; the first one stands.
    let _already_started = match form {
        LogForm::Text => registry.with(layer.with_ansi(false)).try_init(),
        LogForm::Json => registry.with(layer.json()).try_init(),
    };
}

/// Formats an error with its whole chain of sources, for the one place where it is handled.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
