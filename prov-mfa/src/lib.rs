//! Second factors for any service: proof that it is still the same person, that nobody can use twice.
//!
//! * [`MfaService`]: authenticator apps (RFC 6238), passkeys and security keys (WebAuthn level 3,
//!   feature `webauthn`) and backup codes. A code works once on however many nodes, in whatever
//!   spelling; after five attempts in five minutes none is looked at.
//! * [`RequireMfaLayer`]: a tower layer that refuses what needs a second factor and says how to get
//!   one (RFC 9470).
//! * feature `qr`: QR codes as SVG, PNG and terminal text. Feature `axum`: the HTTP API as a router.
//!
//! Everything is kept in a [`Store`](prov_core::store::Store), which has to be sealed at rest: the
//! secrets of authenticator apps are in it.
//!
//! ```
//! # use std::sync::Arc;
//! # use prov_core::{audit::MemoryRecorder, store::MemoryStore, *};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
//! use prov_mfa::{MfaConfig, MfaService};
//!
//! # let clock = Arc::new(SystemClock::new());
//! # let (store, recorder) = (Arc::new(MemoryStore::new(clock.clone())), Arc::new(MemoryRecorder::new()));
//! # let user = UserId::generate(&*clock)?;
//! # let context = SecurityContext::new(Arc::new(Identity {
//! #     principal: Principal::new(PrincipalKind::User, user.as_str(), "alice"),
//! #     authentication: Authentication::new(AuthenticationMethod::AccessToken, clock.now()),
//! # }), Arc::new(RequestFacts::new(RequestId::generate(&*clock)?, clock.now())));
//! let mfa = MfaService::new(store, recorder, clock.clone(), MfaConfig::default())?;
//! let app = mfa.enroll(&context, "phone").await?;
//! println!("scan this: {}", app.otpauth_uri.expose());
//! # let code = totp_rs::Totp::from_url(app.otpauth_uri.expose()).unwrap()
//! #     .generate(clock.now().as_second().unsigned_abs()).to_string();
//! // The first code of the app confirms it; from then on signing in asks for one.
//! mfa.verify_totp(&context, &app.id, &code.into()).await?;
//! assert_eq!(mfa.methods(&user).await?, [FactorMethod::Totp]);
//! # Ok(()) }
//! ```

#[cfg(feature = "axum")]
pub mod api;
mod base32;
pub mod codes;
mod config;
mod exposed;
mod factors;
#[cfg(feature = "webauthn")]
mod passkeys;
mod policy;
#[cfg(feature = "qr")]
pub mod qr;
mod require;
mod service;
mod spelling;
mod stats;
mod step_up;
mod totp;

pub use config::MfaConfig;
pub use factors::{FactorId, PasskeyId, TotpId};
#[cfg(feature = "webauthn")]
pub use passkeys::{AttestationPolicy, Discoverable, PasskeyOptions};
pub use policy::MfaPolicy;
pub use require::{RequireMfa, RequireMfaFuture, RequireMfaLayer};
pub use service::{
    BackupCodes, BackupVerified, Device, Enrollment, MfaService, MfaStatus, Removed, TotpVerified,
};
#[cfg(feature = "webauthn")]
pub use service::{PasskeyOutcome, PasskeyRequest};
pub use stats::{MethodStats, MfaStats};
pub use step_up::{ACR_MFA, RECENT_SECOND_FACTOR, challenge, is_recent, sign_in_challenge};

/// The README's example, kept true.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
#[expect(clippy::exhaustive_structs, reason = "exists in tests of the documentation only")]
#[derive(Debug)]
pub struct Readme;
