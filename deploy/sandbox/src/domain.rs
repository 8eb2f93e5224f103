//! Rules without clock, dice or IO, in the order a newcomer should read them.

pub(crate) mod recipient;
pub(crate) mod script;

pub(crate) mod body;
pub(crate) mod graph;
pub(crate) mod line;
pub(crate) mod media_id;
pub(crate) mod request;
pub(crate) mod wamid;

pub(crate) mod cursor;
pub(crate) mod fields;
pub(crate) mod history;

pub(crate) mod delays;
pub(crate) mod progress;
pub(crate) mod status;
pub(crate) mod timetable;
