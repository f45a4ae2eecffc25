//! `prov ssh connect`: the private key is made here, never leaves this machine, and goes as soon as
//! `ssh` has signed in with it: from then on no signal can leave it behind. Whoever kills `prov`
//! before that leaves a folder that the next connection removes, with a key whose certificate ends
//! by itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args;

use super::{SignWish, certificate_path, public_key_path, read_public_key, sign, text_of, write};
use crate::commands::Session;
use crate::failure::{Failure, Outcome};
use crate::private_file::PUBLIC;

/// How private folders are called.
const PREFIX: &str = "prov-ssh-";
/// Signing in takes no longer: what is older was left behind.
const LONGEST_SIGN_IN: Duration = Duration::from_hours(1);

/// Log in to a server with a fresh key and certificate: `prov ssh connect deploy@server01`
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// `account@host` or `host`
    target: String,
    #[command(flatten)]
    wish: SignWish,
    /// What to run, and further arguments of `ssh`, after `--`
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl Connect {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        if self.target.starts_with('-') {
            return Err(Failure::Usage("the target can't start with `-`".to_owned()));
        }
        let folder = Folder::new()?;
        let key = folder.0.join("id_ed25519");
        keygen(&key)?;
        let public_key = public_key_path(&key);
        let mut wish = self.wish.clone();
        if let (true, Some((account, _))) =
            (wish.wish.principals.is_empty(), self.target.split_once('@'))
        {
            wish.wish.principals = vec![account.to_owned()];
        }
        let answer = sign(session, &read_public_key(&public_key)?, &wish)?;
        write(&certificate_path(&public_key), text_of(&answer, "certificate")?, PUBLIC)?;
        let status = Command::new("ssh")
            .arg("-i")
            .arg(&key)
            .args(["-o", "IdentitiesOnly=yes", "-o", "PermitLocalCommand=yes", "-o"])
            // `ssh` runs it once it has signed in.
            .arg(format!("LocalCommand={}", folder.removal()))
            .arg(&self.target)
            .args(&self.arguments)
            .status()
            .map_err(|e| Failure::of("starting `ssh`", e))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::Failed(format!("ssh ended with {status}")))
        }
    }
}

fn keygen(path: &Path) -> Outcome {
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "prov", "-f"])
        .arg(path)
        .output()
        .map_err(|e| Failure::of("starting `ssh-keygen`", e))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(Failure::of("ssh-keygen", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// A private folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Outcome<Self> {
        use std::os::unix::fs::DirBuilderExt;
        remove_leftovers();
        let name: [u8; 16] =
            prov_core::random::bytes().map_err(|e| Failure::Failed(e.to_string()))?;
        let name = u128::from_be_bytes(name);
        let path = std::env::temp_dir().join(format!("{PREFIX}{name:032x}"));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|e| Failure::of("making a private folder", e))?;
        Ok(Self(path))
    }

    /// A command for a shell that removes it, in the words of `ssh_config`, where `%` is special.
    fn removal(&self) -> String {
        let path = self.0.display().to_string();
        format!("rm -rf -- '{}'", path.replace('\'', r"'\''").replace('%', "%%"))
    }
}

/// Removes folders that a killed `prov` left behind. Those of other users can't be removed, and a
/// link is not followed.
fn remove_leftovers() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.filter_map(Result::ok) {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let is_old = || {
            let modified = entry.metadata().and_then(|found| found.modified()).ok();
            modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > LONGEST_SIGN_IN)
        };
        if is_ours && is_old() {
            // Not ours after all, or gone meanwhile.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about a folder that will not go; the key in it ends by itself.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_removal_is_one_word_for_a_shell_and_holds_no_token_of_ssh() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder(base.path().join("it's 100%h; $(x)"));
        std::fs::create_dir(&folder.0).unwrap();
        std::fs::write(folder.0.join("key"), "x").unwrap();
        let removal = folder.removal();
        assert!(removal.contains("%%h"), "{removal}");
        // `ssh` makes one of two.
        let command = removal.replace("%%", "%");
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    }
}
