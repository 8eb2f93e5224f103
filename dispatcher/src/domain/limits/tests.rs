//! What the tests of limits have in common, for one account alone and for those of a partition.

pub(crate) mod judge;
