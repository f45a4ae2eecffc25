//! How a client is told that it has to prove more about whoever uses it (RFC 9470).

use std::time::Duration;

use http::HeaderValue;

/// The authentication context class (`acr_values`) that means: with a second factor.
pub const ACR_MFA: &str = "mfa";

/// The `WWW-Authenticate` of RFC 9470, section 3: with a second factor, if one is needed, and proved
/// at most `within` ago, if it matters. `why` is a sentence of ASCII without quotation marks.
#[must_use]
pub fn step_up_challenge(
    why: &'static str,
    needs_factor: bool,
    within: Option<Duration>,
) -> HeaderValue {
    let class = if needs_factor { format!(", acr_values=\"{ACR_MFA}\"") } else { String::new() };
    let age = within.map(|within| format!(", max_age=\"{}\"", within.as_secs()));
    let text = format!(
        "Bearer error=\"insufficient_user_authentication\", error_description=\"{why}\"{class}{}",
        age.unwrap_or_default()
    );
    // Whoever writes another sentence than asked for still asks for more.
    HeaderValue::try_from(text)
        .unwrap_or(HeaderValue::from_static("Bearer error=\"insufficient_user_authentication\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_what_is_needed_and_nothing_else() {
        let text = |needs_factor, within| {
            let header = step_up_challenge("more is needed", needs_factor, within);
            header.to_str().unwrap().to_owned()
        };
        let head = "Bearer error=\"insufficient_user_authentication\", error_description=\"more is needed\"";
        assert_eq!(text(false, None), head);
        assert_eq!(text(true, None), format!("{head}, acr_values=\"mfa\""));
        let age = Some(Duration::from_mins(15));
        assert_eq!(text(true, age), format!("{head}, acr_values=\"mfa\", max_age=\"900\""));
        assert_eq!(text(false, age), format!("{head}, max_age=\"900\""));
    }
}
