use proptest::prelude::*;

use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
const PDF: &[u8] = b"%PDF-1.7\nall of it readable\n%%EOF\n";
const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0\0\0";
const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

#[test]
fn contents_outweigh_what_the_server_and_the_name_say() {
    for header in [None, Some("text/plain"), Some("application/pdf"), Some("text/html"), Some("nonsense")] {
        assert_eq!(media_type(PNG, header, "a.pdf"), "image/png");
        assert_eq!(media_type(JPEG, header, "a.png"), "image/jpeg");
        assert_eq!(media_type(PDF, header, "a.png"), "application/pdf");
    }
}

#[test]
fn without_a_signature_the_server_comes_before_the_name() {
    assert_eq!(media_type(b"a,b\n", Some("Text/CSV; charset=utf-8"), "a.txt"), "text/csv");
    assert_eq!(media_type(b"a,b\n", Some("application/octet-stream"), "A.CSV"), "text/csv");
    assert_eq!(media_type(b"a,b\n", None, "a.csv"), "text/csv");
    assert_eq!(media_type(b"\0\x01\x02\x03", Some("audio/x-strange"), "a.mp3"), "audio/x-strange");
}

#[test]
fn what_nobody_knows_is_a_text_or_just_a_file() {
    assert_eq!(media_type("plain Text, ä".as_bytes(), None, "README"), "text/plain");
    assert_eq!(media_type(b"\0\x01\x02\x03", None, "blob.unknown"), "application/octet-stream");
    assert_eq!(media_type(b"\0\x01\x02\x03", Some("binary/octet-stream"), "x"), "application/octet-stream");
}

#[test]
fn a_text_that_begins_like_a_binary_format_stays_a_text() {
    for text in
        ["BMW price list", "MZ, PK and other letters", "GIF89a is a format", "BZh", "ID3 tags explained", "FWS.."]
    {
        assert_eq!(media_type(text.as_bytes(), None, "a.txt"), "text/plain", "{text}");
        assert_eq!(media_type(text.as_bytes(), None, "notes"), "text/plain", "{text}");
    }
}

#[test]
fn a_container_takes_the_more_exact_name_if_it_fits() {
    assert_eq!(media_type(ZIP, Some(DOCX), "a"), DOCX);
    assert_eq!(media_type(ZIP, Some("application/octet-stream"), "a.docx"), DOCX);
    assert_eq!(media_type(ZIP, Some("text/plain"), "a.zip"), "application/zip");
    assert_eq!(media_type(ZIP, Some("image/png"), "a.png"), "application/zip");
    let svg = b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>";
    assert_eq!(media_type(svg, None, "a.svg"), "image/svg+xml");
    assert_eq!(media_type(svg, Some("application/pdf"), "a"), "text/xml");
}

#[test]
fn other_names_of_a_type_become_the_usual_one() {
    assert_eq!(media_type(b"\0\0\0\x18ftypM4A \0\0\0\0", None, "a"), "audio/mp4");
    assert_eq!(media_type(b"\0\x01", Some("image/jpg"), "a"), "image/jpeg");
    assert_eq!(media_type(b"\0\x01", Some("audio/mp3"), "a"), "audio/mpeg");
}

#[test]
fn ogg_is_told_apart_by_what_is_inside() {
    let mut opus = b"OggS\0\x02".to_vec();
    opus.resize(28, 0);
    opus.extend_from_slice(b"OpusHead\x01");
    assert_eq!(media_type(&opus, Some("audio/ogg"), "a.ogg"), "audio/opus");
    let vorbis = [&opus[..28], b"\x01vorbis"].concat();
    assert_eq!(media_type(&vorbis, None, "a.ogg"), "audio/ogg");
}

#[test]
fn pages_are_announced_by_their_media_type() {
    for header in ["text/html", "TEXT/HTML; charset=utf-8", " application/xhtml+xml ;q=1"] {
        assert!(announces_a_page(Some(header)), "{header}");
    }
    for header in [None, Some(""), Some("text/htmlish"), Some("image/png"), Some("text/plain")] {
        assert!(!announces_a_page(header), "{header:?}");
    }
}

#[test]
fn pages_are_recognised_under_any_name() {
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain("<html>".bytes().flat_map(|b| [b, 0])).collect();
    let utf16_big: Vec<u8> = [0xfe, 0xff].into_iter().chain("<html>".bytes().flat_map(|b| [0, b])).collect();
    let pages: &[&[u8]] = &[
        b"<!DOCTYPE html><title>Sign in</title>",
        b"<!doctype HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\">",
        b" \r\n\t<html lang=en>",
        b"\xef\xbb\xbf<HTML>",
        b"<!-- saved -->\n<!-- twice --><head>",
        b"<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"x\">",
        b"<script>location='/login'</script>",
        b"<body/>",
        b"<h1>403 Forbidden</h1>",
        b"<div class=\"error\">",
        b"<html",
        &utf16,
        &utf16_big,
    ];
    for page in pages {
        assert!(is_a_page(page, "photo.png"), "{}", String::from_utf8_lossy(page));
        assert!(is_a_page(page, "document"), "{}", String::from_utf8_lossy(page));
    }
}

#[test]
fn files_that_are_no_pages_are_left_alone() {
    let files: &[(&[u8], &str)] = &[
        (PNG, "a.png"),
        (PDF, "a.html"),
        (b"", "a"),
        (b"<", "a"),
        (b"<htmlish>", "a.xml"),
        (b"<headline>", "a"),
        (b"<!DOCTYPE svg><svg/>", "a.svg"),
        (b"<?xml version=\"1.0\"?><invoice/>", "a.xml"),
        (b"<!-- never closed", "a"),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "a.svg"),
        (b"<p align=\"center\">A read-me</p>", "README.md"),
        (b"a < b and <html> later", "a.txt"),
    ];
    for (file, name) in files {
        assert!(!is_a_page(file, name), "{name}: {}", String::from_utf8_lossy(file));
    }
}

proptest! {
    #[test]
    fn any_bytes_under_any_name_have_a_type_in_its_form(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        header in prop::option::of(".{0,40}"),
        name in ".{0,20}",
    ) {
        let found = media_type(&bytes, header.as_deref(), &name);
        prop_assert_eq!(essence(&found), Some(found.clone()));
        let _either = is_a_page(&bytes, &name);
    }

    #[test]
    fn nothing_but_space_may_precede_a_page(before in "[a-z0-9{\\[\"]{1,10}", name in "[a-z]{1,5}\\.png") {
        let after_text = format!("{before}<html>");
        let after_space = format!(" \n\t<html>{}", before);
        prop_assert!(!is_a_page(after_text.as_bytes(), &name));
        prop_assert!(is_a_page(after_space.as_bytes(), &name));
    }
}
