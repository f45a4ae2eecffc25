use std::time::Duration;

use prov_core::{Clock, ManualClock, SecretText, SessionId, Timestamp, UserId};

use super::*;
use crate::session::SessionRecord;

pub(super) const GRACE: Duration = Duration::from_secs(10);
pub(super) const LIFETIME: Duration = Duration::from_hours(7 * 24);

pub(super) fn now() -> Timestamp {
    "2026-03-02T09:00:00Z".parse().unwrap()
}

pub(super) fn key() -> RefreshKey {
    RefreshKey::new(&[7; 32])
}

pub(super) fn family() -> (SessionRecord, RefreshToken) {
    let clock = ManualClock::at(now());
    let id = SessionId::generate(&clock).unwrap();
    let token = RefreshToken::generate(&key(), &id, 0).unwrap();
    let session = SessionRecord {
        id,
        user: UserId::generate(&clock).unwrap(),
        client_id: "prov".to_owned(),
        device: None,
        ip: None,
        created_at: clock.now(),
        last_used_at: clock.now(),
        authenticated_at: clock.now(),
        amr: Vec::new(),
        origin: None,
        bound_to: None,
        enrolment_only: false,
        generation: 0,
        current: token.digest(),
        spent: Vec::new(),
        expires_at: clock.now() + LIFETIME,
        ends_at: clock.now() + 2 * LIFETIME,
    };
    (session, token)
}

fn rotate(session: &SessionRecord, token: &RefreshToken, at: Timestamp) -> Rotated {
    assert!(matches!(judge(session, token, &key(), at, GRACE).unwrap(), Step::Rotate));
    let access = (SecretText::new(format!("access-{}", session.generation)), at);
    rotated(session, token, access, &key(), at, LIFETIME, GRACE).unwrap()
}

fn read(pair: &TokenPair) -> RefreshToken {
    RefreshToken::read(&key(), &pair.refresh_token).unwrap()
}

#[test]
fn only_texts_this_installation_made_are_tokens() {
    let (_, token) = family();
    let text = token.text().expose().to_owned();
    let again = RefreshToken::read(&key(), &SecretText::new(&*text)).unwrap();
    assert_eq!((again.session, again.generation), (token.session.clone(), 0));
    assert!(RefreshToken::read(&RefreshKey::new(&[8; 32]), token.text()).is_none());
    for at in 0..text.len() {
        let mut forged = text.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = SecretText::new(String::from_utf8(forged).unwrap());
        assert!(RefreshToken::read(&key(), &forged).is_none(), "changed at {at}");
    }
    for text in [
        "",
        "prov_rt_",
        "prov_rt_é",
        &format!("{text}A"),
        text.strip_suffix(|_: char| true).unwrap(),
    ] {
        assert!(RefreshToken::read(&key(), &SecretText::new(text)).is_none(), "{text}");
    }
}

#[test]
fn the_record_holds_no_token_that_could_be_used() {
    let (session, token) = family();
    let after = rotate(&session, &token, now());
    let stored = serde_json::to_string(&after.session).unwrap();
    for secret in [token.text(), &after.answer.refresh_token, &after.answer.access_token] {
        assert!(!stored.contains(secret.expose()));
    }
    assert!(!stored.contains("prov_rt_"));
}

#[test]
fn an_answer_opens_only_under_the_token_it_was_given_to() {
    let (session, token) = family();
    let answer = rotate(&session, &token, now()).answer;
    let sealed = answer.seal(&token).unwrap();
    assert_eq!(TokenPair::open(&sealed, &token).unwrap(), answer);
    let other = RefreshToken::generate(&key(), &session.id, 0).unwrap();
    assert!(TokenPair::open(&sealed, &other).is_err());
    assert!(TokenPair::open(sealed.get(4..).unwrap(), &token).is_err());
}

#[test]
fn within_the_grace_the_same_pair_after_it_a_replay() {
    let (session, first) = family();
    let after = rotate(&session, &first, now());
    for (elapsed, repeats) in [(0, true), (9_999, true), (10_000, true), (10_001, false)] {
        let at = now() + Duration::from_millis(elapsed);
        match judge(&after.session, &first, &key(), at, GRACE).unwrap() {
            Step::Repeat(pair) => assert!(repeats && pair == after.answer, "{elapsed}"),
            Step::Replayed => assert!(!repeats, "{elapsed}"),
            other => panic!("{elapsed}: {other:?}"),
        }
    }
}

#[test]
fn a_straggler_gets_the_newest_pair_of_the_chain() {
    let (session, first) = family();
    let one = rotate(&session, &first, now());
    let two = rotate(&one.session, &read(&one.answer), now() + Duration::from_secs(4));
    let at = now() + Duration::from_secs(8);
    let Step::Repeat(pair) = judge(&two.session, &first, &key(), at, GRACE).unwrap() else {
        panic!("a straggler within the grace must be answered")
    };
    assert_eq!(pair, two.answer);
}

#[test]
fn an_old_token_is_a_replay_however_many_generations_ago() {
    let (mut session, first) = family();
    let mut token = first.clone();
    let mut at = now();
    for _ in 0..50 {
        at += Duration::from_mins(15);
        let after = rotate(&session, &token, at);
        (session, token) = (after.session, read(&after.answer));
    }
    assert!(matches!(judge(&session, &first, &key(), at, GRACE).unwrap(), Step::Replayed));
    assert_eq!(session.spent.len(), 1, "what is past the grace is not kept");
}

#[test]
fn knowing_the_session_is_not_enough_to_end_it() {
    let (session, first) = family();
    let after = rotate(&session, &first, now()).session;
    // Right session, right generation, made with another installation's key.
    let forged = RefreshToken::generate(&RefreshKey::new(&[9; 32]), &session.id, 0).unwrap();
    assert!(RefreshToken::read(&key(), forged.text()).is_none());
    // A genuine token of the future, as after a restored backup, ends nothing either.
    let future = RefreshToken::generate(&key(), &session.id, 99).unwrap();
    assert!(matches!(judge(&after, &future, &key(), now(), GRACE).unwrap(), Step::Unknown));
}

#[test]
fn a_family_never_rotates_faster_than_its_grace_can_remember() {
    let (mut session, mut token) = family();
    let first = token.clone();
    for _ in 0..16 {
        let after = rotate(&session, &token, now());
        (session, token) = (after.session, read(&after.answer));
    }
    assert!(matches!(judge(&session, &token, &key(), now(), GRACE).unwrap(), Step::TooFast));
    assert!(matches!(judge(&session, &first, &key(), now(), GRACE).unwrap(), Step::Repeat(_)));
    let later = now() + Duration::from_secs(11);
    assert!(matches!(judge(&session, &token, &key(), later, GRACE).unwrap(), Step::Rotate));
}

#[test]
fn a_session_slides_but_ends() {
    let (session, first) = family();
    let at = now() + Duration::from_hours(6 * 24);
    let after = rotate(&session, &first, at);
    assert_eq!(after.session.expires_at, at + LIFETIME);
    let at = at + Duration::from_hours(6 * 24);
    let after = rotate(&after.session, &read(&after.answer), at);
    assert_eq!(after.session.expires_at, session.ends_at);
    let token = read(&after.answer);
    let step = judge(&after.session, &token, &key(), session.ends_at, GRACE).unwrap();
    assert!(matches!(step, Step::Unknown), "expired");
}
