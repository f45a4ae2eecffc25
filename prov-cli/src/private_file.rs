//! Files that come into being with their permissions, in one step.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

/// Readable by its owner only.
pub(crate) const PRIVATE: u32 = 0o600;
/// Readable by everybody, if the umask lets them.
pub(crate) const PUBLIC: u32 = 0o644;

/// Writes a file with these permissions (less those that the umask takes), whatever those of a file
/// that was there before. It stands there whole or not at all: a draft that nobody else can have made
/// beside it is renamed over it. What is no regular file, such as a symbolic link or a device, is
/// refused, because writing would change something else than was named.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Outcome {
    let failed = |e: io::Error| Failure::of(&format!("writing `{}`", path.display()), e);
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            return Err(Failure::Usage(format!(
                "`{}` is no regular file: name the file itself",
                path.display()
            )));
        }
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let draft = draft_of(path)?;
    let written = write_new(&draft, bytes, mode).and_then(|()| fs::rename(&draft, path));
    written.map_err(|e| {
        // What was half written may be half a secret.
        let _ = fs::remove_file(&draft);
        failed(e)
    })
}

/// A name beside the file, so that renaming is one step, which nobody can guess.
fn draft_of(path: &Path) -> Outcome<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| Failure::Usage(format!("`{}` names no file", path.display())))?;
    let random: [u8; 16] =
        prov_core::random::bytes().map_err(|e| Failure::of("naming a draft", e))?;
    let mut draft = std::ffi::OsString::from(".");
    draft.push(name);
    draft.push(format!(".{:032x}.new", u128::from_be_bytes(random)));
    Ok(path.with_file_name(draft))
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_that_everybody_could_read_is_private_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let reader = fs::File::open(&path).unwrap();
        replace(&path, b"new", PRIVATE).unwrap();
        assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o600, b"new".to_vec()));
        assert_eq!(io::read_to_string(reader).unwrap(), "old", "who had it open learns nothing");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_symbolic_link_is_refused_and_what_it_points_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "theirs").unwrap();
        symlink(&target, &link).unwrap();
        symlink(folder.path().join("absent"), folder.path().join("dangling")).unwrap();
        for path in [link.as_path(), &folder.path().join("dangling"), Path::new("/dev/null")] {
            assert!(matches!(replace(path, b"ours", PRIVATE), Err(Failure::Usage(_))));
        }
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        assert!(!folder.path().join("absent").exists());
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        assert!(replace(&folder.path().join("absent/key"), b"x", PRIVATE).is_err());
        assert!(replace(Path::new("/"), b"x", PRIVATE).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
