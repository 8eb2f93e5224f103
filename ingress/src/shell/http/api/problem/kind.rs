//! The kinds of problems: one table, from which the answers, the document and the pages are made.

use http::StatusCode;

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::shell::http::api) enum Kind {
    InvalidRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Conflict,
    TooLarge,
    Internal,
    Unavailable,
}

/// What is known of a kind.
pub(in crate::shell::http::api) struct Facts {
    /// The status that it is answered with.
    pub(in crate::shell::http::api) status: StatusCode,
    /// The last part of its `type`.
    pub(in crate::shell::http::api) name: &'static str,
    /// Its name in the document.
    pub(in crate::shell::http::api) component: &'static str,
    /// Its `title`.
    pub(in crate::shell::http::api) title: &'static str,
    /// What has happened, for whoever meets it.
    pub(in crate::shell::http::api) happened: &'static str,
    /// What to do about it.
    pub(in crate::shell::http::api) to_do: &'static [&'static str],
}

impl Kind {
    /// All of them, in the order of the index.
    pub(in crate::shell::http::api) const ALL: [Self; 10] = [
        Self::InvalidRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Conflict,
        Self::TooLarge,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The stable `type`, which is also the path of its page.
    pub(in crate::shell::http::api) fn path(self) -> String {
        format!("/problems/{}", self.facts().name)
    }

    /// What is known of it.
    pub(in crate::shell::http::api) fn facts(self) -> Facts {
        let facts =
            |status, name, component, title, happened, to_do| Facts { status, name, component, title, happened, to_do };
        match self {
            Self::InvalidRequest => facts(
                StatusCode::BAD_REQUEST,
                "invalid-request",
                "InvalidRequest",
                "The request is not valid",
                "A field of the body or a parameter of the query is missing, misspelt, of the wrong type or outside its \
                 bounds. Nothing was changed.",
                &[
                    "`detail` names the field and its rule; `field` is the field's name alone, where it is one.",
                    "Fields that a route does not know are refused, so that a misspelt one does not go unnoticed.",
                    "Sent again unchanged, it is refused again.",
                ],
            ),
            Self::Unauthenticated => facts(
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "Unauthenticated",
                "A valid token is needed",
                "The call carried no token, or one that nobody has given or that was revoked.",
                &[
                    "Send the header `Authorization: Bearer <token>`.",
                    "The token of a webhook URL is no token of the API.",
                    "An owner gives new tokens with `POST /api/v1/workspaces/{w}/tokens`. On a first start the tokens are \
                     in `quickstart.json`.",
                ],
            ),
            Self::Forbidden => facts(
                StatusCode::FORBIDDEN,
                "forbidden",
                "Forbidden",
                "This token does not have the right",
                "The token is valid, and its role may not do this. The reference names the roles of each route.",
                &[
                    "An auditor reads credits, statements, messages and activations; everything else is an owner's.",
                    "Only the operator of the installation makes workspaces and grants credits; only owners see \
                     webhooks, accounts, chats and tokens.",
                ],
            ),
            Self::NotFound => facts(
                StatusCode::NOT_FOUND,
                "not-found",
                "NotFound",
                "Not found",
                "Nothing is at this path: the id is unknown, the thing was removed, or it belongs to another workspace.",
                &[
                    "Check each id in the path. Whose thing another workspace's id is, is not told.",
                    "Check that the token belongs to the workspace in the path.",
                ],
            ),
            Self::MethodNotAllowed => facts(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "MethodNotAllowed",
                "Method not allowed",
                "The path is there, and has other methods.",
                &["The header `Allow` of the answer lists them."],
            ),
            Self::RequestTimeout => facts(
                StatusCode::REQUEST_TIMEOUT,
                "request-timeout",
                "RequestTimeout",
                "The request took too long",
                "The body did not arrive in time. Nothing was changed.",
                &["Send it again, on a connection that is fast enough."],
            ),
            Self::Conflict => facts(
                StatusCode::CONFLICT,
                "conflict",
                "Conflict",
                "The request conflicts with the present state",
                "The thing is in a state that does not allow this, or others kept changing it at the same time. Nothing \
                 was changed.",
                &["`detail` says what is in the way.", "Read the thing again, then decide again."],
            ),
            Self::TooLarge => facts(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "TooLarge",
                "The request is too large",
                "A body has at most 65,536 bytes. Nothing was changed.",
                &["Send less at once."],
            ),
            Self::Internal => facts(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Internal",
                "Something is wrong on our side",
                "Something is broken that trying again does not mend, such as a master key that is not the one with \
                 which data was sealed.",
                &["Ask whoever operates the installation: its log says more."],
            ),
            Self::Unavailable => facts(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Unavailable",
                "Not possible right now",
                "A part of the installation is away or behind: it starts, restarts or is overloaded.",
                &[
                    "Try again after the seconds of `Retry-After`.",
                    "A change that was answered so may be stored: read before you make it again. `detail` says when \
                     that is so.",
                    "`GET /readyz` says what is missing.",
                ],
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_a_name_of_its_own_and_says_what_to_do() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.facts().name).collect();
        let components: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.facts().component).collect();
        let statuses: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.facts().status).collect();
        assert_eq!((names.len(), components.len(), statuses.len()), (10, 10, 10));
        for kind in Kind::ALL {
            let facts = kind.facts();
            assert!(facts.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", facts.name);
            assert!(!facts.happened.is_empty() && !facts.to_do.is_empty(), "{}", facts.name);
        }
    }
}
