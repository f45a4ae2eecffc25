//! Where a search goes on.

use std::fmt::Debug;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prov_core::{Error, Result, codes};

/// So much of the hash of a question stands in its cursors.
const BOUND: usize = 16;

/// Makes and reads the cursors of one question. A cursor goes on with the question it came from and
/// with no other; it says no more than where, so whoever makes one up only begins there.
#[derive(Debug)]
pub(crate) struct Cursor([u8; BOUND]);

impl Cursor {
    /// Of a question, told apart from others by everything it consists of.
    pub(crate) fn of(question: &impl Debug) -> Self {
        let hash = digest::digest(&digest::SHA256, format!("{question:?}").as_bytes());
        let mut bound = [0; BOUND];
        bound.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Self(bound)
    }

    /// The cursor of a place.
    pub(crate) fn at(&self, place: &str) -> String {
        URL_SAFE_NO_PAD.encode([&self.0, place.as_bytes()].concat())
    }

    /// The place of a cursor.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] for what is no cursor of this question.
    pub(crate) fn read(&self, text: &str) -> Result<String> {
        let refused = || {
            Error::new(codes::INVALID_REQUEST)
                .field("cursor", "take `next_cursor` of an answer to this very question")
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
        let place = bytes.strip_prefix(&self.0).ok_or_else(refused)?;
        String::from_utf8(place.to_vec()).map_err(|_| refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_on_with_its_own_question_only() {
        let (one, other) = (Cursor::of(&("deploy", "Server")), Cursor::of(&("deploy", "Cluster")));
        assert_eq!(one.read(&one.at("web-7")).unwrap(), "web-7");
        for forged in
            [other.at("web-7"), String::new(), "§".into(), "AAAA".into(), one.at("x") + "="]
        {
            assert_eq!(one.read(&forged).unwrap_err().fields()[0].field, "cursor");
        }
    }
}
