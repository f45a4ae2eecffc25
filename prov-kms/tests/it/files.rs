//! Files and streams.

use std::sync::Arc;

use prov_kms::{Envelope, FileKey, StreamHeader, codes};

use crate::house::{House, context, key};

fn offline(house: &House) -> (Envelope, prov_kms::KeyName) {
    let file_key = FileKey::create(&house.path("file.key")).unwrap();
    let name = file_key.key_name().clone();
    (Envelope::new(Arc::new(file_key), house.clock()), name)
}

#[tokio::test]
async fn a_file_comes_back_offline_with_its_context_only() {
    let house = House::new();
    let (envelope, name) = offline(&house);
    let bound = context("env=prod");
    let (plain, sealed, back) = (house.path("plain"), house.path("sealed"), house.path("back"));
    for len in [0_usize, 5, 16 * 1024, 100_000] {
        std::fs::write(&plain, vec![b'x'; len]).unwrap();
        envelope.encrypt_file(&name, &bound, &plain, &sealed).await.unwrap();
        let header = StreamHeader::read(&mut &std::fs::read(&sealed).unwrap()[..]).unwrap();
        assert_eq!((header.backend(), header.key()), ("file", &name));
        let count = envelope.decrypt_file(&bound, &sealed, &back).await.unwrap();
        assert_eq!((count, std::fs::read(&back).unwrap()), (len as u64, vec![b'x'; len]));
    }
    let error = envelope.decrypt_file(&context("env=dev"), &sealed, &back).await.unwrap_err();
    assert!(error.is(codes::DECRYPTION_FAILED));
}

#[tokio::test]
async fn a_file_that_was_cut_changed_or_reordered_leaves_nothing_behind() {
    let house = House::new();
    let (envelope, name) = offline(&house);
    let bound = context("env=prod");
    let (plain, sealed, back) = (house.path("plain"), house.path("sealed"), house.path("back"));
    std::fs::write(&plain, vec![b'x'; 40_000]).unwrap();
    envelope.encrypt_file(&name, &bound, &plain, &sealed).await.unwrap();
    let good = std::fs::read(&sealed).unwrap();
    let header = good.iter().position(|byte| *byte == b'\n').unwrap() + 1 + 56;
    let chunk = 16 * 1024 + 16;
    let mut reordered = good.clone();
    let (first, second) = reordered[header..header + 2 * chunk].split_at_mut(chunk);
    first.swap_with_slice(second);
    let mut bad =
        vec![reordered, [&good[..], b"x"].concat(), Vec::new(), b"prov-file:v1:".to_vec()];
    for cut in [header - 1, header, header + chunk, header + 2 * chunk, good.len() - 1] {
        bad.push(good[..cut].to_vec());
    }
    for at in (0..good.len()).step_by(97) {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        bad.push(flipped);
    }
    let before = std::fs::read_dir(house.folder.path()).unwrap().count();
    for (n, bytes) in bad.iter().enumerate() {
        std::fs::write(&sealed, bytes).unwrap();
        let error = envelope.decrypt_file(&bound, &sealed, &back).await.unwrap_err();
        assert!(error.is(codes::DECRYPTION_FAILED), "case {n}: {error:?}");
        assert!(!back.exists(), "case {n}");
    }
    let after = std::fs::read_dir(house.folder.path()).unwrap().count();
    assert_eq!(before, after, "no temporary files stay");
}

#[tokio::test]
async fn a_message_is_no_file_and_a_missing_input_is_told() {
    let house = House::new();
    let envelope = house.envelope().await;
    let sealed = envelope.encrypt(&key("default"), b"x", &context("a=b")).await.unwrap();
    let text = sealed.to_string();
    let outcome = envelope.decrypt_stream(&context("a=b"), text.as_bytes(), std::io::sink()).await;
    assert!(outcome.unwrap_err().is(codes::DECRYPTION_FAILED));
    // The wrapped key of a message, presented as that of a file.
    let (head, payload) = text.rsplit_once(':').unwrap();
    let as_file = format!("{}:{payload}\n", head.replace("prov:v1", "prov-file:v1"));
    let outcome =
        envelope.decrypt_stream(&context("a=b"), as_file.as_bytes(), std::io::sink()).await;
    assert!(outcome.unwrap_err().is(codes::DECRYPTION_FAILED));
    let absent = house.path("absent");
    let error = envelope.decrypt_file(&context(""), &absent, &house.path("x")).await.unwrap_err();
    assert!(error.is(codes::FILE_FAILED));
    let exists = FileKey::create(&house.path("root.key")).unwrap_err();
    assert!(exists.is(codes::KEY_FILE_EXISTS));
}
