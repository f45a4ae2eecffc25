//! The life of a lease.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prov_core::audit::Outcome;
use prov_core::store::{Key, Store};
use prov_core::{Clock, codes as core_codes};
use prov_secrets::{EndReason, LeaseFilter, LeaseState, Order, codes};

use crate::world::{World, caller, options};

fn order(seconds: u64) -> Order {
    Order::by_role("default").for_ttl(Some(Duration::from_secs(seconds)))
}

#[tokio::test]
async fn a_credential_is_handed_out_under_an_active_durable_lease_without_the_secret() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    let grant = world.leases.issue(&ctx, "directory", order(60)).await.unwrap();
    assert_eq!(grant.lease.state, LeaseState::Active);
    assert_eq!(world.engine.names(), [grant.lease.handle().name()]);
    let key = Key::new("secrets.lease", grant.lease.id.as_str());
    let row = world.store.get(&key).await.unwrap().unwrap();
    let text = String::from_utf8(row.value.to_vec()).unwrap();
    assert!(text.contains("\"active\"") && text.contains("\"shard\":7"));
    assert!(!text.contains("hunter2"), "a lease never contains the secret");
    assert!(!format!("{grant:?}").contains("hunter2"));
    assert_eq!(row.expires_at, None, "a live lease is never forgotten");
    assert_eq!(world.recorded(), [("secret.issue".to_owned(), Outcome::Success)]);
    assert!(ctx.request().is_recorded());
}

#[tokio::test]
async fn a_lease_that_is_over_is_ended_and_recorded() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    let id = world.leases.issue(&ctx, "directory", order(60)).await.unwrap().lease.id;
    world.clock.advance(Duration::from_secs(59));
    assert_eq!(world.leases.reap().await, 0);
    world.clock.advance(Duration::from_millis(1001));
    world.leases.reap().await;
    assert!(world.engine.names().is_empty());
    let lease = world.leases.show(&id).await.unwrap();
    assert_eq!((lease.state, lease.end_reason), (LeaseState::Expired, Some(EndReason::Expired)));
    assert_eq!(world.recorded()[1], ("secret.lease.expire".to_owned(), Outcome::Success));
}

#[tokio::test]
async fn times_outside_of_what_is_allowed_are_refused_and_not_cut() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    for ttl in [Duration::ZERO, Duration::from_hours(3), Duration::MAX] {
        let order = Order::by_role("default").for_ttl(Some(ttl));
        let error = world.leases.issue(&ctx, "directory", order).await.unwrap_err();
        assert_eq!(error.kind().status(), 400, "{ttl:?}");
    }
    assert!(world.engine.names().is_empty());
    let page = world.leases.list(&LeaseFilter::default(), None, NonZeroU32::MAX).await.unwrap();
    assert!(page.items.is_empty(), "a refused wish leaves nothing");
}

#[tokio::test]
async fn unknown_engines_roles_and_leases_are_not_found() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    let error = world.leases.issue(&ctx, "nowhere", order(60)).await.unwrap_err();
    assert!(error.is(codes::ENGINE_UNKNOWN));
    let error = world.leases.issue(&ctx, "directory", Order::by_role("x\0y")).await.unwrap_err();
    assert!(error.is(codes::ROLE_UNKNOWN));
    let id = "lease_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    assert!(world.leases.show(&id).await.unwrap_err().is(codes::LEASE_UNKNOWN));
    assert!(world.leases.revoke(&ctx, &id).await.unwrap_err().is(codes::LEASE_UNKNOWN));
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_no_credential_and_is_looked_after_once_more() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    world.engine.faults.lose_answer.store(true, Ordering::SeqCst);
    let error = world.leases.issue(&ctx, "directory", order(60)).await.unwrap_err();
    assert!(error.is(core_codes::UNAVAILABLE));
    assert!(world.engine.names().is_empty(), "what may exist is revoked at once");
    let page = world.leases.list(&LeaseFilter::default(), None, NonZeroU32::MAX).await.unwrap();
    let id = page.items[0].id.clone();
    assert_eq!(page.items[0].state, LeaseState::Revoking, "the outcome is not settled yet");
    // The call that was cut off takes effect after all.
    std::fs::write(world.engine.directory().join(page.items[0].handle().name()), "late").unwrap();
    world.clock.advance(Duration::from_mins(6));
    world.leases.reap().await;
    assert!(world.engine.names().is_empty());
    assert_eq!(world.leases.show(&id).await.unwrap().state, LeaseState::Revoked);
    assert!(world.recorded().contains(&("secret.issue".to_owned(), Outcome::Failure)));
}

