//! Answers in Graph's JSON: what was accepted, and every error.
//!
//! The HTTP status of an answer is data here, since the journal records it.
//!
//! Source of codes and forms: Cloud API reference, error codes.

use serde::Serialize;

use super::recipient::Recipient;
use super::script::Decision;

/// Why a request is not accepted, apart from the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoToken,
    WrongToken,
    UnknownPath,
    UnsupportedMethod,
    NotJson,
    NotAnObject,
    NestedTooDeeply,
    BodyTooLarge(usize),
    Missing(&'static str),
    WrongType(&'static str, &'static str),
    NotOneOf(&'static str, &'static str),
    Unexpected(&'static str),
    TooLong(&'static str, usize),
    NotANumber,
    UnsupportedType,
    MediaByLink,
    UnknownMedia,
    NotAForm,
    FileTooLarge(u64),
    UnknownField { name: String, node: &'static str },
    UnknownMessage,
    JournalUnavailable,
}

/// An error as Graph answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GraphError {
    pub(crate) status: u16,
    code: u32,
    error_subcode: Option<u32>,
    kind: &'static str,
    message: String,
    details: Option<String>,
    is_transient: bool,
}

impl GraphError {
    fn new(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            error_subcode: None,
            kind: "OAuthException",
            message: message.into(),
            details: None,
            is_transient: false,
        }
    }

    /// An error of the messages API: `(#code) title`, with details.
    fn coded(status: u16, code: u32, title: &str, details: impl Into<String>) -> Self {
        let error = Self::new(status, code, format!("(#{code}) {title}"));
        Self { details: Some(details.into()), ..error }
    }

    /// The answer's body. `fbtrace_id` names this one answer.
    pub(crate) fn json(&self, fbtrace_id: &str) -> String {
        let error_data = self.details.as_deref().map(|details| ErrorData { messaging_product: "whatsapp", details });
        let error = ErrorJson {
            message: &self.message,
            kind: self.kind,
            code: self.code,
            error_subcode: self.error_subcode,
            error_data,
            is_transient: self.is_transient,
            fbtrace_id,
        };
        text(&Envelope { error })
    }
}

impl From<&Refusal> for GraphError {
    fn from(refusal: &Refusal) -> Self {
        let parameter = |message: String| Self::new(400, 100, format!("(#100) {message}"));
        match refusal {
            Refusal::NoToken => Self::new(401, 190, "Authentication Error: an access token is required"),
            Refusal::WrongToken => Self::new(401, 190, "Invalid OAuth access token - Cannot parse access token"),
            Refusal::UnknownPath => Self::new(404, 2500, "Unknown path components"),
            Refusal::UnsupportedMethod => Self {
                error_subcode: Some(33),
                kind: "GraphMethodException",
                ..Self::new(405, 100, "Unsupported request method for this object")
            },
            Refusal::NotJson => parameter("The request body is not valid JSON".to_owned()),
            Refusal::NotAnObject => parameter("The request body must be a JSON object".to_owned()),
            Refusal::NestedTooDeeply => parameter("The request body is nested too deeply".to_owned()),
            Refusal::BodyTooLarge(most) => parameter(format!("The request body is larger than {most} bytes")),
            Refusal::Missing(name) => parameter(format!("The parameter {name} is required.")),
            Refusal::WrongType(name, rule) => parameter(format!("Param {name} must be {rule}.")),
            Refusal::NotOneOf(name, values) => parameter(format!("Param {name} must be one of {{{values}}}.")),
            Refusal::Unexpected(name) => parameter(format!("Unexpected key \"{name}\".")),
            Refusal::TooLong(name, most) => parameter(format!("Param {name} must be at most {most} characters long.")),
            Refusal::UnknownMedia => {
                parameter("Param id is not a valid whatsapp business account media attachment ID".to_owned())
            }
            Refusal::NotAForm => parameter("The request body is not a complete multipart/form-data form".to_owned()),
            Refusal::NotANumber => {
                Self::coded(400, 131_009, "Parameter value is not valid", "Param to is not a phone number.")
            }
            Refusal::UnsupportedType => Self::coded(
                400,
                131_051,
                "Unsupported message type",
                "Supported here: text, image, document, video, audio.",
            ),
            Refusal::MediaByLink => Self::coded(
                400,
                131_053,
                "Media upload error",
                "The sandbox fetches no links: upload the file and send its id.",
            ),
            Refusal::FileTooLarge(most) => {
                Self::coded(400, 131_053, "Media upload error", format!("The file is larger than {most} bytes."))
            }
            Refusal::UnknownField { name, node } => {
                parameter(format!("Tried accessing nonexisting field ({name}) on node type ({node})"))
            }
            Refusal::UnknownMessage => Self {
                status: 422,
                kind: "GraphMethodException",
                ..parameter("The requested message_id was not found in the message history".to_owned())
            },
            Refusal::JournalUnavailable => unavailable("The sandbox cannot use its journal now."),
        }
    }
}

/// The script's own refusals; `None` for what is taken or closes.
pub(crate) fn scripted_error(decision: Decision) -> Option<GraphError> {
    match decision {
        Decision::Taken | Decision::TakenThenClosed | Decision::ClosedUntaken => None,
        Decision::Broken => Some(GraphError::coded(
            500,
            131_000,
            "Something went wrong",
            "The sandbox's script says so for this recipient.",
        )),
        Decision::Unavailable => Some(unavailable("The sandbox's script says so twice for this message.")),
        Decision::Throttled => Some(GraphError::coded(
            429,
            130_429,
            "Rate limit hit",
            "The sandbox's script says so once for this message.",
        )),
    }
}

fn unavailable(details: &str) -> GraphError {
    GraphError { is_transient: true, ..GraphError::coded(503, 131_016, "Service unavailable", details) }
}

/// The answer to an accepted message. `input` is `to` as it was given.
pub(crate) fn accepted(input: &str, recipient: &Recipient, wamid: &str) -> String {
    text(&Accepted {
        messaging_product: "whatsapp",
        contacts: [Contact { input, wa_id: recipient.wa_id() }],
        messages: [AcceptedMessage { id: wamid, message_status: "accepted" }],
    })
}

/// Writes an answer of plain strings and numbers.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain strings and numbers always have a JSON form")
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorJson<'a>,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    code: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_subcode: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_data: Option<ErrorData<'a>>,
    is_transient: bool,
    fbtrace_id: &'a str,
}

