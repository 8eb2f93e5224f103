//! The whole dispatcher against a real broker and the real sandbox.
//!
//! Read in this order: `sending` (the plain way), `scripted`, `attachments`, `ahead` and `uploads` (what may go wrong with one message),
//! `cancel`, `held` (an account that may not send), `codes` (what WhatsApp's error codes do), `limits`, `look_up` (outcomes that nobody
//! knows), `told` (what holds a message), `restart`, `rivals` (two owners), `late` (a wire that stands still), `lease`, `broker`,
//! `crowd`, `room` (more messages than may wait in memory).

mod harness;

mod service {
    mod ahead;
    mod attachments;
    mod broker;
    mod cancel;
    mod checker;
    mod codes;
    mod crowd;
    mod held;
    mod late;
    mod lease;
    mod limits;
    mod look_up;
    mod restart;
    mod rivals;
    mod room;
    mod scripted;
    mod sending;
    mod told;
    mod uploads;
}
