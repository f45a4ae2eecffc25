//! Nonces that make a proof as young as the server says (RFC 9449, section 8).

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// A new nonce is given out so often, and one is taken for twice to three times as long.
const SPAN: Duration = Duration::from_mins(2);
/// Bytes of the tag that are kept: nobody guesses 128 bits.
const TAG: usize = 16;

/// Nonces without memory: the number of a span of time, and a tag that only who has the key can make. So
/// every node that has it takes what any of them gave out.
#[derive(Debug)]
pub(super) struct Nonces(hmac::Key);

impl Nonces {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// What proofs are to carry from this second on.
    pub(super) fn at(&self, second: i64) -> String {
        self.of(Self::span(second))
    }

    /// Whether it was given out at most three spans ago; a node whose clock is ahead may have.
    pub(super) fn accepts(&self, nonce: &str, second: i64) -> bool {
        let now = Self::span(second);
        let young = [now, now.wrapping_sub(1), now.wrapping_sub(2), now.wrapping_add(1)];
        let held = young.iter().map(|span| self.of(*span));
        held.fold(false, |found, known| {
            found | verify_slices_are_equal(known.as_bytes(), nonce.as_bytes()).is_ok()
        })
    }

    fn span(second: i64) -> i64 {
        second.div_euclid(i64::try_from(SPAN.as_secs()).unwrap_or(i64::MAX))
    }

    fn of(&self, span: i64) -> String {
        let number = span.to_be_bytes();
        let tag = hmac::sign(&self.0, &[b"dpop nonce v1 ".as_slice(), &number].concat());
        let tag = tag.as_ref().get(..TAG).unwrap_or_default();
        BASE64_URL_SAFE_NO_PAD.encode([&number, tag].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_minutes_on_every_node_with_the_key_and_on_no_other() {
        let (here, there, other) = (Nonces::new(b"k"), Nonces::new(b"k"), Nonces::new(b"x"));
        let nonce = here.at(1_000_000);
        assert!(there.accepts(&nonce, 1_000_000) && there.accepts(&nonce, 1_000_239));
        assert!(!there.accepts(&nonce, 1_000_000 + 360));
        assert!(!other.accepts(&nonce, 1_000_000));
        assert!(there.accepts(&nonce, 1_000_000 - 60), "clocks differ");
        assert!(!there.accepts(&nonce, 1_000_000 - 240), "from the future");
        assert!(!here.accepts("", 1_000_000) && !here.accepts(&format!("{nonce}A"), 1_000_000));
        assert_ne!(nonce, here.at(1_000_000 + 120));
    }
}
