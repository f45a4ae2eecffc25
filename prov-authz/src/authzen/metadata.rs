//! What a client can find out about this decision point.

use serde::Serialize;

use super::options::PublicUrl;

/// The document at `/.well-known/authzen-configuration`. Every address in it is made from the
/// configured one, never from what a request says about its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenConfiguration))]
#[non_exhaustive]
pub struct Metadata {
    /// The identifier of the decision point.
    pub policy_decision_point: String,
    /// One question.
    pub access_evaluation_endpoint: String,
    /// Many questions.
    pub access_evaluations_endpoint: String,
    /// Who may do something.
    pub search_subject_endpoint: String,
    /// To what somebody may do something.
    pub search_resource_endpoint: String,
    /// What somebody may do to something.
    pub search_action_endpoint: String,
}

impl Metadata {
    pub(super) fn of(base: &PublicUrl) -> Self {
        let base = base.as_str();
        let endpoint = |path: &str| format!("{base}/access/v1/{path}");
        Self {
            policy_decision_point: base.to_owned(),
            access_evaluation_endpoint: endpoint("evaluation"),
            access_evaluations_endpoint: endpoint("evaluations"),
            search_subject_endpoint: endpoint("search/subject"),
            search_resource_endpoint: endpoint("search/resource"),
            search_action_endpoint: endpoint("search/action"),
        }
    }
}
