//! Says what a downloaded file is, and whether it is a web page instead.
//!
//! Shape: (contents, what the server said, the file's name) -> media type. Pure.
//!
//! The contents have the first word, because servers guess. But short signatures also begin ordinary texts ("BM" is a
//! bitmap, "MZ" a program), so a file that is readable text throughout is not believed to be binary.

/// What a file is called when nothing is known about it.
const UNKNOWN: &str = "application/octet-stream";

/// Media types that say only "a file".
const SAYS_NOTHING: &[&str] = &[
    UNKNOWN,
    "application/binary",
    "application/download",
    "application/force-download",
    "application/unknown",
    "application/x-download",
    "application/x-unknown",
    "binary/octet-stream",
];

/// Signatures that many formats share: a more exact name from the server or the file's name is better.
const CONTAINERS: &[&str] = &["application/zip", "application/x-ole-storage", "text/xml"];

/// Formats that are text and still have a signature to rely on.
const TEXT_WITH_SIGNATURE: &[&str] = &["application/pdf", "application/postscript", "application/rtf", "text/xml"];

/// Other names of types, with the ones that WhatsApp's documents use.
const ALIASES: &[(&str, &str)] = &[
    ("application/x-pdf", "application/pdf"),
    ("application/x-zip-compressed", "application/zip"),
    ("audio/m4a", "audio/mp4"),
    ("audio/mp3", "audio/mpeg"),
    ("audio/x-aac", "audio/aac"),
    ("audio/x-m4a", "audio/mp4"),
    ("image/jpg", "image/jpeg"),
    ("image/pjpeg", "image/jpeg"),
    ("image/x-png", "image/png"),
    ("video/3gp", "video/3gpp"),
];

