//! API tokens: good for their scopes, never for more than their owner, and ended at once.

use std::sync::Arc;
use std::time::Duration;

use prov_auth::codes::{
    API_TOKEN_CHAINED, API_TOKEN_REFUSED, API_TOKEN_UNKNOWN, API_TOKENS_TOO_MANY,
};
use prov_auth::{AuthOptions, IssuedApiToken, NewApiToken, TokenSet};
use prov_core::store::Store;
use prov_core::{AuthenticationMethod, Identity, Result, Role, SecurityContext, codes};

use crate::user_fixture::House;

const DAY: Duration = Duration::from_hours(24);

fn new(name: &str, scopes: &[&str]) -> NewApiToken {
    NewApiToken::new(name, scopes.iter().map(|scope| scope.parse().unwrap()), 30 * DAY)
}

async fn alice(house: &House, roles: &[Role]) -> TokenSet {
    house.user("alice", roles).await;
    house.login("alice").await
}

async fn make(house: &House, tokens: &TokenSet, scopes: &[&str]) -> IssuedApiToken {
    let context = house.context(tokens);
    house.service.create_api_token(&context, new("backup", scopes)).await.unwrap()
}

fn verify(house: &House, token: &IssuedApiToken) -> Result<Arc<Identity>> {
    house.service.api_tokens().verify(token.value.expose())
}

fn holds(house: &House, token: &IssuedApiToken) -> bool {
    match verify(house, token) {
        Ok(_) => true,
        Err(error) => {
            assert!(error.is(API_TOKEN_REFUSED), "{error}");
            false
        }
    }
}

#[tokio::test]
async fn a_token_is_its_owner_limited_to_its_scopes() {
    let house = House::new().await;
    let tokens = alice(&house, &[Role::Operator]).await;
    let mark = house.mark();
    let made = make(&house, &tokens, &["read:users", "*:audit"]).await;
    assert_eq!(house.events(mark), ["auth.api_token.create success"]);
    let recorded = format!("{:?}", house.recorded(mark)[0]);
    assert!(!recorded.contains(made.value.expose()), "no event holds the value");
    let identity = verify(&house, &made).unwrap();
    let owner = house.service.user("alice").await.unwrap();
    assert_eq!(identity.principal, owner.principal());
    let how = &identity.authentication;
    assert_eq!(how.method, AuthenticationMethod::ApiToken);
    assert_eq!((how.token_id.as_deref(), how.amr.len()), (Some(made.token.id.as_str()), 0));
    assert!(how.covers("read", "users") && how.covers("list", "audit"));
    assert!(!how.covers("delete", "users") && !how.covers("read", "teams"));
}

#[tokio::test]
async fn the_value_is_in_no_store_and_in_no_debug_output() {
    let house = House::new().await;
    let tokens = alice(&house, &[]).await;
    let made = make(&house, &tokens, &["read:account"]).await;
    let value = made.value.expose();
    assert!(!format!("{made:?} {:?}", house.service).contains(value));
    for kind in ["auth.api_token", "auth.api_token_use"] {
        let scan = prov_core::store::Scan::kind(kind);
        for record in house.store.scan(&scan).await.unwrap().records {
            let text = String::from_utf8(record.value.to_vec()).unwrap();
            assert!(!text.contains(value) && !record.id.contains(value), "{text}");
            // Nor as a plain hash, which whoever reads the store could compare guesses with.
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, value.as_bytes());
            let plain = hex::encode(digest);
            assert!(!text.contains(&plain));
        }
    }
    let listed = house.service.list_api_tokens(&house.context(&tokens)).await.unwrap();
    assert_eq!(listed, [made.token]);
}

#[tokio::test]
async fn what_happens_to_the_owner_happens_to_the_token_at_once() {
    let house = House::new().await;
    let tokens = alice(&house, &[Role::Operator]).await;
    let made = make(&house, &tokens, &["*:*"]).await;
    let (system, id) = (house.system(), house.service.user("alice").await.unwrap().id);
    house.service.set_roles(&system, &id, &[Role::Viewer]).await.unwrap();
    assert_eq!(verify(&house, &made).unwrap().principal.roles, [Role::Viewer]);
    house.service.lock_user(&system, &id).await.unwrap();
    assert!(!holds(&house, &made), "locked");
    house.service.unlock_user(&system, &id).await.unwrap();
    assert!(holds(&house, &made), "unlocked: programs go on");
    house.service.end_all_sessions(&house.context(&house.login("alice").await)).await.unwrap();
    assert!(holds(&house, &made), "it belongs to no session");
    house.service.reset_password(&system, &id).await.unwrap();
    assert!(!holds(&house, &made), "who takes an account over again takes its tokens");
    assert!(
        house.service.list_api_tokens(&context_of(&house, &id).await).await.unwrap().is_empty()
    );
}

