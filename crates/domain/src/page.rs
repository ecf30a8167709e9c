use std::fmt::Write as _;
use std::str::FromStr;

/// One page of a list, with the way to the next one.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows, in the order of the list.
    pub data: Vec<T>,
    /// Where the next page starts; `None` on the last one.
    pub next_cursor: Option<Cursor>,
}

impl<T> Page<T> {
    /// Builds a page from up to `limit + 1` rows: the extra row only tells that there is more.
    pub fn from_rows(mut rows: Vec<T>, limit: usize, cursor: impl Fn(&T) -> Cursor) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = if more { rows.last().map(cursor) } else { None };
        Self {
            data: rows,
            next_cursor,
        }
    }

    /// The same page with every row turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page {
            data: self.data.into_iter().map(turn).collect(),
            next_cursor: self.next_cursor,
        }
    }
}

/// The place in a list after which a page starts; opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

/// A cursor that no list gave out.
#[derive(Debug, thiserror::Error)]
#[error("the cursor is not one that a list returned")]
pub struct InvalidCursor;

impl Cursor {
    /// Wraps the key of the last row shown.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the keys are ids and numbers, and calls read better without a reference"
    )]
    pub fn after(key: impl ToString) -> Self {
        Self(key.to_string())
    }

    /// Reads the key back.
    ///
    /// # Errors
    /// [`InvalidCursor`] if it is not a `T`.
    pub fn key<T: FromStr>(&self) -> Result<T, InvalidCursor> {
        self.0.parse().map_err(|_| InvalidCursor)
    }

    /// The form clients carry: hex, so that nobody builds on its inside.
    pub fn encode(&self) -> String {
        self.0
            .bytes()
            .fold(String::with_capacity(self.0.len() * 2), |mut text, byte| {
                // Writing to a String cannot fail.
                write!(text, "{byte:02x}").ok();
                text
            })
    }

    /// Reads what [`Cursor::encode`] wrote.
    ///
    /// # Errors
    /// [`InvalidCursor`] for anything else.
    pub fn decode(text: &str) -> Result<Self, InvalidCursor> {
        if text.is_empty() || text.len() > 256 || !text.len().is_multiple_of(2) || !text.is_ascii()
        {
            return Err(InvalidCursor);
        }
        let bytes = (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| InvalidCursor))
            .collect::<Result<Vec<u8>, _>>()?;
        let cursor = String::from_utf8(bytes)
            .map(Self)
            .map_err(|_| InvalidCursor)?;
        // Numbers have other spellings, such as `+f` and `0F`; a cursor has one.
        if cursor.encode() == text {
            Ok(cursor)
        } else {
            Err(InvalidCursor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_the_way_to_the_client_and_back() {
        let cursor = Cursor::after(1234);
        let back = Cursor::decode(&cursor.encode()).unwrap();
        assert_eq!(back.key::<i64>().unwrap(), 1234);
    }

    #[test]
    fn foreign_cursors_are_refused() {
        for text in ["", "x", "zz", "é1", "0", "+1", "3+", "4A"] {
            assert!(Cursor::decode(text).is_err(), "{text}");
        }
        assert!(Cursor::decode("6162").unwrap().key::<i64>().is_err());
    }

    #[test]
    fn the_extra_row_tells_that_there_is_more() {
        let page = Page::from_rows(vec![1, 2, 3], 2, |row| Cursor::after(row));
        assert_eq!(page.data, [1, 2]);
        assert_eq!(page.next_cursor, Some(Cursor::after(2)));
        let page = Page::from_rows(vec![1, 2], 2, |row| Cursor::after(row));
        assert_eq!(page.next_cursor, None);
    }
}
