use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn refusal(path: &Path) -> prov_core::Code {
    KeyFile::read(KeyFileKind::Root, path).unwrap_err().code()
}

#[test]
fn what_is_created_is_read_back_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    assert!(KeyFile::read(KeyFileKind::Root, &path).unwrap().is_none());
    let made = KeyFile::create(KeyFileKind::Root, &path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let read = KeyFile::read(KeyFileKind::Root, &path).unwrap().unwrap();
    assert_eq!((read.key, read.id), (made.key, made.id));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
}

#[test]
fn a_key_file_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    KeyFile::create(KeyFileKind::Root, &path).unwrap();
    let before = fs::read(&path).unwrap();
    let error = KeyFile::create(KeyFileKind::Root, &path).unwrap_err();
    assert!(error.is(codes::KEY_FILE_EXISTS));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn files_that_others_can_access_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    KeyFile::create(KeyFileKind::Root, &path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o610, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(refusal(&path), codes::KEY_FILE_EXPOSED, "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(KeyFile::read(KeyFileKind::Root, &path).is_ok(), "read-only is fine");
}

#[test]
fn any_damage_and_the_wrong_kind_of_file_are_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    KeyFile::create(KeyFileKind::Root, &path).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    let line = good.lines().last().unwrap();
    let mut damaged: Vec<String> = vec![String::new(), format!("{line}\n{line}\n")];
    for at in 0..line.len() {
        let mut bytes = line.as_bytes().to_vec();
        bytes[at] ^= 1;
        damaged.push(String::from_utf8(bytes).unwrap());
        damaged.push(line.chars().take(at).collect());
    }
    for text in damaged {
        fs::write(&path, &text).unwrap();
        assert_eq!(refusal(&path), codes::KEY_FILE_DAMAGED, "{text}");
    }
    fs::write(&path, &good).unwrap();
    let other = KeyFile::read(KeyFileKind::File, &path).unwrap_err();
    assert!(other.is(codes::KEY_FILE_DAMAGED), "a root key is no file key");
    assert_eq!(refusal(folder.path()), codes::KEY_FILE_UNREADABLE, "a folder is no file");
}
