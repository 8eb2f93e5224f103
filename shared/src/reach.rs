//! Which addresses may be connected to when a user says where.
//!
//! Read in this order: [`public`](is_public) (what belongs to the internet), [`ProviderRule`] (what else an operator allows).

mod providers;
mod public;

pub use providers::ProviderRule;
pub use public::{AddressRule, is_public};
