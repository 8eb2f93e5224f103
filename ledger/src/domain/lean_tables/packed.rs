//! A few bytes without an allocation of their own.

/// Bytes that are kept in place: a message of two parts that was sent and read takes 22 with its owner's number.
const NEAR_MAX: usize = 22;

/// Some bytes; nearly always few.
#[derive(Clone, Debug)]
pub(super) enum Packed {
    /// The first so many.
    Near(u8, [u8; NEAR_MAX]),
    /// More.
    Far(Box<[u8]>),
}

impl From<&[u8]> for Packed {
    fn from(bytes: &[u8]) -> Self {
        let mut near = [0; NEAR_MAX];
        match near.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                Self::Near(bytes.len() as u8, near)
            }
            None => Self::Far(bytes.into()),
        }
    }
}

impl Packed {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Near(len, bytes) => &bytes[..usize::from(*len)],
            Self::Far(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_and_many_come_back() {
        for len in 0..=2 * NEAR_MAX {
            let bytes: Vec<u8> = (0..len as u8).collect();
            assert_eq!(Packed::from(bytes.as_slice()).bytes(), bytes);
        }
        assert_eq!(size_of::<Packed>(), 24);
    }
}
