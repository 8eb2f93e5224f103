//! Gets a message ready to go: opens its content, reads its address, fetches and uploads its file.
//!
//! All of this happens while the account's gap runs, so that the message can leave when its turn comes. Nothing here
//! reaches the recipient: an upload may be repeated.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::directory::Versioned;
use angelia_shared::event::attempt::UploadedMedia;
use angelia_shared::event::{AccountChanged, Content, Event, MessageAccepted, lines};
use angelia_shared::ids::{MessageId, Position};
use angelia_shared::telemetry::chain;
use angelia_shared::vault::{DataKey, VaultError};
use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::accounts::Held;
use super::{Context, accounts};
use crate::attachments::{Attachment, Fetch, next_try};
use crate::domain::account::Preparation;
use crate::domain::plan::{self, File, Plan, Refused};
use crate::domain::put_off::{self, AfterPutOff};
use crate::transport::{
    FailReason, MediaId, MediaKind, Outcome, OutgoingFile, Part, ProviderHold, Recipient, Transport, address,
};

/// Pause before a message is looked at again whose content could not be read.
const AGAIN_MS: u64 = 1_000;

/// A message that is ready: where it goes and what its parts are. A refused part has nothing to send.
///
/// It may lie here for days while its account is held, so it has nothing of the account's settings.
pub(super) struct Outgoing {
    pub(super) to: Recipient,
    /// By which its account recognises the recipient.
    pub(super) mark: u32,
    pub(super) parts: Vec<Option<Part>>,
}

impl Outgoing {
    /// The file among the parts, as the provider knows it.
    pub(super) fn media(&self) -> Option<UploadedMedia> {
        self.parts.iter().flatten().find_map(|part| match part {
            Part::Media { media_id, kind, .. } => {
                Some(UploadedMedia { id: media_id.0.clone(), kind: kind.code().to_owned() })
            }
            Part::Text { .. } => None,
        })
    }
}

/// What came of looking at a message.
pub(super) enum Prepared {
    /// It has a plan; without an `Outgoing` when no part of it goes out.
    Ready(Plan, Option<Arc<Outgoing>>),
    /// Not now: again after so many milliseconds, with what was tried so far.
    Again(u64, Tries),
    /// The provider holds the account.
    Held(Held),
}

/// Uploads of a message's file that were put off, for reasons that come to an end and for others.
#[derive(Clone, Copy, Default)]
pub(super) struct Tries {
    bounded: u32,
    unbounded: u32,
}

/// Why the preparation ends early.
enum Stop {
    Again(u64, Tries),
    Held(ProviderHold, String),
    Whole(Refused),
}

/// What is prepared, and what is known of it beforehand.
pub(super) struct Order {
    pub(super) preparation: Preparation,
    /// Its acceptance, when it is still in memory.
    pub(super) kept: Option<MessageAccepted>,
    /// What was tried before.
    pub(super) tries: Tries,
    /// Signalled when the download of its file has ended that began before its turn and still runs.
    pub(super) begun_ahead: Option<CancellationToken>,
}

/// Looks at a message of `account`.
pub(super) async fn prepare(context: &Context, account: Versioned<AccountChanged>, order: Order) -> Prepared {
    let Order { preparation, kept, tries, begun_ahead } = order;
    if let Some(ended) = begun_ahead {
        // One try, so bounded. What it brings is found among the files that wait.
        ended.cancelled().await;
    }
    let accepted = match kept {
        Some(accepted) => accepted,
        None => match read(context, preparation.at).await {
            Some(accepted) => accepted,
            None => return Prepared::Again(AGAIN_MS, tries),
        },
    };
    match ready(context, &account.state, preparation, &accepted, tries).await {
        Ok((plan, outgoing)) => Prepared::Ready(plan, outgoing),
        Err(Stop::Whole(why)) => Prepared::Ready(plan::refused_whole(accepted.credits, why), None),
        Err(Stop::Again(ms, tries)) => Prepared::Again(ms, tries),
        Err(Stop::Held(state, detail)) => Prepared::Held(Held { state, detail, settings_seq: account.seq }),
    }
}

/// Reads an acceptance again.
pub(super) async fn read(context: &Context, at: Position) -> Option<MessageAccepted> {
    let _one_of_few = context.reads.acquire().await.ok()?;
    let record = context.log.record_at(at.seq).await.ok()??;
    let line = lines(&record.payload).nth(usize::from(at.line))?;
    match Event::from_line(line) {
        Ok(Event::MessageAccepted(accepted)) => Some(*accepted),
        Ok(_) | Err(_) => None,
    }
}

