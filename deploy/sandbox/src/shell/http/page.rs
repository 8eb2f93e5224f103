//! The page for humans, and the one for whoever watches.

use std::fmt::Write;

use crate::domain::script::ROWS;

const ABOUT: &str = "\
Angelia's sandbox: a stand-in for WhatsApp that speaks the Cloud API. Nothing leaves this machine.

  POST /v26.0/{phone_number_id}/messages          send a text, image, document, video or audio
  GET  /v26.0/{phone_number_id}/message_history   what became of messages that were taken
  POST /v26.0/{phone_number_id}/media             upload a file
  GET  /v26.0/{media_id}                          what was uploaded
  GET  /sandbox/journal?after=SEQ                 every message and upload received, as JSON lines
  GET  /healthz                                   whether it runs

The last four digits of a person's number script what happens:

";

pub(super) async fn about() -> String {
    let mut page = ABOUT.to_owned();
    for (ending, _, what) in ROWS {
        let _ = writeln!(page, "  {ending}  {what}");
    }
    page.push_str("  else  200, callbacks sent, delivered after 1 s, read after 3 s; groups always\n");
    page
}

pub(super) async fn health() -> &'static str {
    "ok\n"
}
