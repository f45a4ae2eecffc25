//! What a presented refresh token leads to: pure computation over a session.

use std::time::Duration;

use prov_core::{Result, SecretText, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{RefreshKey, RefreshToken, TokenPair};
use crate::session::SessionRecord;

/// A refresh token that was exchanged, as long as it may get its answer again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SpentToken {
    digest: String,
    at: Timestamp,
    answer: String,
}

/// What becomes of a presented token.
#[derive(Debug)]
pub(crate) enum Step {
    /// It is current: rotate.
    Rotate,
    /// It was spent a moment ago: give this answer again.
    Repeat(TokenPair),
    /// It is current, but the family rotates faster than any client does: later.
    TooFast,
    /// It was spent before: end the session.
    Replayed,
    /// It never was of this family, or has expired.
    Unknown,
}

/// How many tokens may be spent within the grace. What a family spent within it must stay known, or
/// a racing client would be taken for a thief; so it must not be spent faster.
const MOST_SPENT: usize = 16;

/// Decides. Changes nothing.
///
/// # Errors
/// When a sealed answer is damaged.
pub(crate) fn judge(
    session: &SessionRecord,
    token: &RefreshToken,
    key: &RefreshKey,
    now: Timestamp,
    grace: Duration,
) -> Result<Step> {
    let digest = token.digest();
    if same(&session.current, &digest) {
        let step = match (session.expires_at <= now, in_grace(session, now, grace).count()) {
            (true, _) => Step::Unknown,
            (false, MOST_SPENT..) => Step::TooFast,
            (false, _) => Step::Rotate,
        };
        return Ok(step);
    }
    if in_grace(session, now, grace).any(|spent| same(&spent.digest, &digest)) {
        return newest_answer(session, token.clone(), key);
    }
    Ok(if token.generation < session.generation { Step::Replayed } else { Step::Unknown })
}

/// A session after a rotation, and what the client is answered.
#[derive(Debug)]
pub(crate) struct Rotated {
    pub(crate) session: SessionRecord,
    pub(crate) answer: TokenPair,
}

/// Spends the current token: the next one and `access` are the answer, now and for the grace.
///
/// # Errors
/// When the operating system gives no randomness.
pub(crate) fn rotated(
    session: &SessionRecord,
    spending: &RefreshToken,
    access: (SecretText, Timestamp),
    key: &RefreshKey,
    now: Timestamp,
    lifetime: Duration,
    grace: Duration,
) -> Result<Rotated> {
    let generation = session.generation.saturating_add(1);
    let next = RefreshToken::generate(key, &session.id, generation)?;
    let (access_token, access_expires_at) = access;
    let answer = TokenPair { access_token, access_expires_at, refresh_token: next.text().clone() };
    let mut after = session.clone();
    after.spent = in_grace(session, now, grace).cloned().collect();
    after.spent.push(SpentToken {
        digest: spending.digest(),
        at: now,
        answer: answer.seal(spending)?,
    });
    after.generation = generation;
    after.current = next.digest();
    after.last_used_at = now;
    after.expires_at = later(now, lifetime).min(session.ends_at);
    Ok(Rotated { session: after, answer })
}

/// `by` after `now`, or the end of time.
pub(crate) fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn in_grace(
    session: &SessionRecord,
    now: Timestamp,
    grace: Duration,
) -> impl Iterator<Item = &SpentToken> {
    session.spent.iter().filter(move |spent| now <= later(spent.at, grace))
}

/// Follows the answers from the one to `token` to the newest: each is sealed under the one before.
fn newest_answer(
    session: &SessionRecord,
    mut token: RefreshToken,
    key: &RefreshKey,
) -> Result<Step> {
    let mut step = Step::Unknown;
    // Every round goes one generation up, so that there are no more rounds than spent tokens.
    for _ in 0..session.spent.len() {
        let digest = token.digest();
        let Some(spent) = session.spent.iter().find(|spent| same(&spent.digest, &digest)) else {
            break;
        };
        let answer = TokenPair::open(&spent.answer, &token)?;
        let Some(next) = RefreshToken::read(key, &answer.refresh_token) else { break };
        token = next;
        step = Step::Repeat(answer);
    }
    Ok(step)
}

fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}
