//! From words and signs to conditions.

use std::iter::Peekable;
use std::net::IpAddr;
use std::vec::IntoIter;

use jiff::Timestamp;
use prov_core::Result;
use prov_core::audit::{Action, Outcome, RetentionClass};

use super::lexer::{Kind, Token, refuse, tokens};
use super::{CountBy, Expr, Question, Test, moment};
use crate::query::is_asked;

/// Brackets and `not` may stand in each other so deep.
const DEEPEST: usize = 32;

/// At most so many conditions.
const MOST: usize = 64;

const FIELDS: [&str; 13] = [
    "actor", "user", "action", "outcome", "resource", "ip", "address", "request", "log", "text",
    "time", "from", "to",
];

const COUNTED: [(&str, CountBy); 8] = [
    ("action", CountBy::Action),
    ("outcome", CountBy::Outcome),
    ("actor", CountBy::Actor),
    ("user", CountBy::Actor),
    ("resource", CountBy::Resource),
    ("ip", CountBy::Ip),
    ("hour", CountBy::Hour),
    ("day", CountBy::Day),
];

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
    end: usize,
    now: Timestamp,
    tests: usize,
}

pub(super) fn parse(text: &str, now: Timestamp) -> Result<Question> {
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable(), end, now, tests: 0 };
    let is_bare = parser.next_is("|") || parser.tokens.peek().is_none();
    let expr = if is_bare { Expr::All(Vec::new()) } else { parser.any(0)? };
    let counted = if parser.take("|") { Some(parser.stage()?) } else { None };
    match parser.tokens.next() {
        None => Ok(Question { expr, counted }),
        Some(token) => Err(refuse(token.at, "a condition, `and`, `or` or `| count` was expected")),
    }
}

