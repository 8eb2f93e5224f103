//! A moment of the past that something is asked for.

use angelia_shared::clock;
use schemars::JsonSchema;

use super::form::Form;
use super::problem::Problem;
use crate::domain::as_of::{AsOf, NoSuchPoint};
use crate::domain::input::{Input, InputFault};
use crate::shell::http::Parts;

/// When something is looked at.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes what `AsOf` is read from")]
pub(super) struct When {
    /// A sequence of the log or an RFC 3339 time, both of the past. Now, when it is left out.
    as_of: Option<String>,
}

impl Form for When {
    type Value = Option<AsOf>;

    fn read(mut input: Input) -> Result<Option<AsOf>, InputFault> {
        let as_of = input.parsed("as_of", "a sequence of the log or an RFC 3339 time", AsOf::parse)?;
        input.finish()?;
        Ok(as_of)
    }
}

/// The sequence with which the log was at a moment.
pub(super) async fn sequence_of(app: &Parts, as_of: AsOf) -> Result<u64, Problem> {
    let fault = |none: NoSuchPoint| Problem::from(InputFault::of("as_of", none.to_string()));
    let end = app.log.last_sequence().await?;
    as_of.check(end, clock::now()).map_err(fault)?;
    let sequence = match as_of {
        AsOf::Seq(seq) => seq,
        AsOf::Time(time) => app.log.sequence_at(time, end).await?,
    };
    if sequence == 0 { Err(fault(NoSuchPoint::BeforeTheBeginning)) } else { Ok(sequence) }
}
