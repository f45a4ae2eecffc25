//! What a policy looks at in the context, found out from its text.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::{Map, Value};

/// What policies look at in the context. May name more than they do, never less: an attribute that
/// is not [read](Self::reads) changes no decision, no reason and no error, whether or not it is
/// there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContextReads {
    /// The record is used in a way that does not name attributes: `context == …`, `f(context)`.
    pub(super) whole: bool,
    pub(super) attributes: BTreeSet<String>,
}

impl ContextReads {
    /// The context is not looked at.
    pub(in crate::cedar) const NOTHING: Self = Self { whole: false, attributes: BTreeSet::new() };
    /// Anything may be looked at.
    pub(crate) const EVERYTHING: Self = Self { whole: true, attributes: BTreeSet::new() };

    /// What this policy looks at; everything when that can't be told.
    pub(in crate::cedar) fn of(policy: &Policy) -> Self {
        // Only what follows the scope can speak of the context; all of it is walked all the same.
        policy.to_json().map_or(Self::EVERYTHING, |json| Self::in_json(&json))
    }

    fn in_json(policy: &Value) -> Self {
        let mut found = Self::NOTHING;
        found.walk(policy);
        found
    }

    /// What either looks at.
    pub(in crate::cedar) fn and(mut self, other: &Self) -> Self {
        self.whole |= other.whole;
        self.attributes.extend(other.attributes.iter().cloned());
        self
    }

    /// Whether this attribute may be looked at.
    pub(crate) fn reads(&self, attribute: &str) -> bool {
        self.whole || self.attributes.contains(attribute)
    }

    /// Whether nothing is looked at, with the exception of this attribute.
    pub(in crate::cedar) fn nothing_but(&self, attribute: &str) -> bool {
        !self.whole && self.attributes.iter().all(|known| known == attribute)
    }

    /// `context.x` and `context has x` name what they look at; every other mention of the variable
    /// uses the record as a whole.
    fn walk(&mut self, value: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(attribute) = attribute_of_context(object) {
                    self.attributes.insert(attribute.to_owned());
                } else if is_context(value) {
                    self.whole = true;
                } else {
                    object.values().for_each(|inner| self.walk(inner));
                }
            }
            Value::Array(list) => list.iter().for_each(|inner| self.walk(inner)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// The attribute, when this is `context.attribute` or `context has attribute` and nothing more.
fn attribute_of_context(object: &Map<String, Value>) -> Option<&str> {
    let mut entries = object.iter();
    let (Some((operator, operands)), None) = (entries.next(), entries.next()) else { return None };
    let operands = operands.as_object().filter(|operands| operands.len() == 2)?;
    let is_access = matches!(operator.as_str(), "." | "has");
    let on_context = operands.get("left").is_some_and(is_context);
    operands.get("attr").filter(|_| is_access && on_context)?.as_str()
}

fn is_context(value: &Value) -> bool {
    value.get("Var").and_then(Value::as_str) == Some("context")
}
