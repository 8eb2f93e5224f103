//! What went wrong, as a problem document (RFC 9457).
//!
//! The `type` is stable: programs may compare it, and it is the path of a page that says what to do. The `detail` is for
//! people and may change.

mod kind;

use angelia_shared::link_check::AskLinkError;
use angelia_shared::log::{HeadError, OpenLogError};
use angelia_shared::query::AskError;
use angelia_shared::telemetry::chain;
use angelia_shared::vault::VaultError;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use schemars::JsonSchema;
use serde::Serialize;
use tracing::{debug, error};

pub(in crate::shell::http::api) use self::kind::Kind;
use crate::domain::access::Denied;
use crate::domain::input::InputFault;
use crate::shell::chats::ChatsError;
use crate::shell::directory_writer::ChangeError;
use crate::shell::http::body::BodyFault;
use crate::shell::refusals::ReadRefusalsError;

/// A problem, ready to be answered.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    field: Option<&'static str>,
}

/// What is answered instead of what was asked for (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(in crate::shell::http::api) struct Document {
    /// The kind of problem: stable, and the path of a page that says what happened and what to do.
    r#type: String,
    /// The kind in words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong with this call, in words that may change.
    detail: String,
    /// The field or parameter that is wrong, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), field: None }
    }

    /// No token, or none that is known.
    pub(super) fn unauthenticated() -> Self {
        Self::new(Kind::Unauthenticated, "give a valid token as \"Authorization: Bearer <token>\"")
    }

    /// There is nothing of that name, or it is another workspace's.
    pub(super) fn not_found(detail: &str) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    /// The path has other methods.
    pub(super) fn method_not_allowed(detail: &str) -> Self {
        Self::new(Kind::MethodNotAllowed, detail)
    }

    /// The present state does not allow it.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, detail)
    }

    /// It will be possible again.
    pub(super) fn unavailable(detail: &str) -> Self {
        Self::new(Kind::Unavailable, detail)
    }

    /// Something that only an operator can mend.
    pub(super) fn internal(detail: &str) -> Self {
        Self::new(Kind::Internal, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let facts = self.kind.facts();
        let status = facts.status;
        let document = Document {
            r#type: self.kind.path(),
            title: facts.title,
            status: status.as_u16(),
            detail: self.detail,
            field: self.field,
        };
        let body = serde_json::to_vec(&document).expect("a document has only plain values");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.kind {
            Kind::Unauthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Kind::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Kind::InvalidRequest
            | Kind::Forbidden
            | Kind::NotFound
            | Kind::MethodNotAllowed
            | Kind::RequestTimeout
            | Kind::Conflict
            | Kind::TooLarge
            | Kind::Internal => {}
        }
        response
    }
}

impl From<InputFault> for Problem {
    fn from(fault: InputFault) -> Self {
        Self { field: fault.field, ..Self::new(Kind::InvalidRequest, fault.to_string()) }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotFound => Self::not_found("there is no such workspace"),
            Denied::Forbidden => Self::new(Kind::Forbidden, "this token does not have the right to do this"),
        }
    }
}

impl From<BodyFault> for Problem {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge(_) => Self::new(Kind::TooLarge, "the body is larger than 65536 bytes"),
            BodyFault::TooSlow(_) => Self::new(Kind::RequestTimeout, "the body did not arrive in time"),
            BodyFault::Broken => Self::new(Kind::InvalidRequest, "the body ended early"),
            BodyFault::NoRoom => Self::unavailable("too many requests are being received"),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        debug!(error = %chain(&error), "a change was not made");
        match error {
            ChangeError::Conflict => Self::conflict("others keep changing this at the same time, try again"),
            ChangeError::NotStored(_) => Self::unavailable("the change could not be stored"),
            ChangeError::NotKnown => {
                Self::unavailable("it is not known yet whether this was stored: look before you try again")
            }
            ChangeError::NotSeen => Self::unavailable("the change is stored, but does not hold here yet"),
        }
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        debug!(error = %chain(&error), "the ledger gave no answer");
        match error {
            AskError::NoLedger(_) => Self::unavailable("the ledger does not answer"),
            AskError::Behind { .. } => Self::unavailable("the ledger is catching up"),
            AskError::Refused(_) | AskError::Unreadable(_) => {
                error!(error = %chain(&error), "the ledger does not understand us, or we it");
                Self::internal("the ledger's answer cannot be used")
            }
        }
    }
}

impl From<AskLinkError> for Problem {
    fn from(error: AskLinkError) -> Self {
        debug!(error = %chain(&error), "a link was not checked");
        match error {
            AskLinkError::NoDispatcher(_) => Self::unavailable("no dispatcher answers, and only they check links"),
            AskLinkError::Busy => Self::unavailable("too many links are being checked"),
            AskLinkError::Unreadable(_) => {
                error!(error = %chain(&error), "the dispatcher does not understand us, or we it");
                Self::internal("the dispatcher's answer cannot be used")
            }
        }
    }
}

impl From<ChatsError> for Problem {
    fn from(error: ChatsError) -> Self {
        debug!(error = %chain(&error), "chats could not be used");
        match error {
            ChatsError::Bucket(_) => Self::unavailable("the chats cannot be reached"),
            ChatsError::Contended => Self::conflict("others keep changing this chat at the same time, try again"),
        }
    }
}

impl From<HeadError> for Problem {
    fn from(error: HeadError) -> Self {
        debug!(error = %chain(&error), "the log's leader did not answer");
        Self::unavailable("the log cannot be read")
    }
}

impl From<OpenLogError> for Problem {
    fn from(error: OpenLogError) -> Self {
        debug!(error = %chain(&error), "the log's leader did not answer");
        Self::unavailable("the log cannot be read")
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Bucket(_) => Self::unavailable("the data keys cannot be reached"),
            VaultError::Gone(_) | VaultError::OtherMaster(..) | VaultError::Damaged(_) => {
                error!(error = %chain(&error), "a data key cannot be used");
                Self::internal("a data key cannot be used")
            }
        }
    }
}

impl From<ReadRefusalsError> for Problem {
    fn from(error: ReadRefusalsError) -> Self {
        match error {
            ReadRefusalsError::Stream(error) => {
                debug!(error = %chain(&error), "refused calls could not be read");
                Self::unavailable("the refused calls cannot be read")
            }
            ReadRefusalsError::Key(error) => error.into(),
        }
    }
}
