//! Crockford's base 32: what people can read aloud. The alphabet has no `I`, `L`, `O` and `U`.

use prov_core::{Result, SecretText, random};

use crate::spelling::BackupCode;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The character that is meant: small letters are capitals, `O` is `0`, `I` and `L` are `1`.
pub(crate) const fn canonical(c: char) -> Option<char> {
    match c.to_ascii_uppercase() {
        'O' => Some('0'),
        'I' | 'L' => Some('1'),
        'U' => None,
        c if c.is_ascii_digit() || c.is_ascii_uppercase() => Some(c),
        _ => None,
    }
}

/// A fresh backup code as it is shown: five groups of five.
///
/// # Errors
/// When the operating system gives no randomness.
pub(crate) fn fresh_backup_code() -> Result<SecretText> {
    let bytes = random::bytes::<{ BackupCode::LENGTH }>()?;
    let mut text = String::with_capacity(BackupCode::LENGTH + 4);
    for (place, byte) in bytes.iter().enumerate() {
        if place > 0 && place.is_multiple_of(5) {
            text.push('-');
        }
        // 256 is a multiple of 32: every character is equally likely, 5 bits each.
        let character = ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'0');
        text.push(char::from(character));
    }
    Ok(SecretText::new(text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_alphabet_is_crockfords_and_canonical() {
        assert!(ALPHABET.iter().all(|b| canonical(char::from(*b)) == Some(char::from(*b))));
        assert_eq!(ALPHABET.iter().collect::<BTreeSet<_>>().len(), 32);
        assert_eq!(
            ['o', 'I', 'l', 'u', '!'].map(canonical),
            [Some('0'), Some('1'), Some('1'), None, None]
        );
    }

    #[test]
    fn fresh_codes_differ_are_read_back_and_use_the_whole_alphabet() {
        let codes: Vec<_> = (0..200).map(|_| fresh_backup_code().unwrap()).collect();
        let read: BTreeSet<_> =
            codes.iter().map(|c| BackupCode::read(c).unwrap().characters().to_owned()).collect();
        assert_eq!(read.len(), 200);
        let used: BTreeSet<char> = read.iter().flat_map(|code| code.chars()).collect();
        assert_eq!(used.len(), 32);
        assert_eq!(codes[0].expose().split('-').map(str::len).collect::<Vec<_>>(), [5; 5]);
    }
}
