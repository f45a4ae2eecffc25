//! `prov ssh connect`: the private key is made here, never leaves this machine, and goes when the
//! session ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::{Wish, certificate_path, read_public_key, sign, text_of, write};
use crate::commands::Session;
use crate::failure::{Failure, Outcome};

/// Log in to a server with a fresh key and certificate: `prov ssh connect deploy@server01`
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// `account@host` or `host`
    target: String,
    #[command(flatten)]
    wish: Wish,
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
        let public_key = key.with_extension("pub");
        let mut wish = self.wish.clone();
        if let (true, Some((account, _))) =
            (wish.principals.is_empty(), self.target.split_once('@'))
        {
            wish.principals = vec![account.to_owned()];
        }
        let answer = sign(session, &read_public_key(&public_key)?, &wish)?;
        write(&certificate_path(&public_key), text_of(&answer, "certificate")?, 0o644)?;
        let status = Command::new("ssh")
            .arg("-i")
            .arg(&key)
            .args(["-o", "IdentitiesOnly=yes"])
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
        let name: [u8; 16] =
            prov_core::random::bytes().map_err(|e| Failure::Failed(e.to_string()))?;
        let name = u128::from_be_bytes(name);
        let path = std::env::temp_dir().join(format!("prov-ssh-{name:032x}"));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|e| Failure::of("making a private folder", e))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about a folder that will not go; the key in it ends by itself.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
