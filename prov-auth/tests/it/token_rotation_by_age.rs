//! Signing keys that move on by themselves.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use prov_auth::{Algorithm, KeyState, SigningKeyOptions, SigningKeys};
use prov_core::store::MemoryStore;
use prov_core::{Clock, ManualClock, codes};

use crate::token_fixture::pem;
use crate::user_fixture::House;

const MONTH: Duration = Duration::from_hours(30 * 24);

fn options() -> SigningKeyOptions {
    // Fast to make.
    SigningKeyOptions::default().with_algorithm(Algorithm::EdDsa)
}

async fn keys_in(
    store: &Arc<MemoryStore>,
    clock: &ManualClock,
    options: SigningKeyOptions,
) -> SigningKeys {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    SigningKeys::open(store.clone(), clock, options).await.unwrap()
}

fn fresh() -> (Arc<MemoryStore>, ManualClock) {
    let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
    (Arc::new(MemoryStore::new(Arc::new(clock.clone()))), clock)
}

fn active(keys: &SigningKeys) -> String {
    let keys = keys.keys();
    keys.iter().find(|key| key.state == KeyState::Active).unwrap().id.clone()
}

#[tokio::test]
async fn a_key_that_has_signed_for_its_time_gives_way_and_no_earlier() {
    let (store, clock) = fresh();
    let keys = keys_in(&store, &clock, options()).await;
    let first = active(&keys);
    clock.advance(MONTH.saturating_sub(Duration::from_secs(1)));
    assert_eq!(keys.rotate_if_due().await.unwrap(), None);
    clock.advance(Duration::from_secs(1));
    let rotated = keys.rotate_if_due().await.unwrap().unwrap();
    assert_eq!((&rotated.retired, active(&keys)), (&first, rotated.active.clone()));
    assert_eq!(keys.rotate_if_due().await.unwrap(), None, "the next one is young");
}

#[tokio::test]
async fn of_many_nodes_one_rotates_and_all_agree() {
    let (store, clock) = fresh();
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(keys_in(&store, &clock, options()).await);
    }
    for _ in 0..10 {
        clock.advance(MONTH);
        let rotations =
            futures_util::future::join_all(nodes.iter().map(SigningKeys::rotate_if_due));
        let rotated: Vec<_> = rotations.await.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(rotated.len(), 1, "{rotated:?}");
        let reopened = keys_in(&store, &clock, options()).await;
        assert_eq!(active(&reopened), rotated[0].active);
        // A node that has heard nothing yet finds in the store that there is nothing to do.
        for node in &nodes {
            assert_eq!(node.rotate_if_due().await.unwrap(), None);
        }
        nodes = Vec::new();
        for _ in 0..4 {
            nodes.push(keys_in(&store, &clock, options()).await);
        }
    }
}

#[tokio::test]
async fn an_unpublished_key_never_signs_however_old_the_active_one_is() {
    let (store, clock) = fresh();
    drop(keys_in(&store, &clock, options()).await);
    clock.advance(2 * MONTH);
    // The configuration asks for another algorithm: its first key is made only now.
    let other = SigningKeyOptions::default().with_algorithm(Algorithm::Es256);
    let keys = keys_in(&store, &clock, other).await;
    assert_eq!(keys.rotate_if_due().await.unwrap(), None);
    clock.advance(Duration::from_mins(5));
    assert!(keys.rotate_if_due().await.unwrap().is_some());
}

#[tokio::test]
async fn a_key_of_the_operators_own_stays_until_they_give_another() {
    let (store, clock) = fresh();
    let own = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let given = || SigningKeyOptions::default().with_private_key(pem(&own));
    let keys = keys_in(&store, &clock, given()).await;
    clock.advance(10 * MONTH);
    assert_eq!(keys.rotate_if_due().await.unwrap(), None);
}

#[tokio::test]
async fn rotation_by_age_can_be_left_out_but_not_outrun_the_publication() {
    let (store, clock) = fresh();
    let keys = keys_in(&store, &clock, options().with_rotation(None)).await;
    clock.advance(100 * MONTH);
    assert_eq!(keys.rotate_if_due().await.unwrap(), None);
    let time: Arc<dyn Clock> = Arc::new(clock);
    let hasty = options().with_rotation(Some(Duration::from_mins(4)));
    let error = SigningKeys::open(store, time, hasty).await.unwrap_err();
    assert!(error.is(codes::INVALID_REQUEST), "{error}");
}

#[tokio::test]
async fn the_service_rotates_by_itself_and_leaves_an_event() {
    let house = House::new().await;
    let (before, mark) = (house.service.signing_keys(), house.mark());
    house.wait(MONTH);
    let rotated = async {
        while house.recorder.events().len() == mark {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let run = house.service.clone().run(rotated);
    tokio::time::timeout(Duration::from_secs(20), run).await.unwrap();
    let after = house.service.signing_keys();
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(house.events(mark), ["auth.key.rotate success"]);
    assert_eq!(house.recorded(mark)[0].actor.id.as_deref(), Some("system:key-rotation"));
}
