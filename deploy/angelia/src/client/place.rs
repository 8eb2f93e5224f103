//! Where the API is and as whom it is called: flags, then the environment, then `quickstart.json`.
//!
//! Invariants:
//! - What the file holds is sent only to the URLs that it holds: a token of this machine never goes to a server that
//!   somebody named on the command line.

use std::path::PathBuf;

use angelia_shared::config::{Hidden, Source};
use angelia_shared::telemetry;
use anyhow::Context as _;

use super::api::Api;
use super::cli::Remote;
use crate::audit::place::Unusable;
use crate::quickstart::{self, Quickstart};

angelia_shared::settings! {
    /// What a client can be told.
    struct Settings {
        /// URL of the API.
        pub api_url: Option<String> = "",
        /// Token of the API.
        pub token: Hidden = "",
        /// File with the token.
        pub token_file: Option<PathBuf> = "",
        /// The workspace.
        pub workspace: Option<String> = "",
        /// URL of the webhook.
        pub webhook_url: Option<String> = "",
        /// Data directory of an installation on this machine.
        pub data: PathBuf = "./angelia-data",
    }
}

/// Whose token is meant where nobody says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    Operator,
    Owner,
}

/// What is known of the place.
pub(super) struct Place {
    settings: Settings,
    kept: Result<Quickstart, String>,
}

impl Place {
    /// Reads flags, environment and file.
    ///
    /// # Errors
    /// [`Unusable`] when one of them cannot be read.
    pub(super) fn find(remote: &Remote, webhook_url: Option<&str>) -> anyhow::Result<Self> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let flags = [
            ("api_url", remote.api_url.clone()),
            ("token", remote.token.clone()),
            ("token_file", path(&remote.token_file)),
            ("workspace", remote.workspace.clone()),
            ("webhook_url", webhook_url.map(str::to_owned)),
            ("data", path(&remote.data)),
        ];
        let mut flags: Vec<_> = flags.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        // A file that is named on the command line wins over a token in the environment.
        if remote.token_file.is_some() {
            flags.push(("token", String::new()));
        }
        // And so does an installation that is named there: whatever else the environment knows is another place's.
        if remote.data.is_some() {
            let unsaid = |name: &&str| !flags.iter().any(|(said, _)| said == name);
            let others = ["api_url", "token", "token_file", "workspace", "webhook_url"];
            let others: Vec<_> = others.into_iter().filter(unsaid).collect();
            flags.extend(others.into_iter().map(|name| (name, String::new())));
        }
        let source = Source::read(None).map(|source| source.with_flags(flags));
        let settings = source.and_then(|source| Settings::load(&source));
        let settings = settings.map_err(|error| Unusable(telemetry::chain(&error)))?;
        let kept = quickstart::read(&settings.data).map_err(|error| format!("{error:#}"));
        Ok(Self { settings, kept })
    }

    /// The API, called as whoever was named, or as `who` of the installation on this machine.
    ///
    /// # Errors
    /// [`Unusable`] when it is not known where that is, or with which token.
    pub(super) fn api(&self, who: As) -> anyhow::Result<Api> {
        let base = match &self.settings.api_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => self.kept("the API's URL", "--api-url", "ANGELIA_API_URL")?.api_url.clone(),
        };
        let token = match (&self.settings.token.0, &self.settings.token_file) {
            (token, _) if !token.is_empty() => token.clone(),
            (_, Some(file)) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()));
                text.map_err(|error| Unusable(format!("{error:#}")))?.trim().to_owned()
            }
            (_, None) => {
                let kept = self.kept("a token", "--token-file", "ANGELIA_TOKEN")?;
                if base != kept.api_url {
                    let what = format!(
                        "no token for {base}: give --token-file or ANGELIA_TOKEN (the one in {} is for {})",
                        quickstart::FILE,
                        kept.api_url,
                    );
                    return Err(Unusable(what).into());
                }
                if who == As::Operator { kept.operator_token.clone() } else { kept.owner_token.clone() }
            }
        };
        Api::new(&base, &token)
    }

    /// The path of the workspace below the API.
    ///
    /// # Errors
    /// [`Unusable`] when none is known.
    pub(super) fn workspace(&self) -> anyhow::Result<String> {
        let id = match &self.settings.workspace {
            Some(id) => id.clone(),
            None => self.kept("a workspace", "--workspace", "ANGELIA_WORKSPACE")?.workspace_id.clone(),
        };
        Ok(format!("/workspaces/{}", super::api::segment(&id)))
    }

    /// The webhook's URL.
    ///
    /// # Errors
    /// [`Unusable`] when none is known.
    pub(super) fn webhook_url(&self) -> anyhow::Result<String> {
        match &self.settings.webhook_url {
            Some(url) => Ok(url.clone()),
            None => Ok(self.kept("the webhook's URL", "--webhook-url", "ANGELIA_WEBHOOK_URL")?.webhook_url.clone()),
        }
    }

    fn kept(&self, what: &str, flag: &str, variable: &str) -> Result<&Quickstart, Unusable> {
        self.kept.as_ref().map_err(|why| {
            Unusable(format!(
                "{what} is not known: give {flag}, set {variable}, or name a data directory with --data ({why})"
            ))
        })
    }
}
