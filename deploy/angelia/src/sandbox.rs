//! The command `sandbox`: the stand-in for WhatsApp as a process of its own.

use anyhow::Context as _;

use crate::cli::SandboxArgs;
use crate::signals::shutdown_on_signal;

/// Runs the sandbox until a signal.
pub(crate) async fn run(args: SandboxArgs) -> anyhow::Result<()> {
    let secret = std::fs::read_to_string(&args.app_secret_file)
        .with_context(|| format!("cannot read the app secret {}", args.app_secret_file.display()))?;
    let listener = tokio::net::TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another --listen", args.listen))?;
    println!("sandbox: http://{}", listener.local_addr()?);
    let config = angelia_sandbox::Config {
        data_dir: args.data,
        callback_url: args.callback,
        app_secret: secret.trim().to_owned(),
        access_token: None,
    };
    let shutdown = shutdown_on_signal()?;
    angelia_sandbox::serve(listener, config, shutdown).await.context("the sandbox has stopped")
}