async fn context_of(house: &House, id: &prov_core::UserId) -> SecurityContext {
    let user = house.service.user(id.as_str()).await.unwrap();
    let authentication = house.system().authentication().clone();
    let identity = Identity { principal: user.principal(), authentication };
    SecurityContext::new(Arc::new(identity), Arc::new(house.facts()))
}

#[tokio::test]
async fn a_deleted_owner_leaves_no_token_and_erasure_finds_none() {
    let house = House::new().await;
    let tokens = alice(&house, &[]).await;
    let made = make(&house, &tokens, &["*:*"]).await;
    let id = house.service.user("alice").await.unwrap().id;
    house.service.delete_user(&house.system(), &id).await.unwrap();
    assert!(!holds(&house, &made));
    let scan = prov_core::store::Scan::kind("auth.api_token");
    assert!(house.store.scan(&scan).await.unwrap().records.is_empty());
}

#[tokio::test]
async fn everything_revoked_takes_tokens_along_and_other_revocations_do_not() {
    let house = House::new().await;
    let tokens = alice(&house, &[]).await;
    let made = make(&house, &tokens, &["*:*"]).await;
    let id = house.service.user("alice").await.unwrap().id;
    house.parts.revocations.revoke_user(&id).await.unwrap();
    assert!(holds(&house, &made));
    house.parts.revocations.revoke_all().await.unwrap();
    assert!(!holds(&house, &made));
}

#[tokio::test]
async fn a_token_ends_and_can_not_be_made_to_last() {
    let house = House::new().await;
    let tokens = alice(&house, &[]).await;
    let made = make(&house, &tokens, &["*:*"]).await;
    house.wait((30 * DAY).saturating_sub(Duration::from_secs(1)));
    assert!(holds(&house, &made));
    house.wait(Duration::from_secs(1));
    assert!(!holds(&house, &made));
}

#[tokio::test]
async fn rotation_ends_the_old_value_at_once_or_after_the_overlap() {
    let house = House::new().await;
    let tokens = alice(&house, &[]).await;
    let first = make(&house, &tokens, &["*:*"]).await;
    let (context, id) = (house.context(&tokens), first.token.id.clone());
    let rotate = |overlap| house.service.rotate_api_token(&context, &id, overlap);
    let hour = Duration::from_hours(1);
    assert!(rotate(25 * hour).await.unwrap_err().is(codes::INVALID_REQUEST));
    let second = rotate(hour).await.unwrap();
    assert_eq!(second.token.id, first.token.id);
    assert!(holds(&house, &first) && holds(&house, &second));
    house.wait(hour);
    assert!(!holds(&house, &first) && holds(&house, &second));
    let third = rotate(Duration::ZERO).await.unwrap();
    assert!(!holds(&house, &second) && holds(&house, &third), "at once");
    let fourth = rotate(hour).await.unwrap();
    let fifth = rotate(hour).await.unwrap();
    assert!(!holds(&house, &third) && holds(&house, &fourth) && holds(&house, &fifth));
    assert!(fifth.token.expires_at > first.token.expires_at, "good as long again");
}

#[tokio::test]
async fn nobody_elses_tokens_and_no_token_by_a_token() {
    let house = House::new().await;
    let tokens = alice(&house, &[Role::Admin]).await;
    let made = make(&house, &tokens, &["*:*"]).await;
    house.user("bob", &[Role::Admin]).await;
    let bob = house.context(&house.login("bob").await);
    let id = &made.token.id;
    for error in [
        house.service.delete_api_token(&bob, id).await.unwrap_err(),
        house.service.rotate_api_token(&bob, id, Duration::ZERO).await.unwrap_err(),
    ] {
        assert!(error.is(API_TOKEN_UNKNOWN), "{error}");
    }
    assert!(house.service.list_api_tokens(&bob).await.unwrap().is_empty());
    let by_token = SecurityContext::new(verify(&house, &made).unwrap(), Arc::new(house.facts()));
    for error in [
        house.service.create_api_token(&by_token, new("x", &["*:*"])).await.unwrap_err(),
        house.service.rotate_api_token(&by_token, id, Duration::ZERO).await.unwrap_err(),
        house.service.delete_api_token(&by_token, id).await.unwrap_err(),
    ] {
        assert!(error.is(API_TOKEN_CHAINED), "{error}");
    }
    let mark = house.mark();
    house.service.delete_api_token(&house.context(&tokens), id).await.unwrap();
    assert_eq!(house.events(mark), ["auth.api_token.delete success"]);
    assert!(!holds(&house, &made));
}

