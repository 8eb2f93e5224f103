//! Says whether a `traceparent` header can be passed on (W3C Trace Context, level 1).

/// The header's value when it has the form `00-<32 hex>-<16 hex>-<2 hex>`, lower-case and neither id all zero.
pub fn valid(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let mut fields = text.split('-');
    let version = fields.next().filter(|field| is_hex(field, 2) && *field != "ff")?;
    let _trace = fields.next().filter(|field| is_hex(field, 32) && !is_zero(field))?;
    let _parent = fields.next().filter(|field| is_hex(field, 16) && !is_zero(field))?;
    let _flags = fields.next().filter(|field| is_hex(field, 2))?;
    // A later version may add fields, but what we store is bounded.
    (fields.next().is_none() && version == "00").then_some(text)
}

fn is_hex(field: &str, digits: usize) -> bool {
    field.len() == digits && field.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_zero(field: &str) -> bool {
    field.bytes().all(|b| b == b'0')
}

#[cfg(test)]
mod tests {
    use super::valid;

    #[test]
    fn only_the_exact_form_is_passed_on() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(valid(good.as_bytes()), Some(good));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736\"-00f067aa0ba902b7-01",
        ] {
            assert_eq!(valid(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(valid(b"\xff\xfe"), None);
    }
}
