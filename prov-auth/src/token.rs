//! Access tokens: what they say, issuing and verifying them.

mod cache;
mod claims;
mod issuer;
mod jws;
mod options;
mod verifier;
mod wire;

pub use claims::AccessClaims;
pub use issuer::{IssuedToken, TokenId, TokenIssuer};
pub use jws::{Algorithm, VerificationKey, VerificationKeys};
pub(crate) use jws::{
    PublicHalf, encode as base64url, from_object, open_proof, stored_bytes, unverified_payload,
};
pub use options::TokenOptions;
pub use verifier::TokenVerifier;
pub(crate) use verifier::is_for_tokens;
pub(crate) use wire::TYPE as ACCESS_TOKEN_TYPE;
