//! The `angelia` binary: one subcommand per role.

mod audit;
mod backup;
mod broker;
mod cli;
mod client;
mod data_dir;
mod installation;
mod metrics;
mod open_files;
mod quickstart;
mod sandbox;
mod services;
mod settings;
mod signals;
mod standalone;

use std::process::ExitCode;

use angelia_shared::config::Source;
use angelia_shared::telemetry::{self, LogForm};
use anyhow::Context as _;
use clap::Parser as _;

use crate::cli::{Cli, Command, Common};
use crate::services::Role;
use crate::settings::Settings;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A setting or a flag cannot be used (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;
/// The program could not go on.
const EXIT_FAILED: u8 = 1;
/// An audit, a backup or a restore could not be done: nothing is said about the log. Or a server gave no answer.
const EXIT_CANNOT_TELL: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way, too, and are no mistakes.
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            let _unprintable = error.print();
            return ExitCode::from(code);
        }
    };
    // Only the first one is used; a library may have been quicker with the same.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    angelia_ingress::prometheus::install();
    match cli.command {
        Command::Standalone(common) => with_settings(&common, |settings| run(standalone::run(settings))),
        Command::Ingress(common) => with_settings(&common, |settings| run(services::run(Role::Ingress, settings))),
        Command::Dispatcher(common) => {
            with_settings(&common, |settings| run(services::run(Role::Dispatcher, settings)))
        }
        Command::Ledger(common) => with_settings(&common, |settings| run(services::run(Role::Ledger, settings))),
        Command::Sandbox(args) => {
            telemetry::start("info", LogForm::Text);
            run(sandbox::run(args))
        }
        Command::Audit(args) => look(audit::run(args.command)),
        Command::Backup(args) => look(backup::make::run(args)),
        Command::Restore(args) => look(backup::restore::run(args)),
        Command::Send(args) => ask(client::send(args)),
        Command::Tail(args) => ask(client::tail(args)),
        Command::Workspace(args) => ask(client::workspace(args.remote, args.command)),
        Command::Webhook(args) => ask(client::webhook(args.remote, args.command)),
        Command::Completions(args) => ask(client::completions(args)),
    }
}

fn with_settings(common: &Common, role: impl FnOnce(Settings) -> ExitCode) -> ExitCode {
    let source = Source::read(common.place.config.as_deref()).map(|source| source.with_flags(common.flags()));
    let settings = match source.and_then(|source| Settings::read(&source)) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("angelia: {}", telemetry::chain(&error));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if common.print_config {
        print!("{}", settings.show());
        return ExitCode::SUCCESS;
    }
    let form = if settings.program.log_json { LogForm::Json } else { LogForm::Text };
    telemetry::start(&settings.program.log, form);
    role(settings)
}

fn run(role: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    match block_on(role) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, EXIT_FAILED),
    }
}

/// Runs what looks at a log and says whether all is well with it.
fn look(work: impl Future<Output = anyhow::Result<bool>>) -> ExitCode {
    let unless_interrupted = async {
        let shutdown = signals::shutdown_on_signal()?;
        tokio::select! {
            // What it has opened goes with it, a broker of its own, too.
            () = shutdown.cancelled() => anyhow::bail!("interrupted"),
            looked = work => looked,
        }
    };
    match block_on(unless_interrupted) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILED),
        Err(error) if error.is::<audit::NobodyReads>() => ExitCode::SUCCESS,
        Err(error) if error.is::<audit::place::Unusable>() => failed(&error, EXIT_USAGE),
        Err(error) => failed(&error, EXIT_CANNOT_TELL),
    }
}

/// Runs what calls a server, as its client.
fn ask(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    match block_on(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<audit::NobodyReads>() => ExitCode::SUCCESS,
        Err(error) if error.is::<audit::place::Unusable>() => failed(&error, EXIT_USAGE),
        Err(error) if error.is::<client::Refused>() => failed(&error, EXIT_FAILED),
        Err(error) => failed(&error, EXIT_CANNOT_TELL),
    }
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start")?.block_on(work)
}

fn failed(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("angelia: {error:#}");
    ExitCode::from(code)
}
