//! A point of the log, as people name it: a sequence, or a time.

use std::str::FromStr;

use angelia_shared::units::UnixMillis;

/// A point of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// With this sequence.
    Seq(u64),
    /// With everything that the log took up to this time.
    Time(UnixMillis),
}

/// A text names no point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a sequence or an RFC 3339 time, found {0:?}")]
pub struct BadPoint(String);

impl FromStr for Point {
    type Err = BadPoint;

    fn from_str(text: &str) -> Result<Self, BadPoint> {
        if let Ok(seq) = text.parse() {
            return Ok(Self::Seq(seq));
        }
        UnixMillis::from_rfc3339(text).map(Self::Time).ok_or_else(|| BadPoint(text.to_owned()))
    }
}

impl Point {
    /// Whether a record that the log took as `seq` at `at` lies after this point.
    pub fn is_before(self, seq: u64, at: UnixMillis) -> bool {
        match self {
            Self::Seq(last) => seq > last,
            Self::Time(last) => at > last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_a_sequence_or_a_time() {
        assert_eq!("17".parse(), Ok(Point::Seq(17)));
        assert_eq!("1970-01-01T00:00:01.500Z".parse(), Ok(Point::Time(UnixMillis(1_500))));
        for text in ["", "-1", "yesterday", "1.0"] {
            assert_eq!(text.parse::<Point>(), Err(BadPoint(text.to_owned())));
        }
    }

    #[test]
    fn a_point_takes_what_is_at_it() {
        assert!(!Point::Seq(5).is_before(5, UnixMillis(9)));
        assert!(Point::Seq(5).is_before(6, UnixMillis(0)));
        assert!(!Point::Time(UnixMillis(5)).is_before(9, UnixMillis(5)));
        assert!(Point::Time(UnixMillis(5)).is_before(0, UnixMillis(6)));
    }
}
