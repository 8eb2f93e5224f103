//! `restore`: what a backup holds, brought back to where there is nothing yet, and verified.

use angelia_ledger::audit::check::{self, Verdict};
use angelia_ledger::audit::verify::Finding;
use angelia_shared::ids::Position;
use angelia_shared::log::stream::STREAM;
use anyhow::{Context as _, bail};

use super::manifest::Manifest;
use super::snapshot;
use crate::audit::place::{self, Opened};
use crate::audit::progress::teller;
use crate::audit::verify;
use crate::cli::RestoreArgs;
use crate::services;
use crate::settings::Config;

/// Restores a backup; says whether its log is well.
pub(crate) async fn run(args: RestoreArgs) -> anyhow::Result<bool> {
    let config = place::settings(&args.place)?;
    // Every byte is checked before anything is begun.
    let (folder, read) = (args.from.clone(), args.from.clone());
    let manifest = tokio::task::spawn_blocking(move || Manifest::read(&read)).await??;
    let opened = Opened::to_fill(&config).await?;
    let restored = restore(&opened, &manifest, &folder, config.replicas).await;
    opened.close().await;
    let verdict = restored?;
    verify::show(&verdict, None, args.json)?;
    hint(&config);
    Ok(verdict.finding.is_none())
}

async fn restore(
    opened: &Opened,
    manifest: &Manifest,
    folder: &std::path::Path,
    replicas: usize,
) -> anyhow::Result<Verdict> {
    let client = opened.connect("angelia-restore").await?;
    let jetstream = async_nats::jetstream::new(client.clone());
    for taken in &manifest.streams {
        if jetstream.get_stream(&taken.stream).await.is_ok() {
            bail!("there is a stream {} already; restore to where there is none", taken.stream);
        }
    }
    // The log last: an installation without one is seen to be unfinished.
    for taken in manifest.streams.iter().rev() {
        let given = snapshot::give_back(&client, taken, folder, replicas).await;
        given.with_context(|| format!("cannot restore {}", taken.stream))?;
    }
    let log = opened.log(STREAM).await?;
    let mut verdict = check::verify(&log, teller("verify")).await?;
    if verdict.finding.is_none() {
        verdict.finding = differs(manifest, &verdict);
    }
    Ok(verdict)
}

/// What the restored log is not, though its own rules hold: a log that was cut at a seal still verifies.
fn differs(manifest: &Manifest, verdict: &Verdict) -> Option<Finding> {
    let (found, digest) = (verdict.verified.last, verdict.verified.log_digest);
    let at = Position::new(found.min(manifest.last_seq), 0);
    let what = if found != manifest.last_seq {
        format!("the backup's log ended at {}, the restored one ends at {found}", manifest.last_seq)
    } else if digest != manifest.log_digest {
        format!("the backup's log digests to {}, the restored one to {digest}", manifest.log_digest)
    } else {
        return None;
    };
    Some(Finding { invariant: "LG-2", at, what })
}

/// Says what the backup does not hold.
fn hint(config: &Config) {
    let key = services::master_key_file(config);
    if services::access(config).is_none() && !key.exists() {
        eprintln!("now put the old installation's master key at {}: nothing starts without it", key.display());
    }
}

#[cfg(test)]
mod tests {
    use angelia_ledger::audit::verify::Verified;
    use angelia_shared::event::Digest;

    use super::*;

    #[test]
    fn a_log_that_ends_elsewhere_or_digests_differently_is_named() {
        let manifest = Manifest::new(9, Digest([1; 32]), None, None, Vec::new());
        let verdict = |last, digest| {
            let verified = Verified { last, log_digest: Digest(digest), ..Verified::default() };
            differs(&manifest, &Verdict { verified, finding: None }).map(|finding| (finding.invariant, finding.at.seq))
        };
        assert_eq!(verdict(9, [1; 32]), None);
        assert_eq!(verdict(7, [1; 32]), Some(("LG-2", 7)));
        assert_eq!(verdict(9, [2; 32]), Some(("LG-2", 9)));
    }
}
