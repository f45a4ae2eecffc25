//! The messages. Unknown members are ignored (`AuthZEN` 1.0, "JSON Serialization").

use prov_core::{Error, Result, codes};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Who would act.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenSubject))]
#[non_exhaustive]
pub struct Subject {
    /// What kind of subject.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which, within its kind.
    pub id: String,
    /// What is said about it; none of it is believed.
    #[serde(default)]
    pub properties: Option<Map<String, Value>>,
}

/// What would be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenAction))]
#[non_exhaustive]
pub struct Action {
    /// Its name.
    pub name: String,
    /// How: what the action's context declares is looked at, the rest is dropped.
    #[serde(default)]
    pub properties: Option<Map<String, Value>>,
}

/// What it would be done to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenResource))]
#[non_exhaustive]
pub struct Resource {
    /// What kind of resource.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which, within its kind.
    pub id: String,
    /// What is said about it: attributes that the schema declares, as far as the asker is trusted
    /// with them.
    #[serde(default)]
    pub properties: Option<Map<String, Value>>,
}

/// One question.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenEvaluation))]
#[non_exhaustive]
pub struct Evaluation {
    /// Who.
    pub subject: Subject,
    /// Does what.
    pub action: Action,
    /// To what.
    pub resource: Resource,
    /// Under which circumstances: `mfa_verified`, `ip_address`, `time`, and what the action's context
    /// declares; the rest is dropped.
    #[serde(default)]
    pub context: Option<Map<String, Value>>,
}

/// Many questions. What stands at the top is the default for each of them, as a whole.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenEvaluations))]
#[non_exhaustive]
pub struct Evaluations {
    /// Who, where a question does not say.
    #[serde(default)]
    pub subject: Option<Subject>,
    /// Does what, where a question does not say.
    #[serde(default)]
    pub action: Option<Action>,
    /// To what, where a question does not say.
    #[serde(default)]
    pub resource: Option<Resource>,
    /// Under which circumstances, where a question does not say.
    #[serde(default)]
    pub context: Option<Map<String, Value>>,
    /// The questions, at most 100; without any, the top is the one question. One that is malformed
    /// is answered `false`.
    #[serde(default)]
    #[cfg_attr(feature = "axum", schema(value_type = Option<Vec<Object>>))]
    pub evaluations: Option<Vec<Value>>,
    /// How to go through them.
    #[serde(default)]
    pub options: Option<EvaluationsOptions>,
}

/// How to go through many questions.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenEvaluationsOptions))]
#[non_exhaustive]
pub struct EvaluationsOptions {
    /// When to stop.
    #[serde(default)]
    pub evaluations_semantic: Semantic,
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenSemantic))]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the three semantics of the standard")]
pub enum Semantic {
    /// After the last.
    #[default]
    ExecuteAll,
    /// After the first that is denied or fails; its answer is the last.
    DenyOnFirstDeny,
    /// After the first that is permitted; its answer is the last.
    PermitOnFirstPermit,
}

impl Semantic {
    /// Whether an answer is the last.
    pub(super) const fn ends_with(self, allowed: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !allowed,
            Self::PermitOnFirstPermit => allowed,
        }
    }
}

/// One question among many: what it leaves out is taken from the top.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    #[serde(default)]
    subject: Option<Subject>,
    #[serde(default)]
    action: Option<Action>,
    #[serde(default)]
    resource: Option<Resource>,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

impl Item {
    /// The whole question; the error is the name of what is missing.
    pub(super) fn over(
        self,
        defaults: &Evaluations,
    ) -> std::result::Result<Evaluation, &'static str> {
        Ok(Evaluation {
            subject: self.subject.or_else(|| defaults.subject.clone()).ok_or("subject")?,
            action: self.action.or_else(|| defaults.action.clone()).ok_or("action")?,
            resource: self.resource.or_else(|| defaults.resource.clone()).ok_or("resource")?,
            context: self.context.or_else(|| defaults.context.clone()),
        })
    }
}

impl Evaluations {
    /// The top as the one question; the error is the name of what is missing.
    pub(super) fn as_one(&self) -> std::result::Result<Evaluation, &'static str> {
        Item { subject: None, action: None, resource: None, context: None }.over(self)
    }
}

/// Whether names are ones that anything can have; with the field that has another one.
pub(super) fn check_names(
    subject: Option<&Subject>,
    action: Option<&Action>,
    resource: Option<&Resource>,
) -> Result<()> {
    let subject = subject.map(|s| [("subject.type", &s.kind), ("subject.id", &s.id)]);
    let action = action.map(|action| ("action.name", &action.name));
    let resource = resource.map(|r| [("resource.type", &r.kind), ("resource.id", &r.id)]);
    let mut names =
        subject.into_iter().flatten().chain(action).chain(resource.into_iter().flatten());
    match names.find(|(_, name)| !is_name(name)) {
        Some((field, _)) => Err(Error::new(codes::INVALID_REQUEST)
            .field(field, "1 to 512 bytes and no control characters")),
        None => Ok(()),
    }
}

pub(super) fn is_name(text: &str) -> bool {
    (1..=512).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl Evaluation {
    pub(super) fn check(&self) -> Result<()> {
        check_names(Some(&self.subject), Some(&self.action), Some(&self.resource))
    }
}

impl Evaluations {
    pub(super) fn check(&self) -> Result<()> {
        check_names(self.subject.as_ref(), self.action.as_ref(), self.resource.as_ref())
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenAnswer))]
#[non_exhaustive]
pub struct Answer {
    /// Whether it is permitted.
    pub decision: bool,
    /// Of a denial: its id, the reason, the policies behind it, or the error. A permission has none,
    /// so that no enforcement point meets a context it does not understand.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<Object>))]
    pub context: Option<Value>,
}

impl Answer {
    pub(super) const fn permitted() -> Self {
        Self { decision: true, context: None }
    }

    pub(super) const fn denied(context: Value) -> Self {
        Self { decision: false, context: Some(context) }
    }

    /// It could not be decided.
    pub(super) fn failed(status: u16, message: &str) -> Self {
        Self::denied(json!({ "error": { "status": status, "message": message } }))
    }
}

/// The answers to many questions, in their order, or to the one question there was.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenAnswers))]
#[serde(untagged)]
#[expect(clippy::exhaustive_enums, reason = "the two forms of the standard")]
pub enum Answers {
    /// To the one question.
    One(Answer),
    /// To many.
    Many {
        /// In the order of the questions, up to the one that ended it.
        evaluations: Vec<Answer>,
    },
}
