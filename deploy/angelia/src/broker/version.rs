//! Is this program a `nats-server` that is new enough?

use std::fmt;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::StartBrokerError;

/// Source: atomic batches with the checks that the log's writer relies on came with 2.14.
pub(super) const OLDEST: Version = Version { major: 2, minor: 14 };

/// Printing a version takes milliseconds; a program that takes this long waits for something else.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// A version as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Asks the program for its version.
///
/// # Errors
/// [`StartBrokerError::NotFound`], `NotRunnable`, `NotNatsServer` and `TooOld`.
pub(super) async fn check(program: &Path) -> Result<Version, StartBrokerError> {
    let program = program.to_owned();
    let asked = Command::new(&program).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    let output = match timeout(ANSWERS_WITHIN, asked).await {
        Ok(Ok(output)) => output,
        Ok(Err(source)) if source.kind() == io::ErrorKind::NotFound => {
            return Err(StartBrokerError::NotFound { program });
        }
        Ok(Err(source)) => return Err(StartBrokerError::NotRunnable { program, source }),
        Err(_) => return Err(StartBrokerError::NotNatsServer { program }),
    };
    match parse(&String::from_utf8_lossy(&output.stdout)) {
        None => Err(StartBrokerError::NotNatsServer { program }),
        Some(found) if found < OLDEST => Err(StartBrokerError::TooOld { program, found }),
        Some(found) => Ok(found),
    }
}

/// Reads `nats-server: v2.15.1`, also with a suffix such as `-RC.1`.
fn parse(text: &str) -> Option<Version> {
    let number = text.lines().find_map(|line| line.strip_prefix("nats-server: v"))?;
    let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let (Ok(major), Ok(minor)) = (parts.next()?, parts.next()?) else { return None };
    Some(Version { major, minor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_server_prints() {
        let cases = [
            ("nats-server: v2.15.1\n", Some((2, 15))),
            ("nats-server: v2.14.0-RC.1\n", Some((2, 14))),
            ("nats-server: v3.0\n", Some((3, 0))),
            ("nats-server: v2\n", None),
            ("nats-server: vx.y\n", None),
            ("nats-server version 0.1\n", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected.map(|(major, minor)| Version { major, minor }), "{text:?}");
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |major, minor| Version { major, minor };
        assert!(version(2, 9) < OLDEST && version(1, 99) < OLDEST);
        assert!(version(2, 14) >= OLDEST && version(2, 100) >= OLDEST && version(3, 0) >= OLDEST);
    }
}
