//! What was revoked stays refused: at once, when known already, after a restart, on other nodes.

use std::sync::Arc;
use std::time::Duration;

use prov_auth::codes::TOKEN_REVOKED;
use prov_core::{Clock, HealthCheck, HealthState};

use crate::token_fixture::Node;

#[tokio::test]
async fn a_revoked_session_takes_its_tokens_with_it_and_no_others() {
    let node = Node::start().await;
    let (claims, other) = (node.claims(), node.token());
    let (first, second) = (node.issue(&claims), node.issue(&claims));
    assert_eq!(node.refusal(first.token.expose()), None);
    node.revocations.revoke_session(&claims.session, first.expires_at).await.unwrap();
    assert_eq!(node.refusal(first.token.expose()), Some(TOKEN_REVOKED), "known");
    assert_eq!(node.refusal(second.token.expose()), Some(TOKEN_REVOKED), "not known");
    assert_eq!(node.refusal(&other), None);
    assert_eq!(node.again().await.refusal(first.token.expose()), Some(TOKEN_REVOKED));
}

#[tokio::test]
async fn a_revoked_token_goes_alone() {
    let node = Node::start().await;
    let claims = node.claims();
    let (first, second) = (node.issue(&claims), node.issue(&claims));
    assert_eq!(node.refusal(first.token.expose()), None);
    node.revocations.revoke_token(&first.token_id, first.expires_at).await.unwrap();
    assert_eq!(node.refusal(first.token.expose()), Some(TOKEN_REVOKED));
    assert_eq!(node.refusal(second.token.expose()), None);
    assert_eq!(node.again().await.refusal(first.token.expose()), Some(TOKEN_REVOKED));
}

#[tokio::test]
async fn a_revocation_outlives_the_token_in_leeway_as_well() {
    let node = Node::start().await;
    let issued = node.issue(&node.claims());
    node.revocations.revoke_token(&issued.token_id, issued.expires_at).await.unwrap();
    node.advance(904);
    assert_eq!(node.refusal(issued.token.expose()), Some(TOKEN_REVOKED));
    assert_eq!(node.again().await.refusal(issued.token.expose()), Some(TOKEN_REVOKED));
}

#[tokio::test]
async fn everything_of_a_user_made_before_is_revoked_and_what_is_made_after_holds() {
    let node = Node::start().await;
    let (claims, other) = (node.claims(), node.token());
    let before = node.issue(&claims);
    assert_eq!(node.refusal(before.token.expose()), None);
    node.revocations.revoke_user(&claims.subject).await.unwrap();
    // No time has passed: the generation decides, not the second.
    let after = node.issue(&claims);
    assert_eq!(node.refusal(before.token.expose()), Some(TOKEN_REVOKED));
    assert_eq!(node.refusal(after.token.expose()), None);
    assert_eq!(node.refusal(&other), None);
    node.revocations.revoke_user(&claims.subject).await.unwrap();
    assert_eq!(node.refusal(after.token.expose()), Some(TOKEN_REVOKED), "a second time");
    let again = node.again().await;
    assert_eq!(again.refusal(after.token.expose()), Some(TOKEN_REVOKED), "after a restart");
    assert_eq!(again.refusal(again.issue(&claims).token.expose()), None);
}

#[tokio::test]
async fn a_login_that_began_before_the_revocation_gives_no_token_that_holds() {
    let node = Node::start().await;
    let began_in = node.revocations.generation();
    let claims = node.claims().in_generation(began_in);
    node.revocations.revoke_user(&claims.subject).await.unwrap();
    assert_eq!(node.refusal(node.issue(&claims).token.expose()), Some(TOKEN_REVOKED));
}

