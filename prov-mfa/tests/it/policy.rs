//! Who must have a second factor, and by when.

use std::time::Duration;

use prov_core::audit::Action;
use prov_core::{Enrolment, Role, SecondFactor, TeamName, UserId};
use prov_mfa::{MfaPolicy, MfaService};

use crate::world::{World, user_of};

const WEEK: Duration = Duration::from_hours(7 * 24);

fn sre() -> TeamName {
    "sre".parse().unwrap()
}

async fn asked(mfa: &MfaService, user: &UserId, roles: &[Role], teams: &[TeamName]) -> Enrolment {
    SecondFactor::enrolment(mfa, user, roles, teams).await.unwrap()
}

#[tokio::test]
async fn without_a_policy_nobody_must() {
    let world = World::new();
    let user = user_of(&world.person());
    assert_eq!(asked(&world.mfa, &user, &[Role::Admin], &[sre()]).await, Enrolment::NotAsked);
}

#[tokio::test]
async fn a_role_counts_also_where_it_is_inherited_and_a_team_by_itself() {
    let world = World::new();
    let admin = world.person();
    let policy = MfaPolicy::of_roles([Role::Operator]).with_teams([sre()]);
    world.mfa.set_policy(&admin, policy.clone()).await.unwrap();
    assert_eq!(world.other_node().policy().await.unwrap(), policy);
    let user = user_of(&world.person());
    for (roles, teams, must) in [
        (vec![Role::Admin], vec![], true),
        (vec![Role::Operator], vec![], true),
        (vec![Role::Viewer], vec![], false),
        (vec![Role::Viewer], vec![sre()], true),
        (vec![], vec!["dev".parse().unwrap()], false),
    ] {
        let expected = if must { Enrolment::Overdue } else { Enrolment::NotAsked };
        assert_eq!(asked(&world.mfa, &user, &roles, &teams).await, expected, "{roles:?} {teams:?}");
    }
    let set = world.recorded(&Action::MFA_POLICY_SET);
    assert_eq!(set.len(), 1);
    assert_eq!(set[0].context["roles"], serde_json::json!(["operator"]));
    assert_eq!(world.mfa.stats().overdue, 3);
}

#[tokio::test]
async fn the_grace_counts_from_the_first_sign_in_and_not_from_each() {
    let world = World::new();
    let policy = MfaPolicy::of_roles([Role::Admin]).with_grace(WEEK);
    world.mfa.set_policy(&world.person(), policy).await.unwrap();
    let user = user_of(&world.person());
    let roles = [Role::Admin];
    let Enrolment::DueBy(by) = asked(&world.mfa, &user, &roles, &[]).await else { panic!("grace") };
    world.clock.advance(WEEK / 2);
    assert_eq!(asked(&world.mfa, &user, &roles, &[]).await, Enrolment::DueBy(by));
    world.clock.advance(WEEK / 2);
    assert_eq!(asked(&world.other_node(), &user, &roles, &[]).await, Enrolment::Overdue);
    // Asking for longer afterwards gives nobody a second grace.
    let longer = MfaPolicy::of_roles([Role::Admin]).with_grace(WEEK * 4);
    world.mfa.set_policy(&world.person(), longer).await.unwrap();
    assert_eq!(asked(&world.mfa, &user, &roles, &[]).await, Enrolment::Overdue);
}

#[tokio::test]
async fn a_grace_that_was_made_shorter_is_shorter_for_all() {
    let world = World::new();
    let user = user_of(&world.person());
    for (grace, overdue) in [(WEEK, false), (Duration::ZERO, true), (WEEK, true)] {
        let policy = MfaPolicy::of_roles([Role::Admin]).with_grace(grace);
        world.mfa.set_policy(&world.person(), policy).await.unwrap();
        let now = asked(&world.mfa, &user, &[Role::Admin], &[]).await;
        assert_eq!(now == Enrolment::Overdue, overdue, "{grace:?}: {now:?}");
    }
}

#[tokio::test]
async fn whoever_has_a_factor_is_not_asked_and_a_reset_gives_a_new_grace() {
    let world = World::new();
    let policy = MfaPolicy::of_roles([Role::Admin]);
    world.mfa.set_policy(&world.person(), policy).await.unwrap();
    let alice = world.person();
    let user = user_of(&alice);
    assert_eq!(asked(&world.mfa, &user, &[Role::Admin], &[]).await, Enrolment::Overdue);
    world.enrolled(&alice).await;
    assert_eq!(asked(&world.mfa, &user, &[Role::Admin], &[]).await, Enrolment::NotAsked);
    world.mfa.reset(&world.person(), &user).await.unwrap();
    assert_eq!(asked(&world.mfa, &user, &[Role::Admin], &[]).await, Enrolment::Overdue);
}

#[tokio::test]
async fn a_grace_without_end_is_no_rule() {
    let world = World::new();
    let policy = MfaPolicy::of_roles([Role::Admin]).with_grace(Duration::from_hours(91 * 24));
    let error = world.mfa.set_policy(&world.person(), policy).await.unwrap_err();
    assert_eq!(error.fields()[0].field, "grace");
    assert_eq!(world.mfa.policy().await.unwrap(), MfaPolicy::default());
}
