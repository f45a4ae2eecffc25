//! Where the tokens of a signed-in user are kept between commands: the keyring of the system where
//! there is one, else a file that only its owner can read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};
use crate::session_file::{self, Session};
use crate::session_keyring::{self, Answer};

/// Where tokens may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenStore {
    /// The keyring of the system where there is one, else a file of mode 0600
    Auto,
    /// The keyring only: fail where there is none
    Keyring,
    /// A file of mode 0600 in the configuration folder
    File,
}

/// The session with one server.
pub(crate) struct Sessions<'a> {
    folder: &'a Path,
    server: &'a str,
    store: TokenStore,
    path: PathBuf,
}

impl<'a> Sessions<'a> {
    /// The session with this server, its file and its lock in this configuration folder.
    pub(crate) fn new(folder: &'a Path, server: &'a str, store: TokenStore) -> Self {
        Self { folder, server, store, path: session_file::path(folder, server) }
    }

    /// The session, if somebody is signed in. A file comes first: it is there only when the keyring
    /// could not be used the last time, so it is the newer one.
    pub(crate) fn load(&self) -> Outcome<Option<Session>> {
        if self.store != TokenStore::Keyring
            && let Some(session) = session_file::load(&self.path, self.server)?
        {
            return Ok(Some(session));
        }
        if self.store == TokenStore::File {
            return Ok(None);
        }
        match session_keyring::load(self.folder, self.server)? {
            Answer::Done(session) => Ok(session),
            Answer::Unavailable(_) if self.store == TokenStore::Auto => Ok(None),
            Answer::Unavailable(why) => Err(no_keyring(&why)),
        }
    }

    /// Replaces the session. Tokens never stand in both places: what the file held is forgotten once
    /// the keyring has the new ones.
    pub(crate) fn save(&self, session: &Session) -> Outcome {
        if self.store == TokenStore::File {
            return session_file::save(&self.path, session);
        }
        match session_keyring::save(self.folder, session)? {
            Answer::Done(()) => session_file::forget(&self.path),
            Answer::Unavailable(_) if self.store == TokenStore::Auto => {
                session_file::save(&self.path, session)
            }
            Answer::Unavailable(why) => Err(no_keyring(&why)),
        }
    }

    /// Forgets the session, wherever it is kept.
    pub(crate) fn forget(&self) -> Outcome {
        session_file::forget(&self.path)?;
        match self.store {
            TokenStore::File => Ok(()),
            store => match session_keyring::forget(self.folder, self.server) {
                Answer::Unavailable(why) if store == TokenStore::Keyring => Err(no_keyring(&why)),
                _ => Ok(()),
            },
        }
    }

    /// What this device is recognised by, if it has signed in before.
    pub(crate) fn device(&self) -> Option<Zeroizing<String>> {
        session_file::beside(&self.path, "device")
    }

    /// Keeps what this device is recognised by. Where it can't be kept, the device is new every time,
    /// which keeps nobody from signing in.
    pub(crate) fn keep_device(&self, device: &str) {
        let _ = session_file::keep_beside(&self.path, "device", device);
    }

    /// The newest notice that each account has been shown here.
    pub(crate) fn shown_notices(&self) -> BTreeMap<String, String> {
        let kept = session_file::beside(&self.path, "notices");
        kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Keeps the newest notice that each account has been shown here.
    pub(crate) fn keep_shown_notices(&self, shown: &BTreeMap<String, String>) {
        let text = serde_json::to_string(shown).unwrap_or_default();
        let _ = session_file::keep_beside(&self.path, "notices", &text);
    }

    /// Waits until no other command refreshes the session; others wait while the answer lives.
    pub(crate) fn turn(&self) -> Outcome<fs::File> {
        session_file::turn(&self.path)
    }
}

fn no_keyring(why: &str) -> Failure {
    Failure::of(
        "the keyring of the system can't be used",
        format!("{why}; unlock or start it, or say `--token-store file`"),
    )
}
