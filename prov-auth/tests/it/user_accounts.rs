//! What administrators do with users and teams.

use std::num::NonZeroU32;
use std::sync::Arc;

use prov_auth::{NewUser, UserChanges, codes};
use prov_core::{Role, SecurityContext, TeamName, codes as core_codes};

use crate::user_fixture::{House, PASSWORD, secret};

fn team(name: &str) -> TeamName {
    name.parse().unwrap()
}

async fn signed_in(house: &House, name: &str, roles: &[Role]) -> SecurityContext {
    house.user(name, roles).await;
    let tokens = house.login(name).await;
    house.context(&tokens)
}

#[tokio::test]
async fn of_many_who_take_a_name_at_once_one_gets_it() {
    let house = House::new().await;
    let create = |n: usize| {
        let name = if n.is_multiple_of(2) { "alice" } else { "ＡＬＩＣＥ" };
        let new = NewUser::new(name).with_password(secret(PASSWORD));
        let (service, system) = (Arc::clone(&house.service), house.system());
        async move { service.create_user(&system, new).await }
    };
    let made = futures_util::future::join_all((0..8).map(create)).await;
    assert_eq!(made.iter().filter(|m| m.is_ok()).count(), 1);
    assert!(made.iter().filter_map(|m| m.as_ref().err()).all(|e| e.is(codes::USERNAME_TAKEN)));
}

#[tokio::test]
async fn a_deleted_name_is_free_and_its_id_is_not() {
    let house = House::new().await;
    let first = house.user("alice", &[]).await;
    house.service.delete_user(&house.system(), &first.id).await.unwrap();
    let error = house.service.user(first.id.as_str()).await.unwrap_err();
    assert!(error.is(codes::USER_UNKNOWN));
    let second = house.user("alice", &[]).await;
    assert_ne!(first.id, second.id);
    assert_eq!(house.service.user("Alice").await.unwrap().id, second.id);
    assert_eq!(house.service.user(second.id.as_str()).await.unwrap(), second);
}

