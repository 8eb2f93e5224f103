//! Checks a body's fields in the fixed order that `send_request` lists.
//!
//! Not here: lengths (see [`Field::chars_max`]) and sentences (see [`RequestFault`]).

use std::borrow::Cow;

use url::Url;

use super::body::{Body, Given};
use super::{File, Parsed, Recipient, Warning, warning};
use crate::domain::field::Field;
use crate::domain::request_fault::{Kind, RequestFault, shown_key};

/// Whether white space around a value belongs to it.
#[derive(Clone, Copy)]
enum Edges {
    Keep,
    Trim,
}

pub(super) fn check(mut body: Body<'_>) -> Result<Parsed<'_>, RequestFault> {
    if let Some(key) = &body.repeated {
        return Err(RequestFault::RepeatedKey { key: shown_key(key) });
    }
    let mut warnings = Vec::new();
    check_action(&mut body)?;
    let text = required_text(&mut body, Field::Text)?;
    let file = file(&mut body, &mut warnings)?;
    if text.is_empty() && file.is_none() {
        return Err(RequestFault::EmptyMessage);
    }
    let recipient = recipient(&mut body)?;
    let account_phone = account_phone(&mut body, &recipient, &mut warnings)?;
    warnings.extend(warning::for_unknown_fields(body.unknown.iter().map(Cow::as_ref)));
    Ok(Parsed { text, file, recipient, account_phone, warnings })
}

fn check_action(body: &mut Body<'_>) -> Result<(), RequestFault> {
    match required_text(body, Field::Action)?.as_ref() {
        "send" => Ok(()),
        _ => Err(RequestFault::OtherAction),
    }
}

fn file<'a>(body: &mut Body<'a>, warnings: &mut Vec<Warning>) -> Result<Option<File<'a>>, RequestFault> {
    let Some(url) = optional_text(body, Field::FileUrl, Edges::Keep)? else {
        if present(body.take(Field::FileName), Edges::Keep).is_some() {
            warnings.push(Warning::FileNameWithoutUrl);
        }
        return Ok(None);
    };
    check_url(&url)?;
    let name = optional_text(body, Field::FileName, Edges::Keep)?.ok_or(RequestFault::FileNameMissing)?;
    check_file_name(&name)?;
    Ok(Some(File { url, name }))
}

/// The parser that later fetches the file decides what a URL is.
fn check_url(text: &str) -> Result<(), RequestFault> {
    let url = Url::parse(text).map_err(|_| RequestFault::UnusableFileUrl)?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(()) } else { Err(RequestFault::UnusableFileUrl) }
}

fn check_file_name(name: &str) -> Result<(), RequestFault> {
    let is_unsafe = |c: char| matches!(c, '/' | '\\') || c.is_control();
    if matches!(name, "." | "..") || name.contains(is_unsafe) {
        return Err(RequestFault::UnsafeFileName);
    }
    Ok(())
}

fn recipient<'a>(body: &mut Body<'a>) -> Result<Recipient<'a>, RequestFault> {
    let candidates = [
        chat_id(body)?.map(Recipient::ChatId),
        optional_text(body, Field::Jid, Edges::Trim)?.map(Recipient::Jid),
        optional_text(body, Field::Phone, Edges::Trim)?.map(Recipient::Phone),
        // A chat's name is exact, so white space in it counts.
        optional_text(body, Field::ChatName, Edges::Keep)?.map(Recipient::ChatName),
    ];
    let mut given = candidates.into_iter().flatten();
    match (given.next(), given.next()) {
        (None, _) => Err(RequestFault::NoRecipient),
        (Some(recipient), None) => Ok(recipient),
        (Some(first), Some(second)) => {
            let given = [first, second].into_iter().chain(given).map(|one| one.field()).collect();
            Err(RequestFault::SeveralRecipients { given })
        }
    }
}

impl Recipient<'_> {
    fn field(&self) -> Field {
        match self {
            Self::ChatId(_) => Field::ChatId,
            Self::Jid(_) => Field::Jid,
            Self::Phone(_) => Field::Phone,
            Self::ChatName(_) => Field::ChatName,
        }
    }
}

fn chat_id<'a>(body: &mut Body<'a>) -> Result<Option<Cow<'a, str>>, RequestFault> {
    match present(body.take(Field::ChatId), Edges::Trim) {
        None => Ok(None),
        Some(Given::Text(id)) => within_length(Field::ChatId, id).map(Some),
        Some(Given::Integer(id)) => Ok(Some(Cow::Owned(id.to_string()))),
        Some(Given::Other(_)) => Err(RequestFault::UnusableChatId),
    }
}

fn account_phone<'a>(
    body: &mut Body<'a>,
    recipient: &Recipient<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Cow<'a, str>>, RequestFault> {
    let spaced = present(body.take(Field::AccountPhone), Edges::Trim);
    let underscored = present(body.take(Field::AccountPhoneUnderscored), Edges::Trim);
    let (field, given) = match (spaced, underscored) {
        (None, None) => return Ok(None),
        (Some(one), Some(other)) if one != other => return Err(RequestFault::AccountPhonesDiffer),
        (Some(given), _) => (Field::AccountPhone, given),
        (None, Some(given)) => (Field::AccountPhoneUnderscored, given),
    };
    if matches!(recipient, Recipient::ChatId(_)) {
        warnings.push(Warning::AccountPhoneWithChatId { field });
        return Ok(None);
    }
    text_of(field, given).map(Some)
}

/// A field that must be there and may be empty. `null` is there, but is no string.
fn required_text<'a>(body: &mut Body<'a>, field: Field) -> Result<Cow<'a, str>, RequestFault> {
    let given = body.take(field).ok_or(RequestFault::Missing { field })?;
    text_of(field, given)
}

fn optional_text<'a>(body: &mut Body<'a>, field: Field, edges: Edges) -> Result<Option<Cow<'a, str>>, RequestFault> {
    present(body.take(field), edges).map(|given| text_of(field, given)).transpose()
}

/// The value of an optional field, unless it is `null` or empty: then it counts as absent.
fn present(given: Option<Given<'_>>, edges: Edges) -> Option<Given<'_>> {
    let given = match (given?, edges) {
        (Given::Text(text), Edges::Trim) => Given::Text(trim(text)),
        (given, Edges::Trim | Edges::Keep) => given,
    };
    let is_absent = match &given {
        Given::Text(text) => text.is_empty(),
        Given::Integer(_) => false,
        Given::Other(kind) => *kind == Kind::Null,
    };
    (!is_absent).then_some(given)
}

fn text_of(field: Field, given: Given<'_>) -> Result<Cow<'_, str>, RequestFault> {
    match given {
        Given::Text(text) => within_length(field, text),
        Given::Integer(_) | Given::Other(_) => Err(RequestFault::NotAString { field, found: given.kind() }),
    }
}

fn within_length(field: Field, text: Cow<'_, str>) -> Result<Cow<'_, str>, RequestFault> {
    match field.chars_max() {
        Some(chars_max) if text.chars().nth(chars_max).is_some() => Err(RequestFault::TooLong { field, chars_max }),
        Some(_) | None => Ok(text),
    }
}

fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}
