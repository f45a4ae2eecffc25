//! The shapes of requests and answers.

use prov_core::{Error, Result, codes};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    Claims, Decision, EntityRef, Explanation, Finding, Lever, Permitted, PolicyInfo, PolicyNote,
    Question, Remedy, ResourceEntity, Severity, StatedContext,
};

/// No resource has more parents.
const MOST_PARENTS: usize = 16;

/// Names an entity.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EntityRef)]
pub(crate) struct EntityDocument {
    /// The type.
    #[serde(rename = "type")]
    #[schema(example = "User")]
    kind: String,
    /// The id.
    id: String,
}

impl From<EntityRef> for EntityDocument {
    fn from(entity: EntityRef) -> Self {
        Self { kind: entity.kind.into_owned(), id: entity.id.into_owned() }
    }
}

impl From<EntityDocument> for EntityRef {
    fn from(document: EntityDocument) -> Self {
        Self::new(document.kind, document.id)
    }
}

/// What is acted on. Attributes and parents are the asker's claim and must be what the schema
/// declares.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuthzResource)]
pub(crate) struct ResourceDocument {
    /// The type.
    #[serde(rename = "type")]
    #[schema(example = "Server")]
    kind: String,
    /// The id.
    id: String,
    /// What is claimed about it.
    #[serde(default)]
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// What it belongs to; those that attributes name may be left out.
    #[serde(default)]
    parents: Vec<EntityDocument>,
}

impl ResourceDocument {
    pub(super) fn resource(self) -> Result<ResourceEntity> {
        if self.parents.len() > MOST_PARENTS {
            return Err(Error::new(codes::INVALID_REQUEST)
                .field("resource.parents", format!("at most {MOST_PARENTS}")));
        }
        let mut resource = ResourceEntity::new(self.kind, self.id);
        resource.attributes = self.attributes;
        resource.parents = self.parents.into_iter().map(Into::into).collect();
        Ok(resource)
    }
}

/// The context of a question. `mfa_verified`, `ip_address` and `time` are those of this request
/// unless the caller may state them.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuthzContext)]
pub(crate) struct ContextDocument {
    /// The approval it refers to.
    approval_id: Option<String>,
    /// Why.
    reason: Option<String>,
    /// Whether safeguards are to be skipped.
    force: Option<bool>,
    /// `SHA256:…`, for `ssh`.
    ssh_key_fingerprint: Option<String>,
    /// Needs `admin` on `decisions`.
    mfa_verified: Option<bool>,
    /// Needs `admin` on `decisions`.
    ip_address: Option<String>,
    /// RFC 3339; needs `admin` on `decisions`.
    time: Option<String>,
}

impl From<ContextDocument> for StatedContext {
    fn from(document: ContextDocument) -> Self {
        Self {
            claims: Claims {
                approval_id: document.approval_id,
                reason: document.reason,
                force: document.force,
                ssh_key_fingerprint: document.ssh_key_fingerprint,
                ..Claims::NONE
            },
            mfa_verified: document.mfa_verified,
            ip_address: document.ip_address,
            time: document.time,
        }
    }
}

/// A question to the policies.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuthzQuestion)]
pub(crate) struct QuestionDocument {
    /// Who; the caller when left out.
    principal: Option<EntityDocument>,
    /// Does what.
    #[schema(example = "deploy")]
    action: String,
    /// To what.
    resource: ResourceDocument,
    /// Under which circumstances.
    #[serde(default)]
    context: ContextDocument,
}

impl QuestionDocument {
    pub(super) fn question(self) -> Result<Question> {
        let question =
            Question::new(self.action, self.resource.resource()?).under(self.context.into());
        Ok(match self.principal {
            Some(principal) => question.about(principal.into()),
            None => question,
        })
    }
}

/// Several questions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuthzBatch)]
pub(crate) struct BatchDocument {
    /// From 1 to 100.
    pub(super) requests: Vec<QuestionDocument>,
}

