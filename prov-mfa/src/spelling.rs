//! One code, one spelling: what people type, before anything is checked or remembered.
//!
//! The check, the replay rule and the attempt limit all see the canonical form only, so that no
//! other way of writing a code is another code.

use prov_core::{Error, Result, SecretText, codes};
use unicode_normalization::UnicodeNormalization;

use crate::base32;

/// Longer than any spelling of a code, in bytes.
const LONGEST_SPELLING: usize = 128;

/// Six ASCII digits.
#[derive(Debug, Clone)]
pub(crate) struct TotpCode(SecretText);

impl TotpCode {
    /// Reads what was typed: full-width digits (NFKC), spaces and dashes are understood.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] naming `code` unless exactly six digits remain.
    pub(crate) fn read(typed: &SecretText) -> Result<Self> {
        plain(typed, |c| c.is_ascii_digit().then_some(c), 6)
            .map(Self)
            .ok_or_else(|| malformed("a code of an authenticator app is six digits"))
    }

    pub(crate) fn digits(&self) -> &str {
        self.0.expose()
    }
}

/// Twenty-five characters of Crockford base 32, in capitals.
#[derive(Debug, Clone)]
pub(crate) struct BackupCode(SecretText);

impl BackupCode {
    /// Characters of a code without its dashes: 125 bits.
    pub(crate) const LENGTH: usize = 25;

    /// Reads what was typed: small letters, `O` for `0`, `I` and `L` for `1`, spaces and dashes are
    /// understood.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] naming `code` unless exactly twenty-five characters remain.
    pub(crate) fn read(typed: &SecretText) -> Result<Self> {
        plain(typed, base32::canonical, Self::LENGTH)
            .map(Self)
            .ok_or_else(|| malformed("a backup code is 25 letters and digits in five groups"))
    }

    pub(crate) fn characters(&self) -> &str {
        self.0.expose()
    }
}

/// `length` characters that `accept` knows, after NFKC and without spaces and dashes.
fn plain(
    typed: &SecretText,
    accept: impl Fn(char) -> Option<char>,
    length: usize,
) -> Option<SecretText> {
    let typed = typed.expose();
    if typed.len() > LONGEST_SPELLING {
        return None;
    }
    let mut text = String::with_capacity(length);
    for c in typed.nfkc().filter(|c| !is_separator(*c)) {
        if text.len() == length {
            return None;
        }
        text.push(accept(c).filter(char::is_ascii)?);
    }
    (text.len() == length).then(|| SecretText::new(text))
}

/// Spaces and the dashes that keyboards and word processors make.
const fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

fn malformed(message: &str) -> Error {
    Error::new(codes::INVALID_REQUEST).field("code", message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn totp(typed: &str) -> Option<String> {
        TotpCode::read(&SecretText::new(typed)).ok().map(|code| code.digits().to_owned())
    }

    fn backup(typed: &str) -> Option<String> {
        BackupCode::read(&SecretText::new(typed)).ok().map(|code| code.characters().to_owned())
    }

    #[test]
    fn every_spelling_of_a_code_is_the_same_code() {
        for typed in [
            "123456",
            " 123 456 ",
            "123-456",
            "1 2 3 4 5 6\r\n",
            "１２３４５６",
            "123\u{a0}456",
            "123–456",
        ] {
            assert_eq!(totp(typed).as_deref(), Some("123456"), "{typed:?}");
        }
        for typed in [
            "ABCDE-FGHJK-MNPQR-ST0V1-23456",
            "abcdefghjkmnpqrstOvl23456",
            "ＡBCDE FGHJK MNPQR SToVi 23456",
        ] {
            assert_eq!(backup(typed).as_deref(), Some("ABCDEFGHJKMNPQRST0V123456"), "{typed:?}");
        }
    }

    #[test]
    fn what_is_no_code_names_the_field() {
        let long = "1".repeat(1000);
        for typed in
            ["", " ", "12345", "1234567", "12345\0", "+12345", "٠١٢٣٤٥", "12345a", &long, "¹²³⁴⁵½"]
        {
            let error = TotpCode::read(&SecretText::new(typed)).unwrap_err();
            assert_eq!(error.fields()[0].field, "code", "{typed:?}");
        }
        for typed in [
            "",
            "ABCDE",
            "ABCDE-FGHJK-MNPQR-ST0V1",
            "ABCDE-FGHJK-MNPQR-STUVW-23456",
            "ABCDE-FGHJK-MNPQR-ST0V1-23456-7",
            &long,
        ] {
            assert!(BackupCode::read(&SecretText::new(typed)).is_err(), "{typed:?}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics_and_what_is_read_is_canonical(typed in any::<String>()) {
            if let Some(code) = totp(&typed) {
                prop_assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()));
            }
            if let Some(code) = backup(&typed) {
                prop_assert_eq!(backup(&code), Some(code));
            }
        }
    }
}
