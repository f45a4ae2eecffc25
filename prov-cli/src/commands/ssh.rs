//! `prov ssh`: certificates, and logging in with one.

mod connect;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use ureq::http::Method;
use zeroize::Zeroizing;

use super::secrets::with_ttl;
use super::{Part, Session};
use crate::client::segment;
use crate::failure::{Failure, Outcome};
use crate::private_file::{self, PRIVATE, PUBLIC};

/// SSH certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum Ssh {
    /// Log in to a server with a fresh key and certificate: `prov ssh connect deploy@server01`
    Connect(connect::Connect),
    /// Make a key pair and certificate on the server and write them to files
    Keygen {
        /// The private key's file; the certificate goes beside it
        #[arg(long, short = 'f', value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        wish: Wish,
    },
    /// Sign a public key: `prov ssh sign ~/.ssh/id_ed25519.pub --ttl 1hr`
    Sign {
        /// The public key's file
        public_key: PathBuf,
        #[command(flatten)]
        wish: SignWish,
    },
    /// Sign a host's public key
    HostSign {
        /// The public key's file
        public_key: PathBuf,
        /// A name clients know the host by; may be repeated
        #[arg(long = "hostname", value_name = "HOSTNAME", required = true)]
        hostnames: Vec<String>,
        /// How long
        #[arg(long)]
        ttl: Option<String>,
    },
    /// List certificates that were signed
    List {
        #[command(flatten)]
        part: Part,
    },
    /// Show one
    Show {
        /// Its id
        id: String,
    },
    /// Revoke one; servers refuse it once they have the new revocation list
    Revoke {
        /// Its id
        id: String,
    },
    /// Print the authorities' public keys, for `TrustedUserCAKeys` and `@cert-authority`
    Ca,
    /// Write the revocation list, for `RevokedKeys`
    Krl {
        /// The file to replace
        #[arg(long, short = 'f', value_name = "FILE")]
        file: PathBuf,
    },
    /// What was signed so far
    Stats,
}

/// What kind of certificate.
#[derive(Debug, Clone, Args)]
pub(crate) struct Wish {
    /// The rules to sign by
    #[arg(long)]
    role: Option<String>,
    /// An account to log in to; may be repeated; your own name by default
    #[arg(long = "principal", value_name = "ACCOUNT")]
    principals: Vec<String>,
    /// How long, as `15m` or `1hr`
    #[arg(long)]
    ttl: Option<String>,
}

/// What kind of certificate, for a key of one's own.
#[derive(Debug, Clone, Args)]
pub(crate) struct SignWish {
    #[command(flatten)]
    wish: Wish,
    /// Holds only from this address or network
    #[arg(long, value_name = "CIDR")]
    source_address: Option<String>,
    /// An extension to give, of those the role allows, such as `permit-pty`; may be repeated
    #[arg(long = "extension", value_name = "NAME")]
    extensions: Vec<String>,
}

impl Wish {
    fn body(&self) -> Value {
        let mut body = json!({ "principals": self.principals });
        super::user::merge(&mut body, [("role", self.role.clone())]);
        with_ttl(body, self.ttl.clone())
    }
}

impl SignWish {
    fn body(&self) -> Value {
        let mut body = self.wish.body();
        super::user::merge(&mut body, [("source_address", self.source_address.clone())]);
        if let (false, Some(object)) = (self.extensions.is_empty(), body.as_object_mut()) {
            object.insert("extensions".to_owned(), json!(self.extensions));
        }
        body
    }
}

impl Ssh {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let client = &session.client;
        let key = |id: &str| format!("/api/v1/ssh/keys/{}", segment(id));
        let answer = match self {
            Self::Connect(command) => return command.run(session),
            Self::Keygen { file, wish } => return keygen(session, &file, &wish),
            Self::Sign { public_key, wish } => {
                let answer = sign(session, &read_public_key(&public_key)?, &wish)?;
                let path = certificate_path(&public_key);
                write(&path, text_of(&answer, "certificate")?, PUBLIC)?;
                session.done(&format!("certificate in {}", path.display()));
                answer
            }
            Self::HostSign { public_key, hostnames, ttl } => {
                let body =
                    json!({ "public_key": read_public_key(&public_key)?, "hostnames": hostnames });
                let answer = client.post("/api/v1/ssh/host/sign", &with_ttl(body, ttl))?;
                let path = certificate_path(&public_key);
                write(&path, text_of(&answer, "certificate")?, PUBLIC)?;
                session.done(&format!("certificate in {}", path.display()));
                answer
            }
            Self::List { part } => client.get(&part.of("/api/v1/ssh/keys", &[]))?,
            Self::Show { id } => client.get(&key(&id))?,
            Self::Revoke { id } => client.delete(&key(&id))?,
            Self::Ca => client.anonymous(&Method::GET, "/api/v1/ssh/ca", None)?,
            Self::Krl { file } => return krl(session, &file),
            Self::Stats => client.get("/api/v1/ssh/stats")?,
        };
        session.show(&answer, &[])
    }
}

/// Has a public key signed.
pub(crate) fn sign(session: &Session, public_key: &str, wish: &SignWish) -> Outcome<Value> {
    let mut body = wish.body();
    if let Some(object) = body.as_object_mut() {
        object.insert("public_key".to_owned(), public_key.into());
    }
    session.client.post("/api/v1/ssh/sign", &body)
}

fn keygen(session: &Session, file: &Path, wish: &Wish) -> Outcome {
    if file.symlink_metadata().is_ok() {
        return Err(Failure::Usage(format!("`{}` is there already", file.display())));
    }
    let answer = session.client.post("/api/v1/ssh/keys", &wish.body())?;
    write(file, text_of(&answer, "private_key")?, PRIVATE)?;
    let public_key = public_key_path(file);
    write(&public_key, text_of(&answer, "public_key")?, PUBLIC)?;
    write(&certificate_path(&public_key), text_of(&answer, "certificate")?, PUBLIC)?;
    session.done(&format!("ssh -i {} …", file.display()));
    Ok(())
}

fn krl(session: &Session, file: &Path) -> Outcome {
    let bytes = session.client.bytes("/api/v1/ssh/krl")?;
    // sshd refuses everybody while the list is half written: replace it in one step.
    private_file::replace(file, &bytes, PUBLIC)
}

/// `id_ed25519` → `id_ed25519.pub`, as `ssh-keygen` names it.
pub(crate) fn public_key_path(private_key: &Path) -> PathBuf {
    let mut path = private_key.as_os_str().to_owned();
    path.push(".pub");
    path.into()
}

/// `id_ed25519.pub` → `id_ed25519-cert.pub`, where `ssh` looks for it.
pub(crate) fn certificate_path(public_key: &Path) -> PathBuf {
    let stem = public_key.file_stem().unwrap_or_default().to_string_lossy();
    public_key.with_file_name(format!("{stem}-cert.pub"))
}

/// The text of a public key's file.
pub(crate) fn read_public_key(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .map_err(|e| Failure::of(&format!("reading `{}`", path.display()), e))
}

/// A member of an answer that must be a text.
pub(crate) fn text_of<'a>(answer: &'a Value, name: &str) -> Outcome<&'a str> {
    answer
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| Failure::Failed(format!("the server's answer has no `{name}`")))
}

/// Writes a text and one new line.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Outcome {
    let line = Zeroizing::new(format!("{}\n", text.trim_end()));
    private_file::replace(path, line.as_bytes(), mode)
}
