use std::num::NonZeroUsize;
use std::sync::Arc;

use super::*;

fn secret(text: &str) -> SecretText {
    SecretText::new(text)
}

fn hasher(memory_kib: u32, passes: u32, lanes: u32) -> PasswordHasher {
    let parameters = PasswordParameters::new(memory_kib, passes, lanes).unwrap();
    PasswordHasher::new(parameters, PoolOptions::new(NonZeroUsize::MIN)).unwrap()
}

#[tokio::test]
async fn a_hash_names_its_cost_and_holds_for_its_password_only() {
    let hasher = hasher(64, 2, 1);
    let hash = hasher.hash(&secret("correct horse")).await.unwrap();
    assert!(hash.expose().starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{}", hash.expose());
    assert_eq!(hasher.check(&secret("correct horse"), &hash).await.unwrap(), Verdict::Right);
    assert_eq!(hasher.check(&secret("correct horsf"), &hash).await.unwrap(), Verdict::Wrong);
    assert_ne!(hasher.hash(&secret("correct horse")).await.unwrap(), hash, "salted");
    assert_eq!(format!("{hash:?}"), "[redacted]");
}

#[tokio::test]
async fn the_argon2_crate_itself_accepts_what_the_arena_computed() {
    use argon2::password_hash::PasswordVerifier;
    let hash = hasher(64, 2, 1).hash(&secret("correct horse")).await.unwrap();
    let parsed = phc::PasswordHash::new(hash.expose()).unwrap();
    argon2::Argon2::default().verify_password(b"correct horse", &parsed).unwrap();
}

#[tokio::test]
async fn a_hash_cheaper_than_the_policy_is_right_but_weak() {
    let policy = hasher(64, 2, 2);
    for (m, t, p, expected) in [
        (32, 2, 2, Verdict::RightButWeak),
        (64, 1, 2, Verdict::RightButWeak),
        (64, 2, 1, Verdict::RightButWeak),
        (64, 2, 2, Verdict::Right),
        (128, 3, 3, Verdict::Right),
    ] {
        let old = hasher(m, t, p).hash(&secret("correct horse")).await.unwrap();
        let verdict = policy.check(&secret("correct horse"), &old).await.unwrap();
        assert_eq!(verdict, expected, "m={m} t={t} p={p}");
    }
}

#[tokio::test]
async fn another_variant_of_argon2_is_right_but_weak() {
    use argon2::password_hash::PasswordHasher as _;
    let params = Params::new(64, 2, 1, Some(32)).unwrap();
    let old = argon2::Argon2::new(Algorithm::Argon2i, Version::V0x13, params);
    let phc = old.hash_password(b"correct horse").unwrap().to_string();
    let hash = PasswordHash::from_phc(phc);
    let verdict = hasher(64, 2, 1).check(&secret("correct horse"), &hash).await.unwrap();
    assert_eq!(verdict, Verdict::RightButWeak);
}

#[tokio::test]
async fn damaged_and_monstrous_hashes_are_refused_without_being_computed() {
    let hasher = hasher(64, 2, 1);
    for phc in [
        "",
        "plain",
        "$2b$12$abcdefghijklmnopqrstuv",
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA",
        "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
         AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let error = hasher.check(&secret("x"), &PasswordHash::from_phc(phc)).await.unwrap_err();
        assert!(error.is(codes::STORE_CORRUPT), "{phc}: {error:?}");
    }
    assert_eq!(hasher.usage().computed, 0);
}

#[tokio::test]
async fn checking_nobody_costs_what_checking_somebody_costs() {
    let hasher = hasher(64, 2, 1);
    let hash = hasher.hash(&secret("correct horse")).await.unwrap();
    let before = hasher.usage();
    let _ = hasher.check(&secret("wrong horse"), &hash).await.unwrap();
    let somebody = hasher.usage();
    assert_eq!(hasher.check_nobody(&secret("wrong horse")).await.unwrap(), Verdict::Wrong);
    let nobody = hasher.usage();
    assert_eq!(somebody.computed - before.computed, 1);
    assert_eq!(nobody.computed - somebody.computed, 1);
    assert_eq!(nobody.filled_kib - somebody.filled_kib, somebody.filled_kib - before.filled_kib);
}

#[tokio::test]
async fn a_full_queue_sheds_with_a_hint_when_to_come_back() {
    let parameters = PasswordParameters::new(8 * 1024, 2, 1).unwrap();
    let options = PoolOptions::new(NonZeroUsize::MIN).with_queue(2);
    let hasher = Arc::new(PasswordHasher::new(parameters, options).unwrap());
    let flood = (0..32).map(|_| hasher.check_nobody_owned());
    let answers = futures_util::future::join_all(flood).await;
    let shed: Vec<_> = answers.iter().filter_map(|a| a.as_ref().err()).collect();
    assert!(!shed.is_empty() && shed.len() < 32, "{} of 32 shed", shed.len());
    for error in &shed {
        assert!(error.is(crate::codes::HASHING_OVERLOADED));
        assert_eq!(error.kind().status(), 503);
        assert!(error.retry_after_hint().is_some());
    }
    assert_eq!(hasher.usage().shed, shed.len() as u64);
    assert_eq!(hasher.usage().computed, 32 - shed.len() as u64);
}

impl PasswordHasher {
    async fn check_nobody_owned(self: &Arc<Self>) -> Result<Verdict> {
        self.check_nobody(&secret("flood")).await
    }
}

#[tokio::test]
async fn a_caller_who_gives_up_leaves_its_place() {
    let options = PoolOptions::new(NonZeroUsize::MIN).with_queue(1);
    let parameters = PasswordParameters::new(32 * 1024, 2, 1).unwrap();
    let hasher = PasswordHasher::new(parameters, options).unwrap();
    for _ in 0..4 {
        let password = secret("gives up");
        let mut waiting = Box::pin(hasher.check_nobody(&password));
        // Polled once, so that it stands in the queue, then dropped.
        assert!(futures_util::poll!(waiting.as_mut()).is_pending(), "never shed");
    }
    let _ = hasher.check_nobody(&secret("stays")).await.unwrap();
}

#[test]
fn dropping_the_hasher_stops_its_threads() {
    let hasher = PasswordHasher::insecure_for_tests().unwrap();
    assert_eq!(hasher.workers(), 1);
    drop(hasher);
}
