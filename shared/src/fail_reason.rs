//! Why a part was not sent: stable codes for programs, a sentence each for people.
//!
//! Shape: events carry the code; whoever shows it to people adds the sentence ([`sentence_of`]). Codes are published: they
//! are only ever added.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a part was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// Not 7 to 15 digits: found before any call.
    RecipientNotANumber,
    /// A kind of address that the account's transport cannot send to.
    RecipientNotSupported,
    /// Undeliverable; nearly always a number without WhatsApp.
    RecipientNotOnWhatsapp,
    /// The sending account's own number.
    RecipientIsTheSender,
    /// A test account may only send to its listed numbers.
    RecipientNotAllowed,
    /// The person stopped messages of this business.
    RecipientOptedOut,
    /// WhatsApp holds this person's messages back for an experiment.
    RecipientInExperiment,
    /// WhatsApp's limit of marketing messages to one person.
    MarketingLimit,
    /// More than 24 hours since the person last wrote.
    OutsideWindow,
    /// The provider refused the message itself.
    MessageRejected,
    /// The provider refused the file.
    MediaRejected,
    /// The provider kept answering with errors of its own.
    ProviderError,
    /// The link is not an `http(s)` URL that can be fetched.
    AttachmentLinkNotValid,
    /// The link leads to an address that is not public.
    AttachmentAddressNotPublic,
    /// More than three redirects.
    AttachmentTooManyRedirects,
    /// The link's server refused to hand out the file.
    AttachmentLinkRefused,
    /// A page about the file, not the file.
    AttachmentIsAWebPage,
    /// Over 2 MiB.
    AttachmentTooLarge,
    /// Not one byte.
    AttachmentEmpty,
    /// The link's server gave no file in five tries.
    AttachmentUnavailable,
    /// Held for too long by something other than its turn.
    Expired,
    /// Cancelled while it waited.
    Cancelled,
    /// Nobody knew whether it went out until the deadline decided.
    OutcomeUnknown,
    /// The provider reported a failure and said no more.
    NotExplained,
    /// The provider reported that it holds the account: for its quality, its access or its bills.
    AccountHeld,
}

