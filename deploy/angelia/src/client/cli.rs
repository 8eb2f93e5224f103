//! The words of the client's commands.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Where the API is and as whom it is called. Flags win over the environment (`ANGELIA_…`), that over DIR/quickstart.json,
/// whose tokens are sent to its own URL only.
#[derive(Args, Clone, Default)]
pub(crate) struct Remote {
    /// URL of the API, with /api/v1 (ANGELIA_API_URL).
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) api_url: Option<String>,
    /// Token of the API (ANGELIA_TOKEN). Others on this machine may see flags: rather use the environment or a file.
    #[arg(long, value_name = "TOKEN", global = true, conflicts_with = "token_file")]
    pub(crate) token: Option<String>,
    /// File with the token (ANGELIA_TOKEN_FILE).
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) token_file: Option<PathBuf>,
    /// The workspace (ANGELIA_WORKSPACE).
    #[arg(long, value_name = "ID", global = true)]
    pub(crate) workspace: Option<String>,
    /// Data directory of an installation on this machine, for its quickstart.json (ANGELIA_DATA; ./angelia-data).
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data: Option<PathBuf>,
    /// Prints JSON: an object, or one object a line for lists.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct SendArgs {
    /// The text; `-` reads it from standard input. May be left out with a file.
    #[arg(allow_hyphen_values = true, required_unless_present = "file_url")]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) to: Recipient,
    /// Public URL that downloads a file directly.
    #[arg(long, value_name = "URL", requires = "file_name")]
    pub(crate) file_url: Option<String>,
    /// The name that the file is sent under.
    #[arg(long, value_name = "NAME", requires = "file_url")]
    pub(crate) file_name: Option<String>,
    /// Number of the sending account; the one that was connected last, when it is left out.
    #[arg(long, value_name = "PHONE")]
    pub(crate) from: Option<String>,
    /// Idempotency key: the same key with the same content sends once. One is made up when it is left out, so that a try
    /// which was not answered can be repeated.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// URL of the webhook (ANGELIA_WEBHOOK_URL).
    #[arg(long, value_name = "URL")]
    pub(crate) webhook_url: Option<String>,
    /// Waits until WhatsApp took the message or it failed, at most so many seconds; needs a token of the API, too.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60")]
    pub(crate) wait: Option<u64>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// One of them names the recipient.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Recipient {
    /// A person's number with its country code.
    #[arg(long, visible_alias = "to", value_name = "PHONE")]
    pub(crate) phone: Option<String>,
    /// A chat of the workspace: a person or a group.
    #[arg(long, value_name = "ID")]
    pub(crate) chat_id: Option<String>,
    /// A person's or a group's JID.
    #[arg(long, value_name = "JID")]
    pub(crate) jid: Option<String>,
    /// The exact name of a chat of the sending account.
    #[arg(long, value_name = "NAME")]
    pub(crate) chat_name: Option<String>,
}

#[derive(Args)]
pub(crate) struct TailArgs {
    /// How many of the newest messages to begin with.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) lines: u32,
    /// Shows those and ends, instead of waiting for what happens next.
    #[arg(long)]
    pub(crate) no_follow: bool,
    /// Only messages of this account.
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Args)]
pub(crate) struct WorkspaceArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(subcommand)]
    pub(crate) command: WorkspaceCommand,
}

#[derive(Subcommand)]
pub(crate) enum WorkspaceCommand {
    /// Lists the workspaces (operator).
    List,
    /// Makes a workspace and prints its first owner's token, which is shown only now (operator).
    Create {
        /// Its name.
        name: String,
    },
    /// Shows the workspace.
    Show,
    /// Changes the workspace.
    Edit {
        /// Its name.
        #[arg(long)]
        name: Option<String>,
        /// What becomes of a message when nobody can tell whether it went out.
        #[arg(long, value_enum)]
        unknown_policy: Option<UnknownPolicy>,
        /// Below so many credits its owners are to be warned; 0 switches the warning off.
        #[arg(long, value_name = "CREDITS")]
        low_balance: Option<u64>,
    },
    /// Shows what the wallet holds.
    Credits {
        /// As it was at this sequence of the log or RFC 3339 time.
        #[arg(long, value_name = "SEQ|TIME")]
        as_of: Option<String>,
    },
    /// Grants credits (operator).
    Grant {
        /// How many.
        credits: u64,
        /// It stands in the statement.
        #[arg(long)]
        reason: String,
    },
    /// Lists every grant, charge and refund, oldest first.
    Statement {
        /// Not before this RFC 3339 time.
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Before this RFC 3339 time.
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// Prints CSV.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
    },
    /// Lists the tokens, without their secrets.
    Tokens,
    /// Gives a token and prints it; it is shown only now.
    GiveToken {
        /// What it may do.
        #[arg(value_enum)]
        role: Role,
        /// Whose or what it is for.
        #[arg(long)]
        label: Option<String>,
    },
    /// Revokes a token.
    RevokeToken {
        /// Its id.
        id: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum UnknownPolicy {
    Refund,
    Charge,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    Owner,
    Auditor,
}

#[derive(Args)]
pub(crate) struct WebhookArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(subcommand)]
    pub(crate) command: WebhookCommand,
}

#[derive(Subcommand)]
pub(crate) enum WebhookCommand {
    /// Lists the webhooks with their URLs.
    List,
    /// Makes a webhook.
    Create {
        /// Takes no calls until it is enabled.
        #[arg(long)]
        disabled: bool,
    },
    /// Shows a webhook.
    Show {
        /// Its id.
        id: String,
    },
    /// Lets a webhook take calls.
    Enable {
        /// Its id.
        id: String,
    },
    /// Refuses the calls of a webhook.
    Disable {
        /// Its id.
        id: String,
    },
    /// Gives a webhook a new URL. The old one stops at once, unless a grace is asked for.
    Rotate {
        /// Its id.
        id: String,
        /// For how many seconds the old URL goes on working.
        #[arg(long, value_name = "SECONDS")]
        grace_s: Option<u64>,
    },
    /// Removes a webhook.
    Remove {
        /// Its id.
        id: String,
    },
    /// Lists the last calls of a webhook, accepted and refused, newest first.
    Activations {
        /// Its id.
        id: String,
        /// How many at most, 1 to 100.
        #[arg(long, value_name = "COUNT")]
        limit: Option<u32>,
    },
    /// Says whether a link really downloads a file that would be sent; ends with 1 when it does not.
    CheckLink {
        /// The link.
        url: String,
        /// The name that the file would be sent under.
        #[arg(long, value_name = "NAME")]
        file_name: Option<String>,
    },
}

#[derive(Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Shells that can complete the command line.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}
