//! The ledger against a real broker.

mod acting;
mod answering;
mod dead_lanes;
mod rebuilding;
mod then;
mod town;

use std::time::Duration;

/// How long anything here may take. A slow machine must not fail a test; a broken rule must.
const PATIENCE: Duration = Duration::from_secs(60);
