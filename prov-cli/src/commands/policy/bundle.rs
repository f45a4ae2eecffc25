//! `prov policy bundle`: signed policy sets, without any server.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use prov_authz::{BundleSigner, TrustRoot, bundle_manifest, sign_bundle};
use prov_core::{Error, SecretText};
use serde_json::json;

use super::lifecycle::{read, refused, replace};
use crate::cli::OutputFormat;
use crate::failure::{Failure, Outcome};
use crate::output;

/// The name of the signed list in its folder.
const LIST: &str = "bundle.note";

/// Signed policy sets.
#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    /// Make a signer's key; prints the public half for `cedar.trust_root`
    Keygen {
        /// The signer, such as `ann.example.org/policies`
        name: String,
        /// Where the private half is written; must not exist
        #[arg(long)]
        key: PathBuf,
    },
    /// List the files of a folder with their SHA-256 in its `bundle.note`, unsigned
    // `--version` is the bundle's here.
    #[command(disable_version_flag = true)]
    Create {
        /// The folder with `schema.cedarschema` and `*.cedar`
        folder: PathBuf,
        /// Higher than that of every set before it
        #[arg(long)]
        version: u64,
    },
    /// Add a signature to `bundle.note`, after a look at the files it lists
    Sign {
        /// The folder
        folder: PathBuf,
        /// The private key
        #[arg(long)]
        key: PathBuf,
    },
    /// Check files, version and signatures of a folder
    Verify {
        /// The folder
        folder: PathBuf,
        /// A trusted signer's public key, `name+hash+base64`; may be repeated
        #[arg(long, required = true)]
        trust: Vec<String>,
        /// How many of them must have signed
        #[arg(long, default_value_t = 1)]
        threshold: usize,
    },
}

impl Bundle {
    pub(super) fn run(&self, format: OutputFormat) -> Outcome {
        match self {
            Self::Keygen { name, key } => keygen(format, name, key),
            Self::Create { folder, version } => {
                let files = read(folder)?;
                replace(&folder.join(LIST), &bundle_manifest(&files, *version))?;
                let listed = files.policies.len() + 1;
                output::show(format, &json!({ "version": version, "files": listed }), &[])
            }
            Self::Sign { folder, key } => sign(format, folder, key),
            Self::Verify { folder, trust, threshold } => {
                let root = TrustRoot::new(trust, *threshold).map_err(|error| usage(&error))?;
                let bundle =
                    root.verify(&read(folder)?).map_err(|found| refused(folder, &found))?;
                let answer = json!({ "version": bundle.version, "signers": bundle.signers });
                output::show(format, &answer, &[])
            }
        }
    }
}

fn keygen(format: OutputFormat, name: &str, path: &Path) -> Outcome {
    let signer = BundleSigner::generate(name).map_err(|error| usage(&error))?;
    let failed = |error| Failure::of(&format!("writing `{}`", path.display()), error);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(signer.private_key().expose().as_bytes()).map_err(failed)?;
    file.write_all(b"\n").and_then(|()| file.sync_all()).map_err(failed)?;
    output::show(format, &json!({ "public_key": signer.verifier_key() }), &[])
}

fn sign(format: OutputFormat, folder: &Path, key: &Path) -> Outcome {
    let text = fs::read_to_string(key)
        .map_err(|error| Failure::of(&format!("reading `{}`", key.display()), error))?;
    let signer = BundleSigner::parse(&SecretText::new(text)).map_err(|error| usage(&error))?;
    let files = read(folder)?;
    let note = files.bundle.clone().ok_or_else(|| {
        Failure::Usage(format!("`{}` has no `{LIST}`: run `create` first", folder.display()))
    })?;
    let longer = sign_bundle(&note, &signer).map_err(|error| usage(&error))?;
    // Nobody signs for files that are not there: the list is held against the folder by the new key.
    let own = TrustRoot::new([signer.verifier_key()], 1).map_err(|error| usage(&error))?;
    let with_mine = files.with_bundle(Some(longer.clone()));
    let bundle = own.verify(&with_mine).map_err(|found| refused(folder, &found))?;
    replace(&folder.join(LIST), &longer)?;
    output::show(format, &json!({ "version": bundle.version, "signed_by": bundle.signers }), &[])
}

fn usage(error: &Error) -> Failure {
    Failure::Usage(error.public_detail().to_string())
}
