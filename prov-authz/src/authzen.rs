//! `AuthZEN` Authorization API 1.0: the wire format that gateways and applications of any maker speak,
//! over the decisions of this crate.
//!
//! * [`AuthzenService`] answers evaluations (one, and many by their three semantics) and searches;
//!   with the feature `axum`, [`router`] is its HTTP binding and [`routes()`] says who may use it.
//! * Whoever asks about somebody else (as an enforcement point does) needs `admin` on
//!   `Api::"decisions"`, as everywhere in this crate; every answer is in the audit log before it is
//!   given.
//! * **What the asker says is held against the schema** ([`AuthzenOptions`]): a property that is not
//!   declared (and trusted) is dropped; teams and roles of a subject, and everything else about a
//!   subject, come from prov alone. Unknown members of the messages are ignored, as the standard says.
//! * A question that can't be decided (an unknown subject, type or action; a property of the wrong
//!   type) is answered `false` with the error in `context`; only a malformed message is 400.

mod evaluate;
mod mapping;
mod metadata;
mod options;
mod search;
mod wire;

#[cfg(feature = "axum")]
mod api;

use std::sync::Arc;

#[cfg(feature = "axum")]
pub use api::{router, routes};
pub use metadata::Metadata;
pub use options::AuthzenOptions;
pub use search::{
    ActionSearch, Hit, Page, PageInfo, ResourceSearch, Results, Searched, SubjectSearch,
};
pub use wire::{
    Action, Answer, Answers, Evaluation, Evaluations, EvaluationsOptions, Resource, Semantic,
    Subject,
};

use crate::DecisionService;

/// Answers in the words of `AuthZEN`.
#[derive(Debug)]
pub struct AuthzenService {
    decisions: Arc<DecisionService>,
    options: AuthzenOptions,
}

impl AuthzenService {
    /// A service over these decisions.
    #[must_use]
    pub const fn new(decisions: Arc<DecisionService>, options: AuthzenOptions) -> Self {
        Self { decisions, options }
    }

    /// Where it is to be found, for `/.well-known/authzen-configuration`; `None` when nobody said.
    #[must_use]
    pub fn metadata(&self) -> Option<Metadata> {
        self.options.public_url().map(Metadata::of)
    }
}
