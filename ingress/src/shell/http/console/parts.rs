//! Small pieces that pages are put together from.

use angelia_shared::query::MessageState;
use angelia_shared::units::UnixMillis;
use maud::{Markup, html};

use super::visit::{Manner, query_of};
use crate::domain::console::figure;
use crate::domain::console::told::{self, Tone};
use crate::domain::console::words::{self as w, Text};

/// The class of a tone.
pub(super) fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "badge good",
        Tone::Busy => "badge busy",
        Tone::Warning => "badge warning",
        Tone::Bad => "badge bad",
        Tone::Plain => "badge plain",
    }
}

/// A word with a colour and a dot.
pub(super) fn badge(text: &str, meant: Tone) -> Markup {
    html! { span class=(tone(meant)) { (text) } }
}

/// A message's state.
pub(super) fn state(manner: Manner, state: MessageState) -> Markup {
    let (text, meant) = told::state(state);
    badge(manner.t(text), meant)
}

/// An account's state.
pub(super) fn account_state(manner: Manner, state: &str) -> Markup {
    let (text, meant) = told::account(state);
    badge(text.map_or(state, |text| manner.t(text)), meant)
}

/// A time: UTC in the text, the browser's own zone once the script has run.
pub(super) fn time(rfc3339: &str) -> Markup {
    match UnixMillis::from_rfc3339(rfc3339) {
        Some(at) => html! { time datetime=(rfc3339) { (figure::utc(at)) } },
        None => html! { (rfc3339) },
    }
}

/// A time that is waited for: the time, counted down to by the script.
pub(super) fn until(rfc3339: &str) -> Markup {
    match UnixMillis::from_rfc3339(rfc3339) {
        Some(at) => html! { time .countdown datetime=(rfc3339) data-until=(at.0) { (figure::utc(at)) } },
        None => html! { (rfc3339) },
    }
}

/// A value with a button that copies it.
pub(super) fn copied(manner: Manner, value: &str, label: &str) -> Markup {
    html! {
        span .copied {
            code dir="ltr" { (value) }
            (copy_button(manner, value, label))
        }
    }
}

/// A button that copies a value; `label` says which.
pub(super) fn copy_button(manner: Manner, value: &str, label: &str) -> Markup {
    html! {
        button .copy type="button" data-copy=(value) aria-label={ (manner.t(w::COPY)) ": " (label) } { (manner.t(w::COPY)) }
    }
}

/// A block of text to be copied.
pub(super) fn block(manner: Manner, text: &str, label: &str) -> Markup {
    html! {
        div .block {
            pre tabindex="0" aria-label=(label) { code dir="ltr" { (text) } }
            (copy_button(manner, text, label))
        }
    }
}

/// The head of a page: title, what it is for, and what can be done.
pub(super) fn head(title: &str, lead: &str, actions: Markup) -> Markup {
    html! {
        div .head {
            div { h1 { bdi { (title) } } p .lead { (lead) } }
            div .actions { (actions) }
        }
    }
}

/// Nothing is here: what that means and what to do next.
pub(super) fn empty(manner: Manner, what: Text, next: Text) -> Markup {
    html! { div .empty { p { strong { (manner.t(what)) } } p { (manner.t(next)) } } }
}

/// A line of a list of names and values.
pub(super) fn pair(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// A text field with its label and hint.
pub(super) struct Field<'a> {
    /// Its name in the form.
    pub(super) name: &'a str,
    /// Its label.
    pub(super) label: &'a str,
    /// Its value.
    pub(super) value: &'a str,
    /// `text`, `number`, …
    pub(super) kind: &'a str,
    /// What helps; empty for none.
    pub(super) hint: &'a str,
    /// Whether it must be filled.
    pub(super) required: bool,
}

impl Field<'_> {
    /// The field as it is shown; `form` keeps ids apart on pages with several forms.
    pub(super) fn shown(&self, form: &str) -> Markup {
        let id = format!("{form}-{}", self.name);
        let hint_id = format!("{id}-hint");
        let is_secret = self.kind == "password";
        html! {
            div .field {
                label for=(id) { (self.label) }
                input id=(id) name=(self.name) type=(self.kind) value=[(!is_secret).then_some(self.value)]
                    required[self.required] autocomplete=(if is_secret { "new-password" } else { "off" })
                    dir=(if self.kind == "text" { "auto" } else { "ltr" })
                    aria-describedby=[(!self.hint.is_empty()).then_some(&hint_id)]
                    step=[(self.kind == "number").then_some("any")] min=[(self.kind == "number").then_some("0")];
                @if !self.hint.is_empty() { p .hint id=(hint_id) { (self.hint) } }
            }
        }
    }
}

/// Something that needs a second look before it is done: a summary, a warning, and the button.
pub(super) fn confirmed(summary: &str, warning: &str, action: &str, button: &str, inner: Markup) -> Markup {
    html! {
        details .confirm {
            summary { (summary) }
            form method="post" action=(action) {
                p { (warning) }
                (inner)
                button .danger type="submit" { (button) }
            }
        }
    }
}

/// The way on from a page of a list.
pub(super) fn pager(manner: Manner, base: &str, query: &[(&str, &str)], next: Option<&str>, is_first: bool) -> Markup {
    let place = |cursor: Option<&str>| {
        let all: Vec<_> = query.iter().copied().chain(cursor.map(|cursor| ("cursor", cursor))).collect();
        format!("{base}?{}", query_of(&all))
    };
    html! {
        @if next.is_some() || !is_first {
            div .pager {
                @if !is_first { a .button href=(place(None)) { (manner.t(w::FIRST_PAGE)) } }
                @if let Some(next) = next { a .button href=(place(Some(next))) { (manner.t(w::NEXT_PAGE)) } }
            }
        }
    }
}