async fn ready(
    context: &Context,
    account: &AccountChanged,
    preparation: Preparation,
    accepted: &MessageAccepted,
    tries: Tries,
) -> Result<(Plan, Option<Arc<Outgoing>>), Stop> {
    let (content, key) = open(context, accepted, tries).await?;
    let transport =
        accounts::transport(context, account).map_err(|detail| Stop::Held(ProviderHold::UntilMended, detail))?;
    let to = recipient(&*transport, &content)?;
    let uploaded = preparation.media.as_ref();
    let uploaded = uploaded.and_then(|media| Some((MediaId(media.id.clone()), MediaKind::from_code(&media.kind)?)));
    let file = match &content.file_url {
        Some(_) if uploaded.is_some() => uploaded.map(Ok),
        Some(url) => {
            let file_name = content.file_name.as_deref().unwrap_or_default();
            let link = Link { message: accepted.message, url, file_name };
            Some(fetch_and_upload(context, &*transport, link, tries).await?)
        }
        None => None,
    };
    let (file, media) = match file {
        None => (File::None, None),
        Some(Ok((media_id, kind))) => {
            // A text that went out alone before a restart is not sent again with the file.
            let carries = transport.capabilities().carries_caption(kind, &content.text) && preparation.parts != 2;
            (File::Here { carries }, Some((media_id, kind)))
        }
        Some(Err(why)) => {
            let fits = content.text.chars().count() <= transport.capabilities().caption_chars_max;
            (File::Refused { would_carry: fits && preparation.parts != 2, why }, None)
        }
    };
    let plan = plan::plan(accepted.credits, accepted.has_text, file);
    let parts = parts(&content, &plan, media);
    let goes_out = parts.iter().any(Option::is_some);
    let mark = key.recipient_mark(account.id, &address::plain(&to));
    Ok((plan, goes_out.then(|| Arc::new(Outgoing { to, mark, parts }))))
}

async fn open(context: &Context, accepted: &MessageAccepted, tries: Tries) -> Result<(Content, Arc<DataKey>), Stop> {
    let erased = |detail: &str| Stop::Whole(Refused { reason: FailReason::MessageRejected, detail: detail.to_owned() });
    match context.vault.key(accepted.sealed.key_id).await {
        Ok(key) => match key.open(accepted.message, &accepted.sealed) {
            Ok(content) => Ok((content, key)),
            Err(_) => Err(erased("the content does not open")),
        },
        Err(VaultError::Gone(_)) => Err(erased("the content was erased")),
        Err(failure @ (VaultError::Bucket(_) | VaultError::OtherMaster(..) | VaultError::Damaged(_))) => {
            warn!(message.id = %accepted.message, error = %chain(&failure), "cannot open a message's content yet");
            Err(Stop::Again(AGAIN_MS, tries))
        }
    }
}

/// Reads the address; one that this transport cannot send to fails without any call.
fn recipient(transport: &dyn Transport, content: &Content) -> Result<Recipient, Stop> {
    let whole = |reason: FailReason, detail: &str| Stop::Whole(Refused { reason, detail: detail.to_owned() });
    let to =
        address::parse(&content.address).map_err(|refusal| whole(refusal.reason(), refusal.reason().sentence()))?;
    // Only the recipient is asked about: the parts are checked by the transport when they are sent.
    let probe = Part::Text { body: ".".to_owned() };
    transport.capabilities().check(&to, &probe).map_err(|(reason, detail)| whole(reason, detail))?;
    Ok(to)
}

fn parts(content: &Content, plan: &Plan, media: Option<(MediaId, MediaKind)>) -> Vec<Option<Part>> {
    let file_name = content.file_name.clone().unwrap_or_default();
    let text = || Part::Text { body: content.text.clone() };
    let media_part = |caption: Option<String>| {
        media.clone().map(|(media_id, kind)| Part::Media { media_id, kind, file_name: file_name.clone(), caption })
    };
    let all = match (plan.len(), &media) {
        (1, Some(_)) => vec![media_part(Some(content.text.clone()).filter(|text| !text.is_empty()))],
        (1, None) => vec![Some(text())],
        _ => vec![Some(text()), media_part(None)],
    };
    all.into_iter().zip(plan).map(|(part, planned)| part.filter(|_| planned.refused.is_none())).collect()
}

/// Where a message's file is, and its name.
#[derive(Clone, Copy)]
struct Link<'a> {
    message: MessageId,
    url: &'a str,
    file_name: &'a str,
}

type Uploaded = Result<(MediaId, MediaKind), Refused>;

