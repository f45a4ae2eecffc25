//! What may somebody do, who may do something: complete, in parts, and as if each were asked alone.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use prov_authz::{
    AccessRequest, CedarEngine, CedarOptions, Claims, DecisionService, EntityRef, PolicyEngine,
    PrincipalPage, PrincipalSource, Question, ResourceEntity, ResourceSearch, SearchPart,
    StatedContext, codes,
};
use prov_core::audit::{MemoryRecorder, Outcome};
use prov_core::{Clock, Principal, PrincipalKind, Result, Role, codes as core_codes};

use crate::world::{
    NIGHT, NOON, OFFICE, circumstances, clock, context_of, engine, holder, member, server,
};

const TEAMS: [&str; 5] = ["platform-admin", "sre", "developers", "audit", "security"];

fn at_most(limit: u32) -> NonZeroU32 {
    NonZeroU32::new(limit).unwrap()
}

/// 300 things of all kinds in all environments.
fn estate(engine: &CedarEngine) {
    let environments = ["production", "staging", "development"].into_iter().cycle();
    let owners = ["user_ann", "user_eve", "user_ann"].into_iter().cycle();
    let things = environments.zip(owners).zip(0_i64..300).map(|((environment, owner), at)| {
        let id = format!("t-{at:03}");
        let placed = |kind| {
            ResourceEntity::new(kind, id.clone())
                .with("workspace", format!("w-{}", at % 7))
                .with("environment", environment)
        };
        match at % 5 {
            0 | 1 => placed("Server").with("hostname", id.clone()),
            2 => placed("Cluster").with("name", id.clone()).with("node_count", at % 9),
            3 => placed("Taskserv").with("name", id.clone()),
            _ => ResourceEntity::new("Workspace", id.clone())
                .with("name", id.clone())
                .with("environment", environment)
                .with("owner_id", owner),
        }
    });
    engine.put_entities(&things.collect::<Vec<_>>()).unwrap();
}

#[test]
fn a_search_finds_what_single_decisions_allow_and_nothing_else() {
    let engine = engine();
    estate(&engine);
    let known = engine.entities();
    let approved = Claims::NONE.with_approval("CHG-1");
    let (mut found_any, mut found_none) = (0, 0);
    for team in TEAMS {
        for (mfa, time) in [(true, NOON), (false, NOON), (true, NIGHT)] {
            let who = member(&[team]);
            let under = circumstances(mfa, OFFICE, time);
            for kind in ["Server", "Cluster", "Taskserv", "Workspace"] {
                for action in engine.actions_on(kind) {
                    let search =
                        ResourceSearch::new(&who, under, &action, kind).with_claims(&approved);
                    let (mut all, mut after, mut parts) = (Vec::new(), None, 0);
                    loop {
                        let part = engine
                            .permitted_resources(&search, after.as_ref(), at_most(17))
                            .unwrap();
                        assert!(part.items.len() <= 17);
                        all.extend(part.items);
                        parts += 1;
                        after = part.next;
                        if after.is_none() {
                            break;
                        }
                    }
                    assert!(all.is_sorted() && parts <= 1 + all.len() / 17 + 1);
                    let one_by_one: Vec<_> = known
                        .page(Some(kind), None, 1_000)
                        .items
                        .iter()
                        .filter(|entity| {
                            let resource = ResourceEntity::new(kind, entity.id().to_owned());
                            let asked = AccessRequest::by(&who, under, &action, &resource);
                            engine.decide(&asked.with_claims(&approved)).allowed
                        })
                        .map(prov_authz::StoredEntity::reference)
                        .collect();
                    assert_eq!(all, one_by_one, "{team} {action} {kind}");
                    *(if all.is_empty() { &mut found_none } else { &mut found_any }) += 1;
                }
            }
        }
    }
    assert!(found_any > 50 && found_none > 50, "{found_any} {found_none}");
}

