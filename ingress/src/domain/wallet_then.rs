//! A wallet as it was, folded from the lines of its statement.

use angelia_shared::query::{StatementKind, StatementLine};
use angelia_shared::units::{Credits, UnixMillis};

/// Up to where a wallet is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// With this sequence of the log.
    Seq(u64),
    /// With this point in time.
    Time(UnixMillis),
}

impl AsOf {
    /// Reads a sequence or an RFC 3339 time.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().ok().map(Self::Seq);
        }
        UnixMillis::from_rfc3339(text).map(Self::Time)
    }

    /// Whether a line had happened by then.
    pub fn includes(self, line: &StatementLine) -> bool {
        match self {
            Self::Seq(seq) => line.at_position.seq <= seq,
            Self::Time(time) => line.at <= time,
        }
    }
}

/// What a wallet held at some point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalletThen {
    /// Everything granted until then.
    pub granted: Credits,
    /// The prices of the messages accepted until then.
    pub consumed: Credits,
    /// Everything refunded until then.
    pub refunded: Credits,
    /// The sequence of the last line counted.
    pub seq: u64,
}

impl WalletThen {
    /// Counts one more line; `None` when a sum does not fit, which no log holds.
    #[must_use]
    pub fn counting(self, line: &StatementLine) -> Option<Self> {
        let seq = line.at_position.seq;
        Some(match line.kind {
            StatementKind::Grant => Self { granted: self.granted.checked_add(line.credits)?, seq, ..self },
            StatementKind::Charge => Self { consumed: self.consumed.checked_add(line.credits)?, seq, ..self },
            StatementKind::Refund => Self { refunded: self.refunded.checked_add(line.credits)?, seq, ..self },
        })
    }

    /// granted − consumed + refunded, or `None` when the lines contradict each other.
    pub fn available(&self) -> Option<Credits> {
        self.granted.checked_add(self.refunded)?.checked_sub(self.consumed)
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::ids::Position;

    use super::*;

    fn line(seq: u64, kind: StatementKind, credits: u64) -> StatementLine {
        StatementLine {
            at_position: Position::new(seq, 0),
            at: UnixMillis(seq as i64 * 1_000),
            kind,
            credits: Credits(credits),
            balance: Credits(0),
            message: None,
            reason: None,
        }
    }

    #[test]
    fn lines_add_up_to_the_wallet_of_their_time() {
        let lines = [
            line(3, StatementKind::Grant, 10),
            line(5, StatementKind::Charge, 2),
            line(6, StatementKind::Charge, 1),
            line(9, StatementKind::Refund, 2),
        ];
        let fold = |as_of: AsOf| {
            let counted = lines.iter().filter(|line| as_of.includes(line));
            counted.fold(WalletThen::default(), |wallet, line| wallet.counting(line).expect("small sums"))
        };
        assert_eq!(fold(AsOf::Seq(6)).available(), Some(Credits(7)));
        assert_eq!(fold(AsOf::Seq(9)).available(), Some(Credits(9)));
        assert_eq!(fold(AsOf::Time(UnixMillis(5_999))).consumed, Credits(2));
        assert_eq!(fold(AsOf::Seq(2)), WalletThen::default());
        assert_eq!(fold(AsOf::Seq(100)).seq, 9);
    }

    #[test]
    fn a_point_is_a_sequence_or_a_time() {
        assert_eq!(AsOf::parse("17"), Some(AsOf::Seq(17)));
        assert_eq!(AsOf::parse("1970-01-01T00:00:01Z"), Some(AsOf::Time(UnixMillis(1_000))));
        for text in ["", "-1", "yesterday", "1.5", "99999999999999999999"] {
            assert_eq!(AsOf::parse(text), None, "{text}");
        }
    }
}
