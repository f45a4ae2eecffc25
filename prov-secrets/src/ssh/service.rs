//! Signing, listing, revoking: what a caller of the SSH certificate authority can do.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use prov_core::{
    Clock, Error, Result, SecretText, SecurityContext, Timestamp, codes as core_codes,
};

use super::authority::{DEFAULT_ROLE, ENGINE, HOST_ROLE, SshAuthority, SshParams};
use super::ca_key::CaPublicKey;
use super::krl::Krl;
use super::ledger::Ledger;
use super::merge::Asked;
use super::roles::SshRoles;
use crate::{EngineStats, Grant, Lease, LeaseFilter, LeaseId, LeasePage, Leases, Order, codes};

/// A public key to be certified for the caller.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SshSignRequest {
    /// One line as in an `id_….pub` file.
    pub public_key: String,
    /// By which role.
    pub role: String,
    /// For which principals; none: those the role gives by default.
    pub principals: Vec<String>,
    /// For how long; `None`: the role's default. More than the role allows is refused.
    pub ttl: Option<Duration>,
    /// With which extensions; `None`: those the role gives by default.
    pub extensions: Option<Vec<String>>,
    /// From where it may be used, as comma-separated ranges within those of the role.
    pub source_address: Option<String>,
}

impl SshSignRequest {
    /// By the role `default`, with its defaults.
    #[must_use]
    pub fn new(public_key: impl Into<String>) -> Self {
        Self {
            public_key: public_key.into(),
            role: DEFAULT_ROLE.to_owned(),
            principals: Vec::new(),
            ttl: None,
            extensions: None,
            source_address: None,
        }
    }

    /// By this role.
    #[must_use]
    pub fn by_role(mut self, role: impl Into<String>) -> Self {
        self.role = role.into();
        self
    }

    /// For these principals.
    #[must_use]
    pub fn for_principals(mut self, principals: Vec<String>) -> Self {
        self.principals = principals;
        self
    }

    /// For this long.
    #[must_use]
    pub fn for_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.ttl = ttl;
        self
    }

    /// With these extensions.
    #[must_use]
    pub fn with_extensions(mut self, extensions: Option<Vec<String>>) -> Self {
        self.extensions = extensions;
        self
    }

    /// Only from these addresses.
    #[must_use]
    pub fn from_addresses(mut self, source_address: Option<String>) -> Self {
        self.source_address = source_address;
        self
    }
}

/// A pair to be made and certified for the caller.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SshPairRequest {
    /// By which role.
    pub role: String,
    /// As in [`SshSignRequest::principals`].
    pub principals: Vec<String>,
    /// As in [`SshSignRequest::ttl`].
    pub ttl: Option<Duration>,
}

impl SshPairRequest {
    /// By this role, with its defaults.
    #[must_use]
    pub fn by_role(role: impl Into<String>) -> Self {
        Self { role: role.into(), principals: Vec::new(), ttl: None }
    }

    /// For these principals.
    #[must_use]
    pub fn for_principals(mut self, principals: Vec<String>) -> Self {
        self.principals = principals;
        self
    }

    /// For this long.
    #[must_use]
    pub fn for_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.ttl = ttl;
        self
    }
}

/// A host's public key to be certified.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SshHostRequest {
    /// One line as in an `ssh_host_….pub` file.
    pub public_key: String,
    /// The names and addresses clients reach the host by; 1 to 32, no patterns.
    pub hostnames: Vec<String>,
    /// For how long; 30 days by default, 90 at most.
    pub ttl: Option<Duration>,
}

impl SshHostRequest {
    /// For these names, for 30 days.
    #[must_use]
    pub fn new(public_key: impl Into<String>, hostnames: Vec<String>) -> Self {
        Self { public_key: public_key.into(), hostnames, ttl: None }
    }

    /// For this long.
    #[must_use]
    pub fn for_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.ttl = ttl;
        self
    }
}

/// A signed certificate.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IssuedCertificate {
    /// The line of an `id_…-cert.pub` file.
    pub certificate: String,
    /// Its serial.
    pub serial: u64,
    /// What sshd logs: `prov:<lease>:<user>`.
    pub key_id: String,
    /// When it ends.
    pub valid_before: Timestamp,
    /// Its lease.
    pub lease_id: LeaseId,
}

/// A pair and its certificate. `Debug` does not show the private key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IssuedPair {
    /// The certificate.
    pub certificate: IssuedCertificate,
    /// The private key in OpenSSH's format; it is stored nowhere.
    pub private_key: SecretText,
    /// The public key as one line.
    pub public_key: String,
}

/// Figures of the certificate authority.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SshStats {
    /// Those of its leases.
    pub leases: EngineStats,
    /// How many certificates the revocation list names.
    pub revoked_listed: usize,
}

/// The SSH certificate authority as a service: every certificate is a lease.
#[derive(Debug)]
pub struct Ssh {
    authority: Arc<SshAuthority>,
    leases: Arc<Leases>,
    clock: Arc<dyn Clock>,
    ledger: Ledger,
}

impl Ssh {
    /// Over leases that were opened with this authority as an engine.
    ///
    /// # Errors
    /// [`codes::ENGINE_UNKNOWN`] when the leases don't have the engine `ssh`.
    pub fn new(
        authority: Arc<SshAuthority>,
        leases: Arc<Leases>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        if leases.engines().iter().any(|info| info.name == ENGINE) {
            Ok(Self { authority, leases, clock, ledger: Ledger::default() })
        } else {
            Err(codes::ENGINE_UNKNOWN.into())
        }
    }

