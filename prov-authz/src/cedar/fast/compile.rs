//! From a policy to its condition.

use std::fmt::Display;
use std::sync::Arc;

use super::super::name::{Name, OwnedName};
use super::constant::{Constants, Maker};
use super::evaluate::{World, truth};
use super::expression::{Binary, Expression, Path, Unary};
use super::pattern::Pattern;
use super::value::Constant;
use cedar_policy::Policy;
use cedar_policy::pst::{self, BinaryOp, Clause, Expr, Literal, UnaryOp, Var};
use cedar_policy_core::ast;
use hashbrown::HashMap;

/// Deeper expressions are left to Cedar, which watches its stack.
const DEEPEST: u8 = 64;
/// Larger sets are left to Cedar, which hashes them.
const LARGEST_SET: usize = 256;

/// What a policy says, its scope apart.
#[derive(Debug)]
pub(crate) struct Body {
    /// Nothing when Cedar is to be asked.
    condition: Option<Arc<[Part]>>,
}

/// One `when`, or one `unless`.
#[derive(Debug)]
struct Part {
    expression: Expression,
    expected: bool,
}

impl Body {
    /// Whether its condition holds; nothing when Cedar is to be asked.
    pub(crate) fn holds<W: World>(&self, world: &W) -> Option<bool> {
        for part in self.condition.as_ref()?.iter() {
            if truth(&part.expression, world)? != part.expected {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// Compiles conditions. Those that many policies share are compiled once and stand in memory once, so
/// that a decision over many policies finds them in the processor's cache; so are texts.
#[derive(Debug)]
pub(crate) struct Compiler {
    constants: Constants,
    known: HashMap<Option<ast::Expr>, Option<Arc<[Part]>>>,
}

impl Compiler {
    pub(crate) fn new() -> Self {
        Self { constants: Constants::new(), known: HashMap::new() }
    }

    pub(crate) fn body(&mut self, policy: &Policy) -> Body {
        // Where it was written makes no difference between two.
        let written = policy.as_ref().non_scope_constraints().cloned();
        if let Some(known) = self.known.get(&written) {
            return Body { condition: known.clone() };
        }
        let condition = self.parts(policy);
        self.known.insert(written, condition.clone());
        Body { condition }
    }

    fn parts(&mut self, policy: &Policy) -> Option<Arc<[Part]>> {
        // Of the tree that Cedar evaluates, not of the text it was read from.
        let policy = pst::Policy::try_from(policy.as_ref().clone()).ok()?;
        let part = |clause: &Clause| {
            let (written, expected) = match clause {
                Clause::When(written) => (written, true),
                Clause::Unless(written) => (written, false),
            };
            Some(Part { expression: self.expression(written, DEEPEST)?, expected })
        };
        policy.body().clauses().iter().map(part).collect()
    }

    fn boxed(&mut self, expr: &Expr, deepest: u8) -> Option<Box<Expression>> {
        self.expression(expr, deepest).map(Box::new)
    }

    fn pair(&mut self, one: &Expr, other: &Expr, deepest: u8) -> Option<Box<[Expression; 2]>> {
        Some(Box::new([self.expression(one, deepest)?, self.expression(other, deepest)?]))
    }

    fn expression(&mut self, expr: &Expr, deepest: u8) -> Option<Expression> {
        let deeper = deepest.checked_sub(1)?;
        Some(match expr {
            Expr::Literal(literal) => Expression::Constant(constant(literal)?),
            Expr::Var(Var::Principal) => Expression::Principal,
            Expr::Var(Var::Action) => Expression::Action,
            Expr::Var(Var::Resource) => Expression::Resource,
            Expr::GetAttr { expr, attr } if is_context(expr) => {
                Expression::Context(attr.as_str().into())
            }
            Expr::GetAttr { expr, attr } => {
                Expression::Get(self.boxed(expr, deeper)?, attr.as_str().into())
            }
            Expr::HasAttr { expr, attrs } => {
                let mut names = attrs.iter().map(|name| name.as_str().into());
                let path = Path { first: names.next()?, rest: names.collect() };
                if is_context(expr) {
                    Expression::ContextHas(path)
                } else {
                    Expression::Has(self.boxed(expr, deeper)?, path)
                }
            }
            Expr::Like { expr, pattern } => {
                Expression::Like(self.boxed(expr, deeper)?, Pattern::of(pattern))
            }
            Expr::Is { expr, entity_type, in_expr } => {
                let is = Expression::Is(self.boxed(expr, deeper)?, text(entity_type));
                match in_expr {
                    None => is,
                    Some(above) => {
                        Expression::And(Box::new([is, self.within(expr, above, deeper)?]))
                    }
                }
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => Expression::If(Box::new([
                self.expression(cond, deeper)?,
                self.expression(then_expr, deeper)?,
                self.expression(else_expr, deeper)?,
            ])),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr, deeper)?,
            Expr::BinaryOp { op, left, right } => self.binary(*op, left, right, deeper)?,
            Expr::Set(elements) if elements.len() <= LARGEST_SET => {
                let elements = elements.iter().map(|element| self.expression(element, deeper));
                Expression::Set(elements.collect::<Option<_>>()?)
            }
            Expr::Record(members) => {
                let members = members.iter().map(|(name, value)| {
                    Some((name.as_str().into(), self.expression(value, deeper)?))
                });
                Expression::Record(members.collect::<Option<_>>()?)
            }
            // The context as a value, slots, and whatever a later version adds.
            _ => return None,
        })
    }

    fn unary(&mut self, op: UnaryOp, expr: &Expr, deeper: u8) -> Option<Expression> {
        let maker = match op {
            UnaryOp::Ip => Maker::Ip,
            UnaryOp::Datetime => Maker::Datetime,
            UnaryOp::Duration => Maker::Duration,
            UnaryOp::Decimal => Maker::Decimal,
            _ => return Some(Expression::Unary(unary(op)?, self.boxed(expr, deeper)?)),
        };
        // A value made of a text that is not written out is left to Cedar.
        let Expr::Literal(Literal::String(text)) = expr else { return None };
        self.constants.read(maker, text).map(Expression::Constant)
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        left: &Expr,
        right: &Expr,
        deeper: u8,
    ) -> Option<Expression> {
        Some(match op {
            BinaryOp::And => Expression::And(self.pair(left, right, deeper)?),
            BinaryOp::Or => Expression::Or(self.pair(left, right, deeper)?),
            BinaryOp::In => self.within(left, right, deeper)?,
            BinaryOp::Contains => {
                if let Some(list) = constants(left) {
                    Expression::OneOf(list, self.boxed(right, deeper)?)
                } else {
                    Expression::Binary(Binary::Contains, self.pair(left, right, deeper)?)
                }
            }
            _ => Expression::Binary(binary(op)?, self.pair(left, right, deeper)?),
        })
    }

    fn within(&mut self, left: &Expr, right: &Expr, deeper: u8) -> Option<Expression> {
        let written_out = match right {
            Expr::Literal(Literal::EntityUID(uid)) => Some([name(uid)].into()),
            Expr::Set(elements) => {
                let names = elements.iter().map(|element| match &**element {
                    Expr::Literal(Literal::EntityUID(uid)) => Some(name(uid)),
                    _ => None,
                });
                names.collect()
            }
            _ => None,
        };
        Some(match written_out {
            Some(list) => Expression::Within(self.boxed(left, deeper)?, list),
            None => Expression::Binary(Binary::In, self.pair(left, right, deeper)?),
        })
    }
}

fn is_context(expr: &Expr) -> bool {
    matches!(expr, Expr::Var(Var::Context))
}

fn text(of: impl Display) -> Box<str> {
    of.to_string().into()
}

fn name(uid: &pst::EntityUID) -> OwnedName {
    Name { id: uid.eid.as_str(), kind: &uid.ty.0.to_string() }.to_owned()
}

fn constant(literal: &Literal) -> Option<Constant> {
    Some(match literal {
        Literal::Bool(truth) => Constant::Bool(*truth),
        Literal::Long(number) => Constant::Long(*number),
        Literal::String(text) => Constant::Text(text.as_str().into()),
        Literal::EntityUID(uid) => Constant::Entity(name(uid)),
        // Whatever a later version adds.
        _ => return None,
    })
}

/// The elements of a set that are all written out.
fn constants(expr: &Expr) -> Option<Box<[Constant]>> {
    let Expr::Set(elements) = expr else { return None };
    let written = elements.iter().map(|element| match &**element {
        Expr::Literal(literal) => constant(literal),
        _ => None,
    });
    written.collect()
}

fn unary(op: UnaryOp) -> Option<Unary> {
    const SECOND: i64 = 1000;
    Some(match op {
        UnaryOp::Not => Unary::Not,
        UnaryOp::Neg => Unary::Negate,
        UnaryOp::IsEmpty => Unary::IsEmpty,
        UnaryOp::IsIPv4 => Unary::IsIpv4,
        UnaryOp::IsIPV6 => Unary::IsIpv6,
        UnaryOp::IsLoopback => Unary::IsLoopback,
        UnaryOp::IsMulticast => Unary::IsMulticast,
        UnaryOp::ToDate => Unary::ToDate,
        UnaryOp::ToTime => Unary::ToTime,
        UnaryOp::ToMilliseconds => Unary::ToUnits(1),
        UnaryOp::ToSeconds => Unary::ToUnits(SECOND),
        UnaryOp::ToMinutes => Unary::ToUnits(60 * SECOND),
        UnaryOp::ToHours => Unary::ToUnits(3600 * SECOND),
        UnaryOp::ToDays => Unary::ToUnits(24 * 3600 * SECOND),
        _ => return None,
    })
}

fn binary(op: BinaryOp) -> Option<Binary> {
    Some(match op {
        BinaryOp::Eq => Binary::Equal,
        BinaryOp::NotEq => Binary::Differ,
        BinaryOp::Less => Binary::Less,
        BinaryOp::LessEq => Binary::LessOrEqual,
        BinaryOp::Greater => Binary::Greater,
        BinaryOp::GreaterEq => Binary::GreaterOrEqual,
        BinaryOp::Add => Binary::Add,
        BinaryOp::Sub => Binary::Subtract,
        BinaryOp::Mul => Binary::Multiply,
        BinaryOp::ContainsAll => Binary::ContainsAll,
        BinaryOp::ContainsAny => Binary::ContainsAny,
        BinaryOp::IsInRange => Binary::IsInRange,
        BinaryOp::Offset => Binary::Offset,
        BinaryOp::DurationSince => Binary::DurationSince,
        BinaryOp::DecimalLessThan => Binary::DecimalLess,
        BinaryOp::DecimalLessEq => Binary::DecimalLessOrEqual,
        BinaryOp::DecimalGreater => Binary::DecimalGreater,
        BinaryOp::DecimalGreaterEq => Binary::DecimalGreaterOrEqual,
        // Tags, and whatever a later version adds.
        _ => return None,
    })
}