const EXTENSIONS: &[(&str, &str)] = &[
    ("3gp", "video/3gpp"),
    ("aac", "audio/aac"),
    ("amr", "audio/amr"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("epub", "application/epub+zip"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("heic", "image/heic"),
    ("ics", "text/calendar"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("m4a", "audio/mp4"),
    ("md", "text/markdown"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("rtf", "application/rtf"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("vcf", "text/vcard"),
    ("webp", "image/webp"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "text/xml"),
    ("zip", "application/zip"),
];

/// Tags that begin a page.
const PAGE_TAGS: &[&[u8]] = &[
    b"!doctype html",
    b"html",
    b"head",
    b"body",
    b"title",
    b"meta",
    b"link",
    b"base",
    b"script",
    b"style",
    b"iframe",
    b"frameset",
    b"noscript",
];
/// Tags that begin a piece of a page, as error messages often are. Notes in a text format may begin so, too.
const PIECE_TAGS: &[&[u8]] =
    &[b"h1", b"h2", b"h3", b"div", b"center", b"p", b"br", b"table", b"font", b"form", b"pre", b"a", b"b", b"span"];
/// Names of files that may well begin with a tag and are not pages.
const TEXT_EXTENSIONS: &[&str] = &["txt", "md", "csv", "tsv", "log", "xml", "svg", "json"];
/// Where a page's first tag is looked for; comments and declarations before it are skipped.
const LOOKED_AT_BYTES: usize = 64 * 1024;

/// Says whether the server announces a web page.
pub(super) fn announces_a_page(header: Option<&str>) -> bool {
    matches!(header.and_then(essence).as_deref(), Some("text/html" | "application/xhtml+xml"))
}

/// Says whether the contents are a web page, whatever they are called.
pub(super) fn is_a_page(bytes: &[u8], file_name: &str) -> bool {
    let ascii = without_utf16(&bytes[..bytes.len().min(LOOKED_AT_BYTES)]);
    let Some(tag) = first_tag(&ascii) else {
        return false;
    };
    let may_begin_with_a_piece = extension(file_name).is_some_and(|name| TEXT_EXTENSIONS.contains(&name.as_str()));
    begins_with_any(tag, PAGE_TAGS) || (!may_begin_with_a_piece && begins_with_any(tag, PIECE_TAGS))
}

/// Says what a file is: by its contents, else by what the server said, else by its name.
pub(super) fn media_type(bytes: &[u8], header: Option<&str>, file_name: &str) -> String {
    let text = is_text(bytes);
    let sniffed = infer::get(bytes).map(|found| found.mime_type()).filter(|found| {
        let is_binary = !found.starts_with("text/");
        TEXT_WITH_SIGNATURE.contains(found) || (is_binary && !text && *found != UNKNOWN)
    });
    let announced = header.and_then(essence).filter(|name| !SAYS_NOTHING.contains(&name.as_str()));
    let named = extension(file_name)
        .and_then(|found| EXTENSIONS.iter().find(|(name, _)| *name == found))
        .map(|(_, media_type)| (*media_type).to_owned());
    let said = [announced, named];
    let found = match sniffed {
        Some(container) if CONTAINERS.contains(&container) => {
            let exact = said.into_iter().flatten().find(|name| fits(container, name));
            exact.unwrap_or_else(|| container.to_owned())
        }
        Some(sniffed) => sniffed.to_owned(),
        None => {
            said.into_iter().flatten().next().unwrap_or_else(|| (if text { "text/plain" } else { UNKNOWN }).to_owned())
        }
    };
    ALIASES.iter().find(|(alias, _)| *alias == found).map_or(found, |(_, name)| (*name).to_owned())
}

/// Whether a file with a container's signature can be of this more exact type.
fn fits(container: &str, media_type: &str) -> bool {
    let is_xml = media_type.ends_with("+xml") || media_type.ends_with("/xml");
    if container == "text/xml" { is_xml } else { media_type.starts_with("application/") && !is_xml }
}

/// The type and subtype of a `Content-Type`, in lower case.
fn essence(header: &str) -> Option<String> {
    let name = header.split(';').next()?.trim().to_ascii_lowercase();
    let (kind, subtype) = name.split_once('/')?;
    let is_token =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b));
    (name.len() <= 127 && is_token(kind) && is_token(subtype)).then_some(name)
}

fn extension(file_name: &str) -> Option<String> {
    file_name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
}

/// Readable throughout: UTF-8 and no control characters but those of texts.
fn is_text(bytes: &[u8]) -> bool {
    let is_plain = |b: &u8| *b >= 0x20 && *b != 0x7f || matches!(*b, b'\t' | b'\n' | b'\r' | 0x0c);
    bytes.iter().all(is_plain) && std::str::from_utf8(bytes).is_ok()
}

/// The contents with UTF-16 (known by its mark) made readable as ASCII; tags are ASCII.
fn without_utf16(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => rest.iter().step_by(2).copied().collect(),
        [0xfe, 0xff, rest @ ..] => rest.iter().skip(1).step_by(2).copied().collect(),
        [0xef, 0xbb, 0xbf, rest @ ..] => rest.to_vec(),
        _ => bytes.to_vec(),
    }
}

/// What follows the first `<` that is no comment and no XML declaration, if nothing but space is before it.
fn first_tag(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = text.trim_ascii_start();
        let skipped = [(&b"<!--"[..], &b"-->"[..]), (b"<?", b"?>")]
            .into_iter()
            .find_map(|(begin, end)| text.strip_prefix(begin).map(|rest| (rest, end)));
        let Some((rest, end)) = skipped else {
            return text.strip_prefix(b"<");
        };
        let at = rest.windows(end.len()).position(|window| window == end)?;
        text = &rest[at + end.len()..];
    }
}

fn begins_with_any(text: &[u8], tags: &[&[u8]]) -> bool {
    tags.iter().any(|tag| {
        let same = text.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag));
        same && text.get(tag.len()).is_none_or(|next| next.is_ascii_whitespace() || matches!(next, b'>' | b'/'))
    })
}

#[cfg(test)]
mod tests;
