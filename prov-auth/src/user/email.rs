use prov_core::{Error, Result, codes};

/// Accepts what could be an address; whether it is one, only a message to it can show.
///
/// # Errors
/// [`codes::INVALID_REQUEST`] naming the field.
pub(crate) fn check_email(email: &str) -> Result<()> {
    let (local, domain) = email.rsplit_once('@').unwrap_or_default();
    let plausible = email.len() <= 254
        && !local.is_empty()
        && local.len() <= 64
        && !domain.is_empty()
        && !domain.contains('@')
        && email.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if plausible {
        Ok(())
    } else {
        Err(Error::new(codes::INVALID_REQUEST)
            .field("email", "an address looks like `name@example.org` (254 characters at most)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_be_an_address_is_accepted() {
        for email in ["a@b", "alice+prov@example.org", "żółw@例え.jp"] {
            assert!(check_email(email).is_ok(), "{email}");
        }
        let long = format!("{}@b", "x".repeat(65));
        for email in ["", "alice", "@b", "a@", "a b@c", "a@b\r\nBcc: c@d", "a\0@b", &long] {
            assert!(check_email(email).is_err(), "{email:?} must be refused");
        }
    }
}
