//! What the request path costs in allocations.

use allocation_counter::measure;

use crate::token_fixture::Node;

#[tokio::test]
async fn a_token_seen_before_is_verified_without_any_allocation() {
    let node = Node::start().await;
    // Something of every kind is on the lists, so that each of them is asked.
    let (claims, token) = (node.claims(), node.token());
    node.revocations.revoke_user(&claims.subject).await.unwrap();
    let other = node.issue(&claims);
    node.revocations.revoke_session(&claims.session, other.expires_at).await.unwrap();
    node.revocations.revoke_token(&other.token_id, other.expires_at).await.unwrap();
    let first = measure(|| drop(node.verifier.verify(&token).unwrap()));
    assert!(first.count_total > 0, "the first sight allocates: the counter works");
    let again = measure(|| drop(node.verifier.verify(&token).unwrap()));
    assert_eq!(again.count_total, 0);
}
