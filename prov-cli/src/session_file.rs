//! The tokens of a signed-in user: one file per server, readable by its owner only.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prov_core::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};
use crate::private_file::{self, PRIVATE};

/// What a file's name shows of a server as it is. `%` is encoded, so no two servers share a name.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// What is kept between commands.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The only server that may see the tokens.
    pub(crate) server: String,
    pub(crate) access_token: Zeroizing<String>,
    pub(crate) refresh_token: Zeroizing<String>,
    pub(crate) expires_at: Timestamp,
}

/// The file of a server's session.
pub(crate) fn path(folder: &Path, server: &str) -> PathBuf {
    folder.join("sessions").join(format!("{}.json", utf8_percent_encode(server, NAME)))
}

/// The session with this server, if somebody is signed in. Refused are a file that others can read,
/// because whoever read it could have used it, and one that was copied or renamed from another
/// server's: its tokens are none of this server's business.
pub(crate) fn load(path: &Path, server: &str) -> Outcome<Option<Session>> {
    let failed =
        |e: &dyn std::fmt::Display| Failure::of(&format!("reading `{}`", path.display()), e);
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(&e)),
    };
    let mode = file.metadata().map_err(|e| failed(&e))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(failed(&"others can read it; delete it and sign in again"));
    }
    let text = Zeroizing::new(std::io::read_to_string(file).map_err(|e| failed(&e))?);
    let session: Session = serde_json::from_str(&text).map_err(|e| failed(&e))?;
    if session.server != server {
        return Err(failed(&format!(
            "it is the session with `{}`; delete it and sign in again",
            session.server
        )));
    }
    Ok(Some(session))
}

/// Replaces the session's file in one step, so that a crash leaves the old one or the new one.
pub(crate) fn save(path: &Path, session: &Session) -> Outcome {
    let failed =
        |e: &dyn std::fmt::Display| Failure::of(&format!("writing `{}`", path.display()), e);
    make_folder(path)?;
    let text = Zeroizing::new(serde_json::to_string(session).map_err(|e| failed(&e))?);
    private_file::replace(path, text.as_bytes(), PRIVATE)
}

fn make_folder(path: &Path) -> Outcome {
    let folder = path.parent().unwrap_or(Path::new("."));
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|e| Failure::of(&format!("creating `{}`", folder.display()), e))
}

/// Something beside the session that stays when somebody signs out: what this device is recognised by
/// (`device`), or what somebody has been shown (`notices`).
pub(crate) fn beside(path: &Path, what: &str) -> Option<Zeroizing<String>> {
    fs::read_to_string(path.with_extension(what)).ok().map(Zeroizing::new)
}

/// Keeps something beside the session.
pub(crate) fn keep_beside(path: &Path, what: &str, text: &str) -> Outcome {
    make_folder(path)?;
    private_file::replace(&path.with_extension(what), text.as_bytes(), PRIVATE)
}

/// Waits until no other command refreshes the session; others wait while the answer lives.
pub(crate) fn turn(path: &Path) -> Outcome<fs::File> {
    let path = path.with_extension("lock");
    make_folder(&path)?;
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(PRIVATE).open(&path);
    file.and_then(|file| file.lock().map(|()| file))
        .map_err(|e| Failure::of(&format!("locking `{}`", path.display()), e))
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

    fn session(server: &str) -> Session {
        Session {
            server: server.to_owned(),
            access_token: Zeroizing::new("a".to_owned()),
            refresh_token: Zeroizing::new("r".to_owned()),
            expires_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_session_is_readable_by_its_owner_only() {
        let (folder, server) = (tempfile::tempdir().unwrap(), "https://prov.example:8443");
        let path = path(folder.path(), server);
        save(&path, &session(server)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let sessions = fs::metadata(path.parent().unwrap()).unwrap();
        assert_eq!(sessions.permissions().mode() & 0o777, 0o700);
        assert_eq!(load(&path, server).unwrap().unwrap().refresh_token.as_str(), "r");
        forget(&path).unwrap();
        assert!(load(&path, server).unwrap().is_none());
    }

    #[test]
    fn a_session_that_others_can_read_is_refused() {
        let (folder, server) = (tempfile::tempdir().unwrap(), "http://127.0.0.1:1");
        let path = path(folder.path(), server);
        save(&path, &session(server)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load(&path, server).is_err());
    }

    #[test]
    fn no_two_servers_share_a_file() {
        let servers = [
            "https://prov.example:8443",
            "https://prov-example:8443",
            "https://prov_example:8443",
            "https://prov.example/8443",
            "https://prov.example%3A8443",
            "https://prov.example:844/3",
            "https://PROV.example:8443",
            "http://prov.example:8443",
        ];
        let paths: std::collections::BTreeSet<_> =
            servers.iter().map(|server| path(Path::new("x"), server)).collect();
        assert_eq!(paths.len(), servers.len(), "{paths:?}");
        let inside = paths.iter().all(|path| path.parent() == Some(Path::new("x/sessions")));
        assert!(inside, "{paths:?}");
    }

    #[test]
    fn a_session_with_another_server_is_refused() {
        let (folder, server) = (tempfile::tempdir().unwrap(), "https://prov.example");
        let path = path(folder.path(), server);
        save(&path, &session("https://evil.example")).unwrap();
        let refused = load(&path, server).map(drop).unwrap_err().to_string();
        assert!(refused.contains("https://evil.example"), "{refused}");
    }
}
