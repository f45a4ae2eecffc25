//! From characters to words and signs.

use prov_core::{Error, Result, codes as core_codes};

/// The longest question, in bytes.
const LONGEST: usize = 4096;

/// A word or a sign, and where it starts (in characters, from 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it is written.
    Word(String),
    /// Between quotes.
    Quoted(String),
    /// One of `( ) , | : = != < <= > >=`.
    Sign(&'static str),
}

/// A complaint about a place in the question.
pub(super) fn refuse(at: usize, what: impl std::fmt::Display) -> Error {
    Error::new(core_codes::INVALID_REQUEST).field("query", format!("at character {at}: {what}"))
}

/// Two characters before one, so that `<=` is no `<`.
const SIGNS: [&str; 11] = ["!=", "<=", ">=", "(", ")", ",", "|", ":", "=", "<", ">"];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>> {
    if text.len() > LONGEST {
        return Err(refuse(1, format!("a question has at most {LONGEST} bytes")));
    }
    if text.contains('\0') {
        return Err(refuse(1, "a question has no NUL"));
    }
    let mut found: Vec<Token> = Vec::new();
    let (mut rest, mut in_list) = (text, false);
    while let Some(first) = rest.chars().next() {
        let at = text.chars().count() - rest.chars().count() + 1;
        let is_value = in_list || compares(found.last());
        if first.is_whitespace() {
            rest = rest.trim_start();
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (inside, behind) = until_quote(quoted, at)?;
            found.push(Token { at, kind: Kind::Quoted(inside) });
            rest = behind;
        } else if let Some(sign) = sign_at(rest, is_value) {
            in_list = (in_list && sign != ")") || (sign == "(" && compares(found.last()));
            found.push(Token { at, kind: Kind::Sign(sign) });
            rest = rest.strip_prefix(sign).unwrap_or_default();
        } else {
            let (word, behind) = word(rest, is_value);
            found.push(Token { at, kind: Kind::Word(word.to_owned()) });
            rest = behind;
        }
    }
    Ok(found)
}

/// The sign that stands here; a value may begin with a colon (`::1`).
fn sign_at(text: &str, is_value: bool) -> Option<&'static str> {
    let sign = SIGNS.into_iter().find(|sign| text.starts_with(sign))?;
    (sign != ":" || !is_value).then_some(sign)
}

/// Whether behind this stands a value.
fn compares(token: Option<&Token>) -> bool {
    token.is_some_and(|token| match token.kind {
        Kind::Sign(sign) => !["(", ")", ",", "|"].contains(&sign),
        _ => false,
    })
}

/// A value may hold colons (times, IPv6 addresses, `type:id`); a field's name ends at one.
fn word(text: &str, is_value: bool) -> (&str, &str) {
    let ends =
        |c: char| c.is_whitespace() || "(),|\"".contains(c) || (!is_value && ":=<>!".contains(c));
    // The first character is of the word whatever it is.
    let end = text.char_indices().skip(1).find(|(_, c)| ends(*c)).map_or(text.len(), |(at, _)| at);
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// What stands before the closing quote; `\"` and `\\` stand for themselves.
fn until_quote(text: &str, at: usize) -> Result<(String, &str)> {
    let mut inside = String::new();
    let mut characters = text.char_indices();
    while let Some((place, c)) = characters.next() {
        match c {
            '"' => return Ok((inside, text.get(place + 1..).unwrap_or_default())),
            '\\' => inside.extend(characters.next().map(|(_, c)| c)),
            c => inside.push(c),
        }
    }
    Err(refuse(at, "the quote is never closed"))
}
