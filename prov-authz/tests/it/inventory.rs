//! The inventory as a service: remembered, recorded, the same on every node.

use std::sync::Arc;

use prov_authz::{CedarEngine, CedarOptions, EntityRef, Inventory, Origin, ResourceEntity, codes};
use prov_core::audit::{Action, MemoryRecorder, Outcome};
use prov_core::store::{MemoryStore, Store};
use prov_core::{Clock, Role, SecurityContext, codes as core_codes};

use crate::world::{clock, context_of, environment, holder, policy_directory, server, workspace};

struct Node {
    inventory: Arc<Inventory>,
    recorder: MemoryRecorder,
    caller: SecurityContext,
}

async fn node(store: &Arc<dyn Store>) -> Node {
    let clock = clock();
    let engine = CedarEngine::shipped(Arc::clone(&clock), CedarOptions::default()).unwrap();
    node_of(engine, store, &clock).await
}

async fn node_of(engine: CedarEngine, store: &Arc<dyn Store>, clock: &Arc<dyn Clock>) -> Node {
    let recorder = MemoryRecorder::new();
    let inventory = Inventory::open(
        Arc::new(engine),
        Arc::clone(store),
        Arc::new(recorder.clone()),
        Arc::clone(clock),
    )
    .await
    .unwrap();
    let caller = context_of(&holder(Role::Admin), true, &**clock);
    Node { inventory, recorder, caller }
}

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(clock()))
}

fn web(at: usize) -> ResourceEntity {
    let mut web = server("production");
    web.entity = EntityRef::new("Server", format!("web-{at}"));
    web
}

#[tokio::test]
async fn what_was_entered_is_there_after_a_restart() {
    let store = store();
    let first = node(&store).await;
    let epoch = first.inventory.put(&first.caller, &[server("production")]).await.unwrap();
    first.inventory.put(&first.caller, &[environment("staging")]).await.unwrap();
    let gone = EntityRef::new("Environment", "staging");
    first.inventory.remove(&first.caller, &gone).await.unwrap();
    let second = node(&store).await;
    let known = second.inventory.snapshot();
    assert_eq!((known.len(), known.epoch()), (1, epoch + 2));
    let web = second.inventory.entity(&EntityRef::new("Server", "web-1")).unwrap();
    assert_eq!(web.resource(), {
        let parents = [("Environment", "production"), ("Workspace", "shop")];
        parents.iter().fold(server("production"), |s, (kind, id)| s.within(*kind, *id))
    });
    assert_eq!(web.origin(), Origin::Store);
    assert!(second.inventory.entity(&gone).unwrap_err().is(codes::ENTITY_UNKNOWN));
}

#[tokio::test]
async fn every_change_and_every_refusal_is_recorded_with_all_its_names() {
    let node = node(&store()).await;
    let many: Vec<_> = (0..120).map(web).collect();
    node.inventory.put(&node.caller, &many).await.unwrap();
    node.inventory.put(&node.caller, &[ResourceEntity::new("Server", "x")]).await.unwrap_err();
    let gone = EntityRef::new("Server", "web-7");
    node.inventory.remove(&node.caller, &gone).await.unwrap();
    node.inventory.remove(&node.caller, &gone).await.unwrap_err();
    let events = node.recorder.events();
    assert_eq!(events.len(), 3 + 1 + 1 + 1);
    let named: usize =
        events[..3].iter().map(|event| event.context["entities"].as_array().unwrap().len()).sum();
    assert_eq!(named, 120);
    assert!(events[..3].iter().all(|e| e.action == Action::AUTHZ_ENTITY_SET));
    let refused = &events[3];
    assert_eq!(
        (refused.outcome, refused.resource.as_ref().unwrap().kind.as_str()),
        (Outcome::Failure, "Server")
    );
    assert_eq!(events[4].action, Action::AUTHZ_ENTITY_DELETE);
    assert_eq!([events[4].outcome, events[5].outcome], [Outcome::Success, Outcome::Failure]);
    assert!(node.caller.request().is_recorded());
}

