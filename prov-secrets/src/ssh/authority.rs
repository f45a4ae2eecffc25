//! The certificate authority as a secret engine.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prov_core::audit::{Action, Event, Outcome, Recorder};
use prov_core::store::Store;
use prov_core::{Clock, Error, Result, SecurityContext, Timestamp, codes as core_codes, random};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ssh_key::LineEnding;
use ssh_key::private::{Ed25519Keypair, PrivateKey};

use super::ca_key::{CaPublicKey, CaSigner, Origin, unwritable};
use super::certificate::{CertificateSpec, CertificateType};
use super::key::SubjectKey;
use super::merge::{Asked, Merged, merge};
use super::names;
use super::roles::SshRoles;
use super::serials::Serials;
use crate::{EngineInfo, Expiry, Handle, IssueRequest, Issued, Plan, SecretEngine, Wish, codes};

/// The name of this engine.
pub const ENGINE: &str = "ssh";
/// The role that is shipped: everybody, under their own user name.
pub const DEFAULT_ROLE: &str = "default";
/// What stands as the role of a host certificate.
pub(crate) const HOST_ROLE: &str = "host";

const HOST_DEFAULT_TTL: Duration = Duration::from_hours(30 * 24);
const HOST_MAX_TTL: Duration = Duration::from_hours(90 * 24);
const MOST_HOSTNAMES: usize = 32;

/// What an order for this engine may say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum SshParams {
    User {
        /// Without one, a pair is made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        public_key: Option<String>,
        #[serde(default)]
        asked: Asked,
    },
    Host {
        public_key: String,
        hostnames: Vec<String>,
    },
}

impl SshParams {
    pub(crate) fn into_map(self) -> Result<Map<String, Value>> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => Ok(map),
            _ => Err(core_codes::INTERNAL.into()),
        }
    }

    fn of(params: &Map<String, Value>) -> Result<Self> {
        if params.is_empty() {
            return Ok(Self::User { public_key: None, asked: Asked::default() });
        }
        serde_json::from_value(Value::Object(params.clone()))
            .map_err(|e| Error::new(core_codes::INVALID_REQUEST).field("params", e.to_string()))
    }
}

/// What passes from the plan to the signing.
#[derive(Debug)]
struct Prepared {
    spec: CertificateSpec,
    /// The pair that was made for the caller.
    pair: Option<PrivateKey>,
}

/// The keys and rules of the SSH certificate authority: the [`SecretEngine`] `ssh`.
///
/// Its orders are made by [`Ssh`](super::Ssh). An order without parameters makes a fresh Ed25519 pair
/// and certifies it by the role.
#[derive(Debug)]
pub struct SshAuthority {
    user_ca: CaSigner,
    host_ca: CaSigner,
    serials: Serials,
    roles: SshRoles,
}

impl SshAuthority {
    /// Reads the CA keys; makes them, and the role `default`, where there are none.
    ///
    /// # Errors
    /// When the store can't be read or written, a stored key is damaged, or the making of a key can't
    /// be recorded.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        recorder: Arc<dyn Recorder>,
    ) -> Result<Arc<Self>> {
        let mut signers = Vec::new();
        for certifies in [CertificateType::Host, CertificateType::User] {
            let (signer, origin) = CaSigner::open(&*store, &*clock, certifies).await?;
            if origin == Origin::Made {
                record_made(&signer, &*clock, &*recorder).await?;
            }
            signers.push(signer);
        }
        let (Some(user_ca), Some(host_ca)) = (signers.pop(), signers.pop()) else {
            return Err(core_codes::INTERNAL.into());
        };
        let serials = Serials::new(Arc::clone(&store));
        let roles = SshRoles::open(store, clock, recorder).await?;
        Ok(Arc::new(Self { user_ca, host_ca, serials, roles }))
    }

    /// The roles.
    #[must_use]
    pub fn roles(&self) -> &SshRoles {
        &self.roles
    }

    /// The public keys of both CAs.
    ///
    /// # Errors
    /// When one can't be written.
    pub fn public_keys(&self) -> Result<Vec<CaPublicKey>> {
        [&self.user_ca, &self.host_ca].into_iter().map(CaSigner::public_key).collect()
    }

    pub(super) fn signer(&self, certifies: CertificateType) -> &CaSigner {
        match certifies {
            CertificateType::User => &self.user_ca,
            CertificateType::Host => &self.host_ca,
        }
    }

    fn subject(&self, line: &str) -> Result<SubjectKey> {
        let key = SubjectKey::parse(line)?;
        if self.user_ca.is(&key.data) || self.host_ca.is(&key.data) {
            return Err(Error::new(codes::SSH_KEY_REFUSED)
                .field("public_key", "the key of the certificate authority itself"));
        }
        Ok(key)
    }

    async fn plan_user(&self, wish: &Wish, line: Option<String>, asked: &Asked) -> Result<Plan> {
        let role = self.roles.show(&wish.role).await?;
        let merged = merge(&role, &wish.requester, wish.ttl, asked)?;
        let (key, pair) = match line {
            Some(line) => (self.subject(&line)?, None),
            None => fresh_pair().map(|(key, pair)| (key, Some(pair)))?,
        };
        if !role.key_types.contains(&key.key_type) {
            return Err(Error::new(codes::SSH_KEY_REFUSED)
                .field("public_key", format!("the role does not certify `{}`", key.key_type)));
        }
        let action = if pair.is_some() { Action::SSH_KEY_GENERATE } else { Action::SSH_USER_SIGN };
        let spec = self.spec(wish, CertificateType::User, key, merged.clone()).await?;
        Ok(planned(spec, pair, merged.ttl, role.max_ttl).recorded_as(action))
    }

    async fn plan_host(&self, wish: &Wish, line: &str, hostnames: &[String]) -> Result<Plan> {
        if wish.role != HOST_ROLE {
            return Err(codes::ROLE_UNKNOWN.into());
        }
        if !(1..=MOST_HOSTNAMES).contains(&hostnames.len()) {
            return Err(Error::new(core_codes::INVALID_REQUEST)
                .field("hostnames", "between 1 and 32 host names"));
        }
        hostnames.iter().try_for_each(|name| names::check_hostname(name))?;
        let ttl = wish.ttl.unwrap_or(HOST_DEFAULT_TTL);
        if ttl > HOST_MAX_TTL {
            return Err(Error::new(codes::LEASE_TTL_REFUSED).field("ttl", "at most `90d`"));
        }
        let merged = Merged {
            ttl,
            principals: hostnames.iter().cloned().collect(),
            extensions: std::collections::BTreeMap::new(),
            force_command: None,
            source_addresses: Vec::new(),
        };
        let key = self.subject(line)?;
        let spec = self.spec(wish, CertificateType::Host, key, merged).await?;
        Ok(planned(spec, None, ttl, HOST_MAX_TTL).recorded_as(Action::SSH_HOST_SIGN))
    }

    async fn spec(
        &self,
        wish: &Wish,
        certificate_type: CertificateType,
        key: SubjectKey,
        merged: Merged,
    ) -> Result<CertificateSpec> {
        names::check_holder(&wish.requester.id)?;
        Ok(CertificateSpec {
            certificate_type,
            key,
            serial: self.serials.next().await?,
            key_id: format!("prov:{}:{}", wish.lease, wish.requester.id),
            critical_options: merged.critical_options(),
            principals: merged.principals,
            extensions: merged.extensions,
        })
    }
}

