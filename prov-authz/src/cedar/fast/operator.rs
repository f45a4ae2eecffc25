//! Operators on values.

use super::evaluate::{World, within_any};
use super::expression::{Binary, Unary};
use super::value::{Value, includes_all};

const DAY: i64 = 24 * 3600 * 1000;

pub(super) fn unary(op: Unary, of: Value<'_>) -> Option<Value<'_>> {
    Some(match (op, of) {
        (Unary::Not, Value::Bool(truth)) => Value::Bool(!truth),
        (Unary::Negate, Value::Long(number)) => Value::Long(number.checked_neg()?),
        (Unary::IsEmpty, Value::Set(elements)) => Value::Bool(elements.is_empty()),
        (Unary::IsIpv4, Value::Address(network)) => Value::Bool(network.is_ipv4()),
        (Unary::IsIpv6, Value::Address(network)) => Value::Bool(!network.is_ipv4()),
        (Unary::IsLoopback, Value::Address(network)) => Value::Bool(network.is_loopback()),
        (Unary::IsMulticast, Value::Address(network)) => Value::Bool(network.is_multicast()),
        (Unary::ToDate, Value::Moment(millis)) => {
            Value::Moment(millis.checked_sub(millis.rem_euclid(DAY))?)
        }
        (Unary::ToTime, Value::Moment(millis)) => Value::Span(millis.rem_euclid(DAY)),
        (Unary::ToUnits(unit), Value::Span(millis)) => Value::Long(millis.checked_div(unit)?),
        _ => return None,
    })
}

pub(super) fn binary<'v, W: World>(
    op: Binary,
    one: Value<'v>,
    other: Value<'v>,
    world: &W,
) -> Option<Value<'v>> {
    let truth = match op {
        Binary::Add | Binary::Subtract | Binary::Multiply => return arithmetic(op, &one, &other),
        Binary::Offset | Binary::DurationSince => return moment(op, &one, &other),
        Binary::Equal => one == other,
        Binary::Differ => one != other,
        Binary::Less => one.comparable(&other).map(|(one, other)| one < other)?,
        Binary::LessOrEqual => one.comparable(&other).map(|(one, other)| one <= other)?,
        Binary::Greater => one.comparable(&other).map(|(one, other)| one > other)?,
        Binary::GreaterOrEqual => one.comparable(&other).map(|(one, other)| one >= other)?,
        Binary::DecimalLess => decimals(&one, &other).map(|(one, other)| one < other)?,
        Binary::DecimalLessOrEqual => decimals(&one, &other).map(|(one, other)| one <= other)?,
        Binary::DecimalGreater => decimals(&one, &other).map(|(one, other)| one > other)?,
        Binary::DecimalGreaterOrEqual => decimals(&one, &other).map(|(one, other)| one >= other)?,
        Binary::In => is_in(&one, &other, world)?,
        Binary::Contains | Binary::ContainsAll | Binary::ContainsAny => sets(op, &one, &other)?,
        Binary::IsInRange => match (one, other) {
            (Value::Address(one), Value::Address(other)) => one.is_in(other),
            _ => return None,
        },
    };
    Some(Value::Bool(truth))
}

impl Value<'_> {
    /// Two numbers, two moments or two spans, as numbers; nothing else is less or greater.
    const fn comparable(&self, other: &Self) -> Option<(i64, i64)> {
        match (self, other) {
            (Self::Long(one), Self::Long(other))
            | (Self::Moment(one), Self::Moment(other))
            | (Self::Span(one), Self::Span(other)) => Some((*one, *other)),
            _ => None,
        }
    }
}

const fn decimals(one: &Value<'_>, other: &Value<'_>) -> Option<(i64, i64)> {
    match (one, other) {
        (Value::Decimal(one), Value::Decimal(other)) => Some((*one, *other)),
        _ => None,
    }
}

fn arithmetic<'v>(op: Binary, one: &Value<'_>, other: &Value<'_>) -> Option<Value<'v>> {
    let (Value::Long(one), Value::Long(other)) = (one, other) else { return None };
    let result = match op {
        Binary::Add => one.checked_add(*other),
        Binary::Subtract => one.checked_sub(*other),
        _ => one.checked_mul(*other),
    };
    result.map(Value::Long)
}

fn moment<'v>(op: Binary, one: &Value<'_>, other: &Value<'_>) -> Option<Value<'v>> {
    match (op, one, other) {
        (Binary::Offset, Value::Moment(one), Value::Span(other)) => {
            one.checked_add(*other).map(Value::Moment)
        }
        (Binary::DurationSince, Value::Moment(one), Value::Moment(other)) => {
            one.checked_sub(*other).map(Value::Span)
        }
        _ => None,
    }
}

fn is_in<W: World>(one: &Value<'_>, other: &Value<'_>, world: &W) -> Option<bool> {
    let Value::Entity(entity) = one else { return None };
    match other {
        Value::Entity(above) => within_any(*entity, [*above], world),
        Value::Set(elements) => {
            let names = elements.iter().map(|element| match element {
                Value::Entity(name) => Some(*name),
                _ => None,
            });
            within_any(*entity, names.collect::<Option<Vec<_>>>()?, world)
        }
        _ => None,
    }
}

fn sets(op: Binary, one: &Value<'_>, other: &Value<'_>) -> Option<bool> {
    let Value::Set(set) = one else { return None };
    match (op, other) {
        (Binary::Contains, element) => Some(set.contains(element)),
        (Binary::ContainsAll, Value::Set(other)) => Some(includes_all(set, other)),
        (Binary::ContainsAny, Value::Set(other)) => {
            Some(other.iter().any(|element| set.contains(element)))
        }
        _ => None,
    }
}
