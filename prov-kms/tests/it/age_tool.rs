//! The real `age` reads our files, and we read its.

use std::path::Path;
use std::process::Command;

use prov_kms::{
    Aad, AgeBackend, AgeFileFormat, AgeKeys, DataKey, KmsBackend, decrypt_age_file,
    encrypt_age_file,
};

use crate::backends::write_age_keys;
use crate::house::{House, key};

/// Whether the tool is there. Without it the test is skipped visibly; in CI it fails.
fn age_is_here() -> bool {
    let here = Command::new("age").arg("--version").output().is_ok();
    let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(here || !ci, "CI has the `age` tool");
    if !here {
        eprintln!("SKIPPED: the `age` tool is not installed");
    }
    here
}

fn age(args: &[&str], input: &Path, output: &Path) {
    let mut command = Command::new("age");
    let status = command.args(args).arg("-o").arg(output).arg(input).status().unwrap();
    assert!(status.success(), "age {args:?}");
}

fn keys(house: &House) -> AgeKeys {
    write_age_keys(house);
    AgeKeys::load(Some(&house.path("age.pub")), Some(&house.path("age.key"))).unwrap()
}

#[test]
fn the_age_tool_reads_our_files_and_we_read_its() {
    if !age_is_here() {
        return;
    }
    let house = House::new();
    let keys = keys(&house);
    let (plain, ours, theirs, back) =
        (house.path("plain"), house.path("ours.age"), house.path("theirs.age"), house.path("back"));
    let identity = house.path("age.key").display().to_string();
    let recipients = house.path("age.pub").display().to_string();
    for len in [0_usize, 1, 64 * 1024, 200_000] {
        std::fs::write(&plain, vec![b'p'; len]).unwrap();
        for format in [AgeFileFormat::Binary, AgeFileFormat::Armored] {
            let written = encrypt_age_file(&keys, format, &plain, &ours).unwrap();
            assert_eq!(written, len as u64);
            let _ = std::fs::remove_file(&back);
            age(&["-d", "-i", &identity], &ours, &back);
            // The tool makes no output file for an empty plaintext.
            let read = std::fs::read(&back);
            let read = if len == 0 { read.unwrap_or_default() } else { read.unwrap() };
            assert_eq!(read, vec![b'p'; len], "{format:?} {len}");
        }
        for armor in [&["-R", &recipients][..], &["-a", "-R", &recipients]] {
            age(armor, &plain, &theirs);
            decrypt_age_file(&keys, &theirs, &back).unwrap();
            assert_eq!(std::fs::read(&back).unwrap(), vec![b'p'; len], "{armor:?} {len}");
        }
    }
}

#[tokio::test]
async fn a_wrapped_data_key_is_an_age_file_that_starts_with_the_key() {
    if !age_is_here() {
        return;
    }
    let house = House::new();
    let backend = AgeBackend::new(keys(&house));
    let data_key = DataKey::generate().unwrap();
    let wrapped = backend.wrap_key(&key("default"), &data_key, Aad(b"aad")).await.unwrap();
    std::fs::write(house.path("wrapped.age"), &wrapped.blob).unwrap();
    let identity = house.path("age.key").display().to_string();
    age(&["-d", "-i", &identity], &house.path("wrapped.age"), &house.path("payload"));
    let payload = std::fs::read(house.path("payload")).unwrap();
    assert_eq!(payload.len(), 64);
    assert_eq!(payload[..32], data_key.expose()[..]);
}
