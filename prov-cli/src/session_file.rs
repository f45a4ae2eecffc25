//! The tokens of a signed-in user: one file per server, readable by its owner only.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use prov_core::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};

/// What is kept between commands.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) access_token: Zeroizing<String>,
    pub(crate) refresh_token: Zeroizing<String>,
    pub(crate) expires_at: Timestamp,
}

/// The file of a server's session.
pub(crate) fn path(folder: &Path, server: &str) -> PathBuf {
    let name: String =
        server.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    folder.join("sessions").join(format!("{name}.json"))
}

/// The session, if somebody is signed in. A file that others can read is refused: whoever read it
/// could have used it.
pub(crate) fn load(path: &Path) -> Outcome<Option<Session>> {
    let failed =
        |e: &dyn std::fmt::Display| Failure::of(&format!("reading `{}`", path.display()), e);
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(&e)),
    };
    let mode = fs::metadata(path).map_err(|e| failed(&e))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(failed(&"others can read it; delete it and sign in again"));
    }
    serde_json::from_str(&text).map(Some).map_err(|e| failed(&e))
}

/// Replaces the session's file in one step, so that a crash leaves the old one or the new one.
pub(crate) fn save(path: &Path, session: &Session) -> Outcome {
    let failed =
        |e: &dyn std::fmt::Display| Failure::of(&format!("writing `{}`", path.display()), e);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|e| failed(&e))?;
    let text = Zeroizing::new(serde_json::to_string(session).map_err(|e| failed(&e))?);
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(|e| failed(&e))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| failed(&e))?;
    fs::rename(&draft, path).map_err(|e| failed(&e))
}

/// Forgets the session.
pub(crate) fn forget(path: &Path) -> Outcome {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::of(&format!("deleting `{}`", path.display()), e))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            access_token: Zeroizing::new("a".to_owned()),
            refresh_token: Zeroizing::new("r".to_owned()),
            expires_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_session_is_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), "https://prov.example:8443");
        save(&path, &session()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load(&path).unwrap().unwrap().refresh_token.as_str(), "r");
        forget(&path).unwrap();
        assert!(load(&path).unwrap().is_none());
    }

    #[test]
    fn a_session_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), "http://127.0.0.1:1");
        save(&path, &session()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load(&path).is_err());
    }
}
