//! When a second factor is recent enough, and how a client is told that it is not (RFC 9470).

use std::time::Duration;

use http::HeaderValue;
use prov_core::{Authentication, Timestamp};
use prov_http::step_up_challenge;

/// How old a second factor may be for changing second factors.
pub const RECENT_SECOND_FACTOR: Duration = Duration::from_mins(15);

/// The authentication context class (`acr_values`) that means: with a second factor.
pub const ACR_MFA: &str = prov_http::ACR_MFA;

/// What clocks of several nodes may differ by.
const LEEWAY: Duration = Duration::from_secs(30);

/// Whether this authentication used a second factor at most `within` ago. One that lies more than
/// 30 seconds in the future proves nothing.
///
/// ```
/// # use std::time::Duration;
/// # use prov_core::{Amr, Authentication, AuthenticationMethod, Clock, SystemClock};
/// let now = SystemClock::new().now();
/// let password = Authentication::new(AuthenticationMethod::AccessToken, now).with_amr([Amr::Pwd]);
/// assert!(!prov_mfa::is_recent(&password, now, Duration::from_secs(900)));
/// let both = password.with_amr([Amr::Pwd, Amr::Otp, Amr::Mfa]);
/// assert!(prov_mfa::is_recent(&both, now, Duration::from_secs(900)));
/// ```
#[must_use]
pub fn is_recent(authentication: &Authentication, now: Timestamp, within: Duration) -> bool {
    authentication.is_multi_factor() && is_within(authentication.authenticated_at, now, within)
}

/// Whether this was at most `within` ago; the future is believed as far as clocks differ.
pub(crate) fn is_within(at: Timestamp, now: Timestamp, within: Duration) -> bool {
    let age = now.duration_since(at);
    match Duration::try_from(age) {
        Ok(age) => age <= within,
        Err(_) => age.unsigned_abs() <= LEEWAY,
    }
}

/// The `WWW-Authenticate` that asks for a second factor at most `within` old (RFC 9470, section 3).
#[must_use]
pub fn challenge(within: Duration) -> HeaderValue {
    step_up_challenge("a more recent second factor is required", true, Some(within))
}

/// The `WWW-Authenticate` that asks for a sign-in at most `within` old, by whatever factor there is
/// (RFC 9470, section 3): without `acr_values`, which nobody could meet who has no second factor.
#[must_use]
pub fn sign_in_challenge(within: Duration) -> HeaderValue {
    step_up_challenge("a more recent sign-in is required", false, Some(within))
}

#[cfg(test)]
mod tests {
    use prov_core::{Amr, AuthenticationMethod};

    use super::*;

    #[test]
    fn age_is_counted_to_the_second_and_the_future_is_not_believed() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let recent = |seconds_ago: i64| {
            let at = Timestamp::from_second(1_000_000 - seconds_ago).unwrap();
            let proof = Authentication::new(AuthenticationMethod::AccessToken, at)
                .with_amr([Amr::Pwd, Amr::Mfa]);
            is_recent(&proof, now, Duration::from_mins(15))
        };
        assert!(recent(0) && recent(900) && recent(-30));
        assert!(!recent(901) && !recent(-31) && !recent(900_000));
    }

    #[test]
    fn the_challenge_reads_as_rfc_9470_writes_it() {
        let header = challenge(Duration::from_mins(15));
        let text = header.to_str().unwrap();
        assert!(text.starts_with("Bearer error=\"insufficient_user_authentication\""));
        assert!(text.ends_with("acr_values=\"mfa\", max_age=\"900\""));
        let header = sign_in_challenge(Duration::from_mins(15));
        let text = header.to_str().unwrap();
        assert!(text.starts_with("Bearer error=\"insufficient_user_authentication\", error_desc"));
        assert!(text.ends_with(", max_age=\"900\"") && !text.contains("acr_values"), "{text}");
    }
}
