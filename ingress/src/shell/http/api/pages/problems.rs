//! What each kind of problem means and what to do about it.

use super::html::{escaped, inline, page as whole};
use crate::shell::http::api::problem::Kind;

/// The page of a kind; `None` when there is none of that name.
pub(super) fn page(name: &str) -> Option<String> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.facts().name == name)?;
    let facts = kind.facts();
    let to_do: String = facts.to_do.iter().map(|what| format!("<li>{}</li>", inline(what))).collect();
    let main = format!(
        "<h1>{title}</h1><p class=\"facts\"><code>{path}</code> · HTTP {status}</p>\
         <h2>What happened</h2><p>{happened}</p><h2>What to do</h2><ul>{to_do}</ul>\
         <p><a href=\"/problems\">All problems</a></p>",
        title = escaped(facts.title),
        path = escaped(&kind.path()),
        status = facts.status.as_u16(),
        happened = inline(facts.happened),
    );
    Some(whole(facts.title, &main))
}

/// The list of all kinds.
pub(super) fn index() -> String {
    let row = |kind: Kind| {
        let facts = kind.facts();
        format!(
            "<tr><td>{}</td><td><a href=\"{}\">{}</a></td><td>{}</td></tr>",
            facts.status.as_u16(),
            escaped(&kind.path()),
            escaped(facts.title),
            inline(facts.happened),
        )
    };
    let rows: String = Kind::ALL.into_iter().map(row).collect();
    let main = format!(
        "<h1>Problems</h1><p>When a call of the API is not done, it is answered with a problem document (RFC 9457). Its \
         <code>type</code> is the path of one of these pages, and does not change; <code>detail</code> says what is wrong \
         with that call, and may be worded anew.</p><div class=\"wide\"><table><thead><tr><th scope=\"col\">HTTP</th>\
         <th scope=\"col\">Problem</th><th scope=\"col\">What happened</th></tr></thead><tbody>{rows}</tbody></table></div>",
    );
    whole("Problems", &main)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_page_that_says_what_to_do_and_stands_in_the_index() {
        for kind in Kind::ALL {
            let shown = page(kind.facts().name).expect("a page");
            assert!(shown.contains("What to do") && shown.contains(&kind.path()), "{shown}");
            assert!(index().contains(&format!("href=\"{}\"", kind.path())));
        }
        assert_eq!(page("no-such-problem"), None);
    }
}
