//! The two files that pages load, from memory. Their names hold a hash of their contents, so they are kept for ever.

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

/// A file.
pub(super) struct Asset {
    name: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, text: &'static str) -> Self {
        let hash = hex::encode(&Sha256::digest(text.as_bytes())[..8]);
        Self { name: format!("{stem}-{hash}.{ending}"), kind, text }
    }

    /// Where pages load it from.
    pub(super) fn path(&self) -> String {
        format!("/console/assets/{}", self.name)
    }
}

/// The stylesheet.
pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console", "css", "text/css; charset=utf-8", include_str!("assets/console.css")));
/// The script.
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console", "js", "text/javascript; charset=utf-8", include_str!("assets/console.js")));
/// The picture on the tab.
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")));

/// Answers with a file, or 404.
pub(super) fn answer(name: &str) -> Response {
    let Some(asset) = [&*STYLE, &*SCRIPT, &*ICON].into_iter().find(|asset| asset.name == name) else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let mut response = Response::new(Body::from(asset.text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_small_and_both_files_are_named_by_their_contents() {
        assert!(SCRIPT.text.len() < 15 * 1_024, "the script has {} bytes", SCRIPT.text.len());
        let other = Asset::new("console", "js", SCRIPT.kind, "other");
        assert_ne!(SCRIPT.name, other.name);
        assert_eq!(answer(&SCRIPT.name).status(), StatusCode::OK);
        assert_eq!(answer("console.js").status(), StatusCode::NOT_FOUND);
    }
}
