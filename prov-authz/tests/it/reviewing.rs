//! The access matrix, and what would change.

use std::convert::Infallible;

use prov_authz::{
    AccessRequest, CedarEngine, Claims, EntityRef, MatrixChange, MatrixRow, PolicyEngine,
    PolicyFiles, ResourceEntity, Review, SourceFile,
};
use prov_core::{Principal, PrincipalKind};

use crate::world::{
    NOON, OFFICE, circumstances, cluster, engine, engine_of, environment, server, workspace,
};

fn people() -> Vec<Principal> {
    ["platform-admin", "sre", "developers", "audit", "security"]
        .map(|team| {
            Principal::new(PrincipalKind::User, format!("user_{team}"), team)
                .with_teams([team.parse().unwrap()])
        })
        .into()
}

fn known() -> [ResourceEntity; 5] {
    [
        server("production"),
        cluster("development", 5),
        workspace("staging", "user_sre"),
        environment("production"),
        ResourceEntity::new("Team", "sre").with("name", "sre"),
    ]
}

fn rows(engine: &CedarEngine, review: &Review<'_>) -> Vec<MatrixRow> {
    let mut rows = Vec::new();
    engine
        .matrix::<Infallible>(review, |row| {
            rows.push(row);
            Ok(())
        })
        .unwrap();
    rows
}

fn changes(before: &CedarEngine, after: &CedarEngine, review: &Review<'_>) -> Vec<MatrixChange> {
    let mut all = Vec::new();
    before
        .matrix_changes::<Infallible>(after, review, |one| {
            all.push(one);
            Ok(())
        })
        .unwrap();
    all
}

#[test]
fn every_cell_is_there_and_is_what_a_decision_says() {
    let engine = engine();
    engine.put_entities(&known()).unwrap();
    let (people, claims) = (people(), Claims::NONE.with_approval("CHG-1"));
    let under = circumstances(true, OFFICE, NOON);
    let review = Review::new(&people, under).with_claims(&claims);
    let rows = rows(&engine, &review);
    assert_eq!(rows.len(), people.len() * 4, "a team is nothing that is done to");
    for row in &rows {
        let mut actions = [row.allowed.as_slice(), &row.denied].concat();
        actions.sort_unstable();
        assert_eq!(actions, engine.actions_on(&row.resource.kind));
        let who = people.iter().find(|p| p.id == row.principal).unwrap();
        let what = ResourceEntity::new(row.resource.kind.clone(), row.resource.id.clone());
        for action in &actions {
            let asked = AccessRequest::by(who, under, action, &what).with_claims(&claims);
            assert_eq!(
                engine.decide(&asked).allowed,
                row.allowed.contains(action),
                "{row:?} {action}"
            );
        }
    }
    assert_eq!(self::rows(&engine, &review.of_kind("Server")).len(), people.len());
}

#[test]
fn a_change_of_the_policies_shows_who_gains_and_who_loses_what() {
    let mut files = PolicyFiles::shipped();
    files.policies.push(SourceFile::new(
        "freeze.cedar",
        "@id(\"freeze\")\n@description(\"no ssh but by audit\")\n\
         forbid (principal, action == Provisioning::Action::\"ssh\", resource)\n\
         unless { principal in Provisioning::Team::\"audit\" };\n\
         @id(\"audit-ssh\")\n@description(\"audit looks\")\n\
         permit (principal in Provisioning::Team::\"developers\", action == \
         Provisioning::Action::\"rollback\", resource is Provisioning::Server);",
    ));
    let (before, after) = (engine(), engine_of(&files).unwrap());
    let people = people();
    let review = Review::new(&people, circumstances(true, OFFICE, NOON));
    for engine in [&before, &after] {
        engine.put_entities(&known()[..1]).unwrap();
    }
    assert_eq!(changes(&before, &before, &review), []);
    let found = changes(&before, &after, &review);
    let of = |who: &str| found.iter().find(|change| change.principal == who);
    assert_eq!(of("user_sre").unwrap().lost, ["ssh"]);
    assert_eq!(of("user_platform-admin").unwrap().lost, ["ssh"]);
    let developers = of("user_developers").unwrap();
    assert_eq!(
        (developers.gained.as_slice(), developers.lost.len()),
        (["rollback".to_owned()].as_slice(), 0)
    );
    assert_eq!(developers.resource, EntityRef::new("Server", "web-1"));
    assert_eq!(found.len(), 3);
    let back = changes(&after, &before, &review);
    assert_eq!(back.len(), 3);
    assert!(back.iter().zip(&found).all(|(b, f)| b.gained == f.lost && b.lost == f.gained));
}

#[test]
fn what_only_one_of_two_knows_is_gained_or_lost() {
    let (before, after) = (engine(), engine());
    before.put_entities(&[server("development")]).unwrap();
    after.put_entities(&[server("production"), environment("staging")]).unwrap();
    let people = people();
    let review = Review::new(&people, circumstances(true, OFFICE, NOON));
    let found = changes(&before, &after, &review);
    let developers: Vec<_> = found.iter().filter(|c| c.principal == "user_developers").collect();
    assert!(developers.iter().any(|c| c.resource.kind == "Environment" && !c.gained.is_empty()));
    assert!(
        developers.iter().any(|c| c.resource.kind == "Server" && c.lost.contains(&"delete".into()))
    );
}