#[tokio::test]
async fn an_engine_that_hangs_is_cut_off_and_cleaned_up() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    world.engine.faults.hang.store(true, Ordering::SeqCst);
    let error = world.leases.issue(&ctx, "directory", order(60)).await.unwrap_err();
    assert!(error.is(codes::ENGINE_TIMEOUT));
    assert!(world.engine.names().is_empty());
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_credential() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    world.engine.faults.hang.store(true, Ordering::SeqCst);
    let issuing = world.leases.issue(&ctx, "directory", order(60));
    assert!(tokio::time::timeout(Duration::from_millis(50), issuing).await.is_err());
    assert_eq!(world.engine.names().len(), 1, "it exists and nobody has it");
    world.leases.reap().await;
    assert!(world.engine.names().is_empty());
}

#[tokio::test]
async fn revoking_is_tried_until_it_succeeds_and_never_given_up() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    let id = world.leases.issue(&ctx, "directory", order(3600)).await.unwrap().lease.id;
    world.engine.faults.fail_revokes.store(40, Ordering::SeqCst);
    let lease = world.leases.revoke(&ctx, &id).await.unwrap();
    assert_eq!(lease.state, LeaseState::Revoking, "said, not hidden");
    assert!(world.recorded().contains(&("secret.lease.revoke".to_owned(), Outcome::Failure)));
    assert_eq!(world.leases.stats().engines[0].retrying, 1);
    for _ in 0..60 {
        world.clock.advance(Duration::from_mins(2));
        world.leases.reap().await;
    }
    assert_eq!(world.leases.show(&id).await.unwrap().state, LeaseState::Revoked);
    assert!(world.engine.names().is_empty());
    assert_eq!(world.leases.stats().engines[0].retrying, 0);
    assert_eq!(world.engine.faults.revokes.load(Ordering::SeqCst), 41, "with waits between");
}

#[tokio::test]
async fn revoking_twice_is_no_error_and_renewing_what_ended_is() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    let id = world.leases.issue(&ctx, "directory", order(60)).await.unwrap().lease.id;
    for _ in 0..2 {
        assert_eq!(world.leases.revoke(&ctx, &id).await.unwrap().state, LeaseState::Revoked);
    }
    let error = world.leases.renew(&ctx, &id, Duration::from_mins(1)).await.unwrap_err();
    assert!(error.is(codes::LEASE_ENDED));
    assert_eq!(error.kind().status(), 410);
}

#[tokio::test]
async fn renewing_goes_up_to_the_maximum_counted_from_the_issue() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    let id = world.leases.issue(&ctx, "directory", order(3600)).await.unwrap().lease.id;
    world.clock.advance(Duration::from_secs(3500));
    let renewed = world.leases.renew(&ctx, &id, Duration::from_hours(1)).await.unwrap();
    let left = renewed.expires_at.duration_since(world.clock.now()).as_millis();
    assert!((3_599_999..=3_600_000).contains(&left), "{left}");
    world.clock.advance(Duration::from_secs(200));
    world.leases.reap().await;
    assert_eq!(world.engine.names().len(), 1, "the old end no longer counts");
    let error = world.leases.renew(&ctx, &id, Duration::from_hours(1)).await.unwrap_err();
    assert!(error.is(codes::LEASE_TTL_REFUSED));
    assert!(world.recorded().contains(&("secret.lease.renew".to_owned(), Outcome::Success)));
}

