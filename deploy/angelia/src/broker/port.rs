//! Chooses the broker's port: the one of the last start if it is free, so that whoever noted it finds us again.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use angelia_shared::dice;

use super::{StartBrokerError, settings};
use crate::data_dir::DataDir;

/// Below what Linux and macOS give to outgoing connections: a connection of ours that polls a port from that range
/// before the server is up can be given the same port at its own end, connect to itself, and keep the server out.
const RANGE: Range<u16> = 20_000..30_000;

/// So many in a row are not all taken by chance.
const CANDIDATES: u16 = 100;

/// Chooses a free port and remembers it. With `forget`, not the remembered one.
pub(super) fn choose(data_dir: &DataDir, forget: bool) -> Result<u16, StartBrokerError> {
    let remembered = if forget { None } else { remembered(data_dir).filter(|&port| is_free(port)) };
    if let Some(port) = remembered {
        return Ok(port);
    }
    let port = pick().map_err(StartBrokerError::NoFreePort)?;
    data_dir.write_private(settings::PORT_FILE, format!("{port}\n").as_bytes())?;
    Ok(port)
}

/// A damaged file is as good as none: the port is a convenience.
fn remembered(data_dir: &DataDir) -> Option<u16> {
    let text = fs::read_to_string(data_dir.path().join(settings::PORT_FILE)).ok()?;
    text.trim().parse().ok().filter(|&port| port != 0)
}

fn pick() -> io::Result<u16> {
    let width = RANGE.end - RANGE.start;
    let first = u16::try_from(dice::u64() % u64::from(width)).expect("less than a u16");
    let mut candidates = (0..CANDIDATES).map(|step| RANGE.start + (first + step) % width);
    match candidates.find(|&port| is_free(port)) {
        Some(port) => Ok(port),
        None => Ok(bind(0)?.local_addr()?.port()),
    }
}

fn is_free(port: u16) -> bool {
    bind(port).is_ok()
}

fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_dir() -> (tempfile::TempDir, DataDir) {
        let parent = tempfile::tempdir().expect("a directory");
        let data_dir = DataDir::open(parent.path()).expect("usable");
        data_dir.private_dir(settings::DIR).expect("a directory inside");
        (parent, data_dir)
    }

    #[test]
    fn a_free_port_is_chosen_and_kept() {
        let (_parent, data_dir) = data_dir();
        let port = choose(&data_dir, false).expect("a port");
        assert!(is_free(port));
        assert_eq!(choose(&data_dir, false).expect("a port"), port);
    }

    #[test]
    fn an_occupied_port_is_replaced_for_good() {
        let (_parent, data_dir) = data_dir();
        let first = choose(&data_dir, false).expect("a port");
        let occupied = bind(first).expect("free until now");

        let second = choose(&data_dir, false).expect("a port");
        drop(occupied);

        assert_ne!(second, first);
        assert_eq!(choose(&data_dir, false).expect("a port"), second, "it does not jump back");
    }

    #[test]
    fn a_damaged_note_is_as_good_as_none() {
        let (_parent, data_dir) = data_dir();
        for damaged in [&b""[..], b"0", b"70000", b"\xff"] {
            fs::write(data_dir.path().join(settings::PORT_FILE), damaged).expect("written");
            assert!(choose(&data_dir, false).expect("a port") > 0);
        }
    }
}
