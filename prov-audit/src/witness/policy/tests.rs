use std::sync::Arc;

use prov_core::{SecretBytes, SystemClock};

use super::*;
use crate::note::{Cosigner, SecondKey, SigningKey, sign};

fn cosigner(byte: u8) -> Cosigner {
    let seed = SecretBytes::new(vec![byte; 32]);
    Cosigner::from_seeds(&format!("w.example/{byte}"), &seed, &seed).unwrap()
}

fn log() -> SigningKey {
    SigningKey::from_seed("a.example/log", &SecretBytes::new(vec![1; 32])).unwrap()
}

/// The definitions of five witnesses, `w2` to `w6`.
fn witnesses() -> String {
    let one = |n: u8| format!("witness w{n} {} https://w{n}.example\n", cosigner(n).keys()[0]);
    (2..=6).map(one).collect()
}

/// The checkpoint with the cosignatures of these.
fn cosigned_by(who: &[u8]) -> Checkpoint {
    let mut checkpoint = sign(&log(), 42, [9; 32]);
    let time = Timestamp::from_second(1_700_000_000).unwrap();
    for &byte in who {
        let text = split(&checkpoint.note).unwrap().0.to_owned();
        let lines = cosigner(byte).cosign(&checkpoint, &text, time).unwrap();
        checkpoint.note.push_str(&lines);
    }
    Checkpoint::open(&checkpoint.note, log().verifier()).unwrap()
}

#[test]
fn groups_of_groups_are_counted_as_they_say() {
    let policy: WitnessPolicy = format!(
        "# two houses\n\n{}\tgroup x 2  w2 w3 w4 \ngroup y any w5 w6\ngroup both all x y\nquorum both",
        witnesses()
    )
    .parse()
    .unwrap();
    let enough = |who: &[u8]| policy.check(&cosigned_by(who));
    for who in [&[][..], &[2, 3], &[2, 5], &[5, 6], &[2, 2, 5]] {
        let error = enough(who).unwrap_err();
        assert!(error.is(codes::NOT_WITNESSED), "{who:?}: {error:?}");
    }
    for who in [&[2, 3, 5][..], &[4, 2, 6], &[2, 3, 4, 5, 6]] {
        assert_eq!(enough(who).unwrap().len(), who.len(), "{who:?}");
    }
    let names: Vec<String> =
        enough(&[6, 3, 2]).unwrap().into_iter().map(|one| one.witness).collect();
    assert_eq!(names, ["w2", "w3", "w6"]);
}

#[test]
fn nobody_counts_twice_and_a_false_signature_is_no_missing_one() {
    let policy =
        |quorum: &str| -> WitnessPolicy { format!("{}{quorum}\n", witnesses()).parse().unwrap() };
    assert!(policy("quorum none").check(&cosigned_by(&[])).unwrap().is_empty());
    assert!(policy("quorum w2").check(&cosigned_by(&[3, 4])).is_err());
    assert_eq!(policy("quorum w2").check(&cosigned_by(&[2])).unwrap().len(), 1);
    // A witness of another checkpoint of this log.
    let mut forged = sign(&log(), 43, [9; 32]);
    let of_another = cosigned_by(&[2]);
    let lines = of_another.note.lines().skip(5).map(|line| format!("{line}\n"));
    forged.note.extend(lines);
    let error = policy("quorum none").check(&forged).unwrap_err();
    assert!(error.public_detail().contains("`w2`"), "{error:?}");
}

