//! Three `nats-server` as one cluster on this machine, each of which can be killed alone.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use angelia_shared::log::{Access, connect};
use angelia_shared::testing::{free_port, server_binary};
use serde_json::Value;
use tempfile::TempDir;

use crate::wait::{LATER, eventually};

/// How many servers: the fewest that can lose one.
const SERVERS: usize = 3;

/// A running cluster. Dropping it kills its servers and their data.
pub struct Cluster {
    servers: Vec<Option<Child>>,
    ports: Vec<u16>,
    _folder: TempDir,
}

impl Cluster {
    /// Starts a cluster with empty stores, and waits until it has a leader.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let ports: Vec<u16> = (0..SERVERS).map(|_| free_port()).collect();
        let routed: Vec<u16> = (0..SERVERS).map(|_| free_port()).collect();
        let routes: Vec<String> = routed.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        let servers = (0..SERVERS).map(|number| {
            let own = folder.path().join(format!("server-{number}"));
            std::fs::create_dir(&own).expect("a folder can be made");
            let config = format!(
                "listen: \"127.0.0.1:{}\"\nserver_name: server-{number}\ncluster {{ name: tests, listen: \"127.0.0.1:{}\", \
                 routes: [{}] }}\njetstream {{ store_dir: \"{}\", sync_interval: always, max_file_store: 20G }}\n",
                ports[number],
                routed[number],
                routes.join(", "),
                own.join("store").display(),
            );
            std::fs::write(own.join("nats.conf"), config).expect("the configuration can be written");
            Some(launch(&own))
        });
        let servers = servers.collect();
        let cluster = Self { servers, ports, _folder: folder };
        for number in 0..SERVERS {
            cluster.is_ready(number).await;
        }
        cluster
    }

    /// How to reach one of its servers.
    pub fn access(&self, number: usize) -> Access {
        Access { url: format!("nats://127.0.0.1:{}", self.ports[number]), user: None, password: None }
    }

    /// The number of the server of this name.
    ///
    /// # Panics
    /// When it is none of these.
    pub fn number(name: &str) -> usize {
        name.strip_prefix("server-").and_then(|number| number.parse().ok()).expect("a server of this cluster")
    }

    /// Kills a server with SIGKILL.
    pub fn kill(&mut self, number: usize) {
        if let Some(mut server) = self.servers[number].take() {
            server.kill().expect("an own child can be killed");
            server.wait().expect("an own child can be awaited");
        }
    }

    /// Waits until a server answers questions about streams, which takes a leader.
    async fn is_ready(&self, number: usize) {
        eventually("the cluster has a leader", LATER, async || {
            let client = connect(&self.access(number), "test-probe").await.map_err(|error| error.to_string())?;
            let answer = client.request("$JS.API.INFO", "".into()).await.map_err(|error| error.to_string())?;
            let answer: Value = serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())?;
            if answer["error"].is_null() { Ok(()) } else { Err(answer.to_string()) }
        })
        .await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..self.servers.len()).for_each(|number| self.kill(number));
    }
}

fn launch(folder: &Path) -> Child {
    let log = std::fs::File::create(folder.join("server.log")).expect("its log can be written");
    Command::new(server_binary())
        .arg("-c")
        .arg(folder.join("nats.conf"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("nats-server can be started")
}
