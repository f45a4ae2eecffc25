//! What a decision is about, borrowed from whoever knows it.

use std::borrow::Cow;

use serde_json::Value;

use super::StoredEntity;
use super::fact::AttributeValue;
use crate::ResourceEntity;

/// The resource of a request: as the request describes it, or as the inventory knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    Stated(&'a ResourceEntity),
    Known(&'a StoredEntity),
}

/// The value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    Text(&'a str),
    Long(i64),
    Bool(bool),
    /// A set, a record, an entity, an address, a time.
    Other,
}

impl<'a> Scalar<'a> {
    fn of_json(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            Value::Bool(truth) => Self::Bool(*truth),
            other => other.as_i64().map_or(Self::Other, Self::Long),
        }
    }

    fn of_fact(value: &'a AttributeValue) -> Self {
        match value {
            AttributeValue::Text(text) => Self::Text(text),
            AttributeValue::Long(number) => Self::Long(*number),
            AttributeValue::Bool(truth) => Self::Bool(*truth),
            AttributeValue::Other(_) => Self::Other,
        }
    }
}

impl<'a> Subject<'a> {
    /// The type, without namespace.
    pub(crate) fn kind(self) -> &'a str {
        match self {
            Self::Stated(resource) => &resource.entity.kind,
            Self::Known(entity) => entity.kind(),
        }
    }

    pub(crate) fn id(self) -> &'a str {
        match self {
            Self::Stated(resource) => &resource.entity.id,
            Self::Known(entity) => entity.id(),
        }
    }

    pub(crate) fn attribute(self, name: &str) -> Option<Scalar<'a>> {
        match self {
            Self::Stated(resource) => resource.attributes.get(name).map(Scalar::of_json),
            Self::Known(entity) => entity.attribute(name).map(Scalar::of_fact),
        }
    }

    pub(crate) fn attributes(self) -> impl Iterator<Item = (&'a str, Scalar<'a>)> {
        let (stated, known) = match self {
            Self::Stated(resource) => (Some(&resource.attributes), None),
            Self::Known(entity) => (None, Some(&entity.fact.attributes)),
        };
        let stated = stated.into_iter().flatten();
        let known = known.into_iter().flatten();
        stated
            .map(|(name, value)| (name.as_str(), Scalar::of_json(value)))
            .chain(known.map(|(name, value)| (&**name, Scalar::of_fact(value))))
    }

    /// What it is in directly, by type and id.
    pub(crate) fn parents(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (stated, known) = match self {
            Self::Stated(resource) => (&*resource.parents, None),
            Self::Known(entity) => (&[][..], Some(&*entity.fact.parents)),
        };
        let known = known.into_iter().flatten();
        stated
            .iter()
            .map(|parent| (parent.kind.as_ref(), parent.id.as_ref()))
            .chain(known.map(|uid| (&*uid.kind, uid.id.as_str())))
    }

    /// The whole of it, as it would be described.
    pub(crate) fn described(self) -> Cow<'a, ResourceEntity> {
        match self {
            Self::Stated(resource) => Cow::Borrowed(resource),
            Self::Known(entity) => Cow::Owned(entity.resource()),
        }
    }
}
