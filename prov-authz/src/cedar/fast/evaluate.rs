//! Evaluating a condition over a request. Nothing is said where Cedar would report an error, and
//! nothing where it can't be told what Cedar would say.

use super::super::name::{Name, OwnedName};
use super::expression::{Expression, Path};
use super::operator;
use super::value::Value;

/// The request a condition is evaluated over.
pub(crate) trait World {
    fn principal(&self) -> Name<'_>;
    fn action(&self) -> Name<'_>;
    fn resource(&self) -> Name<'_>;
    /// Whether the first entity, which is not the other, is in the other; nothing when that is not
    /// known.
    fn is_within(&self, entity: Name<'_>, above: Name<'_>) -> Option<bool>;
    /// An attribute of an entity.
    fn attribute(&self, entity: Name<'_>, attribute: &str) -> Fact<'_>;
    /// A member of the context.
    fn context(&self, member: &str) -> Fact<'_>;
}

/// What is known of an attribute.
#[derive(Debug)]
pub(crate) enum Fact<'a> {
    Is(Value<'a>),
    /// It is not there, which is certain.
    Absent,
    /// Nothing is.
    Unknown,
}

impl<'a> Fact<'a> {
    /// The value; nothing when there is none, which is an error, or none is known.
    fn value(self) -> Option<Value<'a>> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// Whether a condition is true.
pub(super) fn truth<W: World>(expression: &Expression, world: &W) -> Option<bool> {
    match expression {
        Expression::And(both) => {
            let [one, other] = &**both;
            if truth(one, world)? { truth(other, world) } else { Some(false) }
        }
        Expression::Or(both) => {
            let [one, other] = &**both;
            if truth(one, world)? { Some(true) } else { truth(other, world) }
        }
        Expression::ContextHas(path) => has(world.context(&path.first), path, world),
        Expression::Has(expression, path) => {
            has(member(&value(expression, world)?, &path.first, world), path, world)
        }
        Expression::Within(expression, list) => within(&value(expression, world)?, list, world),
        Expression::OneOf(list, expression) => {
            let element = value(expression, world)?;
            Some(list.iter().any(|constant| constant.value() == element))
        }
        Expression::Like(expression, pattern) => match value(expression, world)? {
            Value::Text(text) => Some(pattern.matches(text)),
            _ => None,
        },
        Expression::Is(expression, kind) => match value(expression, world)? {
            Value::Entity(name) => Some(*name.kind == **kind),
            _ => None,
        },
        _ => match value(expression, world)? {
            Value::Bool(truth) => Some(truth),
            _ => None,
        },
    }
}

fn value<'e, W: World>(expression: &'e Expression, world: &'e W) -> Option<Value<'e>> {
    match expression {
        Expression::Constant(constant) => Some(constant.value()),
        Expression::Principal => Some(Value::Entity(world.principal())),
        Expression::Action => Some(Value::Entity(world.action())),
        Expression::Resource => Some(Value::Entity(world.resource())),
        Expression::Context(name) => world.context(name).value(),
        Expression::Get(expression, name) => {
            let of = value(expression, world)?;
            member(&of, name, world).value()
        }
        Expression::If(all) => {
            let [condition, then, otherwise] = &**all;
            value(if truth(condition, world)? { then } else { otherwise }, world)
        }
        Expression::Unary(op, expression) => operator::unary(*op, value(expression, world)?),
        Expression::Binary(op, both) => {
            let [one, other] = &**both;
            operator::binary(*op, value(one, world)?, value(other, world)?, world)
        }
        Expression::Set(elements) => {
            let elements = elements.iter().map(|element| value(element, world));
            elements.collect::<Option<_>>().map(Value::Set)
        }
        Expression::Record(members) => {
            let members = members.iter().map(|(name, of)| Some((&**name, value(of, world)?)));
            members.collect::<Option<_>>().map(Value::Record)
        }
        Expression::And(_)
        | Expression::Or(_)
        | Expression::ContextHas(_)
        | Expression::Has(..)
        | Expression::Within(..)
        | Expression::OneOf(..)
        | Expression::Like(..)
        | Expression::Is(..) => truth(expression, world).map(Value::Bool),
    }
}

/// A member of a record, or an attribute of an entity; nothing else has any.
fn member<'v, W: World>(of: &Value<'v>, name: &str, world: &'v W) -> Fact<'v> {
    match of {
        Value::Entity(entity) => world.attribute(*entity, name),
        Value::Record(members) => members
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(Fact::Absent, |(_, value)| Fact::Is(value.clone())),
        _ => Fact::Unknown,
    }
}

/// Whether all of a path is there, of which the first attribute was looked up.
fn has<W: World>(first: Fact<'_>, path: &Path, world: &W) -> Option<bool> {
    let mut found = first;
    for next in &path.rest {
        found = match found {
            Fact::Is(value) => member(&value, next, world),
            Fact::Absent => return Some(false),
            Fact::Unknown => return None,
        };
    }
    match found {
        Fact::Is(_) => Some(true),
        Fact::Absent => Some(false),
        Fact::Unknown => None,
    }
}

fn within<W: World>(value: &Value<'_>, list: &[OwnedName], world: &W) -> Option<bool> {
    let Value::Entity(entity) = value else { return None };
    within_any(*entity, list.iter().map(OwnedName::name), world)
}

/// Whether an entity is one of these or in one of them.
pub(super) fn within_any<'n, W: World>(
    entity: Name<'_>,
    list: impl IntoIterator<Item = Name<'n>>,
    world: &W,
) -> Option<bool> {
    for above in list {
        if entity == above || world.is_within(entity, above)? {
            return Some(true);
        }
    }
    Some(false)
}
