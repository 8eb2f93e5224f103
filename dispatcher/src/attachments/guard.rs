//! A resolver that hands out only addresses that may be connected to.
//!
//! The HTTP client connects to what this resolver returns and looks nothing up by itself. So there is no moment
//! between check and connection in which a name could change its mind (DNS rebinding), and no second lookup.
//!
//! Not here: IP addresses written in a link, which no resolver is asked about (see `link.rs`).

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use angelia_shared::reach::AddressRule;

/// The most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Finds the addresses of a name.
pub trait Lookup: Send + Sync {
    /// All addresses of `host`, in the order to try them, not yet judged.
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// Looks names up as the system does.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) }.boxed()
    }
}

/// A resolver for HTTP clients that must not reach inside.
#[derive(Clone)]
pub struct GuardedResolver {
    lookup: Arc<dyn Lookup>,
    rule: AddressRule,
}

impl GuardedResolver {
    /// Guards `lookup` by `rule`.
    pub fn new(lookup: Arc<dyn Lookup>, rule: AddressRule) -> GuardedResolver {
        GuardedResolver { lookup, rule }
    }
}

impl fmt::Debug for GuardedResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedResolver").field("rule", &self.rule).finish_non_exhaustive()
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (looking_up, rule) = (self.lookup.lookup(name.as_str().to_owned()), self.rule);
        async move {
            let found = looking_up.await?;
            let allowed = allowed(&found, rule)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        }
        .boxed()
    }
}

/// Every address of a name is one that may not be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("resolving a name that has only addresses that are not public")]
pub struct NotPublic;

impl NotPublic {
    /// Says whether this is why `error` happened.
    pub fn caused(error: &(dyn std::error::Error + 'static)) -> bool {
        std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<NotPublic>())
    }
}

/// A name with public and other addresses is reached by its public ones only.
fn allowed(found: &[IpAddr], rule: AddressRule) -> Result<Vec<SocketAddr>, NotPublic> {
    let allowed: Vec<SocketAddr> = found
        .iter()
        .filter(|address| rule.allows(**address))
        .take(ADDRESSES_MAX)
        // The client puts the link's port in place of 0.
        .map(|address| SocketAddr::new(*address, 0))
        .collect();
    if allowed.is_empty() && !found.is_empty() { Err(NotPublic) } else { Ok(allowed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(written: &[&str]) -> Vec<IpAddr> {
        written.iter().map(|address| address.parse().expect("an address")).collect()
    }

    #[test]
    fn only_allowed_addresses_are_handed_out_in_their_order() {
        let found = addresses(&["10.0.0.1", "8.8.8.8", "::ffff:127.0.0.1", "2606:4700::1111", "169.254.169.254"]);
        let handed_out = allowed(&found, AddressRule::default()).expect("two are public");
        let expected = addresses(&["8.8.8.8", "2606:4700::1111"]);
        assert_eq!(handed_out.into_iter().map(|address| address.ip()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_name_with_no_allowed_address_is_refused_and_one_with_none_at_all_is_not_found() {
        assert_eq!(allowed(&addresses(&["10.0.0.1", "::1"]), AddressRule::default()), Err(NotPublic));
        assert_eq!(allowed(&[], AddressRule::default()), Ok(vec![]));
    }

    #[test]
    fn a_long_list_of_addresses_is_cut() {
        let found = vec![IpAddr::from([8, 8, 8, 8]); 1000];
        assert_eq!(allowed(&found, AddressRule::default()).map(|handed_out| handed_out.len()), Ok(ADDRESSES_MAX));
    }

    #[tokio::test]
    async fn the_systems_lookup_knows_this_machine() {
        let found = SystemLookup.lookup("localhost".to_owned()).await.expect("every system has it");
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
    }
}
