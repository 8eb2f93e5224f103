//! Writes HTML: every text is escaped on its way in.

/// Text as it stands in HTML, also within a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Our own descriptions: paragraphs, `code`, **bold** and *emphasis*.
pub(super) fn prose(text: &str) -> String {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty());
    paragraphs.map(|paragraph| format!("<p>{}</p>", inline(paragraph))).collect()
}

/// The same within a line.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::new();
    for (n, part) in text.split('`').enumerate() {
        if n % 2 == 1 {
            out.push_str(&format!("<code>{}</code>", escaped(part)));
        } else {
            out.push_str(&marked(&escaped(part)));
        }
    }
    out
}

/// Bold and emphasis of a text without code.
fn marked(text: &str) -> String {
    let between = |text: &str, mark: &str, tag: &str| {
        let parts: Vec<&str> = text.split(mark).collect();
        let tagged = parts
            .iter()
            .enumerate()
            .map(|(n, part)| if n % 2 == 1 { format!("<{tag}>{part}</{tag}>") } else { (*part).to_owned() });
        // A mark without its other half is a mark.
        if parts.len() % 2 == 1 { tagged.collect() } else { text.to_owned() }
    };
    between(&between(text, "**", "strong"), "*", "em")
}

/// A whole page.
pub(super) fn page(title: &str, main: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{}</title>\
         <link rel=\"stylesheet\" href=\"{}\"></head><body>\
         <a class=\"skip\" href=\"#main\">Skip to the content</a>\
         <header><a href=\"{docs}\">Angelia</a> <nav aria-label=\"Pages\"><a href=\"{docs}\">Reference</a> \
         <a href=\"/problems\">Problems</a> <a href=\"/openapi.json\">OpenAPI</a></nav></header>\
         <main id=\"main\">{main}</main></body></html>\n",
        escaped(title),
        super::STYLE,
        docs = super::REFERENCE,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_becomes_a_tag() {
        assert_eq!(escaped("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
        assert_eq!(inline("`<w>` and <b>"), "<code>&lt;w&gt;</code> and &lt;b&gt;");
    }

    #[test]
    fn marks_become_tags_in_pairs_only() {
        assert_eq!(
            prose("**One** of *two*.\n\n`a*b`"),
            "<p><strong>One</strong> of <em>two</em>.</p><p><code>a*b</code></p>"
        );
        assert_eq!(inline("2 * 3"), "2 * 3");
    }
}
