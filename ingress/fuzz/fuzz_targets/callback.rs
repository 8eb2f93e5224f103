//! Fuzzes a provider callback's body with the checks of the tests.
#![no_main]

// Each target uses one of them.
#[allow(dead_code, reason = "the others belong to the other targets")]
#[path = "../../tests/fuzz/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::callback(bytes));