    /// Signs a user certificate for the caller.
    ///
    /// # Errors
    /// A code of this crate when the key or the wish is refused; nothing was signed then.
    pub async fn sign_user(
        &self,
        ctx: &SecurityContext,
        request: SshSignRequest,
    ) -> Result<IssuedCertificate> {
        let asked = Asked {
            principals: request.principals,
            extensions: request.extensions,
            source_address: request.source_address,
        };
        let params = SshParams::User { public_key: Some(request.public_key), asked };
        let order = Order::by_role(request.role).for_ttl(request.ttl);
        certificate(&self.issue(ctx, order, params).await?)
    }

    /// Makes an Ed25519 pair and signs a user certificate for it.
    ///
    /// # Errors
    /// As [`Ssh::sign_user`].
    pub async fn generate_pair(
        &self,
        ctx: &SecurityContext,
        request: SshPairRequest,
    ) -> Result<IssuedPair> {
        let asked = Asked { principals: request.principals, ..Asked::default() };
        let params = SshParams::User { public_key: None, asked };
        let order = Order::by_role(request.role).for_ttl(request.ttl);
        let mut grant = self.issue(ctx, order, params).await?;
        let certificate = certificate(&grant)?;
        let private_key = grant.data.remove("private_key").ok_or_else(incomplete)?;
        let public_key = grant.data.remove("public_key").ok_or_else(incomplete)?;
        Ok(IssuedPair { certificate, private_key, public_key: public_key.expose().to_owned() })
    }

    /// Signs a host certificate. Which hosts the caller speaks for is the caller's right to decide:
    /// only administrators of the CA get here.
    ///
    /// # Errors
    /// As [`Ssh::sign_user`].
    pub async fn sign_host(
        &self,
        ctx: &SecurityContext,
        request: SshHostRequest,
    ) -> Result<IssuedCertificate> {
        let params =
            SshParams::Host { public_key: request.public_key, hostnames: request.hostnames };
        let order = Order::by_role(HOST_ROLE).for_ttl(request.ttl);
        certificate(&self.issue(ctx, order, params).await?)
    }

    async fn issue(&self, ctx: &SecurityContext, order: Order, params: SshParams) -> Result<Grant> {
        self.leases.issue(ctx, ENGINE, order.with_params(params.into_map()?)).await
    }

    /// The certificates on record, oldest first; never a private key.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn list(
        &self,
        user: Option<String>,
        after: Option<String>,
        limit: NonZeroU32,
    ) -> Result<LeasePage> {
        let filter = LeaseFilter::default().of_engine(Some(ENGINE.to_owned())).of_user(user);
        self.leases.list(&filter, after, limit).await
    }

    /// One certificate on record.
    ///
    /// # Errors
    /// [`codes::LEASE_UNKNOWN`] when no certificate has this lease.
    pub async fn show(&self, id: &LeaseId) -> Result<Lease> {
        let lease = self.leases.show(id).await?;
        if lease.engine == ENGINE { Ok(lease) } else { Err(codes::LEASE_UNKNOWN.into()) }
    }

    /// Revokes a certificate: the next [`Ssh::krl`] lists it.
    ///
    /// # Errors
    /// [`codes::LEASE_UNKNOWN`] when no certificate has this lease.
    pub async fn revoke(&self, ctx: &SecurityContext, id: &LeaseId) -> Result<Lease> {
        self.show(id).await?;
        self.leases.revoke(ctx, id).await
    }

    /// The public keys servers and clients are to trust.
    ///
    /// # Errors
    /// When one can't be written.
    pub fn ca_public_keys(&self) -> Result<Vec<CaPublicKey>> {
        self.authority.public_keys()
    }

    /// The revocation list: certificates that were revoked and have not ended yet. At most a second
    /// old; what this node revoked is in it at once.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn krl(&self) -> Result<Arc<Krl>> {
        self.ledger.krl(&self.leases, &self.authority, &*self.clock).await
    }

    /// The roles.
    #[must_use]
    pub fn roles(&self) -> &SshRoles {
        self.authority.roles()
    }

    /// Figures.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn stats(&self) -> Result<SshStats> {
        let mut engines = self.leases.stats().engines.into_iter();
        let leases = engines.find(|line| line.engine == ENGINE).ok_or(codes::ENGINE_UNKNOWN)?;
        Ok(SshStats { leases, revoked_listed: self.krl().await?.revoked })
    }
}

fn incomplete() -> Error {
    Error::new(core_codes::INTERNAL).context("a certificate without its parts")
}

fn certificate(grant: &Grant) -> Result<IssuedCertificate> {
    let fact = |name: &str| grant.lease.facts.get(name).ok_or_else(incomplete);
    Ok(IssuedCertificate {
        certificate: grant.data.get("certificate").ok_or_else(incomplete)?.expose().to_owned(),
        serial: fact("serial")?.as_u64().ok_or_else(incomplete)?,
        key_id: fact("key_id")?.as_str().ok_or_else(incomplete)?.to_owned(),
        // A certificate knows whole seconds.
        valid_before: Timestamp::from_second(grant.lease.expires_at.as_second())
            .unwrap_or(grant.lease.expires_at),
        lease_id: grant.lease.id.clone(),
    })
}
