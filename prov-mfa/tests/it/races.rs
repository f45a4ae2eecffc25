//! Many at once, on two nodes over one store.

use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use prov_core::audit::{Action, MemoryRecorder};
use prov_core::store::{Batch, Changes, Key, MemoryStore, Page, Record, Scan, Store, Version};
use prov_core::{Code, FactorMethod, FactorResponse, Result, SecondFactor};
use prov_mfa::{MfaService, codes};

use crate::world::{App, World, node, user_of};

/// A store far away: everybody reads before anybody writes.
#[derive(Debug)]
struct FarAway(Arc<MemoryStore>);

#[async_trait]
impl Store for FarAway {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        let found = self.0.get(key).await;
        tokio::task::yield_now().await;
        found
    }

    async fn scan(&self, scan: &Scan) -> Result<Page> {
        self.0.scan(scan).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version> {
        tokio::task::yield_now().await;
        self.0.commit(batch).await
    }

    async fn purge(&self, limit: NonZeroU32) -> Result<u32> {
        self.0.purge(limit).await
    }

    fn changes(&self) -> Changes {
        self.0.changes()
    }
}

/// Two nodes over the world's store.
fn nodes(world: &World) -> [Arc<MfaService>; 2] {
    [(); 2].map(|()| {
        let store = Arc::new(FarAway(world.shared_store()));
        node(store, MemoryRecorder::clone(&world.recorder), &world.clock)
    })
}

#[tokio::test]
async fn of_racing_verifications_of_one_code_exactly_one_wins() {
    let world = World::new();
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    let (user, facts) = (user_of(&alice), world.facts());
    let nodes = nodes(&world);
    for _ in 0..20 {
        let response = FactorResponse::new(FactorMethod::Totp, world.next_code(&app));
        let racing = [0, 1, 0, 1].map(|n: usize| nodes[n].verify(&user, &response, &facts));
        let won = join_all(racing).await.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(won, 1);
        // The three that lost counted as attempts in vain: a success cleans the slate.
        let next = FactorResponse::new(FactorMethod::Totp, world.next_code(&app));
        world.mfa.verify(&user, &next, &facts).await.unwrap();
    }
}

#[test]
fn of_racing_threads_exactly_one_wins() {
    let world = World::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let alice = world.person();
    let app = runtime.block_on(world.enrolled(&alice));
    let user = user_of(&alice);
    let nodes = [(); 2].map(|()| world.other_node());
    for _ in 0..50 {
        let code = world.next_code(&app);
        let won = std::thread::scope(|scope| {
            let racing = [0, 1, 0, 1].map(|n: usize| {
                let (node, user, code) = (&nodes[n], &user, &code);
                let facts = world.facts();
                scope.spawn(move || {
                    let response = FactorResponse::new(FactorMethod::Totp, code.clone());
                    futures_util::FutureExt::now_or_never(node.verify(user, &response, &facts))
                        .expect("memory never waits")
                        .is_ok()
                })
            });
            racing.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>()
        });
        assert_eq!(won, 1);
        let next = world.next_code(&app);
        runtime.block_on(world.mfa.verify_totp(&alice, &app.id, &next)).unwrap();
    }
}

/// The codes of the answers to a hundred guesses at once, over two nodes; the last guess is right if
/// `the_last_is_right`.
async fn a_hundred_guesses(world: &World, the_last_is_right: bool) -> Vec<Option<Code>> {
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    let (user, facts) = (user_of(&alice), world.facts());
    let nodes = nodes(world);
    let wrong = FactorResponse::new(FactorMethod::Totp, app.wrong_code(&world.clock));
    let right = FactorResponse::new(FactorMethod::Totp, app.code(&world.clock));
    let guesses = (0..100).map(|n: usize| {
        let guess = if the_last_is_right && n == 99 { &right } else { &wrong };
        nodes[n % 2].verify(&user, guess, &facts)
    });
    join_all(guesses).await.into_iter().map(|answer| answer.err().map(|e| e.code())).collect()
}

#[tokio::test]
async fn parallel_guesses_are_heard_five_times() {
    let world = World::new();
    let answers = a_hundred_guesses(&world, false).await;
    let count = |code: Code| answers.iter().filter(|answer| **answer == Some(code)).count();
    assert_eq!((count(codes::FACTOR_REJECTED), count(codes::FACTOR_LIMITED)), (5, 95));
    assert_eq!(world.recorded(&Action::MFA_LIMITED).len(), 95);
}

#[tokio::test]
async fn of_a_hundred_guesses_with_the_right_one_among_them_no_more_than_five_are_heard() {
    let answers = a_hundred_guesses(&World::new(), true).await;
    assert_eq!(answers[99], Some(codes::FACTOR_LIMITED));
}

#[tokio::test]
async fn a_backup_code_is_used_up_by_exactly_one() {
    let world = World::new();
    let alice = world.person();
    world.enrolled(&alice).await;
    let made = world.mfa.generate_backup_codes(&alice).await.unwrap();
    let (user, facts) = (user_of(&alice), world.facts());
    let nodes = nodes(&world);
    for code in made.codes {
        let response = FactorResponse::new(FactorMethod::BackupCode, code);
        let racing = [0, 1, 0, 1].map(|n: usize| nodes[n].verify(&user, &response, &facts));
        let won = join_all(racing).await.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(won, 1);
        world.clock.advance(std::time::Duration::from_mins(6));
    }
    assert_eq!(world.mfa.status(&alice).await.unwrap().backup_codes_remaining, 0);
}

#[tokio::test]
async fn two_sessions_without_a_factor_can_not_both_confirm_an_app() {
    let world = World::new();
    let alice = world.person();
    let begun = world.mfa.enroll(&alice, "phone").await.unwrap();
    let code = App::scanned(&begun).code(&world.clock);
    let thief = world.session_of(&user_of(&alice), &[]);
    let nodes = nodes(&world);
    let (first, second) = tokio::join!(
        nodes[0].verify_totp(&alice, &begun.id, &code),
        nodes[1].verify_totp(&thief, &begun.id, &code)
    );
    assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1);
}
