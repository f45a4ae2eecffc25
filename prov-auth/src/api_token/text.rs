//! The text of an API token: `prov_`, 43 random characters, 6 characters of checksum.
//!
//! Letters and digits only, so that a double click selects it whole. Whoever scans for secrets finds it
//! by `prov_[0-9A-Za-z]{49}` and tells it from chance by the checksum: the CRC-32 of everything before
//! it, in base 62. The checksum is no protection; it spares false alarms, and a look-up for typing errors.

use prov_core::{Result, SecretText, random};
use zeroize::Zeroizing;

const PREFIX: &str = "prov_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62⁴³ > 2²⁵⁶.
const RANDOM: usize = 43;
const CHECKSUM: usize = 6;

/// A fresh token of 256 random bits.
///
/// # Errors
/// When the operating system gives no randomness.
pub(crate) fn generate() -> Result<SecretText> {
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + RANDOM + CHECKSUM));
    text.push_str(PREFIX);
    let mut missing = RANDOM;
    while missing > 0 {
        let bytes = Zeroizing::new(random::bytes::<64>()?);
        // Bytes from 248 on would make the first characters likelier than the others.
        let fair = bytes.iter().filter(|byte| **byte < 248).take(missing);
        for byte in fair {
            text.push(character(u32::from(*byte)));
            missing -= 1;
        }
    }
    let checksum = checksum(&text);
    text.push_str(&checksum);
    Ok(SecretText::new(text.as_str()))
}

/// Whether a text has the form of an API token and its checksum fits.
pub(crate) fn is_well_formed(text: &str) -> bool {
    let Some((body, given)) = text.split_at_checked(PREFIX.len() + RANDOM) else { return false };
    body.strip_prefix(PREFIX)
        .is_some_and(|random| random.bytes().all(|b| b.is_ascii_alphanumeric()))
        && given == checksum(body)
}

fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = u8::try_from(character(rest)).unwrap_or(b'0');
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

fn character(number: u32) -> char {
    let index = usize::try_from(number % 62).unwrap_or(0);
    ALPHABET.get(index).map_or('0', |byte| char::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tokens_are_well_formed_all_different_and_found_by_scanners() {
        let mut seen = HashSet::new();
        let mut characters = HashSet::new();
        for _ in 0..500 {
            let token = generate().unwrap();
            let text = token.expose();
            assert!(is_well_formed(text) && text.len() == 54, "{text}");
            assert!(text.strip_prefix("prov_").unwrap().bytes().all(|b| b.is_ascii_alphanumeric()));
            characters.extend(text.bytes());
            assert!(seen.insert(text.to_owned()));
        }
        assert!(characters.len() >= 62, "every letter and digit occurs");
    }

    #[test]
    fn the_checksum_can_be_computed_by_anybody() {
        // CRC-32 (ISO-HDLC) of "prov_" and 43 zeros, by another implementation (Python's zlib): base 62.
        let body = format!("prov_{}", "0".repeat(43));
        assert_eq!(checksum(&body), "1yU8rf");
        assert!(is_well_formed(&format!("{body}1yU8rf")));
    }

    #[test]
    fn a_wrong_character_a_missing_one_and_other_tokens_are_told_apart() {
        let token = generate().unwrap();
        let text = token.expose();
        for at in 0..text.len() {
            let mut other = text.as_bytes().to_vec();
            other[at] = if other[at] == b'x' { b'y' } else { b'x' };
            assert!(!is_well_formed(std::str::from_utf8(&other).unwrap()), "{at}");
        }
        let cut = text.strip_suffix(|_: char| true).unwrap();
        for bad in [cut, &format!("{text}0"), "prov_", "", "prov_rt_0", &text.to_uppercase()] {
            assert!(!is_well_formed(bad), "{bad}");
        }
        assert!(!is_well_formed(&"é".repeat(27)));
    }
}
