//! What is proved of a log is proved by any node, and holds before verifiers that are none of ours.

use prov_audit::{Checkpoint, codes, verify_extension, verify_proof};
use prov_core::codes as core_codes;
use tlog_tiles::tlog::{Hash, check_record, check_tree, record_hash};

use super::whole::{leaves, name_of};
use super::*;
use crate::foreign::checked_file;

fn hashes(all: &[[u8; 32]]) -> Vec<Hash> {
    all.iter().map(|hash| Hash(*hash)).collect()
}

/// Two nodes, of which the second has the first 700 events of the first.
async fn two_nodes(bench: &Bench) -> (Node, Node) {
    let (one, two) = (Node::open(bench, "one").await, Node::open(bench, "two").await);
    one.record(bench, 700).await;
    two.record(bench, 5).await;
    run_until(&[&one, &two], &one, 700).await;
    run_until(&[&one, &two], &two, 5).await;
    // Of each node both logs.
    let known = || two.log.joined().len() == 4;
    beside(&[&one, &two], until("all logs are known", known)).await;
    (one, two)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_nodes_log_is_proved_to_foreign_verifiers_at_any_size() {
    let bench = Bench::new();
    let (one, two) = two_nodes(&bench).await;
    let name = name_of("one");
    let all = leaves(&two.log, "one").await;
    for (old, size) in [(1, 700), (255, 256), (256, 700), (300, 511), (511, 512), (699, 700)] {
        let (before, _) = two.log.joined_consistency_proof(&name, 0, Some(old)).await.unwrap();
        let (proof, key) = two.log.joined_consistency_proof(&name, old, Some(size)).await.unwrap();
        assert_eq!(&key, one.log.verifier_key(STANDARD));
        let (new_root, old_root) = (Hash(proof.root), Hash(before.root));
        check_tree(&hashes(&proof.hashes), size, new_root, old, old_root).unwrap();
        assert!(check_tree(&hashes(&proof.hashes), size, old_root, old, new_root).is_err());
        // The same as the node says that wrote it.
        let own = one.log.consistency_proof(STANDARD, old, Some(size)).await.unwrap();
        assert_eq!((own.root, own.hashes), (proof.root, proof.hashes));
        let index = old - 1;
        let (proof, _) = two.log.joined_inclusion_proof(&name, index, Some(size)).await.unwrap();
        let leaf = record_hash(&all[usize::try_from(index).unwrap()]);
        check_record(&hashes(&proof.hashes), size, new_root, index, leaf).unwrap();
        assert!(check_record(&hashes(&proof.hashes), size, new_root, index + 1, leaf).is_err());
    }
    // From a checkpoint that its own node signed to the newest that is here.
    let kept = one.log.consistency_proof(STANDARD, 0, None).await.unwrap().checkpoint;
    one.record(&bench, 300).await;
    run_until(&[&one, &two], &one, 1000).await;
    let (proof, key) = two.log.joined_consistency_proof(&name, kept.size, None).await.unwrap();
    let newest = Checkpoint::open(&proof.checkpoint.note, &key).unwrap();
    assert!(newest.size >= 1000 && newest.root == proof.root && newest.size == proof.size);
    verify_extension(&kept, &newest, &proof.hashes).unwrap();
    assert!(verify_extension(&kept, &newest, &proof.hashes[1..]).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_another_nodes_log_is_proved_from_that_log_and_no_other() {
    let bench = Bench::new();
    let (one, two) = two_nodes(&bench).await;
    let event = one.log.query(&Query::new().origin(name_of("one"))).await.unwrap().items.remove(7);
    let proof = two.log.joined_proof(&name_of("one"), event.id).await.unwrap();
    let (index, size) = checked_file(&proof);
    assert!(index == event.seq && size >= 700);
    assert_eq!(verify_proof(&proof.leaf, &proof.text, &proof.key).unwrap().0, event.seq);
    assert_eq!(&proof.key, one.log.verifier_key(STANDARD));
    assert_eq!(two.log.proof(event.id).await.unwrap().leaf, proof.leaf);
    for elsewhere in [name_of("two"), "prov.example/audit/one/break-glass".to_owned()] {
        let refused = two.log.joined_proof(&elsewhere, event.id).await.unwrap_err();
        assert!(refused.is(codes::EVENT_NOT_FOUND), "{elsewhere}: {refused:?}");
        assert!(refused.public_detail().contains("in that log"), "{refused:?}");
    }
    // The name of a node is none of a log.
    for unknown in ["nobody", "prov.example/audit/one", ""] {
        let refused = two.log.joined_proof(unknown, event.id).await.unwrap_err();
        assert!(refused.is(codes::UNKNOWN_LOG), "{unknown}: {refused:?}");
        let refused = two.log.joined_inclusion_proof(unknown, 0, None).await.unwrap_err();
        assert!(refused.is(codes::UNKNOWN_LOG), "{unknown}: {refused:?}");
        let refused = two.log.joined_consistency_proof(unknown, 0, None).await.unwrap_err();
        assert!(refused.is(codes::UNKNOWN_LOG), "{unknown}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_the_copy_of_a_log_is_not_proved_and_it_is_said_why() {
    let bench = Bench::new();
    let (_one, two) = two_nodes(&bench).await;
    let (name, log) = (name_of("one"), &two.log);
    let refused = log.joined_inclusion_proof(&name, 9000, None).await.unwrap_err();
    assert!(refused.is(codes::EVENT_NOT_FOUND), "{refused:?}");
    let refused = log.joined_inclusion_proof(&name, 300, Some(300)).await.unwrap_err();
    assert!(refused.is(codes::EVENT_NOT_FOUND), "{refused:?}");
    let size = log.joined_checkpoint(&name).await.unwrap().0.size;
    for (field, refused) in [
        ("size", log.joined_inclusion_proof(&name, 3, Some(9000)).await),
        ("to", log.joined_consistency_proof(&name, 3, Some(9000)).await),
        ("from", log.joined_consistency_proof(&name, 9000, None).await),
        ("from", log.joined_consistency_proof(&name, 5, Some(4)).await),
        ("to", log.joined_range_proof(&name, 0..9000).await),
    ] {
        let refused = refused.unwrap_err();
        assert!(refused.is(core_codes::INVALID_REQUEST), "{field}: {refused:?}");
        assert_eq!(refused.fields()[0].field, field);
        let said = refused.fields()[0].message.clone();
        assert!(said.contains(&size.to_string()) || said.contains("had 4"), "{said}");
    }
    // A log that nothing was ever recorded in.
    let empty = "prov.example/audit/one/break-glass";
    assert!(two.log.joined().iter().any(|log| log.origin == empty && log.size == 0));
    let refused = log.joined_consistency_proof(empty, 0, None).await.unwrap_err();
    assert!(refused.is(codes::NOT_YET_SIGNED), "{refused:?}");
    assert!(log.joined_checkpoint(empty).await.unwrap_err().is(codes::NOT_YET_SIGNED));
}

#[cfg(feature = "axum")]
#[tokio::test(flavor = "multi_thread")]
async fn proofs_of_another_nodes_log_are_had_over_http() {
    let bench = Bench::new();
    let (one, two) = two_nodes(&bench).await;
    let name = name_of("one");
    let ask = async |path: String| -> (u16, serde_json::Value) {
        let (status, text) = crate::api::ask(&two.log, "GET", &path, "").await;
        (status.as_u16(), serde_json::from_str(&text).unwrap())
    };
    let key = one.log.verifier_key(STANDARD).to_string();
    let of = |kind: &str, asked: &str| format!("/api/v1/audit/proof/{kind}?{asked}&origin={name}");
    let (status, inclusion) = ask(of("inclusion", "index=41&size=600")).await;
    assert_eq!((status, &inclusion["verifier_key"]), (200, &key.clone().into()), "{inclusion}");
    let (status, consistency) = ask(of("consistency", "from=130&to=600")).await;
    assert_eq!((status, &consistency["root"]), (200, &inclusion["root"]), "{consistency}");
    let event = one.log.query(&Query::new().origin(&*name)).await.unwrap().items.remove(3);
    let id = event.id.to_string();
    let (status, proof) = ask(format!("/api/v1/audit/proof/{id}?origin={name}")).await;
    assert_eq!((status, &proof["verifier_key"]), (200, &key.into()), "{proof}");
    for (path, expected, said) in [
        (format!("/api/v1/audit/proof/{id}?origin={}", name_of("two")), 404, "in that log"),
        (format!("/api/v1/audit/proof/{id}?origin=nobody"), 404, "is joined here"),
        (format!("/api/v1/audit/proof/{id}?origins={name}"), 400, "origins"),
        (of("inclusion", "index=41&size=9000"), 400, "at most"),
        (of("consistency", "from=130&to=9000"), 400, "at most"),
        (of("inclusion", "index=9000"), 404, "no such event"),
    ] {
        let (status, problem) = ask(path.clone()).await;
        assert_eq!(status, expected, "{path}: {problem}");
        assert!(problem.to_string().contains(said), "{path}: {problem}");
    }
}
