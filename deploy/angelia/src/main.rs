//! The `angelia` binary: one subcommand per role.

mod broker;
mod cli;
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
    }
}

fn with_settings(common: &Common, role: impl FnOnce(Settings) -> ExitCode) -> ExitCode {
    let source = Source::read(common.config.as_deref()).map(|source| source.with_flags(common.flags()));
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
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("angelia: cannot start: {error}");
            return ExitCode::from(EXIT_FAILED);
        }
    };
    match runtime.block_on(role) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("angelia: {error:#}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}