#[tokio::test]
async fn bad_requests_name_the_field_and_make_nothing() {
    let house = House::new().await;
    let options = AuthOptions::default().with_permissions([("read", "users")]);
    let service = house.reopened(options).await.unwrap();
    let context = house.context(&alice(&house, &[]).await);
    let long = "x".repeat(129);
    let sixty_five = vec!["read:users"; 65];
    let scoped = |scopes: &[&str], lifetime| {
        let mut token = new("x", scopes);
        token.lifetime = lifetime;
        token
    };
    for (field, bad) in [
        ("name", new("", &["read:users"])),
        ("name", new(&long, &["read:users"])),
        ("name", new("a\nb", &["read:users"])),
        ("scopes", new("x", &[])),
        ("scopes", new("x", &sixty_five)),
        ("scopes", new("x", &["read:users", "raed:users"])),
        ("expires_in", scoped(&["read:users"], Duration::ZERO)),
        ("expires_in", scoped(&["read:users"], 367 * DAY)),
        ("expires_in", scoped(&["read:users"], Duration::MAX)),
    ] {
        let error = service.create_api_token(&context, bad).await.unwrap_err();
        assert_eq!(error.fields()[0].field, field, "{error}");
    }
    for _ in 0..100 {
        service.create_api_token(&context, new("x", &["*:users"])).await.unwrap();
    }
    let one_more = service.create_api_token(&context, new("x", &["read:*"])).await;
    assert!(one_more.unwrap_err().is(API_TOKENS_TOO_MANY));
}

#[tokio::test]
async fn another_node_knows_tokens_and_their_ends() {
    let house = House::new().await;
    let other = house.reopened(AuthOptions::default()).await.unwrap();
    let tokens = alice(&house, &[Role::Operator]).await;
    let value = make(&house, &tokens, &["*:*"]).await;
    let system = house.system();
    let id = house.service.user("alice").await.unwrap().id;
    let there = || other.api_tokens().verify(value.value.expose());
    let eventually = async |wanted: &dyn Fn() -> bool| {
        for _ in 0..500 {
            if wanted() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not within 5 s");
    };
    let work = async {
        eventually(&|| there().is_ok()).await;
        house.service.set_roles(&system, &id, &[Role::Viewer]).await.unwrap();
        eventually(&|| there().is_ok_and(|who| who.principal.roles == [Role::Viewer])).await;
        house.service.lock_user(&system, &id).await.unwrap();
        eventually(&|| there().is_err()).await;
        house.service.unlock_user(&system, &id).await.unwrap();
        eventually(&|| there().is_ok()).await;
        let context = house.context(&house.login("alice").await);
        house.service.delete_api_token(&context, &value.token.id).await.unwrap();
        eventually(&|| there().is_err()).await;
    };
    let (end, ended) = tokio::sync::oneshot::channel();
    let run = other.clone().run(async { drop(ended.await) });
    tokio::join!(run, async {
        work.await;
        end.send(()).unwrap();
    });
    let reopened = house.reopened(AuthOptions::default()).await.unwrap();
    assert!(reopened.api_tokens().verify(value.value.expose()).is_err(), "after a restart");
}

#[tokio::test]
async fn the_last_use_is_told_and_outlives_the_process() {
    let house = House::new().await;
    let tokens = alice(&house, &[]).await;
    let made = make(&house, &tokens, &["*:*"]).await;
    let context = house.context(&tokens);
    let used = async |service: &prov_auth::AuthService| {
        service.list_api_tokens(&context).await.unwrap()[0].last_used_at
    };
    assert_eq!(used(&house.service).await, None);
    house.wait(Duration::from_mins(3));
    verify(&house, &made).unwrap();
    let at = used(&house.service).await.unwrap();
    assert_eq!(at.as_second(), made.token.created_at.as_second() + 180);
    let other = house.reopened(AuthOptions::default()).await.unwrap();
    assert_eq!(used(&other).await, None, "nothing is written for a request");
    // A run that is asked to end writes what is left.
    house.service.clone().run(std::future::ready(())).await;
    assert_eq!(used(&other).await, Some(at));
}

#[tokio::test]
async fn revocation_and_introspection_know_api_tokens() {
    let house = House::new().await;
    let tokens = alice(&house, &[]).await;
    let made = make(&house, &tokens, &["*:*"]).await;
    let context = house.context(&tokens);
    let told = house.service.introspect(&context, &made.value).await.unwrap();
    assert!(matches!(told, prov_auth::Introspection::Active(_)));
    let id = house.service.user("alice").await.unwrap().id;
    house.service.lock_user(&house.system(), &id).await.unwrap();
    let mark = house.mark();
    house.service.revoke(&made.value, &house.facts()).await.unwrap();
    assert_eq!(house.events(mark), ["auth.token.revoke success"]);
    house.service.unlock_user(&house.system(), &id).await.unwrap();
    assert!(!holds(&house, &made), "revoked while it did not hold is revoked");
    let told = house.service.introspect(&context, &made.value).await.unwrap();
    assert!(matches!(told, prov_auth::Introspection::Inactive));
}
