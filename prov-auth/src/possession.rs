//! Tokens that are of use to nobody but the holder of a key: DPoP (RFC 9449) and client certificates
//! (RFC 8705).

mod nonce;
mod replay;
mod shared;
mod target;
mod verifier;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use prov_core::{Confirmation, Error};
pub(crate) use verifier::{ALGORITHMS, Proved};
pub use verifier::{ProofOptions, ProofVerifier};

use crate::codes;
use crate::token::base64url;

/// What names a client's certificate in a token (`x5t#S256`, RFC 8705, section 3.1).
pub(crate) fn certificate_thumbprint(der: &[u8]) -> String {
    base64url(digest(&SHA256, der))
}

/// Refuses whoever does not show the certificate that a credential is bound to. The handshake has proved
/// that what is shown is theirs.
pub(crate) fn check_certificate(
    bound_to: &Confirmation,
    shown: Option<&Bytes>,
) -> Result<(), Error> {
    let Some(wanted) = &bound_to.certificate else { return Ok(()) };
    if shown.is_some_and(|der| certificate_thumbprint(der) == *wanted) {
        return Ok(());
    }
    Err(Error::new(codes::TOKEN_BOUND).context("bound to a certificate that was not shown"))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    /// RFC 8705, appendix A.
    #[test]
    fn a_certificate_is_named_as_in_the_example_of_the_rfc() {
        let der = BASE64_STANDARD.decode(concat!(
            "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIy",
            "MDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwq",
            "V6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8w",
            "CgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV",
            "bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=",
        ));
        let der = Bytes::from(der.unwrap());
        let named = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";
        assert_eq!(certificate_thumbprint(&der), named);
        let bound_to = Confirmation::of(None, Some(named.to_owned())).unwrap();
        assert!(check_certificate(&bound_to, Some(&der)).is_ok());
        let other = Bytes::from_static(b"another");
        for shown in [None, Some(&other)] {
            assert!(check_certificate(&bound_to, shown).unwrap_err().is(codes::TOKEN_BOUND));
        }
    }
}
