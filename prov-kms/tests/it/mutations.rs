//! Nothing that was changed decrypts.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use prov_kms::{Ciphertext, EncryptionContext, Envelope, codes};

use crate::house::{House, context, key};

/// One change to the text of a ciphertext.
#[derive(Debug, Clone)]
enum Change {
    Replace(Index, char),
    Insert(Index, char),
    Remove(Index),
    Cut(Index),
    Swap(Index, Index),
    Splice(Index),
    Repeat,
}

fn any_change() -> impl Strategy<Value = Change> {
    let letter = || {
        prop_oneof![
            4 => proptest::char::range('a', 'z'),
            4 => proptest::char::range('A', 'Z'),
            2 => proptest::char::range('0', '9'),
            2 => prop::sample::select(vec!['-', '_', ':', '=', '.', ' ', '\n', '\0']),
        ]
    };
    prop_oneof![
        5 => (any::<Index>(), letter()).prop_map(|(at, c)| Change::Replace(at, c)),
        2 => (any::<Index>(), letter()).prop_map(|(at, c)| Change::Insert(at, c)),
        2 => any::<Index>().prop_map(Change::Remove),
        1 => any::<Index>().prop_map(Change::Cut),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::Swap(a, b)),
        2 => any::<Index>().prop_map(Change::Splice),
        1 => Just(Change::Repeat),
    ]
}

/// `other` is a second ciphertext under the same key and context.
fn apply(change: &Change, text: &str, other: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    match change {
        Change::Replace(at, c) => chars[at.index(text.len())] = *c,
        Change::Insert(at, c) => chars.insert(at.index(text.len() + 1), *c),
        Change::Remove(at) => drop(chars.remove(at.index(text.len()))),
        Change::Cut(at) => chars.truncate(at.index(text.len())),
        Change::Swap(a, b) => chars.swap(a.index(text.len()), b.index(text.len())),
        Change::Splice(at) => {
            let at = at.index(text.len());
            chars = text.chars().take(at).chain(other.chars().skip(at)).collect();
        }
        Change::Repeat => chars.extend(text.chars()),
    }
    chars.into_iter().collect()
}

fn runner(cases: u32) -> TestRunner {
    // Changes that happen to change nothing don't count.
    let max_global_rejects = 10 * cases;
    let failure_persistence = None;
    TestRunner::new(Config { cases, max_global_rejects, failure_persistence, ..Config::default() })
}

fn decrypts(
    runtime: &tokio::runtime::Runtime,
    e: &Envelope,
    text: &str,
    c: &EncryptionContext,
) -> bool {
    let read = text.parse::<Ciphertext>();
    let outcome = read.and_then(|read| runtime.block_on(e.decrypt(&read, c)));
    let code = outcome.map_err(|error| error.code());
    assert!(code.as_ref().is_ok() || code.as_ref() == Err(&codes::DECRYPTION_FAILED), "{code:?}");
    code.is_ok()
}

/// 20,000 changed texts, header and body, cached data keys and not.
#[test]
fn no_changed_ciphertext_decrypts() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let house = House::new();
    let envelope = runtime.block_on(house.envelope());
    let bound = context("env=prod,service=api");
    let encrypt = |plain: &[u8]| {
        let name = key("default");
        let sealed = envelope.encrypt(&name, plain, &bound);
        runtime.block_on(sealed).unwrap().to_string()
    };
    let (one, two) = (encrypt(b"attack at dawn"), encrypt(b"attack at dusk"));
    assert!(decrypts(&runtime, &envelope, &one, &bound));
    runner(20_000)
        .run(&any_change(), |change| {
            let changed = apply(&change, &one, &two);
            prop_assume!(changed != one && changed != two);
            prop_assert!(!decrypts(&runtime, &envelope, &changed, &bound), "{}", changed);
            Ok(())
        })
        .unwrap();
}

/// 10,000 other contexts.
#[test]
fn no_other_context_decrypts() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let house = House::new();
    let envelope = runtime.block_on(house.envelope());
    let bound = context("env=prod,service=api");
    let sealed = runtime.block_on(envelope.encrypt(&key("default"), b"x", &bound)).unwrap();
    let text = sealed.to_string();
    let word =
        || prop::sample::select(vec!["env", "service", "prod", "api", "en", "v", "a=b", "é"]);
    let pairs = prop::collection::btree_map(word(), word(), 0..4);
    runner(10_000)
        .run(&pairs, |pairs| {
            let other = EncryptionContext::new(pairs).unwrap();
            prop_assert_eq!(decrypts(&runtime, &envelope, &text, &other), other == bound);
            Ok(())
        })
        .unwrap();
}
