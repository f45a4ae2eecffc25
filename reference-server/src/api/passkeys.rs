//! A page on which people add passkeys and sign in with them, in any browser that knows how.
//!
//! The page keeps the access token in its memory and nowhere else: closing it signs nobody out, but
//! leaves nothing behind either.

/// The page.
pub(super) const PAGE: &str = include_str!("passkeys/page.html");
/// What it does: calls the same API as everybody else.
pub(super) const SCRIPT: &str = include_str!("passkeys/page.js");
/// What the page may load and where it may send: this server, and nothing inline.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                                 connect-src 'self'; base-uri 'none'; form-action 'none'; \
                                 frame-ancestors 'none'; require-trusted-types-for 'script'";