#[tokio::test]
async fn everything_of_a_user_or_a_path_is_revoked_past_failures() {
    let world = World::new().await;
    let (alice, bob) = (caller("user_1", "alice"), caller("user_2", "bob"));
    for n in 0..20 {
        let role = if n % 2 == 0 { "default" } else { "other" };
        let who = if n < 15 { &alice } else { &bob };
        world.leases.issue(who, "directory", Order::by_role(role)).await.unwrap();
    }
    world.engine.faults.fail_revokes.store(3, Ordering::SeqCst);
    let report = world.leases.revoke_user(&bob, "user_1").await.unwrap();
    assert_eq!((report.leases.len(), report.revoked(), report.pending()), (15, 12, 3));
    let failed = report.leases.iter().filter(|line| line.error.is_some());
    assert_eq!(failed.count(), 3, "each failure has its line");
    assert_eq!(world.engine.names().len(), 5 + 3);
    let report = world.leases.revoke_prefix(&bob, "directory/other/").await.unwrap();
    assert!(report.leases.len() >= 3 && report.pending() == 0);
    let endless = "a".repeat(513);
    for refused in
        ["", "directory", "nowhere/", "/", "directory/\0", &format!("directory/{endless}")]
    {
        assert!(world.leases.revoke_prefix(&bob, refused).await.is_err(), "{refused:?}");
    }
    for refused in ["", "user_1\0", "user_1\n", &endless] {
        let error = world.leases.revoke_user(&bob, refused).await.unwrap_err();
        assert_eq!(error.fields()[0].field, "user", "{refused:?}");
    }
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let world = World::new().await;
    let (alice, bob) = (caller("user_1", "alice"), caller("user_2", "bob"));
    for n in 0..7 {
        let who = if n % 2 == 0 { &alice } else { &bob };
        world.leases.issue(who, "directory", order(60)).await.unwrap();
    }
    let all = LeaseFilter::default();
    let two = NonZeroU32::new(2).unwrap();
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = world.leases.list(&all, after, two).await.unwrap();
        seen.extend(page.items.into_iter().map(|lease| lease.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 7);
    world.leases.revoke(&alice, &seen[0]).await.unwrap();
    let count = |filter: LeaseFilter| {
        let leases = Arc::clone(&world.leases);
        async move { leases.list(&filter, None, NonZeroU32::MAX).await.unwrap().items.len() }
    };
    assert_eq!(count(all.clone().of_user(Some("user_1".into()))).await, 4);
    assert_eq!(count(all.clone().in_state(Some(LeaseState::Active))).await, 6);
    let engine = all.of_engine(Some("directory".into()));
    assert_eq!(count(engine.clone().in_state(Some(LeaseState::Revoked))).await, 1);
    assert_eq!(count(engine.of_user(Some("user_2".into()))).await, 3);
}

#[tokio::test]
async fn an_intent_of_a_dead_process_is_revoked_at_the_next_start_and_others_when_overdue() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    world.engine.faults.hang.store(true, Ordering::SeqCst);
    let issuing = world.leases.issue(&ctx, "directory", order(3600));
    assert!(tokio::time::timeout(Duration::from_millis(50), issuing).await.is_err());
    assert_eq!(world.engine.names().len(), 1);
    let other = world.reopened(options().on_node("other")).await;
    other.reap().await;
    assert_eq!(world.engine.names().len(), 1, "another node's call may be under way");
    world.clock.advance(Duration::from_secs(1));
    other.reap().await;
    assert!(world.engine.names().is_empty(), "it is overdue");
}

#[tokio::test]
async fn the_same_node_ends_its_intents_at_once() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    world.engine.faults.hang.store(true, Ordering::SeqCst);
    let issuing = world.leases.issue(&ctx, "directory", order(3600));
    assert!(tokio::time::timeout(Duration::from_millis(50), issuing).await.is_err());
    let again = world.reopened(options()).await;
    let page = again.list(&LeaseFilter::default(), None, NonZeroU32::MAX).await.unwrap();
    assert_eq!(page.items[0].state, LeaseState::Revoking, "durably, before anything else");
    again.reap().await;
    assert!(world.engine.names().is_empty());
}

#[tokio::test]
async fn the_reaper_runs_follows_other_nodes_and_stops() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    let other = world.reopened(options().on_node("other")).await;
    let grant = world.leases.issue(&ctx, "directory", order(60)).await.unwrap();
    let done = async {
        while other.stats().engines[0].live == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.clock.advance(Duration::from_secs(61));
        while !world.engine.names().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let running = Arc::clone(&other).run(done);
    tokio::time::timeout(Duration::from_secs(20), running).await.expect("it ends and stops");
    let lease = world.leases.show(&grant.lease.id).await.unwrap();
    assert!(matches!(lease.state, LeaseState::Expired | LeaseState::Revoking));
}

#[tokio::test]
async fn an_ended_lease_stays_on_record_for_its_history_and_goes_then() {
    let world = World::new().await;
    let ctx = caller("user_1", "alice");
    let id = world.leases.issue(&ctx, "directory", order(60)).await.unwrap().lease.id;
    world.leases.revoke(&ctx, &id).await.unwrap();
    world.clock.advance(Duration::from_hours(24 * 29));
    assert!(world.leases.show(&id).await.is_ok());
    world.clock.advance(Duration::from_hours(48));
    assert!(world.leases.show(&id).await.unwrap_err().is(codes::LEASE_UNKNOWN));
}