#[tokio::test]
async fn a_change_is_taken_as_a_whole_or_not_at_all() {
    let store = store();
    let node = node(&store).await;
    let bad = ResourceEntity::new("Server", "x").with("environment", 7);
    let error = node.inventory.put(&node.caller, &[web(1), web(2), bad]).await.unwrap_err();
    assert!(error.fields()[0].field.starts_with("entities[2].attributes."), "{error}");
    assert!(node.inventory.snapshot().is_empty());
    assert!(self::node(&store).await.inventory.snapshot().is_empty());
    for count in [0, 5_001] {
        let many: Vec<_> = (0..count).map(web).collect();
        let error = node.inventory.put(&node.caller, &many).await.unwrap_err();
        assert!(error.is(core_codes::INVALID_REQUEST), "{count}");
    }
}

/// Each of the two nodes writes without having heard of the other; what both say must hold for both.
#[tokio::test]
async fn nodes_that_write_by_turns_agree_and_lose_nothing() {
    let store = store();
    let (one, two) = (node(&store).await, node(&store).await);
    for at in 0..20 {
        let writer = if at % 2 == 0 { &one } else { &two };
        let epoch = writer.inventory.put(&writer.caller, &[web(at)]).await.unwrap();
        assert_eq!(epoch, at as u64 + 1);
    }
    let removed = EntityRef::new("Server", "web-3");
    one.inventory.remove(&one.caller, &removed).await.unwrap();
    two.inventory.put(&two.caller, &[workspace("development", "user_ann")]).await.unwrap();
    let known = two.inventory.snapshot();
    assert_eq!((known.len(), known.epoch()), (20, 22));
    assert!(known.find("Server", "web-3").is_none());
    let above = known.find("Server", "web-4").unwrap().ancestors();
    assert!(above.contains(&EntityRef::new("Environment", "development")), "by its workspace");
}

#[tokio::test]
async fn two_nodes_cannot_make_a_circle_between_them() {
    let mut files = prov_authz::PolicyFiles::shipped();
    files.schema.text = files.schema.text.replace("entity Team {", "entity Team in [Team] {");
    let store = store();
    let clock = clock();
    let open = || CedarEngine::from_files(&files, Arc::clone(&clock), CedarOptions::default());
    let one = node_of(open().unwrap(), &store, &clock).await;
    let two = node_of(open().unwrap(), &store, &clock).await;
    let team = |id: &'static str, within: &'static str| {
        ResourceEntity::new("Team", id).with("name", id).within("Team", within)
    };
    one.inventory.put(&one.caller, &[team("a", "b")]).await.unwrap();
    // It knows of no a yet, and finds out before it writes.
    let error = two.inventory.put(&two.caller, &[team("b", "a")]).await.unwrap_err();
    assert!(error.fields()[0].message.contains("in themselves"), "{error}");
    assert_eq!(two.inventory.snapshot().len(), 1);
}

#[tokio::test]
async fn what_stands_in_the_directory_is_changed_there() {
    let folder = policy_directory();
    let file = r#"[{"uid": {"type": "Provisioning::Environment", "id": "production"}}]"#;
    std::fs::write(folder.path().join("entities.json"), file).unwrap();
    let (store, clock) = (store(), clock());
    let engine = CedarEngine::open(folder.path(), Arc::clone(&clock), CedarOptions::default());
    let node = node_of(engine.unwrap(), &store, &clock).await;
    let known = EntityRef::new("Environment", "production");
    assert_eq!(node.inventory.entity(&known).unwrap().origin(), Origin::Directory);
    let put = node.inventory.put(&node.caller, &[environment("production")]).await;
    assert!(put.unwrap_err().is(codes::ENTITY_IN_DIRECTORY));
    let removed = node.inventory.remove(&node.caller, &known).await;
    assert!(removed.unwrap_err().is(codes::ENTITY_IN_DIRECTORY));
}

#[cfg(feature = "watch")]
#[tokio::test]
async fn a_node_that_follows_learns_what_the_other_entered() {
    use std::time::Duration;
    let store = store();
    let (one, two) = (node(&store).await, node(&store).await);
    let (stop, stopped) = futures_util::future::abortable(std::future::pending::<()>());
    let following = Arc::clone(&two.inventory).follow(async move {
        let _ = stop.await;
    });
    let work = async {
        let many: Vec<_> = (0..1_200).map(web).collect();
        for some in [&many[..1], &many[1..3], &many] {
            let epoch = one.inventory.put(&one.caller, some).await.unwrap();
            while two.inventory.snapshot().epoch() < epoch {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            assert_eq!(
                two.inventory.snapshot().len(),
                some.len().max(one.inventory.snapshot().len())
            );
        }
        stopped.abort();
    };
    futures_util::future::join(following, work).await;
}
