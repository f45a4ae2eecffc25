//! Conditions as they are evaluated.

use super::super::name::OwnedName;
use super::pattern::Pattern;
use super::value::Constant;

#[derive(Debug)]
pub(super) enum Expression {
    Constant(Constant),
    Principal,
    Action,
    Resource,
    /// `context.name`
    Context(Box<str>),
    /// `context has name.name…`
    ContextHas(Path),
    /// `e.name`
    Get(Box<Self>, Box<str>),
    /// `e has name.name…`
    Has(Box<Self>, Path),
    And(Box<[Self; 2]>),
    Or(Box<[Self; 2]>),
    If(Box<[Self; 3]>),
    Unary(Unary, Box<Self>),
    Binary(Binary, Box<[Self; 2]>),
    /// `e in E` and `e in [E, …]` for entities that are written out.
    Within(Box<Self>, Box<[OwnedName]>),
    /// `[…].contains(e)` for elements that are written out.
    OneOf(Box<[Constant]>, Box<Self>),
    Like(Box<Self>, Pattern),
    Is(Box<Self>, Box<str>),
    Set(Box<[Self]>),
    Record(Box<[(Box<str>, Self)]>),
}

/// Attributes one in the other.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) first: Box<str>,
    pub(super) rest: Box<[Box<str>]>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Unary {
    Not,
    Negate,
    IsEmpty,
    IsIpv4,
    IsIpv6,
    IsLoopback,
    IsMulticast,
    ToDate,
    ToTime,
    /// In units of so many milliseconds.
    ToUnits(i64),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Binary {
    Equal,
    Differ,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    In,
    Contains,
    ContainsAll,
    ContainsAny,
    IsInRange,
    Offset,
    DurationSince,
    DecimalLess,
    DecimalLessOrEqual,
    DecimalGreater,
    DecimalGreaterOrEqual,
}
