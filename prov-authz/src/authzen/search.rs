//! The three searches, page by page.

use aws_lc_rs::digest;
use prov_core::{Error, Result, SecurityContext, codes};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::mapping::is_caller;
use super::wire::{check_names, is_name};
use super::{Action, AuthzenService, Resource, Subject};
use crate::service::Found;

/// Without a limit, and at most, so many results at once.
const MOST_RESULTS: usize = 1_000;

/// A subject or a resource of which only the type is looked at: an id, if there is one, is ignored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenSearched))]
#[non_exhaustive]
pub struct Searched {
    /// The type to look for.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Who may do this?
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenSubjectSearch))]
#[non_exhaustive]
pub struct SubjectSearch {
    /// What kind of subjects.
    pub subject: Searched,
    /// Doing what.
    pub action: Action,
    /// To what.
    pub resource: Resource,
    /// Under which circumstances.
    #[serde(default)]
    pub context: Option<Map<String, Value>>,
    /// Which part of the results.
    #[serde(default)]
    pub page: Option<Page>,
}

/// To which resources may they do this?
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenResourceSearch))]
#[non_exhaustive]
pub struct ResourceSearch {
    /// Who.
    pub subject: Subject,
    /// Doing what.
    pub action: Action,
    /// What kind of resources.
    pub resource: Searched,
    /// Under which circumstances.
    #[serde(default)]
    pub context: Option<Map<String, Value>>,
    /// Which part of the results.
    #[serde(default)]
    pub page: Option<Page>,
}

/// What may they do to it?
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenActionSearch))]
#[non_exhaustive]
pub struct ActionSearch {
    /// Who.
    pub subject: Subject,
    /// To what.
    pub resource: Resource,
    /// Under which circumstances.
    #[serde(default)]
    pub context: Option<Map<String, Value>>,
    /// Which part of the results; all of them are one page.
    #[serde(default)]
    pub page: Option<Page>,
}

/// Which part of the results.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenPage))]
#[non_exhaustive]
pub struct Page {
    /// `next_token` of the answer before; everything else is as in the question before.
    #[serde(default)]
    pub token: Option<String>,
    /// At most so many; 1,000 at most and by default.
    #[serde(default)]
    pub limit: Option<u64>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenResults))]
#[non_exhaustive]
pub struct Results {
    /// Where the rest is.
    pub page: PageInfo,
    /// Subjects or resources by type and id, or actions by name.
    pub results: Vec<Hit>,
}

/// Where the rest is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenPageInfo))]
#[non_exhaustive]
pub struct PageInfo {
    /// For the next question; empty at the end. A part with few results, or none, is not the end
    /// unless this is empty.
    pub next_token: String,
    /// The number of results in this part.
    pub count: usize,
}

/// One result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzenHit))]
#[serde(untagged)]
#[expect(clippy::exhaustive_enums, reason = "the two forms of the standard")]
pub enum Hit {
    /// A subject or a resource.
    Entity {
        /// The type that was asked for.
        #[serde(rename = "type")]
        kind: String,
        /// Its id.
        id: String,
    },
    /// An action.
    Action {
        /// Its name.
        name: String,
    },
}

impl AuthzenService {
    /// Who of a type may do this. A type that nobody is of, or an action that there is not, has no
    /// results.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] for names that nothing can have, and for a token of another
    /// question; [`ACCESS_DENIED`](crate::codes::ACCESS_DENIED) for a caller who may not ask about
    /// others; when the search can't be recorded.
    pub async fn subjects(
        &self,
        caller: &SecurityContext,
        asked: &SubjectSearch,
    ) -> Result<Results> {
        check_names(None, Some(&asked.action), Some(&asked.resource))?;
        check_name("subject.type", &asked.subject.kind)?;
        let SubjectSearch { subject, action, resource, context, page } = asked;
        let turn = Turn::of(page.as_ref(), &("subject", subject, action, resource, context))?;
        let stated = self.stated(action, context.as_ref(), false)?;
        let resource = self.resource(resource);
        let kind = self.options.subject_type(&subject.kind);
        let wanted = (kind, action.name.as_str(), &resource);
        let found = self.decisions.principals_for(caller, wanted, &stated, turn.part()).await;
        Ok(turn.results(none_if_unknown(found)?, &subject.kind))
    }