#[tokio::test]
async fn everything_can_be_revoked_at_once() {
    let node = Node::start().await;
    let (one, other) = (node.token(), node.token());
    assert_eq!(node.refusal(&one), None);
    node.revocations.revoke_all().await.unwrap();
    assert_eq!(node.refusal(&one), Some(TOKEN_REVOKED));
    assert_eq!(node.refusal(&other), Some(TOKEN_REVOKED));
    assert_eq!(node.refusal(&node.token()), None);
    assert_eq!(node.again().await.refusal(&other), Some(TOKEN_REVOKED));
}

#[tokio::test]
async fn a_day_later_the_generation_still_counts_on() {
    let node = Node::start().await;
    let claims = node.claims();
    node.revocations.revoke_user(&claims.subject).await.unwrap();
    let generation = node.revocations.generation();
    node.advance(30 * 3600);
    let again = node.again().await;
    assert_eq!(again.revocations.generation(), generation);
    let token = again.issue(&claims);
    again.revocations.revoke_user(&claims.subject).await.unwrap();
    assert!(again.revocations.generation() > generation);
    assert_eq!(again.refusal(token.token.expose()), Some(TOKEN_REVOKED));
}

#[tokio::test]
async fn concurrent_revocations_all_hold() {
    let node = Node::start().await;
    let claims: Vec<_> = (0..16).map(|_| node.claims()).collect();
    let tokens: Vec<_> = claims.iter().map(|claims| node.issue(claims)).collect();
    let other = node.again().await;
    let revoking = claims.iter().enumerate().map(|(n, claims)| {
        let node = if n % 2 == 0 { &node } else { &other };
        node.revocations.revoke_user(&claims.subject)
    });
    for done in futures_util::future::join_all(revoking).await {
        done.unwrap();
    }
    let fresh = node.again().await;
    assert_eq!(fresh.revocations.generation(), 16);
    for token in tokens {
        assert_eq!(fresh.refusal(token.token.expose()), Some(TOKEN_REVOKED));
    }
}

#[tokio::test]
async fn another_node_hears_of_it() {
    let (node, stop) = (Node::start().await, tokio::sync::Notify::new());
    let other = node.again().await;
    let claims = node.claims();
    let tokens: Vec<_> = (0..4).map(|_| node.issue(&claims)).collect();
    assert_eq!(other.refusal(tokens[0].token.expose()), None);
    let following = Arc::clone(&other.revocations).follow(stop.notified());
    let test = async {
        tokio::task::yield_now().await;
        node.revocations.revoke_user(&claims.subject).await.unwrap();
        let heard = async {
            while other.refusal(tokens[0].token.expose()).is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap();
        // What the other node issues now belongs to the new generation.
        assert_eq!(node.refusal(other.issue(&claims).token.expose()), None);
        stop.notify_one();
    };
    tokio::join!(following, test);
    assert_eq!(other.revocations.health().await.state, HealthState::Up);
}

#[tokio::test]
async fn news_that_was_missed_is_read_again() {
    let (node, stop) = (Node::start().await, tokio::sync::Notify::new());
    let other = node.again().await;
    let first = node.issue(&node.claims());
    let following = Arc::clone(&other.revocations).follow(stop.notified());
    let test = async {
        tokio::task::yield_now().await;
        node.revocations.revoke_token(&first.token_id, first.expires_at).await.unwrap();
        // More than the store remembers for a slow reader; nothing in between lets the other node run.
        for n in 0..2000 {
            node.revocations.revoke_token(&format!("{n}"), first.expires_at).await.unwrap();
        }
        assert_eq!(other.refusal(first.token.expose()), None, "not heard yet");
        let heard = async {
            while other.refusal(first.token.expose()).is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap();
        stop.notify_one();
    };
    tokio::join!(following, test);
}

#[tokio::test]
async fn sessions_that_never_lived_can_be_revoked_without_harm() {
    let node = Node::start().await;
    let session = prov_core::SessionId::generate(&node.clock).unwrap();
    node.revocations.revoke_session(&session, node.clock.now()).await.unwrap();
    node.revocations.revoke_token("", node.clock.now()).await.unwrap();
    assert_eq!(node.refusal(&node.token()), None);
}