#[test]
fn a_log_that_is_named_by_its_key_for_ml_dsa_44_alone_must_have_signed_with_it() {
    let second = |byte: u8| {
        let (seed, clock) = (SecretBytes::new(vec![byte; 32]), Arc::new(SystemClock::new()));
        SecondKey::from_seed("a.example/log", &seed, clock, false).unwrap()
    };
    let (own, other) = (second(7), second(8));
    let policy = |logs: &[&str]| -> WitnessPolicy {
        format!("log {}\nquorum none\n", logs.join(" https://a.example\nlog ")).parse().unwrap()
    };
    let (first, key, another) =
        (log().verifier().to_string(), own.key().to_string(), other.key().to_string());
    let alone = sign(&log(), 42, [9; 32]);
    let twice = own.second(alone.clone()).unwrap();
    let wanted = policy(&[&key]);
    assert_eq!((wanted.logs().len(), wanted.ml_dsa_44_logs()), (0, &[own.key().clone()][..]));
    assert_eq!(wanted.wanted_ml_dsa_44("a.example/log"), [own.key()]);
    wanted.check(&twice).unwrap();
    for checkpoint in [&alone, &other.second(alone.clone()).unwrap()] {
        let error = wanted.check(checkpoint).unwrap_err();
        assert!(error.is(codes::NOT_WITNESSED), "{error:?}");
        assert!(error.public_detail().contains("ML-DSA-44"), "{error:?}");
    }
    // Any key of a log is enough (C2SP tlog-policy): of two for ML-DSA-44, or one for Ed25519.
    let any = policy(&[&key, &another]);
    any.check(&twice).unwrap();
    any.check(&other.second(alone.clone()).unwrap()).unwrap();
    assert!(any.check(&alone).is_err());
    let either = policy(&[&first, &key]);
    assert!(either.wanted_ml_dsa_44("a.example/log").is_empty());
    either.check(&alone).unwrap();
    // A false signature is no missing one.
    let line = twice.note.strip_prefix(&alone.note).unwrap();
    let mut false_one = sign(&log(), 43, [9; 32]);
    false_one.note.push_str(line);
    let error = either.check(&false_one).unwrap_err();
    assert!(error.is(core_codes::INVALID_REQUEST), "{error:?}");
    // Of a log that is not named nothing is wanted but what the witnesses say.
    let seed = SecretBytes::new(vec![1; 32]);
    let unnamed = SigningKey::from_seed("b.example/log", &seed).unwrap();
    wanted.check(&sign(&unnamed, 42, [9; 32])).unwrap();
    let again = format!("log {key}\nlog {key}\nquorum none").parse::<WitnessPolicy>();
    assert!(again.unwrap_err().public_detail().contains("line 2: this log's key"));
}

#[test]
fn a_policy_that_is_not_one_says_in_which_line() {
    let all = witnesses();
    let key = cosigner(2).keys()[0].to_string();
    let log = log().verifier().to_string();
    assert_eq!(format!("log {log}\nquorum none").parse::<WitnessPolicy>().unwrap().logs().len(), 1);
    for (text, said) in [
        (String::new(), "no `quorum`"),
        ("quorum w2".to_owned(), "line 1: `w2` is not defined"),
        ("quorum none\nquorum none".to_owned(), "line 2: a second `quorum`"),
        (format!("witness none {key}\nquorum none"), "line 1: the name `none` is taken"),
        (format!("witness a {key}\nwitness b {key}\nquorum a"), "line 2: this witness's key"),
        (format!("log {log}\nlog {log}\nquorum none"), "line 2: this log's key"),
        (format!("witness a {log}\nquorum a"), "line 1: the key of a cosigner"),
        (format!("log {key}\nquorum none"), "line 1: a verifier key"),
        (format!("{all}group g 3 w2 w3\nquorum g"), "line 6: 3 of 2"),
        (format!("{all}group g 0 w2 w3\nquorum g"), "line 6: 0 of 2"),
        (format!("{all}group g 01 w2 w3\nquorum g"), "line 6: how many"),
        (format!("{all}group g all\nquorum g"), "line 6: 0 of 0"),
        (format!("{all}group g all w2 w2\nquorum g"), "line 6: `w2` is a member"),
        (format!("{all}group g any none\nquorum g"), "line 6: `none` is not defined"),
        (format!("{all}group g any w2\ngroup h any w2\nquorum h"), "line 7: `w2` is a member"),
        (format!("{all}group w2 any w3\nquorum w2"), "line 6: the name `w2`"),
        (format!("{all}quorum w2\r\n"), "line 6: a control character"),
        ("quorm none".to_owned(), "line 1: not `log`"),
    ] {
        let error = text.parse::<WitnessPolicy>().unwrap_err();
        assert!(error.is(codes::BAD_WITNESS_POLICY), "{text}: {error:?}");
        assert!(error.public_detail().contains(said), "{said}: {}", error.public_detail());
    }
}
