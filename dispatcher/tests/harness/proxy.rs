//! A wire to the broker or the sandbox that can be made to stand still.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use angelia_shared::log::Access;

/// The wire. Stops when dropped.
pub(crate) struct Proxy {
    port: u16,
    flows: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A wire to a port of this machine.
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let own = listener.local_addr().expect("it is bound").port();
        let (flows, watched) = watch::channel(true);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                tokio::spawn(carry(near_in, far_out, watched.clone()));
                tokio::spawn(carry(far_in, near_out, watched.clone()));
            }
        });
        Self { port: own, flows, accepting }
    }

    /// How to reach what is behind it over HTTP.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How to reach the broker through it.
    pub(crate) fn access(&self) -> Access {
        Access { url: format!("nats://127.0.0.1:{}", self.port), user: None, password: None }
    }

    /// Lets nothing through, either way, and closes nothing.
    pub(crate) fn stall(&self) {
        self.flows.send_replace(false);
    }

    /// Lets everything through, what has gathered first.
    pub(crate) fn flow(&self) {
        self.flows.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut flows: watch::Receiver<bool>,
) -> Option<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut bytes).await.ok().filter(|count| *count > 0)?;
        flows.wait_for(|flows| *flows).await.ok()?;
        to.write_all(&bytes[..count]).await.ok()?;
    }
}
