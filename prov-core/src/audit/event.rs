//! One audit event, before it is sealed.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::{Builder, Uuid};

use super::{Action, DecisionRecord};
use crate::{Clock, PrincipalKind, RequestFacts, RequestId, SecurityContext, random};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the three outcomes are the API's contract")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was tried and did not work.
    Failure,
    /// It was not permitted.
    Denied,
}

impl Outcome {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

/// How long events of a class are kept. Each class has a log of its own, because a log can only be
/// pruned from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetentionClass {
    /// One year unless configured otherwise.
    Standard,
    /// Seven years.
    BreakGlass,
}

impl RetentionClass {
    /// The class of the events of an action.
    #[must_use]
    pub fn of_action(action: &str) -> Self {
        if action.starts_with("break_glass.") { Self::BreakGlass } else { Self::Standard }
    }
}

/// Personal data on its way into the log. It has no `Serialize`: only the log, which seals it under
/// a key of its subject, takes it out.
#[derive(Clone, PartialEq, Eq)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Marks a value as personal.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the log that seals it and for nobody else.
    #[must_use]
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Actor {
    /// What kind of actor.
    pub kind: PrincipalKind,
    /// The stable id, a pseudonym: `user_01J…`. Absent when nobody was authenticated.
    pub id: Option<String>,
    /// The name: personal data.
    pub name: Option<Personal<String>>,
}

impl Actor {
    /// Nobody was authenticated; `claimed` is the name the request gave, if it gave one.
    #[must_use]
    pub fn unauthenticated(claimed: Option<&str>) -> Self {
        Self {
            kind: PrincipalKind::User,
            id: None,
            name: claimed.map(|name| Personal::new(name.chars().take(256).collect())),
        }
    }

    /// A known account that is not (yet) authenticated by this request, as when a login fails.
    #[must_use]
    pub fn account(kind: PrincipalKind, id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, id: Some(id.into()), name: Some(Personal::new(name.into())) }
    }
}

/// What it was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Resource {
    /// What kind of thing: `user`, `Server`, `lease`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id; never personal data (use the stable id of a user).
    pub id: String,
}

impl Resource {
    /// A resource.
    #[must_use]
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }
}

/// One event, not yet sealed. It has no `Serialize`, on purpose: see [`Personal`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event {
    /// A UUID of version 7 (RFC 9562).
    pub id: Uuid,
    /// When it happened.
    pub time: Timestamp,
    /// What was done.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// Who did it.
    pub actor: Actor,
    /// To what.
    pub resource: Option<Resource>,
    /// The request it belongs to.
    pub request_id: Option<RequestId>,
    /// The client's address: personal data.
    pub ip: Option<Personal<IpAddr>>,
    /// The HTTP method and path, without the query.
    pub target: Option<(String, String)>,
    /// What the client calls itself: personal data.
    pub user_agent: Option<Personal<String>>,
    /// Further facts: never secrets, never personal data.
    pub context: Map<String, Value>,
    /// The decision behind it.
    pub decision: Option<DecisionRecord>,
}

impl Event {
    /// An event that happens now, done by nobody known.
    #[must_use]
    pub fn new(clock: &dyn Clock, action: Action, outcome: Outcome) -> Self {
        let time = clock.now();
        Self {
            id: uuid_at(time),
            time,
            action,
            outcome,
            actor: Actor::unauthenticated(None),
            resource: None,
            request_id: None,
            ip: None,
            target: None,
            user_agent: None,
            context: Map::new(),
            decision: None,
        }
    }

    /// Done by this actor.
    #[must_use]
    pub fn by(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// Done by whoever the context names, in its request; and by the hand of whoever acts for them,
    /// whose id is `acted_by` in the context.
    #[must_use]
    pub fn in_context(mut self, context: &SecurityContext) -> Self {
        let principal = context.principal();
        self.actor = Actor::account(principal.kind, &principal.id, &principal.name);
        if let Some(actor) = context.actor() {
            self = self.with("acted_by", actor.id.as_str());
        }
        self.in_request(context.request())
    }

    /// In this request, and because of the decision that let the request pass, unless a decision of
    /// its own stands in the event already.
    #[must_use]
    pub fn in_request(mut self, request: &RequestFacts) -> Self {
        self.request_id = Some(request.id.clone());
        self.ip = request.client.map(Personal::new);
        if !request.method.is_empty() {
            let path = request.recorded_path.as_ref().unwrap_or(&request.path);
            self.target = Some((request.method.clone(), path.clone()));
        }
        self.user_agent = request.user_agent.clone().map(Personal::new);
        if self.decision.is_none() {
            self.decision = request.decision().cloned();
        }
        self
    }

    /// Done to this resource.
    #[must_use]
    pub fn on(mut self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.resource = Some(Resource::new(kind, id));
        self
    }

    /// With a further fact: never a secret, never personal data.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.context.insert(key.to_owned(), value.into());
        self
    }

    /// Because of this decision.
    #[must_use]
    pub fn decided(mut self, decision: DecisionRecord) -> Self {
        self.decision = Some(decision);
        self
    }

    /// How long it is kept.
    #[must_use]
    pub fn retention_class(&self) -> RetentionClass {
        RetentionClass::of_action(self.action.as_str())
    }
}

/// A UUIDv7 of this moment.
fn uuid_at(time: Timestamp) -> Uuid {
    let millis = u64::try_from(time.as_millisecond()).unwrap_or(0);
    // Without randomness an event is still told apart by its place, and is not to be lost.
    let random = random::for_id().unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    #[test]
    fn debug_of_an_event_shows_nothing_personal() {
        let clock = SystemClock::new();
        let request = RequestFacts::new(RequestId::generate(&clock).unwrap(), clock.now())
            .from_client(Some("203.0.113.9".parse().unwrap()))
            .by_agent(Some("curl/8"));
        let event = Event::new(&clock, Action::AUTH_LOGIN, Outcome::Failure)
            .in_request(&request)
            .by(Actor::unauthenticated(Some("alice@example.org")));
        let printed = format!("{event:?}");
        for personal in ["alice", "203.0.113.9", "curl"] {
            assert!(!printed.contains(personal), "{personal} must not be printed");
        }
    }

    #[test]
    fn an_event_in_a_context_names_actor_and_request() {
        let clock = SystemClock::new();
        let context = SecurityContext::system("lease-reaper", &clock).unwrap();
        let event = Event::new(&clock, Action::SECRET_LEASE_REVOKE, Outcome::Success)
            .in_context(&context)
            .on("lease", "lease_1");
        assert_eq!(event.actor.id.as_deref(), Some("system:lease-reaper"));
        assert_eq!(event.request_id.as_ref(), Some(&context.request().id));
        assert_eq!(event.id.get_version_num(), 7);
        assert_eq!(event.decision, None);
    }

    #[test]
    fn an_event_carries_the_decision_that_let_its_request_pass_or_its_own() {
        let clock = SystemClock::new();
        let request = RequestFacts::new(RequestId::generate(&clock).unwrap(), clock.now());
        let event = || Event::new(&clock, Action::KMS_KEY_CREATE, Outcome::Success);
        assert_eq!(event().in_request(&request).decision, None);
        let decision = |id: &str| DecisionRecord::new(id, true, vec![], "r_1");
        request.note_decision(decision("dec_1"));
        // A second one changes nothing: the first let the request pass.
        request.note_decision(decision("dec_2"));
        assert_eq!(event().in_request(&request).decision, Some(decision("dec_1")));
        let own = event().decided(decision("dec_3")).in_request(&request);
        assert_eq!(own.decision, Some(decision("dec_3")));
    }
}