impl Parser {
    fn any(&mut self, depth: usize) -> Result<Expr> {
        let mut any = vec![self.all(depth)?];
        while self.take_word("or") {
            any.push(self.all(depth)?);
        }
        Ok(one_or(any, Expr::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expr> {
        let mut all = vec![self.not(depth)?];
        loop {
            let ends = self.next_is(")") || self.next_is("|") || self.next_is_word("or");
            if !self.take_word("and") && (ends || self.tokens.peek().is_none()) {
                return Ok(one_or(all, Expr::All));
            }
            all.push(self.not(depth)?);
        }
    }

    fn not(&mut self, depth: usize) -> Result<Expr> {
        if depth > DEEPEST {
            return Err(refuse(self.place(), "too many brackets in brackets"));
        }
        if self.take_word("not") {
            return Ok(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take("(") {
            let inside = self.any(depth + 1)?;
            return self.must(")").map(|()| inside);
        }
        self.condition()
    }

    fn condition(&mut self) -> Result<Expr> {
        self.tests += 1;
        if self.tests > MOST {
            return Err(refuse(self.place(), format!("more than {MOST} conditions")));
        }
        let (place, end) = (self.place(), self.end);
        match self.tokens.next().map(|token| token.kind) {
            Some(Kind::Quoted(text)) => text_test(place, text),
            Some(Kind::Word(word)) => match self.tokens.peek().map(|next| next.kind.clone()) {
                Some(Kind::Sign(sign)) if !["(", ")", ",", "|"].contains(&sign) => {
                    self.tokens.next();
                    self.comparison(place, &word.to_lowercase(), sign)
                }
                _ => text_test(place, word),
            },
            Some(Kind::Sign(sign)) => {
                Err(refuse(place, format!("`{sign}` stands where a condition should")))
            }
            None => Err(refuse(end, "a condition is missing")),
        }
    }

    fn comparison(&mut self, place: usize, field: &str, sign: &str) -> Result<Expr> {
        if !FIELDS.contains(&field) {
            let near = FIELDS.into_iter().min_by_key(|known| distance(known, field));
            let near = near.unwrap_or_default();
            let what = format!("there is no field `{field}`; did you mean `{near}`?");
            return Err(refuse(place, what));
        }
        if field == "time" {
            let (at, text) = self.value()?;
            let time = moment("query", &text, self.now).map_err(|_| {
                refuse(at, "a time such as `2026-03-02T09:00:00Z`, or how long ago")
            })?;
            return match sign {
                ">" | ">=" => Ok(Expr::Test(Test::From(time))),
                "<" | "<=" => Ok(Expr::Test(Test::To(time))),
                _ => Err(refuse(place, "`time` is compared with `>` or `<`")),
            };
        }
        if ![":", "=", "!="].contains(&sign) {
            return Err(refuse(place, format!("`{field}` is compared with `:`, `=` or `!=`")));
        }
        let mut any = Vec::new();
        if self.take("(") {
            loop {
                let (at, text) = self.value()?;
                any.push(self.test(at, field, text)?);
                if !self.take(",") {
                    break;
                }
            }
            self.must(")")?;
        } else {
            let (at, text) = self.value()?;
            any.push(self.test(at, field, text)?);
        }
        let test = one_or(any, Expr::Any);
        Ok(if sign == "!=" { Expr::Not(Box::new(test)) } else { test })
    }

    fn test(&mut self, at: usize, field: &str, value: String) -> Result<Expr> {
        self.tests += 1;
        if self.tests > 2 * MOST || value.len() > 512 {
            return Err(refuse(at, "too many values, or too long a one"));
        }
        let time = |when: &str| {
            moment("query", when, self.now)
                .map_err(|_| refuse(at, "a time such as `2026-03-02T09:00:00Z`, or how long ago"))
        };
        let test = match field {
            "actor" | "user" => Test::Actor(value),
            "action" if is_action(&value) => Test::Action(value),
            "action" => {
                return Err(refuse(at, "an action such as `auth.login`, `auth.*`, `deploy`"));
            }
            "outcome" => match value.as_str() {
                "success" => Test::Outcome(Outcome::Success),
                "failure" => Test::Outcome(Outcome::Failure),
                "denied" => Test::Outcome(Outcome::Denied),
                _ => return Err(refuse(at, "`success`, `failure` or `denied`")),
            },
            "resource" => Test::Resource(value),
            "ip" | "address" => match value.parse::<IpAddr>() {
                Ok(ip) => Test::Ip(ip.to_canonical()),
                Err(_) => return Err(refuse(at, "an address such as `203.0.113.9`")),
            },
            "request" => Test::Request(value),
            "log" => match value.replace('-', "_").as_str() {
                "standard" => Test::Log(RetentionClass::Standard),
                "break_glass" => Test::Log(RetentionClass::BreakGlass),
                _ => return Err(refuse(at, "`standard` or `break_glass`")),
            },
            "from" => Test::From(time(&value)?),
            "to" => Test::To(time(&value)?),
            _ => return text_test(at, value),
        };
        Ok(Expr::Test(test))
    }

    fn stage(&mut self) -> Result<CountBy> {
        if !self.take_word("count") {
            return Err(refuse(self.place(), "behind `|` stands `count`, or `count by FIELD`"));
        }
        if !self.take_word("by") {
            return Ok(CountBy::Nothing);
        }
        let place = self.place();
        let (_, name) = self.value()?;
        let known = COUNTED.iter().find(|(known, _)| *known == name);
        known.map(|(_, by)| *by).ok_or_else(|| {
            refuse(
                place,
                "counted by `action`, `outcome`, `actor`, `resource`, `ip`, `hour` or `day`",
            )
        })
    }

    fn value(&mut self) -> Result<(usize, String)> {
        let end = self.end;
        match self.tokens.next() {
            Some(Token { at, kind: Kind::Word(text) | Kind::Quoted(text) }) if !text.is_empty() => {
                Ok((at, text))
            }
            other => Err(refuse(other.map_or(end, |token| token.at), "a value is missing")),
        }
    }

    fn place(&mut self) -> usize {
        self.tokens.peek().map_or(self.end, |token| token.at)
    }

    fn next_is(&mut self, sign: &str) -> bool {
        matches!(self.tokens.peek(), Some(Token { kind: Kind::Sign(next), .. }) if *next == sign)
    }

    fn next_is_word(&mut self, word: &str) -> bool {
        matches!(self.tokens.peek(), Some(Token { kind: Kind::Word(next), .. })
            if next.eq_ignore_ascii_case(word))
    }

    fn take(&mut self, sign: &str) -> bool {
        self.next_is(sign) && self.tokens.next().is_some()
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.next_is_word(word) && self.tokens.next().is_some()
    }

    fn must(&mut self, sign: &str) -> Result<()> {
        if self.take(sign) {
            Ok(())
        } else {
            Err(refuse(self.place(), format!("`{sign}` is missing")))
        }
    }
}

fn one_or(mut some: Vec<Expr>, join: impl Fn(Vec<Expr>) -> Expr) -> Expr {
    match (some.len(), some.pop()) {
        (1, Some(one)) => one,
        (_, Some(last)) => {
            some.push(last);
            join(some)
        }
        (_, None) => join(some),
    }
}

fn text_test(at: usize, text: String) -> Result<Expr> {
    if crate::index::words_of(&text).next().is_none() {
        return Err(refuse(at, "a text to look for has a word of two characters or more"));
    }
    Ok(Expr::Test(Test::Text(text)))
}

/// An action of the log, all below one, or an action of the policies.
pub(crate) fn is_action(text: &str) -> bool {
    let fixed = text.strip_suffix(".*").unwrap_or(text);
    let whole = Action::custom(fixed).is_ok();
    let one_word = fixed != text && Action::custom(format!("{fixed}.x")).is_ok();
    whole || one_word || is_asked(text)
}

/// How many letters must be changed, added or taken away.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = i;
        let mut left = i + 1;
        for (y, cell) in b.chars().zip(row.iter_mut().skip(1)) {
            let best = (before + usize::from(x != y)).min(left + 1).min(*cell + 1);
            before = std::mem::replace(cell, best);
            left = best;
        }
    }
    row.last().copied().unwrap_or_default()
}