#[derive(Serialize)]
struct ErrorData<'a> {
    messaging_product: &'a str,
    details: &'a str,
}

#[derive(Serialize)]
struct Accepted<'a> {
    messaging_product: &'a str,
    contacts: [Contact<'a>; 1],
    messages: [AcceptedMessage<'a>; 1],
}

#[derive(Serialize)]
struct Contact<'a> {
    input: &'a str,
    wa_id: &'a str,
}

#[derive(Serialize)]
struct AcceptedMessage<'a> {
    id: &'a str,
    message_status: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_message_is_answered_in_the_documented_form() {
        let recipient = Recipient::Person { digits: "14151231234".into() };
        assert_eq!(
            accepted("+1 415 123 1234", &recipient, "wamid.X"),
            r#"{"messaging_product":"whatsapp","contacts":[{"input":"+1 415 123 1234","wa_id":"14151231234"}],"messages":[{"id":"wamid.X","message_status":"accepted"}]}"#
        );
    }

    #[test]
    fn errors_have_graphs_form() {
        assert_eq!(
            GraphError::from(&Refusal::NoToken).json("A1"),
            r#"{"error":{"message":"Authentication Error: an access token is required","type":"OAuthException","code":190,"is_transient":false,"fbtrace_id":"A1"}}"#
        );
        let unsupported = GraphError::from(&Refusal::UnsupportedType);
        assert_eq!(unsupported.status, 400);
        assert!(unsupported.json("A1").contains(
            r#""message":"(#131051) Unsupported message type","type":"OAuthException","code":131051,"error_data":{"messaging_product":"whatsapp","details":"#
        ));
    }

    #[test]
    fn only_what_is_refused_by_the_script_is_an_error() {
        let codes = [
            (Decision::Broken, 500, 131_000),
            (Decision::Unavailable, 503, 131_016),
            (Decision::Throttled, 429, 130_429),
        ];
        for (decision, status, code) in codes {
            let error = scripted_error(decision).expect("refused");
            assert_eq!((error.status, error.code), (status, code));
        }
        assert_eq!(scripted_error(Decision::Taken), None);
        assert_eq!(scripted_error(Decision::TakenThenClosed), None);
        assert_eq!(scripted_error(Decision::ClosedUntaken), None);
    }
}
