//! Evaluations, one and many.

use futures_util::future::try_join_all;
use prov_core::{Error, Kind, Result, SecurityContext, codes};
use serde_json::{Value, json};

use super::wire::Item;
use super::{Answer, Answers, AuthzenService, Evaluation, Evaluations, Semantic};
use crate::authorize::denial;
use crate::service::Answered;
use crate::{Decision, ResourceEntity};

/// No message has more questions.
const MOST_EVALUATIONS: usize = 100;

impl AuthzenService {
    /// Answers one question.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] for names that nothing can have;
    /// [`codes::INVALID_REQUEST`] for names that nothing can have;
    /// [`ACCESS_DENIED`](crate::codes::ACCESS_DENIED) for a caller who may not ask about others; when
    /// the answer can't be recorded. What can't be decided is answered `false`.
    pub async fn evaluation(&self, caller: &SecurityContext, asked: &Evaluation) -> Result<Answer> {
        asked.check()?;
        let question = match self.question(caller, asked) {
            Ok(question) => question,
            Err(error) => {
                let subject = self.subject(&asked.subject.kind, &asked.subject.id);
                let resource = self.resource(&asked.resource);
                let question = crate::Question::new(asked.action.name.as_str(), resource);
                let question = question.about(subject);
                self.decisions.record_unanswerable(caller, &question, &error).await?;
                return Ok(failed(&error));
            }
        };
        Ok(match self.decisions.answer(caller, &question).await? {
            Answered::Decided(decision) => answer(&decision, &question.action, &question.resource),
            Answered::Failed(error) => failed(&error),
        })
    }

    /// Answers many questions, or the one at the top when there are none. One that is malformed is
    /// answered `false`.
    ///
    /// # Errors
    /// As [`evaluation`](Self::evaluation); [`codes::INVALID_REQUEST`] when the one question lacks a
    /// part, or for more than 100.
    pub async fn evaluations(
        &self,
        caller: &SecurityContext,
        asked: &Evaluations,
    ) -> Result<Answers> {
        asked.check()?;
        let items = asked.evaluations.as_deref().unwrap_or_default();
        if items.is_empty() {
            let one = asked.as_one().map_err(missing)?;
            return self.evaluation(caller, &one).await.map(Answers::One);
        }
        if items.len() > MOST_EVALUATIONS {
            let message = format!("at most {MOST_EVALUATIONS} in one request");
            return Err(Error::new(codes::INVALID_REQUEST).field("evaluations", message));
        }
        let semantic = asked.options.unwrap_or_default().evaluations_semantic;
        if semantic == Semantic::ExecuteAll {
            let answers = items.iter().map(|item| self.item(caller, item, asked));
            return try_join_all(answers).await.map(|evaluations| Answers::Many { evaluations });
        }
        let mut evaluations = Vec::with_capacity(items.len());
        for item in items {
            let answer = self.item(caller, item, asked).await?;
            let is_last = semantic.ends_with(answer.decision);
            evaluations.push(answer);
            if is_last {
                break;
            }
        }
        Ok(Answers::Many { evaluations })
    }

    async fn item(
        &self,
        caller: &SecurityContext,
        item: &Value,
        defaults: &Evaluations,
    ) -> Result<Answer> {
        let read = serde_json::from_value::<Item>(item.clone());
        let whole = match read {
            Ok(item) => item.over(defaults).map_err(|part| format!("missing field `{part}`")),
            Err(error) => Err(error.to_string()),
        };
        match whole.and_then(|whole| whole.check().map(|()| whole).map_err(|e| message_of(&e))) {
            Ok(evaluation) => self.evaluation(caller, &evaluation).await,
            // Nothing was asked, so nothing was decided.
            Err(message) => Ok(Answer::failed(400, &message)),
        }
    }
}

pub(super) fn missing(part: &str) -> Error {
    Error::new(codes::INVALID_REQUEST).field(part, format!("missing field `{part}`"))
}

/// The answer of a decision: a denial says why.
fn answer(decision: &Decision, action: &str, resource: &ResourceEntity) -> Answer {
    if decision.allowed {
        return Answer::permitted();
    }
    let reason = denial(decision, action, resource);
    let mut context = json!({
        "id": decision.decision_id,
        "reason": reason.public_detail(),
        "policies": decision.determining_policies,
    });
    if let (false, Some(context)) = (decision.errors.is_empty(), context.as_object_mut()) {
        let error = json!({ "status": 500, "message": "the policies could not be evaluated" });
        context.insert("error".to_owned(), error);
    }
    Answer::denied(context)
}

/// The answer to what can't be decided.
fn failed(error: &Error) -> Answer {
    Answer::failed(if error.kind() == Kind::NotFound { 404 } else { 400 }, &message_of(error))
}

/// What the client may know of an error, in one line.
fn message_of(error: &Error) -> String {
    let fields: Vec<_> = error
        .fields()
        .iter()
        .map(|field| format!("`{}`: {}", field.field, field.message))
        .collect();
    if fields.is_empty() { error.public_detail().to_owned() } else { fields.join("; ") }
}
