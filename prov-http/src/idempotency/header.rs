//! Reading `Idempotency-Key`.

use http::{HeaderMap, HeaderName};
use prov_core::{Error, Result};

use crate::codes;

/// The header.
const NAME: HeaderName = HeaderName::from_static("idempotency-key");
/// A UUID has 36 characters; some clients put a path before it.
const LONGEST: usize = 255;

/// The key of a request, if it has one: a string of structured fields (RFC 9651, section 3.3.3), as
/// the draft asks for, or the bare text, as most clients send it.
///
/// # Errors
/// [`codes::IDEMPOTENCY_KEY_INVALID`] for more than one, an empty or over-long one, or one that is no
/// printable ASCII.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(NAME).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refuse("send one"));
    }
    let text = value.to_str().map_err(|_| refuse("printable ASCII only"))?.trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted).ok_or_else(|| refuse("the quotes are not closed"))?,
        None => text.to_owned(),
    };
    if key.is_empty() || key.len() > LONGEST {
        return Err(refuse("1 to 255 characters, such as a UUID"));
    }
    Ok(Some(key))
}

/// What stands before the closing quote, which must be the last character.
fn unquoted(quoted: &str) -> Option<String> {
    let mut key = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(key),
            '\\' => key.push(characters.next().filter(|c| ['"', '\\'].contains(c))?),
            other => key.push(other),
        }
    }
}

fn refuse(what: &'static str) -> Error {
    Error::new(codes::IDEMPOTENCY_KEY_INVALID).field("idempotency-key", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Option<String>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(NAME, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        key(&headers)
    }

    #[test]
    fn a_key_is_a_quoted_string_or_a_bare_text() {
        assert_eq!(read(&[]).unwrap(), None);
        for text in ["\"8e03978e-40d5\"", "8e03978e-40d5", "  8e03978e-40d5 "] {
            assert_eq!(read(&[text]).unwrap().as_deref(), Some("8e03978e-40d5"), "{text}");
        }
        assert_eq!(read(&[r#""a\"b\\c""#]).unwrap().as_deref(), Some(r#"a"b\c"#));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "k".repeat(256);
        for values in [
            &["a", "b"][..],
            &[""],
            &["\"\""],
            &["\"open"],
            &["\"a\"b"],
            &[r#""a\x""#],
            &["ключ"],
            &[&long],
        ] {
            assert!(read(values).unwrap_err().is(codes::IDEMPOTENCY_KEY_INVALID), "{values:?}");
        }
    }
}
