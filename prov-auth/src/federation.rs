//! Signing in with identity providers (OpenID Connect), and taking their tokens.
//!
//! * **Who**: a person is the pair of issuer and subject and nothing else; no address and no name links
//!   anybody to an account that exists (ASVS 5.0, 6.8.1).
//! * **What they may do** follows from the rules of the issuer, which map groups to roles and teams, anew
//!   at every sign-in. Whom no rule knows does not get in.
//! * **How**: authorization code with PKCE (S256), `state` bound to the browser, `nonce`, a redirect URI
//!   of each issuer's own and the `iss` of RFC 9207 against mix-up; ID tokens are checked on the path that
//!   checks our own, where the algorithm comes from the key.
//! * Keys of an issuer are fetched with bounds, again when they are old, and at most every 30 seconds
//!   when a token names one that is not known.

mod claims;
mod directory;
mod issuer;
mod provider;
mod record;
mod tokens;

pub(crate) use claims::{Audience, Expected, IdToken, LogoutToken, failed};
pub(crate) use directory::Federation;
pub use issuer::{AcceptedSubjects, AcceptedTokens, GroupRule, Issuer, NewIssuer};
pub(crate) use issuer::{Grants, IssuerRecord};
pub(crate) use provider::{Provider, ProviderState};
pub(crate) use record::{
    FederatedIdentity, FederationState, Handover, Origin, OriginDigests, Ticket, UsedLogoutToken,
    same,
};
