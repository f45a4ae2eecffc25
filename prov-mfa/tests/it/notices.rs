//! What users are told of their second factors, written at the moment in which it becomes so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use prov_core::store::{Batch, Entity, Expect, Scan, Store};
use prov_core::{
    Amr, ChangedBy, FactorMethod, FactorResponse, News, NoticeBoard, Result, SecondFactor, UserId,
};
use prov_mfa::{FactorId, codes};
use serde::{Deserialize, Serialize};

use crate::authenticator::Key;
use crate::passkeys::registered;
use crate::world::{App, World, user_of};

/// A board that writes what was pinned, and that something was told once.
#[derive(Debug, Default)]
struct Board(AtomicU32);

#[derive(Debug, Serialize, Deserialize)]
struct Pinned {
    id: String,
    user: UserId,
    news: News,
}

impl Entity for Pinned {
    const KIND: &'static str = "test.pinned";

    fn id(&self) -> String {
        self.id.clone()
    }
}

#[async_trait]
impl NoticeBoard for Board {
    async fn pin(&self, user: &UserId, news: News) -> Result<Batch> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let id = match &news {
            News::SecondFactorFailed { .. } => "once".to_owned(),
            _ => format!("{number:06}"),
        };
        let pinned = Pinned { id, user: user.clone(), news };
        Ok(Batch::new().with(pinned.put(Expect::Absent)?))
    }
}

fn told(world: &World) -> Arc<Board> {
    let board = Arc::new(Board::default());
    world.mfa.tell_on(Arc::<Board>::clone(&board));
    board
}

/// What stands in the store.
async fn pinned(world: &World) -> Vec<(UserId, News)> {
    let page = world.store.scan(&Scan::kind(Pinned::KIND)).await.unwrap();
    let read = |value: &[u8]| serde_json::from_slice::<Pinned>(value).unwrap();
    page.records.iter().map(|record| read(&record.value)).map(|p| (p.user, p.news)).collect()
}

async fn kinds(world: &World) -> Vec<&'static str> {
    pinned(world).await.iter().map(|(_, news)| news.kind()).collect()
}

#[tokio::test]
async fn an_app_is_news_when_it_counts_and_when_it_goes() {
    let world = World::new();
    told(&world);
    let alice = world.person();
    let begun = world.mfa.enroll(&alice, "phone").await.unwrap();
    let app = App::scanned(&begun);
    let wrong = app.wrong_code(&world.clock);
    world.mfa.verify_totp(&alice, &begun.id, &wrong).await.unwrap_err();
    assert!(pinned(&world).await.is_empty(), "what is not confirmed counts for nothing");
    world.mfa.verify_totp(&alice, &begun.id, &app.code(&world.clock)).await.unwrap();
    let code = world.next_code(&app);
    world.mfa.verify_totp(&alice, &begun.id, &code).await.unwrap();
    let ip = alice.request().client;
    let added = News::second_factor_added(FactorMethod::Totp, "phone", ip);
    assert_eq!(pinned(&world).await, [(user_of(&alice), added)], "proving it again is no news");
    world.mfa.remove(&alice, &FactorId::Totp(begun.id.clone()), None).await.unwrap();
    let removed = News::second_factor_removed(FactorMethod::Totp, "phone", ip);
    assert_eq!(pinned(&world).await[1..], [(user_of(&alice), removed)]);
    world.mfa.remove(&alice, &FactorId::Totp(begun.id), None).await.unwrap_err();
    assert_eq!(pinned(&world).await.len(), 2);
}

#[tokio::test]
async fn passkeys_and_backup_codes_are_news_too() {
    let world = World::new();
    told(&world);
    let alice = world.person();
    let device = registered(&world, &alice, &mut Key::new()).await;
    let proved = world.session_of(&user_of(&alice), &[Amr::Hwk, Amr::Mfa]);
    world.mfa.generate_backup_codes(&proved).await.unwrap();
    world.mfa.generate_backup_codes(&proved).await.unwrap();
    world.mfa.rename(&proved, &device.id, "key").await.unwrap();
    world.mfa.remove(&proved, &device.id, None).await.unwrap();
    let news: Vec<News> = pinned(&world).await.into_iter().map(|(_, news)| news).collect();
    let expected = [
        News::second_factor_added(FactorMethod::Webauthn, "laptop", None),
        News::backup_codes_made(None),
        News::backup_codes_made(None),
        News::second_factor_removed(FactorMethod::Webauthn, "key", None),
    ];
    assert_eq!(news, expected);
    let written = serde_json::to_string(&news).unwrap();
    assert!(!written.contains("code\""), "that there are codes, and not which: {written}");
}

#[tokio::test]
async fn a_reset_is_news_to_whose_factors_it_takes() {
    let world = World::new();
    told(&world);
    let (alice, admin) = (world.person(), world.person());
    world.mfa.reset(&admin, &user_of(&alice)).await.unwrap();
    assert!(pinned(&world).await.is_empty(), "there was nothing to take");
    world.enrolled(&alice).await;
    world.mfa.reset(&admin, &user_of(&alice)).await.unwrap();
    let reset = News::second_factors_reset(ChangedBy::Administrator, None);
    assert_eq!(pinned(&world).await[1..], [(user_of(&alice), reset)]);
}

#[tokio::test]
async fn who_fails_until_the_limit_is_told_of_once() {
    let world = World::new();
    told(&world);
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    let wrong = app.wrong_code(&world.clock);
    let response = || FactorResponse::new(FactorMethod::Totp, wrong.clone());
    for n in 0..8 {
        let facts = world.facts().from_client(Some("203.0.113.7".parse().unwrap()));
        let error = world.mfa.verify(&user_of(&alice), &response(), &facts).await.unwrap_err();
        let limited = error.is(codes::FACTOR_LIMITED);
        assert_eq!(limited, n >= 5);
        assert_eq!(kinds(&world).await.contains(&"second_factor_failed"), limited, "{n}");
    }
    assert_eq!(kinds(&world).await.len(), 2);
    let ip = Some("203.0.113.7".parse().unwrap());
    let news = News::second_factor_failed(FactorMethod::Totp, ip);
    assert!(pinned(&world).await.contains(&(user_of(&alice), news)));
}

/// Both are one commit: of what did not come to be, nobody is told.
#[tokio::test]
async fn of_two_who_confirm_at_once_one_is_told() {
    let world = World::new();
    told(&world);
    let alice = world.person();
    let begun = world.mfa.enroll(&alice, "phone").await.unwrap();
    let code = App::scanned(&begun).code(&world.clock);
    let confirm = || world.mfa.verify_totp(&alice, &begun.id, &code);
    let (a, b, c) = tokio::join!(confirm(), confirm(), confirm());
    assert_eq!([a, b, c].iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(kinds(&world).await, ["second_factor_added"]);
}
