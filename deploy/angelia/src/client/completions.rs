//! Scripts that complete the command line in a shell, made from its words.

use clap::CommandFactory as _;
use clap_complete::Shell as Known;

use super::cli::{CompletionsArgs, Shell};
use crate::audit::print;
use crate::cli::Cli;

/// Prints the script for a shell.
pub(crate) async fn run(args: CompletionsArgs) -> anyhow::Result<()> {
    let shell = match args.shell {
        Shell::Bash => Known::Bash,
        Shell::Zsh => Known::Zsh,
        Shell::Fish => Known::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "angelia", &mut script);
    print(&String::from_utf8(script)?)
}