#[test]
fn a_question_that_cannot_be_asked_is_refused_even_when_nothing_is_known() {
    let engine = engine();
    let ann = member(&["sre"]);
    let under = circumstances(true, OFFICE, NOON);
    let nowhere = prov_authz::Circumstances::new(true, None, NOON.parse().unwrap());
    let long = Claims::NONE.with_approval("x".repeat(129));
    let key = Claims::NONE.with_ssh_key(format!("SHA256:{}", "a".repeat(43)));
    let cases = [
        (ResourceSearch::new(&ann, under, "fly", "Server"), "action"),
        (ResourceSearch::new(&ann, under, "lockdown", "Server"), "action"),
        (ResourceSearch::new(&ann, under, "deploy", "Spaceship"), "type"),
        (ResourceSearch::new(&ann, nowhere, "deploy", "Server"), "context.ip_address"),
        (
            ResourceSearch::new(&ann, under, "deploy", "Server").with_claims(&long),
            "context.approval_id",
        ),
        (
            ResourceSearch::new(&ann, under, "deploy", "Server").with_claims(&key),
            "context.ssh_key_fingerprint",
        ),
    ];
    for (search, field) in cases {
        let error = engine.permitted_resources(&search, None, at_most(10)).unwrap_err();
        assert_eq!(error.fields()[0].field, field);
    }
}

#[derive(Debug)]
struct People(Vec<Principal>);

#[async_trait]
impl PrincipalSource for People {
    async fn principal(&self, id: &str) -> Result<Option<Principal>> {
        Ok(self.0.iter().find(|known| known.id == id).cloned())
    }

    async fn principals(&self, after: Option<&str>, limit: NonZeroU32) -> Result<PrincipalPage> {
        let mut rest = self.0.iter().filter(|p| after.is_none_or(|after| *p.id > *after));
        let some: Vec<_> = rest.by_ref().take(limit.get() as usize).cloned().collect();
        let next = some.last().map(|last| last.id.clone()).filter(|_| rest.next().is_some());
        // As if those who are locked were left out after the page was read.
        let some = some.into_iter().filter(|p| !p.name.starts_with("locked")).collect();
        Ok(PrincipalPage::new(some, next))
    }
}

/// 3,000 people, a thousand of them locked.
fn people() -> Vec<Principal> {
    let name = |at: usize| if at % 3 == 2 { format!("locked{at}") } else { format!("name{at}") };
    let teams = TEAMS.into_iter().cycle();
    (0..3_000)
        .zip(teams)
        .map(|(at, team)| {
            Principal::new(PrincipalKind::User, format!("user_{at:04}"), name(at))
                .with_teams([team.parse().unwrap()])
        })
        .collect()
}

struct Desk {
    service: DecisionService,
    recorder: MemoryRecorder,
    clock: Arc<dyn Clock>,
}

fn desk() -> Desk {
    let (recorder, clock) = (MemoryRecorder::new(), clock());
    let engine = CedarEngine::shipped(Arc::clone(&clock), CedarOptions::default()).unwrap();
    estate(&engine);
    let service =
        DecisionService::new(Arc::new(engine), Arc::new(recorder.clone()), Arc::clone(&clock))
            .with_principals(Arc::new(People(people())));
    Desk { service, recorder, clock }
}

#[tokio::test]
async fn who_may_is_complete_over_thousands_and_leaves_out_who_is_locked() {
    let desk = desk();
    let admin = context_of(&holder(Role::Admin), true, &*desk.clock);
    let asked = Question::new("ssh", server("production"));
    let expected: BTreeSet<_> = people()
        .into_iter()
        .filter(|p| !p.name.starts_with("locked"))
        .filter(|p| ["platform-admin", "sre"].contains(&p.teams[0].as_str()))
        .map(|p| p.id)
        .collect();
    for limit in [1_000, 130] {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let part = SearchPart::first(at_most(limit)).after(cursor);
            let found = desk.service.search_principals(&admin, &asked, &part).await.unwrap();
            assert!(found.items.len() <= limit as usize);
            all.extend(found.items.into_iter().map(|user| user.id.into_owned()));
            cursor = found.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert!(all.is_sorted());
        assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), expected);
    }
    let events = desk.recorder.events();
    assert!(events.iter().all(|event| event.context["question"] == "principals"));
    let found: u64 = events.iter().map(|event| event.context["found"].as_u64().unwrap()).sum();
    assert_eq!(found, 2 * expected.len() as u64);
}