/// The answer to a question.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthzDecision)]
pub(crate) struct DecisionDocument {
    /// `ALLOW` or `DENY`.
    decision: Verdict,
    /// The policies that determined it; empty when none permits.
    determining_policies: Vec<String>,
    /// What went wrong; anything here denies.
    errors: Vec<String>,
    /// Finds the decision in the audit log.
    decision_id: String,
    /// The policy set that decided.
    revision: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verdict {
    Allow,
    Deny,
}

impl From<Decision> for DecisionDocument {
    fn from(decision: Decision) -> Self {
        Self {
            decision: if decision.allowed { Verdict::Allow } else { Verdict::Deny },
            determining_policies: decision.determining_policies,
            errors: decision.errors,
            decision_id: decision.decision_id.to_string(),
            revision: decision.revision.to_string(),
        }
    }
}

/// The answers, in the order of the questions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthzBatchAnswer)]
pub(crate) struct BatchAnswerDocument {
    /// One for each question.
    pub(super) items: Vec<DecisionDocument>,
}

/// A decision with its reasons.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthzExplanation)]
pub(crate) struct ExplanationDocument {
    #[serde(flatten)]
    decision: DecisionDocument,
    /// In one sentence.
    summary: String,
    /// The policies that determined it, with the conditions that did and the values they looked at.
    determined_by: Vec<PolicyNote>,
    /// When nothing permits: the permits that come nearest, with what stands in their way.
    nearest_permits: Vec<PolicyNote>,
    /// Smallest sets of levers under which it would be allowed; each was tried.
    would_allow: Vec<Vec<Lever>>,
    /// The same, each with the policies that then permit: for step-up and approval flows.
    remedies: Vec<Remedy>,
    /// For information: the teams to whose members it would be allowed as it stands.
    allowed_to_teams: Vec<String>,
}

impl From<Explanation> for ExplanationDocument {
    fn from(explanation: Explanation) -> Self {
        Self {
            would_allow: explanation.would_allow(),
            decision: explanation.decision.into(),
            summary: explanation.summary,
            determined_by: explanation.determined_by,
            nearest_permits: explanation.nearest_permits,
            remedies: explanation.remedies,
            allowed_to_teams: explanation.allowed_to_teams,
        }
    }
}

/// What may a principal do?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuthzPermissionsQuestion)]
pub(crate) struct PermissionsQuestionDocument {
    /// Who; the caller when left out.
    pub(super) principal: Option<EntityDocument>,
    /// On which resources, from 1 to 100.
    pub(super) resources: Vec<ResourceDocument>,
    /// Under which circumstances.
    #[serde(default)]
    pub(super) context: ContextDocument,
}

/// What a principal may do, for each resource that was asked about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthzPermissions)]
pub(crate) struct PermissionsDocument {
    /// One for each resource.
    pub(super) items: Vec<PermittedDocument>,
}

/// What may be done to one resource.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthzPermitted)]
pub(crate) struct PermittedDocument {
    /// The resource.
    resource: EntityDocument,
    /// The actions.
    actions: Vec<String>,
}

impl From<Permitted> for PermittedDocument {
    fn from(permitted: Permitted) -> Self {
        let resource = permitted.resource.into();
        Self { resource, actions: permitted.actions }
    }
}

/// One policy in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Policy)]
pub(crate) struct PolicyDocument {
    /// Its id.
    id: String,
    /// Its description.
    description: String,
    /// `permit` or `forbid`.
    effect: String,
    /// The file it stands in.
    file: String,
    /// The line it starts on.
    line: usize,
    /// Its text.
    text: String,
}

impl From<PolicyInfo> for PolicyDocument {
    fn from(policy: PolicyInfo) -> Self {
        Self {
            id: policy.id,
            description: policy.description,
            effect: policy.effect.to_owned(),
            file: policy.file,
            line: policy.line,
            text: policy.text,
        }
    }
}

/// The text of a policy file that is not in force.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyDraft)]
pub(crate) struct DraftDocument {
    /// The text.
    pub(super) policies: String,
}

/// What is to be said of a draft.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyDraftReport)]
pub(crate) struct DraftReportDocument {
    /// Whether it could go live with the schema in force.
    pub(super) valid: bool,
    /// Errors and warnings.
    pub(super) findings: Vec<FindingDocument>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyFinding)]
pub(crate) struct FindingDocument {
    /// `error` or `warning`.
    severity: &'static str,
    /// The line, from 1; 0 for the text as a whole.
    line: usize,
    /// The column, from 1; 0 for the text as a whole.
    column: usize,
    /// The policy, when it has an id.
    policy: Option<String>,
    /// What is wrong.
    message: String,
    /// What to do about it.
    remedy: Option<String>,
}

impl From<Finding> for FindingDocument {
    fn from(finding: Finding) -> Self {
        Self {
            severity: match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            line: finding.line,
            column: finding.column,
            policy: finding.policy,
            message: finding.message,
            remedy: finding.remedy,
        }
    }
}

/// What is in force after a reload.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyReload)]
pub(crate) struct ReloadDocument {
    /// The revision of the set.
    pub(super) revision: String,
    /// The number of its policies.
    pub(super) policies: usize,
}

/// The schema in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicySchema)]
pub(crate) struct SchemaDocument {
    /// In Cedar's schema syntax.
    pub(super) schema: String,
    /// The revision of the set it belongs to.
    pub(super) revision: String,
}

/// How the engine is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthzStats)]
pub(crate) struct StatsDocument {
    /// What decides.
    pub(super) revision: String,
    /// The number of policies.
    pub(super) policies: usize,
    /// `built_in`, `directory`, `store` or `history`.
    #[schema(value_type = String)]
    pub(super) source: crate::PolicySource,
    /// Since when it decides.
    pub(super) loaded_at: String,
    /// The git commit its directory has checked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) commit: Option<String>,
    /// The version its signed bundle states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bundle_version: Option<u64>,
    /// Its number in the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<u64>,
    /// Whether a rollback holds: the directory is passed over until it changes.
    pub(super) pinned: bool,
    /// Why the latest attempt to replace it was refused; absent when it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_failure: Option<FailureDocument>,
    /// Allowed since the start of this process.
    pub(super) allowed: u64,
    /// Denied since the start of this process.
    pub(super) denied: u64,
    /// Denied because of an error since the start of this process.
    pub(super) errors: u64,
    /// Sets put in force after the first.
    pub(super) reloads: u64,
    /// Sets refused.
    pub(super) reload_failures: u64,
}

/// A policy set that was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyLoadFailure)]
pub(crate) struct FailureDocument {
    /// When.
    pub(super) at: String,
    /// Why: file, line, policy, remedy.
    pub(super) findings: Vec<String>,
}
