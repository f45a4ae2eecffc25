//! The entities and the context of a case, for the conditions that are evaluated without Cedar.

use std::collections::HashMap;

use cedar_policy::{Context, Entities, Entity};
use serde_json::Value as Json;

use crate::cedar::fast::{Fact, Value, World, read_constant};
use crate::cedar::{Name, OwnedName};

/// A value of Cedar's JSON; nothing for what is not understood.
enum Owned {
    Bool(bool),
    Long(i64),
    Text(String),
    Entity(OwnedName),
    Extension(Box<dyn Fn() -> Value<'static> + Send + Sync>),
    Set(Vec<Self>),
    Record(Vec<(String, Self)>),
    NotUnderstood,
}

impl Owned {
    fn read(json: &Json) -> Self {
        match json {
            Json::Bool(truth) => Self::Bool(*truth),
            Json::Number(number) => number.as_i64().map_or(Self::NotUnderstood, Self::Long),
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(elements) => Self::Set(elements.iter().map(Self::read).collect()),
            Json::Object(members) => {
                if let Some(named) = members.get("__entity") {
                    Self::Entity(OwnedName::of(&super::uid(named)))
                } else if let Some(called) = members.get("__extn") {
                    Self::called(called).unwrap_or(Self::NotUnderstood)
                } else {
                    let read = |(name, value): (&String, &Json)| (name.clone(), Self::read(value));
                    Self::Record(members.iter().map(read).collect())
                }
            }
            Json::Null => Self::NotUnderstood,
        }
    }

    fn called(called: &Json) -> Option<Self> {
        let argument = called.get("arg").or_else(|| called.get("args")?.as_array()?.first())?;
        let value = read_constant(called.get("fn")?.as_str()?, argument.as_str()?)?;
        Some(Self::Extension(Box::new(move || value.clone())))
    }

    fn value(&self) -> Option<Value<'_>> {
        Some(match self {
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Long(number) => Value::Long(*number),
            Self::Text(text) => Value::Text(text),
            Self::Entity(name) => Value::Entity(name.name()),
            Self::Extension(value) => value(),
            Self::Set(elements) => {
                Value::Set(elements.iter().map(Self::value).collect::<Option<_>>()?)
            }
            Self::Record(members) => {
                let members = members.iter().map(|(name, of)| Some((name.as_str(), of.value()?)));
                Value::Record(members.collect::<Option<_>>()?)
            }
            Self::NotUnderstood => return None,
        })
    }
}

fn members(json: &Json) -> HashMap<String, Owned> {
    let members = json.as_object().unwrap();
    members.iter().map(|(name, value)| (name.clone(), Owned::read(value))).collect()
}

/// One entity.
struct Known {
    above: Vec<OwnedName>,
    attributes: HashMap<String, Owned>,
}

/// All of them.
pub(super) struct Everybody(hashbrown::HashMap<OwnedName, Known>);

impl Everybody {
    pub(super) fn of(entities: &Entities) -> Self {
        let known = |entity: &Entity| {
            let uid = entity.uid();
            let above = entities.ancestors(&uid).into_iter().flatten().map(OwnedName::of);
            let attributes = members(&entity.to_json_value().unwrap()["attrs"]);
            (OwnedName::of(&uid), Known { above: above.collect(), attributes })
        };
        Self(entities.iter().map(known).collect())
    }
}

/// A request about them.
pub(super) struct Case<'a> {
    pub(super) principal: Name<'a>,
    pub(super) action: Name<'a>,
    pub(super) resource: Name<'a>,
    everybody: &'a Everybody,
    context: HashMap<String, Owned>,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        [principal, action, resource]: [Name<'a>; 3],
        everybody: &'a Everybody,
        context: &Context,
    ) -> Self {
        let context = members(&context.to_json_value().unwrap());
        Self { principal, action, resource, everybody, context }
    }
}

fn fact(owned: Option<&Owned>) -> Fact<'_> {
    match owned.map(Owned::value) {
        None => Fact::Absent,
        Some(Some(value)) => Fact::Is(value),
        Some(None) => Fact::Unknown,
    }
}

impl World for Case<'_> {
    fn principal(&self) -> Name<'_> {
        self.principal
    }

    fn action(&self) -> Name<'_> {
        self.action
    }

    fn resource(&self) -> Name<'_> {
        self.resource
    }

    fn is_within(&self, entity: Name<'_>, above: Name<'_>) -> Option<bool> {
        let known = self.everybody.0.get(&entity);
        Some(known.is_some_and(|known| known.above.iter().any(|name| name.name() == above)))
    }

    fn attribute(&self, entity: Name<'_>, attribute: &str) -> Fact<'_> {
        fact(self.everybody.0.get(&entity).and_then(|known| known.attributes.get(attribute)))
    }

    fn context(&self, member: &str) -> Fact<'_> {
        fact(self.context.get(member))
    }
}
