//! Looks providers' names up: a client connects only to what [`ProviderResolver`] hands out, so the address that was checked is the one
//! that is really connected to, also for every later request on that connection.
//!
//! Not here: the rule (`angelia_shared::reach`), how a provider is asked (see the transports).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use angelia_shared::reach::ProviderRule;
use futures_util::FutureExt as _;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::attachments::{GuardedResolver, Lookup, SystemLookup};

/// Hands out the addresses that a provider may have, and no others.
pub(crate) struct ProviderResolver {
    rule: ProviderRule,
    lookup: Arc<dyn Lookup>,
    guarded: GuardedResolver,
}

impl ProviderResolver {
    /// A resolver that hands out what `rule` allows.
    pub(crate) fn new(rule: &ProviderRule, lookup: Arc<dyn Lookup>) -> Self {
        let guarded = GuardedResolver::new(Arc::clone(&lookup), rule.addresses());
        Self { rule: rule.clone(), lookup, guarded }
    }

    /// The same, asking the system.
    pub(crate) fn of_the_system(rule: &ProviderRule) -> Self {
        Self::new(rule, Arc::new(SystemLookup))
    }
}

impl Resolve for ProviderResolver {
    fn resolve(&self, name: Name) -> Resolving {
        if !self.rule.names(name.as_str()) {
            return self.guarded.resolve(name);
        }
        let looking_up = self.lookup.lookup(name.as_str().to_owned());
        async move {
            let found: io::Result<_> = looking_up.await;
            let found: Vec<_> = found?.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        }
        .boxed()
    }
}
