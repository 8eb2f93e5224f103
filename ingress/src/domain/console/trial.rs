//! The try-it form: what was filled in, the JSON body that it makes, and the same call as a `curl` command.

use serde_json::{Map, Value};

use crate::domain::field::Field;

/// How the recipient is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By number.
    #[default]
    Phone,
    /// By the id of a chat.
    ChatId,
    /// By the name of a chat.
    ChatName,
    /// By JID.
    Jid,
}

impl Kind {
    /// Every kind, as the form lists them.
    pub(crate) const ALL: [Self; 4] = [Self::Phone, Self::ChatId, Self::ChatName, Self::Jid];

    /// The field of the body.
    pub(crate) fn field(self) -> Field {
        match self {
            Self::Phone => Field::Phone,
            Self::ChatId => Field::ChatId,
            Self::ChatName => Field::ChatName,
            Self::Jid => Field::Jid,
        }
    }

    /// The kind with this field's name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.field().name() == name)
    }
}

/// What was filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trial {
    /// How the recipient is named.
    pub(crate) kind: Kind,
    /// The recipient.
    pub(crate) to: String,
    /// The text.
    pub(crate) text: String,
    /// The file's link; empty for none.
    pub(crate) file_url: String,
    /// The file's name.
    pub(crate) file_name: String,
    /// The sending account's number; empty for any.
    pub(crate) account: String,
}

impl Trial {
    /// The body of the call.
    pub(crate) fn body(&self) -> Value {
        let mut body = Map::new();
        let mut put = |field: Field, value: &str| body.insert(field.name().to_owned(), Value::from(value));
        put(Field::Action, "send");
        put(self.kind.field(), &self.to);
        put(Field::Text, &self.text);
        if !self.file_url.is_empty() {
            put(Field::FileUrl, &self.file_url);
            put(Field::FileName, &self.file_name);
        }
        // What belongs to a chat belongs to its account.
        if !self.account.is_empty() && self.kind != Kind::ChatId {
            put(Field::AccountPhoneUnderscored, &self.account);
        }
        Value::Object(body)
    }

    /// The body as people read it.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(&self.body()).expect("a body has only plain values")
    }

    /// A command that makes the call, to be pasted into a POSIX shell.
    pub(crate) fn curl(&self, url: &str) -> String {
        format!(
            "curl -sS {} \\\n  -H 'Content-Type: application/json' \\\n  -d {}",
            quoted(url),
            quoted(&self.body().to_string())
        )
    }
}

/// A text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::domain::send_request;

    fn trial(text: &str) -> Trial {
        Trial { to: "+30 210 1234567".to_owned(), text: text.to_owned(), ..Trial::default() }
    }

    #[test]
    fn the_body_is_one_that_the_webhook_takes() {
        let with_file = Trial {
            file_url: "https://example.com/a.pdf".to_owned(),
            file_name: "a.pdf".to_owned(),
            account: "+15105566777".to_owned(),
            ..trial("Γειά 👋")
        };
        for kind in Kind::ALL {
            let to = if kind == Kind::Jid { "302101234567@s.whatsapp.net" } else { "302101234567" }.to_owned();
            let body = Trial { kind, to, ..with_file.clone() }.body().to_string();
            let parsed = send_request::parse(body.as_bytes()).expect("it is well formed");
            assert!(parsed.warnings.is_empty(), "{kind:?}");
            assert_eq!(Kind::from_name(kind.field().name()), Some(kind));
        }
    }

    #[test]
    fn a_shell_gives_curl_exactly_the_body() {
        for text in ["plain", "it's", "$(touch x) `id` \"\\ \n !", "'; echo gone; '", "שלום 👋"] {
            let command = trial(text).curl("https://angelia.example.com/hooks/a'b");
            let echo = command.replacen("curl -sS", "printf '%s\\n'", 1);
            let out = Command::new("sh").args(["-c", &echo]).output().expect("there is a shell");
            let out = String::from_utf8(out.stdout).expect("text");
            let mut words = out.splitn(5, '\n');
            assert_eq!(words.next(), Some("https://angelia.example.com/hooks/a'b"));
            assert_eq!(words.nth(2), Some("-d"));
            let body: Value = serde_json::from_str(words.next().unwrap_or_default()).expect("the body");
            assert_eq!(body["text"], text);
        }
    }
}
