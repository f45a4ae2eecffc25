//! The tokens of a signed-in user in the keyring of the system: the Secret Service on Linux and BSD
//! (GNOME Keyring, `KWallet`, `KeePassXC`), the Keychain on macOS.

use std::path::Path;

use keyring::{Entry, Error};
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};
use crate::session_file::Session;

/// The service under which a keyring's own tools list the sessions.
const SERVICE: &str = "prov";

/// What came of asking the keyring.
pub(crate) enum Answer<T> {
    /// It did what was asked.
    Done(T),
    /// There is none, it is locked and stays so, or it refuses: why.
    Unavailable(String),
}

/// The session with this server, if the keyring has one.
pub(crate) fn load(folder: &Path, server: &str) -> Outcome<Answer<Option<Session>>> {
    let text = match entry(folder, server).and_then(|entry| entry.get_password()) {
        Ok(text) => Zeroizing::new(text),
        Err(Error::NoEntry) => return Ok(Answer::Done(None)),
        Err(e) => return Ok(Answer::Unavailable(why(&e))),
    };
    let session: Session = serde_json::from_str(&text).map_err(|e| unreadable(server, &e))?;
    if session.server != server {
        return Err(unreadable(server, &format!("it is the session with `{}`", session.server)));
    }
    Ok(Answer::Done(Some(session)))
}

/// Replaces the session.
pub(crate) fn save(folder: &Path, session: &Session) -> Outcome<Answer<()>> {
    let text = Zeroizing::new(
        serde_json::to_string(session).map_err(|e| Failure::of("keeping the session", e))?,
    );
    Ok(answer(entry(folder, &session.server).and_then(|entry| entry.set_password(&text))))
}

/// Forgets the session.
pub(crate) fn forget(folder: &Path, server: &str) -> Answer<()> {
    match entry(folder, server).and_then(|entry| entry.delete_credential()) {
        Err(Error::NoEntry) => Answer::Done(()),
        other => answer(other),
    }
}

/// As with files, each configuration folder has sessions of its own: who works as two people, in two
/// folders, does not become the other one.
fn entry(folder: &Path, server: &str) -> keyring::Result<Entry> {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    Entry::new(SERVICE, &format!("{server} in {}", folder.display()))
}

fn answer<T>(result: keyring::Result<T>) -> Answer<T> {
    match result {
        Ok(done) => Answer::Done(done),
        Err(e) => Answer::Unavailable(why(&e)),
    }
}

/// What the keyring says, without what it holds: some errors carry the stored bytes.
fn why(error: &Error) -> String {
    match error {
        Error::BadEncoding(_) | Error::BadDataFormat(..) => "what it holds is no text".to_owned(),
        Error::NoDefaultStore => match Entry::store_status() {
            Err(cause) => cause.to_string(),
            Ok(()) => error.to_string(),
        },
        _ => error.to_string(),
    }
}

fn unreadable(server: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::of(
        &format!("reading the session with `{server}` from the keyring"),
        format!("{why}; run `prov logout` and sign in again"),
    )
}