#[tokio::test]
async fn searches_about_others_need_the_permission_and_those_about_oneself_do_not() {
    let desk = desk();
    let ann = context_of(&member(&["sre"]), true, &*desk.clock);
    let part = SearchPart::first(at_most(10));
    let own = desk
        .service
        .search_resources(&ann, None, ("ssh", "Server"), &StatedContext::default(), &part)
        .await
        .unwrap();
    assert_eq!(own.items.len(), 10);
    let eve = EntityRef::new("User", "user_0001");
    let other = desk
        .service
        .search_resources(&ann, Some(&eve), ("ssh", "Server"), &StatedContext::default(), &part)
        .await;
    assert!(other.unwrap_err().is(codes::ACCESS_DENIED));
    let asked = Question::new("ssh", server("production"));
    let who = desk.service.search_principals(&ann, &asked, &part);
    assert!(who.await.unwrap_err().is(codes::ACCESS_DENIED));
    let outcomes: Vec<_> = desk.recorder.events().iter().map(|event| event.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Denied, Outcome::Denied]);
}

#[tokio::test]
async fn a_cursor_of_another_question_or_of_nobody_is_refused() {
    let desk = desk();
    let admin = context_of(&holder(Role::Admin), true, &*desk.clock);
    let eve = EntityRef::new("User", "user_0001");
    let none = StatedContext::default();
    let ask = |principal: EntityRef, action: &'static str, cursor: Option<String>| {
        let (desk, admin, none) = (&desk, &admin, &none);
        async move {
            let part = SearchPart::first(at_most(5)).after(cursor);
            desk.service
                .search_resources(admin, Some(&principal), (action, "Server"), none, &part)
                .await
        }
    };
    let first = ask(eve.clone(), "ssh", None).await.unwrap();
    let cursor = first.next_cursor.unwrap();
    let second = ask(eve.clone(), "ssh", Some(cursor.clone())).await.unwrap();
    assert!(second.items.first() > first.items.last());
    let other = EntityRef::new("User", "user_0000");
    for refused in [
        ask(eve.clone(), "deploy", Some(cursor.clone())).await,
        ask(other, "ssh", Some(cursor.clone())).await,
        ask(eve.clone(), "ssh", Some("made-up".into())).await,
        ask(eve.clone(), "ssh", Some(String::new())).await,
    ] {
        assert_eq!(refused.unwrap_err().fields()[0].field, "cursor");
    }
    let question = Question::new("ssh", server("production"));
    let part = SearchPart::first(at_most(5)).after(Some(cursor));
    let refused = desk.service.search_principals(&admin, &question, &part).await;
    assert_eq!(refused.unwrap_err().fields()[0].field, "cursor");
    let large = SearchPart::first(at_most(1_001));
    let refused = desk.service.search_principals(&admin, &question, &large).await.unwrap_err();
    assert!(refused.is(core_codes::INVALID_REQUEST));
}

#[tokio::test]
async fn where_principals_cannot_be_listed_it_is_said() {
    #[derive(Debug)]
    struct One;
    #[async_trait]
    impl PrincipalSource for One {
        async fn principal(&self, _: &str) -> Result<Option<Principal>> {
            Ok(None)
        }
    }
    let (recorder, clock) = (MemoryRecorder::new(), clock());
    let service = DecisionService::new(Arc::new(engine()), Arc::new(recorder), Arc::clone(&clock))
        .with_principals(Arc::new(One));
    let admin = context_of(&holder(Role::Admin), true, &*clock);
    let part = SearchPart::first(at_most(5));
    let asked = Question::new("ssh", server("production"));
    let refused = service.search_principals(&admin, &asked, &part).await;
    assert!(refused.unwrap_err().is(codes::PRINCIPALS_UNLISTED));
}
