//! What the console says and how it decides, without HTTP: words in two languages, its routes, what a post may come from,
//! and how a message stood at a moment of the past.
//!
//! Not here: pages (see `shell/http/console/`), rights and rules about things (the API's; the console asks it).

pub(crate) mod figure;
pub(crate) mod language;
pub(crate) mod post;
pub(crate) mod seen;
pub(crate) mod session;
pub(crate) mod told;
pub(crate) mod trial;
pub(crate) mod words;
