//! What a message goes out as: one WhatsApp message, or two.
//!
//! Shape: a plan is one or two parts in order; each either goes out or is refused before any call. The credits of all
//! parts together are the message's price.
//!
//! Invariants:
//! - WA-3 the parts' credits add up to the price, so what is refunded per part never exceeds it.

use angelia_shared::units::Credits;
use smallvec::{SmallVec, smallvec};

use crate::transport::FailReason;

/// One part of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlannedPart {
    /// What it costs of the message's price.
    pub credits: Credits,
    /// Why it will never be tried; `None` for one that goes out.
    pub refused: Option<Refused>,
}

/// Why a part will never be tried.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refused {
    /// The reason.
    pub reason: FailReason,
    /// In words.
    pub detail: String,
}

/// A message's parts, in the order in which they go out.
pub type Plan = SmallVec<[PlannedPart; 2]>;

/// What is known of a message's file when the plan is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// There is none.
    None,
    /// It is here; `carries` says whether it takes the text as its caption.
    Here {
        /// Whether text and file go out as one.
        carries: bool,
    },
    /// It was refused; `would_carry` says whether it was to take the text as its caption.
    Refused {
        /// Whether nothing goes out without it.
        would_carry: bool,
        /// Why.
        why: Refused,
    },
}

/// Plans a message of `price` credits.
///
/// A file that was to carry the text takes the text down with it; a file that goes out by itself does not.
pub fn plan(price: Credits, has_text: bool, file: File) -> Plan {
    let one = |refused| smallvec![PlannedPart { credits: price, refused }];
    let two = |refused| {
        smallvec![
            PlannedPart { credits: Credits(1), refused: None },
            PlannedPart { credits: Credits(price.0.saturating_sub(1)), refused },
        ]
    };
    match file {
        File::None => one(None),
        File::Here { carries } if carries || !has_text => one(None),
        File::Here { .. } => two(None),
        File::Refused { would_carry, why } if would_carry || !has_text => one(Some(why)),
        File::Refused { why, .. } => two(Some(why)),
    }
}

/// Plans a message that cannot go out at all.
pub fn refused_whole(price: Credits, why: Refused) -> Plan {
    smallvec![PlannedPart { credits: price, refused: Some(why) }]
}

/// Fits a plan that was made anew to the number of parts, so that a part that was attempted keeps its number; 0 when
/// none was. Contents that do not fit any more are refused: what is left of the message does not go out.
pub fn fitted(plan: Plan, parts: u8, price: Credits) -> Plan {
    let parts = usize::from(parts);
    if parts == 0 || plan.len() == parts {
        return plan;
    }
    let why = plan.into_iter().find_map(|part| part.refused).unwrap_or_else(|| Refused {
        reason: FailReason::MediaRejected,
        detail: "the file is not the one of the first attempt any more".to_owned(),
    });
    let rest = Credits(price.0.saturating_sub(parts as u64 - 1));
    (1..=parts)
        .map(|n| PlannedPart { credits: if n == parts { rest } else { Credits(1) }, refused: Some(why.clone()) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why() -> Refused {
        Refused { reason: FailReason::AttachmentUnavailable, detail: String::new() }
    }

    fn shape(plan: &Plan) -> Vec<(u64, bool)> {
        plan.iter().map(|part| (part.credits.0, part.refused.is_none())).collect()
    }

    #[test]
    fn a_text_or_a_file_alone_is_one_part() {
        assert_eq!(shape(&plan(Credits(1), true, File::None)), [(1, true)]);
        assert_eq!(shape(&plan(Credits(1), false, File::Here { carries: false })), [(1, true)]);
    }

    #[test]
    fn a_text_travels_with_the_file_where_it_can() {
        assert_eq!(shape(&plan(Credits(2), true, File::Here { carries: true })), [(2, true)]);
        assert_eq!(shape(&plan(Credits(2), true, File::Here { carries: false })), [(1, true), (1, true)]);
    }

    #[test]
    fn a_refused_file_takes_down_the_text_that_it_was_to_carry_and_no_other() {
        let refused = |would_carry| File::Refused { would_carry, why: why() };
        assert_eq!(shape(&plan(Credits(2), true, refused(true))), [(2, false)]);
        assert_eq!(shape(&plan(Credits(2), true, refused(false))), [(1, true), (1, false)]);
        assert_eq!(shape(&plan(Credits(1), false, refused(false))), [(1, false)]);
    }

    #[test]
    fn a_plan_made_anew_keeps_the_number_of_parts_that_was_attempted() {
        let one = plan(Credits(2), true, File::Here { carries: true });
        let two = plan(Credits(2), true, File::Here { carries: false });
        assert_eq!(fitted(one.clone(), 0, Credits(2)), one);
        assert_eq!(fitted(two.clone(), 2, Credits(2)), two);
        assert_eq!(shape(&fitted(one, 2, Credits(2))), [(1, false), (1, false)]);
        assert_eq!(shape(&fitted(two, 1, Credits(2))), [(2, false)]);
        assert_eq!(fitted(refused_whole(Credits(2), why()), 2, Credits(2))[1].refused, Some(why()));
    }

    #[test]
    fn the_parts_add_up_to_the_price() {
        for (price, text) in [(1, true), (1, false), (2, true)] {
            let files = [File::None, File::Here { carries: true }, File::Here { carries: false }]
                .into_iter()
                .chain([true, false].map(|would_carry| File::Refused { would_carry, why: why() }));
            for file in files.filter(|file| price == 2 || !text || matches!(file, File::None)) {
                let sum: u64 = plan(Credits(price), text, file).iter().map(|part| part.credits.0).sum();
                assert_eq!(sum, price);
            }
        }
    }
}
