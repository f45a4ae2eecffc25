//! The hall of the prov house: the words every crate speaks and the ports through which crates meet.
//!
//! * **Words**: [`Principal`], [`Role`], [`TeamName`], [`SecurityContext`], [`Error`] and its [`Code`]s,
//!   [`Problem`], [`audit::Event`], [`SecretText`], typed [`id`]s.
//! * **Ports**: [`Store`](store::Store) (durable records), [`Recorder`](audit::Recorder) (what
//!   happened, durable before the answer), [`Authenticator`] (who is asking), [`SecondFactor`]
//!   (prove it again), [`SignIn`] (a passkey opens a session), [`NoticeBoard`] and [`Notifier`]
//!   (tell people),
//!   [`SubjectData`] (what is held about a person), [`EvidenceSource`] (what the
//!   running system can prove), [`Clock`], [`HealthCheck`].
//!
//! This crate knows no HTTP framework, no database and no async runtime.
//!
//! ```
//! use prov_core::{Clock, ManualClock, Role};
//!
//! let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
//! clock.advance(std::time::Duration::from_secs(60));
//! assert_eq!(clock.now().to_string(), "2026-03-02T09:01:00Z");
//! assert!(Role::Admin.includes(Role::Viewer));
//! ```

pub mod audit;
mod authenticator;
mod clock;
pub mod codes;
mod context;
pub mod duration_text;
mod error;
mod evidence;
mod health;
pub mod id;
mod notice;
mod principal;
mod problem;
pub mod random;
mod request;
mod role;
mod scope;
mod second_factor;
mod secret;
pub mod store;
mod subject_data;
mod team;

pub use authenticator::{Attempt, Authenticator, Presented};
pub use clock::{Clock, ManualClock, SystemClock};
pub use context::{
    Amr, Authentication, AuthenticationMethod, Confirmation, Identity, SecurityContext,
};
pub use error::{Code, Error, FieldError, Kind, Result};
pub use evidence::{Evidence, EvidenceSource};
pub use health::{Health, HealthCheck, HealthState};
pub use id::{RequestId, SessionId, UserId};
pub use jiff::Timestamp;
pub use notice::{Addressee, ChangedBy, News, Notice, NoticeBoard, NoticeId, Notifier};
pub use principal::{Principal, PrincipalKind};
pub use problem::Problem;
pub use request::RequestFacts;
pub use role::Role;
pub use scope::Scope;
pub use second_factor::{
    Enrolment, FactorMethod, FactorResponse, SecondFactor, SignIn, SignedIn, VerifiedFactor,
};
pub use secret::{SecretBytes, SecretText};
pub use subject_data::{SubjectData, SubjectRecord};
pub use team::TeamName;