#[tokio::test]
async fn users_are_listed_page_by_page() {
    let house = House::new().await;
    for n in 0..5 {
        house.user(&format!("user{n}"), &[]).await;
    }
    let two = NonZeroU32::new(2).unwrap();
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = house.service.users(two, after).await.unwrap();
        assert!(page.users.len() <= 2);
        names.extend(page.users.iter().map(|u| u.username.as_str().to_owned()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    names.sort();
    assert_eq!(names, ["user0", "user1", "user2", "user3", "user4"]);
}

#[tokio::test]
async fn details_are_changed_and_taken_away() {
    let house = House::new().await;
    let user = house.user("alice", &[]).await;
    let set = UserChanges::default()
        .with_email(Some("alice@example.org".to_owned()))
        .with_display_name(Some("Алиса".to_owned()));
    let user = house.service.update_user(&house.system(), &user.id, set).await.unwrap();
    assert_eq!(user.display_name.as_deref(), Some("Алиса"));
    let take = UserChanges::default().with_email(None);
    let user = house.service.update_user(&house.system(), &user.id, take).await.unwrap();
    assert_eq!((user.email, user.display_name.is_some()), (None, true));
    let odd = UserChanges::default().with_email(Some("a\nb@c".to_owned()));
    let error = house.service.update_user(&house.system(), &user.id, odd).await.unwrap_err();
    assert_eq!(error.fields()[0].field, "email");
    assert_eq!(house.events(house.mark() - 1), ["user.update failure"]);
}

#[tokio::test]
async fn the_last_administrator_stays_one() {
    let house = House::new().await;
    let admin = house.user("admin", &[Role::Admin]).await;
    let other = house.user("other", &[Role::Admin]).await;
    let (service, system) = (&house.service, house.system());
    service.lock_user(&system, &other.id).await.unwrap();
    // One who is locked does not count.
    let last = |error: prov_core::Error| assert!(error.is(codes::LAST_ADMINISTRATOR), "{error}");
    last(service.delete_user(&system, &admin.id).await.unwrap_err());
    last(service.lock_user(&system, &admin.id).await.unwrap_err());
    last(service.set_roles(&system, &admin.id, &[Role::Viewer]).await.unwrap_err());
    assert_eq!(service.user("admin").await.unwrap(), admin, "nothing changed");
    service.unlock_user(&system, &other.id).await.unwrap();
    service.delete_user(&system, &admin.id).await.unwrap();
    last(service.delete_user(&system, &other.id).await.unwrap_err());
}

#[tokio::test]
async fn administrators_who_demote_each_other_at_once_do_not_both_succeed() {
    for _ in 0..4 {
        let house = House::new().await;
        let one = house.user("one", &[Role::Admin]).await;
        let two = house.user("two", &[Role::Admin]).await;
        let system = house.system();
        let (a, b) = tokio::join!(
            house.service.set_roles(&system, &one.id, &[]),
            house.service.delete_user(&system, &two.id),
        );
        assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1);
    }
}

#[tokio::test]
async fn nobody_gives_or_acts_on_more_than_they_hold() {
    let house = House::new().await;
    let admin = house.user("admin", &[Role::Admin]).await;
    let operator = signed_in(&house, "operator", &[Role::Operator]).await;
    let peer = house.user("peer", &[Role::Developer]).await;
    let service = &house.service;
    let refused = |error: prov_core::Error| assert!(error.is(codes::GRANT_REFUSED), "{error}");
    let admin_too = NewUser::new("mallory").with_roles([Role::Admin]);
    refused(service.create_user(&operator, admin_too).await.unwrap_err());
    let team_too = NewUser::new("mallory").with_teams([team("platform-admin")]);
    refused(service.create_user(&operator, team_too).await.unwrap_err());
    refused(service.set_roles(&operator, &peer.id, &[Role::Admin]).await.unwrap_err());
    refused(service.set_teams(&operator, &peer.id, &[team("platform-admin")]).await.unwrap_err());
    refused(service.reset_password(&operator, &admin.id).await.unwrap_err());
    refused(service.lock_user(&operator, &admin.id).await.unwrap_err());
    refused(service.delete_user(&operator, &admin.id).await.unwrap_err());
    let takeover = UserChanges::default().with_email(Some("mallory@example.org".to_owned()));
    refused(service.update_user(&operator, &admin.id, takeover).await.unwrap_err());
    assert_eq!(house.events(house.mark() - 1), ["user.update denied"]);
    service.set_roles(&operator, &peer.id, &[Role::Viewer]).await.unwrap();
    service.reset_password(&operator, &peer.id).await.unwrap();
}

#[tokio::test]
async fn locking_and_resetting_end_everything() {
    let house = House::new().await;
    let user = house.user("alice", &[]).await;
    let tokens = house.login("alice").await;
    house.service.lock_user(&house.system(), &user.id).await.unwrap();
    assert!(house.try_context(&tokens).unwrap_err().is(codes::TOKEN_REVOKED));
    house.service.unlock_user(&house.system(), &user.id).await.unwrap();
    assert!(house.try_context(&tokens).is_err(), "unlocking brings nothing back");
    let tokens = house.login("alice").await;
    let temporary = house.service.reset_password(&house.system(), &user.id).await.unwrap();
    assert!(house.try_context(&tokens).is_err());
    assert!(house.try_login("alice", PASSWORD).await.is_err());
    let error = house.try_login("alice", temporary.expose()).await.unwrap_err();
    assert!(error.is(codes::PASSWORD_CHANGE_REQUIRED));
}

#[tokio::test]
async fn a_lock_at_the_moment_of_signing_in_wins() {
    let house = House::new().await;
    for n in 0..50 {
        let name = format!("alice{n}");
        let user = house.user(&name, &[]).await;
        let system = house.system();
        let (outcome, locked) = tokio::join!(
            house.try_login(&name, PASSWORD),
            house.service.lock_user(&system, &user.id)
        );
        locked.unwrap();
        if let Ok(prov_auth::LoginOutcome::Tokens(tokens)) = outcome {
            assert!(house.try_context(&tokens).is_err());
            assert!(house.refresh(&tokens).await.is_err());
        }
    }
}

#[tokio::test]
async fn a_user_belongs_to_teams_that_exist() {
    let house = House::new().await;
    let user = house.user("alice", &[]).await;
    let (service, system) = (&house.service, house.system());
    let error = service.set_teams(&system, &user.id, &[team("ghosts")]).await.unwrap_err();
    assert!(error.is(codes::TEAM_UNKNOWN));
    service.create_team(&system, &team("ghosts"), Some("unseen".to_owned())).await.unwrap();
    let error = service.create_team(&system, &team("ghosts"), None).await.unwrap_err();
    assert!(error.is(codes::TEAM_EXISTS));
    let teams = [team("sre"), team("ghosts"), team("sre")];
    let user = service.set_teams(&system, &user.id, &teams).await.unwrap();
    assert_eq!(user.teams, [team("ghosts"), team("sre")]);
    for in_use in ["ghosts", "sre"] {
        let error = service.delete_team(&system, &team(in_use)).await.unwrap_err();
        assert!(error.is(codes::TEAM_IN_USE), "{in_use}");
    }
    service.set_teams(&system, &user.id, &[]).await.unwrap();
    service.delete_team(&system, &team("ghosts")).await.unwrap();
    let error = service.delete_team(&system, &team("ghosts")).await.unwrap_err();
    assert!(error.is(codes::TEAM_UNKNOWN));
    let shipped = service.teams(NonZeroU32::MAX, None).await.unwrap().teams;
    assert_eq!(shipped.len(), 5);
    assert!(shipped.iter().all(|t| t.shipped));
}

#[tokio::test]
async fn joining_a_team_that_is_deleted_at_the_same_moment_leaves_no_ghost() {
    let house = House::new().await;
    let user = house.user("alice", &[]).await;
    for n in 0..50 {
        let system = house.system();
        let teams = [team(&format!("ghosts{n}"))];
        house.service.create_team(&system, &teams[0], None).await.unwrap();
        let (joined, deleted) = tokio::join!(
            house.service.set_teams(&system, &user.id, &teams),
            house.service.delete_team(&system, &teams[0])
        );
        assert!(!(joined.is_ok() && deleted.is_ok()));
    }
}

#[tokio::test]
async fn people_without_an_account_have_no_sessions() {
    let house = House::new().await;
    let error = house.service.sessions(&house.system()).await.unwrap_err();
    assert!(error.is(core_codes::DENIED));
    assert!(house.service.me(&house.system()).await.unwrap().user.is_none());
}
