//! Making one certificate (`PROTOCOL.certkeys` of OpenSSH).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prov_core::{Error, Result, Timestamp, codes, random};
use serde::{Deserialize, Serialize};
use ssh_key::certificate::{Builder, CertType};

use super::ca_key::{CaSigner, unwritable};
use super::key::SubjectKey;

/// How far a certificate's life begins in the past, for servers whose clocks are behind.
const BACKDATED: Duration = Duration::from_secs(30);

/// Whom a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "OpenSSH has these two")]
pub enum CertificateType {
    /// A user who signs in.
    User,
    /// A server that proves itself.
    Host,
}

impl CertificateType {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Host => "host",
        }
    }
}

/// What a certificate says, but for its time.
#[derive(Debug, Clone)]
pub(crate) struct CertificateSpec {
    pub(crate) certificate_type: CertificateType,
    pub(crate) key: SubjectKey,
    pub(crate) serial: u64,
    pub(crate) key_id: String,
    pub(crate) principals: BTreeSet<String>,
    pub(crate) critical_options: BTreeMap<String, String>,
    pub(crate) extensions: BTreeMap<String, String>,
}

impl CertificateSpec {
    /// Signs it, and gives the line of an `id_…-cert.pub` file.
    pub(crate) fn sign(
        &self,
        ca: &CaSigner,
        issued_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<String> {
        if self.principals.is_empty() {
            // It would be valid for every account there is.
            return Err(Error::new(codes::INTERNAL).context("a certificate without principals"));
        }
        let nonce = random::bytes::<32>()?;
        let valid_after = seconds(issued_at)?.saturating_sub(BACKDATED.as_secs());
        self.build(ca, nonce, valid_after, seconds(expires_at)?).map_err(unwritable)
    }

    fn build(
        &self,
        ca: &CaSigner,
        nonce: [u8; 32],
        valid_after: u64,
        valid_before: u64,
    ) -> ssh_key::Result<String> {
        let mut builder = Builder::new(nonce, self.key.data.clone(), valid_after, valid_before)?;
        builder.serial(self.serial)?.key_id(self.key_id.clone())?;
        builder.cert_type(match self.certificate_type {
            CertificateType::User => CertType::User,
            CertificateType::Host => CertType::Host,
        })?;
        for principal in &self.principals {
            builder.valid_principal(principal.clone())?;
        }
        for (name, value) in &self.critical_options {
            builder.critical_option(name.clone(), value.clone())?;
        }
        for (name, value) in &self.extensions {
            builder.extension(name.clone(), value.clone())?;
        }
        builder.sign(ca)?.to_openssh()
    }
}

fn seconds(at: Timestamp) -> Result<u64> {
    u64::try_from(at.as_second())
        .map_err(|_| Error::new(codes::INTERNAL).context("the clock stands before 1970"))
}
