//! A point of the past that is asked for.

use angelia_shared::units::UnixMillis;

/// Up to where something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// With this sequence of the log.
    Seq(u64),
    /// With what the log had taken by this time.
    Time(UnixMillis),
}

/// Nothing can be said of a point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchPoint {
    /// It lies beyond the log's end.
    #[error("is in the future: the log ends at {end} now")]
    BeyondTheEnd {
        /// The log's last sequence.
        end: u64,
    },
    /// It lies beyond the present.
    #[error("is in the future")]
    Future,
    /// The log had not begun.
    #[error("is before the beginning of the log")]
    BeforeTheBeginning,
}

impl AsOf {
    /// Reads a sequence or an RFC 3339 time.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().ok().map(Self::Seq);
        }
        UnixMillis::from_rfc3339(text).map(Self::Time)
    }

    /// Checks that the point is in the log's past: its last sequence is `end` at `now`.
    ///
    /// # Errors
    /// [`NoSuchPoint`].
    pub fn check(self, end: u64, now: UnixMillis) -> Result<(), NoSuchPoint> {
        match self {
            Self::Seq(0) => Err(NoSuchPoint::BeforeTheBeginning),
            Self::Seq(seq) if seq > end => Err(NoSuchPoint::BeyondTheEnd { end }),
            Self::Time(time) if time > now => Err(NoSuchPoint::Future),
            Self::Seq(_) | Self::Time(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_a_sequence_or_a_time() {
        assert_eq!(AsOf::parse("17"), Some(AsOf::Seq(17)));
        assert_eq!(AsOf::parse("1970-01-01T00:00:01Z"), Some(AsOf::Time(UnixMillis(1_000))));
        for text in ["", "-1", "yesterday", "1.5", "99999999999999999999"] {
            assert_eq!(AsOf::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_past_of_the_log_can_be_asked_for() {
        let check = |as_of: AsOf| as_of.check(9, UnixMillis(500));
        assert_eq!(check(AsOf::Seq(0)), Err(NoSuchPoint::BeforeTheBeginning));
        assert_eq!(check(AsOf::Seq(1)), Ok(()));
        assert_eq!(check(AsOf::Seq(9)), Ok(()));
        assert_eq!(check(AsOf::Seq(10)), Err(NoSuchPoint::BeyondTheEnd { end: 9 }));
        assert_eq!(check(AsOf::Time(UnixMillis(500))), Ok(()));
        assert_eq!(check(AsOf::Time(UnixMillis(501))), Err(NoSuchPoint::Future));
    }
}
