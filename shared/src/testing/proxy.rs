//! A wire to the broker or the sandbox that can be made to stand still, or be cut.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::log::Access;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Flows,
    Stalled,
    Cut,
}

/// The wire. Stops when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A wire to a port of this machine.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let own = listener.local_addr().expect("it is bound").port();
        let (state, watched) = watch::channel(State::Flows);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *watched.borrow() == State::Cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                tokio::spawn(carry(near_in, far_out, watched.clone()));
                tokio::spawn(carry(far_in, near_out, watched.clone()));
            }
        });
        Self { port: own, state, accepting }
    }

    /// How to reach what is behind it over HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How to reach the broker through it.
    pub fn access(&self) -> Access {
        Access { url: format!("nats://127.0.0.1:{}", self.port), user: None, password: None }
    }

    /// Lets nothing through, either way, and closes nothing.
    pub fn stall(&self) {
        self.state.send_replace(State::Stalled);
    }

    /// Closes what is open and lets nobody in.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets everything through, what has gathered first.
    pub fn flow(&self) {
        self.state.send_replace(State::Flows);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut cut = state.clone();
    let carrying = async {
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let count = from.read(&mut bytes).await.ok().filter(|count| *count > 0)?;
            state.wait_for(|state| *state == State::Flows).await.ok()?;
            to.write_all(&bytes[..count]).await.ok()?;
        }
    };
    tokio::select! {
        biased;
        _ = cut.wait_for(|state| *state == State::Cut) => {}
        None::<()> = carrying => {}
    }
}