    /// To which known resources of a type a subject may do this.
    ///
    /// # Errors
    /// As [`subjects`](Self::subjects).
    pub async fn resources(
        &self,
        caller: &SecurityContext,
        asked: &ResourceSearch,
    ) -> Result<Results> {
        check_names(Some(&asked.subject), Some(&asked.action), None)?;
        check_name("resource.type", &asked.resource.kind)?;
        let ResourceSearch { subject, action, resource, context, page } = asked;
        let turn = Turn::of(page.as_ref(), &("resource", subject, action, resource, context))?;
        let subject = self.subject(&subject.kind, &subject.id);
        let stated = self.stated(action, context.as_ref(), is_caller(caller, &subject))?;
        let kind = self.options.resource_type(&resource.kind);
        let wanted = (&subject, action.name.as_str(), kind);
        let found = self.decisions.resources_for(caller, wanted, &stated, turn.part()).await;
        Ok(turn.results(none_if_unknown(found)?, &resource.kind))
    }

    /// What a subject may do to a resource.
    ///
    /// # Errors
    /// As [`subjects`](Self::subjects).
    pub async fn actions(&self, caller: &SecurityContext, asked: &ActionSearch) -> Result<Results> {
        check_names(Some(&asked.subject), None, Some(&asked.resource))?;
        let subject = self.subject(&asked.subject.kind, &asked.subject.id);
        let stated = self.stated_for_any(asked.context.as_ref(), is_caller(caller, &subject))?;
        let resource = self.resource(&asked.resource);
        let actions = self.decisions.actions_of(caller, &subject, &resource, &stated).await;
        let actions = none_if_unknown(actions)?;
        let results: Vec<_> = actions.into_iter().map(|name| Hit::Action { name }).collect();
        Ok(Results { page: PageInfo { next_token: String::new(), count: results.len() }, results })
    }
}

/// One part of a search: where it starts, how long it is, and what was asked.
struct Turn {
    after: Option<String>,
    limit: usize,
    question: String,
}

/// What a token says. It is nobody's secret and gives nobody anything: whatever it leads to is
/// decided as if it had been asked for first.
#[derive(Serialize, Deserialize)]
struct Token {
    question: String,
    limit: usize,
    after: Option<String>,
}

impl Turn {
    /// The part that a page names, of this question.
    fn of(page: Option<&Page>, question: &impl Serialize) -> Result<Self> {
        let limit = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX).min(MOST_RESULTS);
        let asked = page.and_then(|page| page.limit).map(limit);
        let text =
            serde_json::to_vec(question).map_err(|e| Error::new(codes::INTERNAL).source(e))?;
        let hash = digest::digest(&digest::SHA256, &text);
        let question = hex::encode(hash.as_ref().get(..16).unwrap_or_default());
        let Some(token) = page.and_then(|page| page.token.as_deref()).filter(|t| !t.is_empty())
        else {
            return Ok(Self { after: None, limit: asked.unwrap_or(MOST_RESULTS), question });
        };
        let token = hex::decode(token).ok().and_then(|t| serde_json::from_slice::<Token>(&t).ok());
        match token {
            Some(Token { question: of, limit, after })
                if of == question && asked.is_none_or(|asked| asked == limit) =>
            {
                Ok(Self { after, limit: limit.min(MOST_RESULTS), question })
            }
            _ => {
                let message = "not a token for this question; ask again without one";
                Err(Error::new(codes::INVALID_REQUEST).field("page.token", message))
            }
        }
    }

    /// Where to start, and how many to find; at least one, so that it is known whether there are any.
    fn part(&self) -> (Option<&str>, usize) {
        (self.after.as_deref(), self.limit.max(1))
    }

    fn results(self, found: Found, kind: &str) -> Results {
        let Found { mut ids, mut next } = found;
        if self.limit == 0 {
            next = (!ids.is_empty() || next.is_some()).then(|| self.after.unwrap_or_default());
            ids.clear();
        }
        let token = |after| {
            let token = Token { question: self.question, limit: self.limit, after: Some(after) };
            hex::encode(serde_json::to_vec(&token).unwrap_or_default())
        };
        let next_token = next.map(token).unwrap_or_default();
        let hit = |id| Hit::Entity { kind: kind.to_owned(), id };
        let results: Vec<_> = ids.into_iter().map(hit).collect();
        Results { page: PageInfo { next_token, count: results.len() }, results }
    }
}

fn check_name(field: &str, name: &str) -> Result<()> {
    if is_name(name) {
        return Ok(());
    }
    let message = "1 to 512 bytes and no control characters";
    Err(Error::new(codes::INVALID_REQUEST).field(field, message))
}

/// Of whom or what nobody knows, there is nothing to be found. What is wrong with the context is the
/// asker's mistake all the same.
fn none_if_unknown<T: Default>(found: Result<T>) -> Result<T> {
    found.or_else(|error| {
        let in_context = error.fields().iter().any(|field| field.field.starts_with("context."));
        let is_unknown = [codes::NOT_FOUND, codes::INVALID_REQUEST].contains(&error.code());
        if is_unknown && !in_context { Ok(T::default()) } else { Err(error) }
    })
}
