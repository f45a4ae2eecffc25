//! The user handle: what a discoverable passkey says of its user.

use prov_core::UserId;
use ulid::Ulid;

/// The 128 bits of the user's id: no personal data, and nobody has to be looked up by it (WebAuthn level
/// 3, section 14.6.1).
pub(crate) fn handle_of(user: &UserId) -> Option<[u8; 16]> {
    let (_, text) = user.as_str().split_once('_')?;
    Ulid::from_string(text).ok().map(|id| id.to_bytes())
}

/// The user whose handle this is.
pub(crate) fn user_of(handle: &[u8]) -> Option<UserId> {
    let bytes: [u8; 16] = handle.try_into().ok()?;
    format!("{}_{}", UserId::PREFIX, Ulid::from_bytes(bytes)).parse().ok()
}

#[cfg(test)]
mod tests {
    use prov_core::SystemClock;

    use super::*;

    #[test]
    fn a_handle_is_its_users_and_nobody_elses() {
        let clock = SystemClock::new();
        let (alice, bob) = (UserId::generate(&clock).unwrap(), UserId::generate(&clock).unwrap());
        let handle = handle_of(&alice).unwrap();
        assert_eq!(user_of(&handle), Some(alice));
        assert_ne!(user_of(&handle), Some(bob));
        for odd in [&b""[..], &[0; 15], &[0; 17], &[0; 64]] {
            assert_eq!(user_of(odd), None);
        }
    }
}
