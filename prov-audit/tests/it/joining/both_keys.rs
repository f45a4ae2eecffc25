//! A mirror holds what its log signed with ML-DSA-44 too.

use prov_audit::{Trust, verify_with};

use super::{Node, STANDARD, beside, join_options, log_options, run_until, until};
use crate::bench_log::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_verified_with_both_keys_also_when_the_second_came_later() {
    let bench = Bench::new();
    let b = Node::open(&bench, "b").await;
    let a = Node::open(&bench, "a").await;
    a.record(&bench, 300).await;
    // And that it saw both logs of the other.
    run_until(&[&a, &b], &a, 302).await;
    a.log.close().await.unwrap();
    drop(a);
    let options = log_options(&bench, "a").with_ml_dsa_44(true);
    let a = Node::with(&bench, "a", options, join_options()).await;
    let trust = Trust::new().ml_dsa_44(a.log.ml_dsa_44_key(STANDARD).unwrap().clone()).unwrap();
    let mirror = b.mirror_of("a");
    let verified = || verify_with(&mirror, a.log.verifier_key(STANDARD), &trust).unwrap();
    assert!(!verified().intact);
    // Nothing is new but the signature.
    beside(&[&a, &b], until("the second signature is there", || verified().intact)).await;
    assert_eq!(b.size_of("a"), 302);
    a.record(&bench, 10).await;
    run_until(&[&a, &b], &a, 312).await;
    let report = verified();
    assert!(report.intact && report.signed_size == 312, "{report:?}");
    drop(a);
    drop(b);
}