async fn fetch_and_upload(
    context: &Context,
    transport: &dyn Transport,
    link: Link<'_>,
    tries: Tries,
) -> Result<Uploaded, Stop> {
    // Held until the file's bytes are gone.
    let (attachment, _permit) = match context.files.take(link.message) {
        Some(kept) => (kept, context.downloads.acquire().await.expect("it is never closed")),
        None => match fetch(context, link.url, link.file_name).await {
            Ok(fetched) => fetched,
            Err(why) => return Ok(Err(why)),
        },
    };
    let Attachment { bytes, content_type } = attachment.clone();
    let kind = transport.capabilities().kind_of(&content_type);
    let file = OutgoingFile { bytes, content_type, file_name: link.file_name.to_owned() };
    let uploaded = upload(transport, &file, tries).await;
    if uploaded.is_err() {
        // The link need not work for ever: what was downloaded once is there for the next try.
        context.files.keep(link.message, &attachment);
    }
    uploaded.map(|uploaded| uploaded.map(|media_id| (media_id, kind)))
}

/// Tries to download up to five times within half a minute. A link that makes it wait holds up no other download.
async fn fetch<'a>(
    context: &'a Context,
    url: &str,
    file_name: &str,
) -> Result<(Attachment, SemaphorePermit<'a>), Refused> {
    // Waiting for one's turn does not count: it is not the link's fault.
    let mut elapsed = Duration::ZERO;
    let mut tries = 0;
    loop {
        let permit = context.downloads.acquire().await.expect("it is never closed");
        let began = clock::monotonic();
        match context.fetcher.fetch(url, file_name).await {
            Fetch::Fetched(attachment) => return Ok((attachment, permit)),
            Fetch::Refused { reason, detail } => return Err(Refused { reason, detail }),
            Fetch::Again { detail } => {
                drop(permit);
                tries += 1;
                elapsed += began.elapsed();
                debug!(tries, "an attachment is not there yet");
                match next_try(tries, elapsed) {
                    Some(wait) => {
                        tokio::time::sleep(wait).await;
                        elapsed += wait;
                    }
                    None => return Err(Refused { reason: FailReason::AttachmentUnavailable, detail }),
                }
            }
        }
    }
}

/// Uploads a file.
async fn upload(
    transport: &dyn Transport,
    file: &OutgoingFile,
    mut tries: Tries,
) -> Result<Result<MediaId, Refused>, Stop> {
    let outcome = match transport.upload(file).await {
        Ok(media_id) => return Ok(Ok(media_id)),
        Err(outcome) => outcome,
    };
    match outcome {
        Outcome::Failed { reason, detail } => Ok(Err(Refused { reason, detail })),
        Outcome::AccountHeld { state, detail, .. } => Err(Stop::Held(state, detail)),
        Outcome::PutOff { scope, retry_after, detail, .. } => {
            let counted = if scope.is_bounded() { &mut tries.bounded } else { &mut tries.unbounded };
            *counted = counted.saturating_add(1);
            let asked_ms = retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            match put_off::after(scope, *counted, asked_ms) {
                AfterPutOff::TryAfterMs(ms) => Err(Stop::Again(ms, tries)),
                AfterPutOff::GiveUp => Ok(Err(Refused { reason: FailReason::ProviderError, detail })),
            }
        }
        // The transport promises neither for an upload; trying again is safe.
        Outcome::Sent { .. } | Outcome::NotStarted | Outcome::Unknown { .. } => Err(Stop::Again(AGAIN_MS, tries)),
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::event::message::To;
    use angelia_shared::units::Credits;

    use super::*;

    fn content(text: &str, file: bool) -> Content {
        Content {
            text: text.to_owned(),
            file_url: file.then(|| "http://example.org/a.pdf".to_owned()),
            file_name: file.then(|| "a.pdf".to_owned()),
            to: To::Phone("14151231234".to_owned()),
            address: "14151231234".to_owned(),
            account_phone: None,
            caller: String::new(),
            warnings: vec![],
        }
    }

    fn media() -> Option<(MediaId, MediaKind)> {
        Some((MediaId("7".to_owned()), MediaKind::Document))
    }

    #[test]
    fn a_carried_text_is_the_caption_and_an_empty_one_is_none() {
        let one = plan::plan(Credits(2), true, File::Here { carries: true });
        let parts_of = |text: &str| parts(&content(text, true), &one, media());
        assert!(matches!(&parts_of("hi")[..], [Some(Part::Media { caption: Some(text), .. })] if text == "hi"));
        assert!(matches!(&parts_of("")[..], [Some(Part::Media { caption: None, .. })]));
    }

    #[test]
    fn a_text_that_is_not_carried_goes_before_the_file() {
        let two = plan::plan(Credits(2), true, File::Here { carries: false });
        let all = parts(&content("hi", true), &two, media());
        assert!(matches!(&all[..], [Some(Part::Text { .. }), Some(Part::Media { caption: None, .. })]));
    }

    #[test]
    fn a_refused_part_has_nothing_to_send() {
        let why = Refused { reason: FailReason::AttachmentEmpty, detail: String::new() };
        let plan = plan::plan(Credits(2), true, File::Refused { would_carry: false, why });
        assert!(matches!(&parts(&content("hi", true), &plan, None)[..], [Some(Part::Text { .. }), None]));
    }
}
