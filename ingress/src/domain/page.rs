//! Pages of lists: how many, and where the next one begins.
//!
//! Shape: a cursor is the base-64 form of a place in the list; opaque, so that the place may change its form.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::input::{Input, InputFault};

/// Items of a page when the caller does not say.
pub const LIMIT_DEFAULT: usize = 100;
/// Most items of a page: one answer stays below a few megabytes.
pub const LIMIT_MAX: usize = 1_000;

/// Which page is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<P> {
    /// At most this many items.
    pub limit: usize,
    /// After this place; none is the beginning.
    pub after: Option<P>,
}

impl<P: std::str::FromStr> Page<P> {
    /// Takes `limit` and `cursor`.
    ///
    /// # Errors
    /// When the limit is not 1 to 1,000 or the cursor was not made here.
    pub fn take(input: &mut Input) -> Result<Self, InputFault> {
        let limit = input.number("limit", 1..=LIMIT_MAX as u64)?.map_or(LIMIT_DEFAULT, |limit| limit as usize);
        let after = input.parsed("cursor", "a `next_cursor` of this list", read)?;
        Ok(Self { limit, after })
    }
}

impl<P> Page<P> {
    /// Cuts a list that was read one item longer than the page. Returns the place of the last item when there is more.
    pub fn cut<T>(&self, items: &mut Vec<T>, place: impl FnOnce(&T) -> P) -> Option<P> {
        if items.len() <= self.limit {
            return None;
        }
        items.truncate(self.limit);
        items.last().map(place)
    }
}

/// The cursor of a place.
pub fn cursor(place: impl ToString) -> String {
    URL_SAFE_NO_PAD.encode(place.to_string())
}

fn read<P: std::str::FromStr>(cursor: &str) -> Option<P> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use angelia_shared::ids::Position;

    use super::*;

    fn page(query: &str) -> Result<Page<Position>, InputFault> {
        Page::take(&mut Input::from_query(query)?)
    }

    #[test]
    fn a_cursor_reads_back() {
        let place = Position::new(17, 3);
        let asked = page(&format!("limit=5&cursor={}", cursor(place)));
        assert_eq!(asked, Ok(Page { limit: 5, after: Some(place) }));
        assert_eq!(page(""), Ok(Page { limit: LIMIT_DEFAULT, after: None }));
    }

    #[test]
    fn limits_out_of_bounds_and_foreign_cursors_are_refused() {
        for query in ["limit=0", "limit=1001", "limit=x", "cursor=", "cursor=!!", "cursor=Zm9v"] {
            assert!(page(query).is_err(), "{query}");
        }
    }

    #[test]
    fn a_page_is_cut_only_when_there_is_more() {
        let page = Page { limit: 2, after: None };
        let mut items = vec![1, 2, 3];
        assert_eq!(page.cut(&mut items, |item| *item), Some(2));
        assert_eq!(items, [1, 2]);
        assert_eq!(page.cut(&mut items, |item| *item), None);
    }
}