/// A fresh Ed25519 pair.
fn fresh_pair() -> Result<(SubjectKey, PrivateKey)> {
    let mut seed = random::bytes::<32>()?;
    let seed = prov_core::SecretBytes::taken_from(&mut seed);
    let seed: &[u8; 32] = seed.expose().try_into().map_err(|_| core_codes::INTERNAL)?;
    let pair = PrivateKey::from(Ed25519Keypair::from_seed(seed));
    Ok((SubjectKey::of(pair.public_key().key_data().clone())?, pair))
}

fn planned(
    spec: CertificateSpec,
    pair: Option<PrivateKey>,
    ttl: Duration,
    max_ttl: Duration,
) -> Plan {
    let principals: Vec<&String> = spec.principals.iter().collect();
    let critical: Map<String, Value> =
        spec.critical_options.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
    Plan::new(ttl, max_ttl)
        .fact("serial", spec.serial)
        .fact("key_id", spec.key_id.clone())
        .fact("certificate_type", spec.certificate_type.as_str())
        .fact("key_type", spec.key.key_type.as_str())
        .fact("fingerprint", spec.key.fingerprint.clone())
        .fact("principals", serde_json::json!(principals))
        .fact("critical_options", critical)
        .with_input(Prepared { spec, pair })
}

async fn record_made(signer: &CaSigner, clock: &dyn Clock, recorder: &dyn Recorder) -> Result<()> {
    let key = signer.public_key()?;
    let event = Event::new(clock, Action::SSH_CA_CREATE, Outcome::Success)
        .in_context(&SecurityContext::system("ssh-ca", clock)?)
        .on("ssh-ca", key.certifies.as_str())
        .with("fingerprint", key.fingerprint);
    recorder.record(event).await.map(drop)
}

#[async_trait]
impl SecretEngine for SshAuthority {
    fn info(&self) -> EngineInfo {
        EngineInfo::new(ENGINE, "OpenSSH certificates", Expiry::Native)
            .self_contained()
            .revoked_as(Action::SSH_CERTIFICATE_REVOKE)
    }

    async fn plan(&self, wish: &Wish) -> Result<Plan> {
        match SshParams::of(&wish.params)? {
            SshParams::User { public_key, asked } => self.plan_user(wish, public_key, &asked).await,
            SshParams::Host { public_key, hostnames } => {
                self.plan_host(wish, &public_key, &hostnames).await
            }
        }
    }

    async fn issue(&self, request: &IssueRequest) -> Result<Issued> {
        let Some(Prepared { spec, pair }) = request.input.read() else {
            return Err(Error::new(codes::ENGINE_BROKEN).context("not a plan of this engine"));
        };
        let ca = self.signer(spec.certificate_type);
        let certificate = spec.sign(ca, request.issued_at, request.expires_at)?;
        let issued = Issued::until(request.expires_at).with("certificate", certificate);
        let Some(pair) = pair else { return Ok(issued) };
        let private = pair.to_openssh(LineEnding::LF).map_err(unwritable)?;
        let public = pair.public_key().to_openssh().map_err(unwritable)?;
        Ok(issued.with("private_key", private.as_str().to_owned()).with("public_key", public))
    }

    async fn renew(&self, _handle: &Handle, _ttl: Duration) -> Result<Timestamp> {
        Err(codes::LEASE_NOT_RENEWABLE.into())
    }

    /// Nothing to do outside: the revocation list is made from the ended leases.
    async fn revoke(&self, _handle: &Handle) -> Result<()> {
        Ok(())
    }
}
