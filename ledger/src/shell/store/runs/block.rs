//! Neighbouring rows in one value: the key, the length of the value in a byte, the value.

use smallvec::SmallVec;

use super::Value;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry<const K: usize> {
    pub(super) key: [u8; K],
    pub(super) value: Value,
}

/// Rows: in a run sorted by key, in a tail as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block<const K: usize>(pub(super) Vec<Entry<K>>);

impl<const K: usize> Block<K> {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.iter().map(|entry| K + 1 + entry.value.len()).sum());
        for Entry { key, value } in &self.0 {
            out.extend_from_slice(key);
            out.push(u8::try_from(value.len()).expect("values of these tables are far below 256 bytes"));
            out.extend_from_slice(value);
        }
        out
    }

    /// `None` when the bytes are something else.
    pub(super) fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut entries = Vec::with_capacity(bytes.len() / (K + 1));
        while !bytes.is_empty() {
            let (key, rest) = bytes.split_first_chunk::<K>()?;
            let (len, rest) = rest.split_first()?;
            let (value, rest) = rest.split_at_checked(usize::from(*len))?;
            entries.push(Entry { key: *key, value: SmallVec::from_slice(value) });
            bytes = rest;
        }
        Some(Self(entries))
    }

    /// The value under `key` in a sorted block.
    pub(super) fn find(&self, key: &[u8; K]) -> Option<&Value> {
        let at = self.0.binary_search_by_key(key, |entry| entry.key).ok()?;
        Some(&self.0[at].value)
    }
}
