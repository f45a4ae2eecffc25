//! What users of others complain about, each as a test that it can't happen here; `docs/complaints.md` has them
//! all.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use prov_auth::{AuthOptions, LoginOutcome, PasswordHasher, codes};
use prov_core::store::{Batch, Changes, Key, MemoryStore, Page, Record, Scan, Store, Version};
use prov_core::{Amr, ManualClock, Result};

use crate::user_fixture::{House, PASSWORD, code, secret};

/// ory/kratos#4134: whoever recovers an account has a whole session, without the second factor.
#[tokio::test]
async fn kratos_4134_a_reset_password_is_no_session_and_no_way_around_the_second_factor() {
    let house = House::new().await;
    let user = house.user("alice", &[]).await;
    let before = house.login("alice").await;
    house.factors.enroll(&user.id);
    let temporary = house.service.reset_password(&house.system(), &user.id).await.unwrap();
    assert!(house.try_context(&before).unwrap_err().is(codes::TOKEN_REVOKED));
    // The password that recovers is good for choosing another, and for nothing else.
    let error = house.try_login("alice", temporary.expose()).await.unwrap_err();
    assert!(error.is(codes::PASSWORD_CHANGE_REQUIRED), "{error:?}");
    let (facts, own) = (house.facts(), secret(PASSWORD));
    house.service.renew_password("alice", &temporary, &own, &facts).await.unwrap();
    // Then it is a first step like any other.
    match house.try_login("alice", PASSWORD).await.unwrap() {
        LoginOutcome::MfaRequired { challenge, .. } => {
            let tokens = house.service.login_mfa(&challenge, &code("right"), &facts).await.unwrap();
            let amr = house.context(&tokens).authentication().amr.clone();
            assert_eq!(amr, [Amr::Pwd, Amr::Otp, Amr::Mfa]);
        }
        LoginOutcome::Tokens(_) => panic!("the second factor is still due"),
    }
}

/// keycloak#50999: tokens are told apart by the second they were made in, so that a replay within one is not
/// noticed.
#[tokio::test]
async fn keycloak_50999_a_replay_is_noticed_also_when_no_second_has_passed() {
    let mut options = AuthOptions::default();
    options.refresh_grace = Duration::ZERO;
    let house = House::with(PasswordHasher::insecure_for_tests().unwrap(), options).await;
    house.user("alice", &[]).await;
    let first = house.login("alice").await;
    house.wait(Duration::from_millis(1));
    let second = house.refresh(&first).await.unwrap();
    house.wait(Duration::from_millis(1));
    let third = house.refresh(&second).await.unwrap();
    house.wait(Duration::from_millis(1));
    assert!(house.refresh(&first).await.unwrap_err().is(codes::REFRESH_TOKEN_REUSED));
    assert!(house.refresh(&third).await.is_err(), "and the session has ended with it");
    assert!(house.try_context(&third).unwrap_err().is(codes::TOKEN_REVOKED));
}

/// keycloak#37144, #37621: what is revoked a second time is an error, or comes back.
#[tokio::test]
async fn keycloak_37621_what_is_revoked_can_be_revoked_again() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let tokens = house.login("alice").await;
    let facts = house.facts();
    for _ in 0..3 {
        house.service.revoke(&tokens.access_token, &facts).await.unwrap();
        assert!(house.try_context(&tokens).unwrap_err().is(codes::TOKEN_REVOKED));
    }
    let other = house.login("alice").await;
    let context = house.context(&other);
    house.service.logout(&context).await.unwrap();
    let _ = house.service.logout(&context).await;
    assert!(house.try_context(&other).unwrap_err().is(codes::TOKEN_REVOKED));
}

/// A store that counts what is asked of it.
#[derive(Debug)]
struct Counted {
    store: Arc<MemoryStore>,
    asked: AtomicUsize,
}

#[async_trait]
impl Store for Counted {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.store.get(key).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.store.scan(scan).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.store.commit(batch).await
    }

    async fn purge(&self, limit: NonZeroU32) -> Result<u32> {
        self.store.purge(limit).await
    }

    fn changes(&self) -> Changes {
        self.store.changes()
    }
}

/// zitadel#8479, #6462: each introspection asks the database, until nothing else gets through.
#[tokio::test]
async fn zitadel_8479_introspection_and_verification_ask_no_database() {
    let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let counted = Arc::new(Counted { store: store.clone(), asked: AtomicUsize::new(0) });
    let hasher = PasswordHasher::insecure_for_tests().unwrap();
    let options = AuthOptions::default();
    let house = House::seen_through(counted.clone(), store, clock, hasher, options).await;
    house.user("alice", &[]).await;
    let tokens = house.login("alice").await;
    let context = house.context(&tokens);
    let before = counted.asked.load(Ordering::SeqCst);
    assert!(before > 0, "signing in asks it");
    for _ in 0..100 {
        house.context(&tokens);
        house.service.introspect(&context, &tokens.access_token).await.unwrap();
    }
    assert_eq!(counted.asked.load(Ordering::SeqCst), before);
}

/// authelia GHSA-m5mf-3963-4x26: each spelling of an account has a budget of its own.
#[tokio::test]
async fn ghsa_m5mf_3963_4x26_all_spellings_of_a_name_share_one_budget() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    for spelling in ["alice", "ALICE", "Alice", "ａｌｉｃｅ", "aLiCe"] {
        let error = house.try_login(spelling, "wrong password").await.unwrap_err();
        assert!(error.is(codes::INVALID_CREDENTIALS), "{spelling}: {error:?}");
    }
    for spelling in ["alice", "ALICE", "ａｌｉｃｅ"] {
        let error = house.try_login(spelling, "wrong password").await.unwrap_err();
        assert!(error.is(codes::LOGIN_THROTTLED), "{spelling}: {error:?}");
    }
}
