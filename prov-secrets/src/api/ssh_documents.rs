//! What stands in bodies about SSH certificates.

use std::time::Duration;

use prov_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::documents::{EngineStatsDocument, default_role, optional_duration};
use crate::ssh::{
    CaPublicKey, CertificateType, IssuedCertificate, IssuedPair, SshHostRequest, SshPairRequest,
    SshSignRequest, SshStats,
};

/// Certify a public key for the caller.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignBody {
    /// One line as in an `id_….pub` file.
    #[schema(example = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI… alice@laptop")]
    public_key: String,
    /// For which principals; the role's defaults when empty.
    #[serde(default)]
    principals: Vec<String>,
    /// For how long; the role's default when absent.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schema(value_type = Option<String>, example = "1h")]
    ttl: Option<Duration>,
    /// With which extensions; the role's defaults when absent.
    #[serde(default)]
    extensions: Option<Vec<String>>,
    /// From where it may be used: comma-separated ranges within those of the role.
    #[serde(default)]
    #[schema(example = "10.0.0.0/8")]
    source_address: Option<String>,
    /// By which role.
    #[serde(default = "default_role")]
    #[schema(default = "default")]
    role: String,
}

impl From<SignBody> for SshSignRequest {
    fn from(body: SignBody) -> Self {
        Self::new(body.public_key)
            .by_role(body.role)
            .for_principals(body.principals)
            .for_ttl(body.ttl)
            .with_extensions(body.extensions)
            .from_addresses(body.source_address)
    }
}

/// Make a pair and certify it for the caller.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PairBody {
    /// By which role.
    #[serde(default = "default_role")]
    #[schema(default = "default")]
    role: String,
    /// For which principals; the role's defaults when empty.
    #[serde(default)]
    principals: Vec<String>,
    /// For how long; the role's default when absent.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schema(value_type = Option<String>, example = "1h")]
    ttl: Option<Duration>,
}

impl From<PairBody> for SshPairRequest {
    fn from(body: PairBody) -> Self {
        Self::by_role(body.role).for_principals(body.principals).for_ttl(body.ttl)
    }
}

/// Certify a host's public key.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HostSignBody {
    /// One line as in an `ssh_host_….pub` file.
    public_key: String,
    /// The names and addresses clients reach the host by.
    #[schema(example = json!(["web-1.example.org"]))]
    hostnames: Vec<String>,
    /// For how long; 30 days when absent, 90 at most.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schema(value_type = Option<String>, example = "30d")]
    ttl: Option<Duration>,
}

impl From<HostSignBody> for SshHostRequest {
    fn from(body: HostSignBody) -> Self {
        Self::new(body.public_key, body.hostnames).for_ttl(body.ttl)
    }
}

/// A signed certificate.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SshCertificate)]
pub(super) struct CertificateDocument {
    /// The line of an `id_…-cert.pub` file.
    certificate: String,
    /// Its serial.
    serial: u64,
    /// What sshd logs.
    key_id: String,
    /// When it ends.
    #[schema(value_type = String)]
    valid_before: Timestamp,
    /// Its lease.
    lease_id: String,
}

impl From<IssuedCertificate> for CertificateDocument {
    fn from(issued: IssuedCertificate) -> Self {
        Self {
            certificate: issued.certificate,
            serial: issued.serial,
            key_id: issued.key_id,
            valid_before: issued.valid_before,
            lease_id: issued.lease_id.as_str().to_owned(),
        }
    }
}

/// A pair and its certificate; this is the only time the private key is shown.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = SshPair)]
pub(super) struct PairDocument {
    #[serde(flatten)]
    certificate: CertificateDocument,
    /// The private key in OpenSSH's format.
    private_key: String,
    /// The public key as one line.
    public_key: String,
}

impl std::fmt::Debug for PairDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PairDocument")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl From<IssuedPair> for PairDocument {
    fn from(pair: IssuedPair) -> Self {
        Self {
            certificate: pair.certificate.into(),
            private_key: pair.private_key.expose().to_owned(),
            public_key: pair.public_key,
        }
    }
}

/// The public keys of the certificate authority.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SshCa)]
pub(super) struct CaDocument {
    /// For sshd's `TrustedUserCAKeys`.
    user: Vec<CaKeyDocument>,
    /// For `@cert-authority` lines in `known_hosts`.
    host: Vec<CaKeyDocument>,
}

/// One public key of the certificate authority.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SshCaKey)]
pub(super) struct CaKeyDocument {
    /// One line.
    public_key: String,
    /// `SHA256:…`.
    fingerprint: String,
}

impl From<Vec<CaPublicKey>> for CaDocument {
    fn from(keys: Vec<CaPublicKey>) -> Self {
        let of = |certifies: CertificateType| {
            keys.iter()
                .filter(|key| key.certifies == certifies)
                .map(|key| CaKeyDocument {
                    public_key: key.public_key.clone(),
                    fingerprint: key.fingerprint.clone(),
                })
                .collect()
        };
        Self { user: of(CertificateType::User), host: of(CertificateType::Host) }
    }
}

/// Figures of the certificate authority.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SshStats)]
pub(super) struct SshStatsDocument {
    /// Those of its leases.
    leases: EngineStatsDocument,
    /// How many certificates the revocation list names.
    revoked_listed: usize,
}

impl From<SshStats> for SshStatsDocument {
    fn from(stats: SshStats) -> Self {
        Self { leases: stats.leases.into(), revoked_listed: stats.revoked_listed }
    }
}