impl FailReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [FailReason; 25] = [
        FailReason::RecipientNotANumber,
        FailReason::RecipientNotSupported,
        FailReason::RecipientNotOnWhatsapp,
        FailReason::RecipientIsTheSender,
        FailReason::RecipientNotAllowed,
        FailReason::RecipientOptedOut,
        FailReason::RecipientInExperiment,
        FailReason::MarketingLimit,
        FailReason::OutsideWindow,
        FailReason::MessageRejected,
        FailReason::MediaRejected,
        FailReason::ProviderError,
        FailReason::AttachmentLinkNotValid,
        FailReason::AttachmentAddressNotPublic,
        FailReason::AttachmentTooManyRedirects,
        FailReason::AttachmentLinkRefused,
        FailReason::AttachmentIsAWebPage,
        FailReason::AttachmentTooLarge,
        FailReason::AttachmentEmpty,
        FailReason::AttachmentUnavailable,
        FailReason::Expired,
        FailReason::Cancelled,
        FailReason::OutcomeUnknown,
        FailReason::NotExplained,
        FailReason::AccountHeld,
    ];

    /// The stable code, as events and answers carry it; the same text that serde writes.
    pub const fn code(self) -> &'static str {
        match self {
            FailReason::RecipientNotANumber => "recipient_not_a_number",
            FailReason::RecipientNotSupported => "recipient_not_supported",
            FailReason::RecipientNotOnWhatsapp => "recipient_not_on_whatsapp",
            FailReason::RecipientIsTheSender => "recipient_is_the_sender",
            FailReason::RecipientNotAllowed => "recipient_not_allowed",
            FailReason::RecipientOptedOut => "recipient_opted_out",
            FailReason::RecipientInExperiment => "recipient_in_experiment",
            FailReason::MarketingLimit => "marketing_limit",
            FailReason::OutsideWindow => "outside_window",
            FailReason::MessageRejected => "message_rejected",
            FailReason::MediaRejected => "media_rejected",
            FailReason::ProviderError => "provider_error",
            FailReason::AttachmentLinkNotValid => "attachment_link_not_valid",
            FailReason::AttachmentAddressNotPublic => "attachment_address_not_public",
            FailReason::AttachmentTooManyRedirects => "attachment_too_many_redirects",
            FailReason::AttachmentLinkRefused => "attachment_link_refused",
            FailReason::AttachmentIsAWebPage => "attachment_is_a_web_page",
            FailReason::AttachmentTooLarge => "attachment_too_large",
            FailReason::AttachmentEmpty => "attachment_empty",
            FailReason::AttachmentUnavailable => "attachment_unavailable",
            FailReason::Expired => "expired",
            FailReason::Cancelled => "cancelled",
            FailReason::OutcomeUnknown => "outcome_unknown",
            FailReason::NotExplained => "not_explained",
            FailReason::AccountHeld => "account_held",
        }
    }

    /// The reason of this code.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// What happened and what to do about it, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            FailReason::RecipientNotANumber => {
                "The recipient is not a phone number: give 7 to 15 digits with the country code."
            }
            FailReason::RecipientNotSupported => {
                "This account cannot send to this kind of address: use a phone number or a group."
            }
            FailReason::RecipientNotOnWhatsapp => {
                "The recipient's number is not on WhatsApp or cannot be reached there."
            }
            FailReason::RecipientIsTheSender => "The recipient is the sending account itself.",
            FailReason::RecipientNotAllowed => {
                "The recipient is not on the list of numbers that this test account may send to."
            }
            FailReason::RecipientOptedOut => "The recipient has stopped messages from this business.",
            FailReason::RecipientInExperiment => {
                "WhatsApp withholds messages to this recipient for an experiment of its own."
            }
            FailReason::MarketingLimit => {
                "WhatsApp's limit of marketing messages to this recipient is reached: try again another day."
            }
            FailReason::OutsideWindow => {
                "The recipient last wrote more than 24 hours ago, so WhatsApp takes only a template message."
            }
            FailReason::MessageRejected => "WhatsApp rejected the message.",
            FailReason::MediaRejected => "WhatsApp rejected the file: its format or its contents are not supported.",
            FailReason::ProviderError => "WhatsApp's server kept failing, so the message was given up.",
            FailReason::AttachmentLinkNotValid => {
                "The file's link is not valid: give an http or https URL without a user name or password."
            }
            FailReason::AttachmentAddressNotPublic => {
                "The file's link leads to an address that is not public: put the file where everyone can download it."
            }
            FailReason::AttachmentTooManyRedirects => {
                "The file's link is redirected more than 3 times: use the link at the end of the chain."
            }
            FailReason::AttachmentLinkRefused => {
                "The file's server refused the download: check that the link works without signing in."
            }
            FailReason::AttachmentIsAWebPage => {
                "The file's link leads to a web page instead of a file: use a direct download link."
            }
            FailReason::AttachmentTooLarge => "The file is larger than 2 MiB (2,097,152 bytes).",
            FailReason::AttachmentEmpty => "The file's link downloads an empty file.",
            FailReason::AttachmentUnavailable => {
                "The file could not be downloaded in 5 tries: its server did not answer or had errors."
            }
            FailReason::Expired => {
                "The message was given up after it could not be sent for too long: check its account, then send it again."
            }
            FailReason::Cancelled => "The message was cancelled before it was sent.",
            FailReason::OutcomeUnknown => {
                "The connection broke while the message was sent and WhatsApp never reported on it: it may have arrived."
            }
            FailReason::NotExplained => "WhatsApp reported that the message failed, and did not say why.",
            FailReason::AccountHeld => {
                "WhatsApp does not send for this account at present: look at the account's state, then send the message again."
            }
        }
    }
}

/// The sentence of a code, for people. A code that a later version wrote has a sentence, too.
pub fn sentence_of(code: &str) -> &'static str {
    FailReason::of_code(code)
        .map_or("The message was not sent, for a reason that this version does not know.", FailReason::sentence)
}

impl fmt::Display for FailReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_code_is_what_serde_writes_and_reads() {
        for reason in FailReason::ALL {
            let written = serde_json::to_string(&reason).expect("a unit variant serializes");
            assert_eq!(written, format!("\"{}\"", reason.code()));
            assert_eq!(serde_json::from_str::<FailReason>(&written).expect("its own form"), reason);
        }
    }

    #[test]
    fn every_code_has_its_sentence_and_an_unknown_one_says_so() {
        for reason in FailReason::ALL {
            assert_eq!(FailReason::of_code(reason.code()), Some(reason));
            assert_eq!(sentence_of(reason.code()), reason.sentence());
        }
        assert_eq!(FailReason::of_code("struck_by_lightning"), None);
        assert!(sentence_of("struck_by_lightning").contains("does not know"));
    }

    #[test]
    fn all_names_every_reason_once_and_each_has_a_sentence_of_its_own() {
        let reasons: BTreeSet<_> = FailReason::ALL.into_iter().collect();
        let sentences: BTreeSet<_> = FailReason::ALL.into_iter().map(FailReason::sentence).collect();
        assert_eq!(reasons.len(), FailReason::ALL.len());
        assert_eq!(sentences.len(), FailReason::ALL.len());
        assert!(sentences.iter().all(|sentence| sentence.ends_with('.')));
        assert!(FailReason::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at), "none is left out");
    }
}
