//! The arithmetic of time-based one-time passwords (RFC 6238): SHA-1, six digits, 30 seconds.
//! Authenticator apps agree on nothing else.

use prov_core::{Error, Result, SecretBytes, SecretText, Timestamp, codes, random};
use totp_rs::{Algorithm, Builder, Secret, Totp};

use crate::spelling::TotpCode;

/// 160 bits, as RFC 4226 (section 4, requirement 6) recommends.
const SECRET_BYTES: usize = 20;
/// The length of a time step (RFC 6238, section 4.1).
const STEP_SECONDS: u64 = 30;
/// Steps before and after the present one that may be accepted (RFC 6238, section 5.2).
pub(crate) const MOST_DRIFT_STEPS: u8 = 1;
/// Characters of the account's name that go into a QR code.
const LONGEST_ACCOUNT: usize = 64;

/// A fresh secret from the operating system.
///
/// # Errors
/// When the operating system gives no randomness.
pub(crate) fn fresh_secret() -> Result<SecretBytes> {
    let mut bytes = random::bytes::<SECRET_BYTES>()?;
    Ok(SecretBytes::taken_from(&mut bytes))
}

/// The time step whose code this is, if it is the one of `now` or up to `drift` before or after it.
///
/// # Errors
/// [`codes::INTERNAL`] when the secret is none that RFC 4226 allows.
pub(crate) fn matching_step(
    secret: &SecretBytes,
    code: &TotpCode,
    now: Timestamp,
    drift: u8,
) -> Result<Option<u64>> {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    Ok(rules(secret)
        .with_skew(u16::from(drift))
        .build()
        .map_err(unusable)?
        .check(code.digits(), seconds))
}

/// The secret as people type it and as an `otpauth` URI for scanning. Both are as secret as the
/// secret.
///
/// # Errors
/// As [`matching_step`].
pub(crate) fn for_the_app(
    secret: &SecretBytes,
    issuer: &str,
    account: &str,
) -> Result<(SecretText, SecretText)> {
    let totp: Totp = rules(secret)
        .with_issuer(Some(issuer.trim()))
        .with_account_name(label(account))
        .build()
        .map_err(unusable)?;
    let uri = totp.to_url().map_err(unusable)?;
    Ok((SecretText::new(Secret::from(secret.expose()).to_base32()), SecretText::new(uri)))
}

fn rules(secret: &SecretBytes) -> Builder {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_step_duration(STEP_SECONDS)
        .with_secret(secret.expose())
}

/// The account's name as it may stand in a label, where a colon would end the issuer.
fn label(account: &str) -> String {
    let label: String = account
        .chars()
        .filter(|c| !c.is_control())
        .map(|c| if c == ':' { '_' } else { c })
        .take(LONGEST_ACCOUNT)
        .collect();
    if label.trim().is_empty() { "account".to_owned() } else { label }
}

fn unusable(error: totp_rs::TotpError) -> Error {
    Error::new(codes::INTERNAL)
        .context("a secret of an authenticator app can't be used")
        .source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the rows of SHA-1: eight digits; ours are the last six of them, since
    /// both are the same number modulo a power of ten (RFC 4226, section 5.3).
    const RFC_6238: [(i64, &str); 6] = [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ];

    fn secret() -> SecretBytes {
        SecretBytes::new(b"12345678901234567890".to_vec())
    }

    fn step_of(code: &str, second: i64) -> Option<u64> {
        step_within(1, code, second)
    }

    fn step_within(drift: u8, code: &str, second: i64) -> Option<u64> {
        let code = TotpCode::read(&SecretText::new(code)).unwrap();
        let now = Timestamp::from_second(second).unwrap();
        matching_step(&secret(), &code, now, drift).unwrap()
    }

    #[test]
    fn the_vectors_of_rfc_6238_hold() {
        for (second, code) in RFC_6238 {
            let step = u64::try_from(second).unwrap() / 30;
            let (_, last_six) = code.split_at(2);
            assert_eq!(step_of(last_six, second), Some(step), "at {second}");
        }
    }

    #[test]
    fn one_step_of_drift_each_way_and_not_a_second_more() {
        // Step 37037036 lasts from 1111111080 to 1111111109.
        let accepted = 1_111_111_050..1_111_111_140;
        for second in [accepted.start, accepted.end - 1] {
            assert_eq!(step_of("081804", second), Some(37_037_036), "at {second}");
        }
        for second in [accepted.start - 1, accepted.end] {
            assert_eq!(step_of("081804", second), None, "at {second}");
        }
    }

    #[test]
    fn without_drift_a_code_lives_its_30_seconds_and_not_a_second_more() {
        let accepted = 1_111_111_080..1_111_111_110;
        for second in [accepted.start, accepted.end - 1] {
            assert_eq!(step_within(0, "081804", second), Some(37_037_036), "at {second}");
        }
        for second in [accepted.start - 1, accepted.end] {
            assert_eq!(step_within(0, "081804", second), None, "at {second}");
        }
    }

    #[test]
    fn a_clock_before_1970_accepts_nothing_of_today() {
        assert_eq!(step_of("081804", -1), None);
    }

    #[test]
    fn names_that_would_break_the_uri_are_tamed() {
        let (_, uri) = for_the_app(&secret(), "Example", "a:b?secret=x&issuer=\n").unwrap();
        let uri = uri.expose();
        let read = Totp::from_url(uri).unwrap();
        assert_eq!(read.issuer(), Some("Example"));
        assert_eq!(uri.matches("secret=").count(), 1, "{uri}");
        assert_eq!(read.check("081804", 1_111_111_109), Some(37_037_036));
        assert!(for_the_app(&secret(), "Example", "").is_ok());
        assert!(
            for_the_app(&secret(), "Example", &"長".repeat(5000)).unwrap().1.expose().len() < 1000
        );
    }

    #[test]
    fn secrets_have_160_bits_and_differ() {
        let (a, b) = (fresh_secret().unwrap(), fresh_secret().unwrap());
        assert_eq!(a.expose().len(), 20);
        assert!(a != b);
    }
}
