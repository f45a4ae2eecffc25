//! What the settings of joined logs, of witnesses, and of an authority that stamps the time, become.

use prov_audit::TsaRoots;
use prov_audit::anchoring::AnchoringOptions;
use prov_audit::joining::JoinOptions;
use prov_audit::sink::TargetOptions;
use prov_audit::witnessing::WitnessingOptions;
use prov_audit::{CosignerKey, VerifierKey, WitnessPolicy};
use prov_core::{Error, Result, codes};

use super::ConfigError;
use super::sections::{Audit, AuditAnchoring, AuditWitness, AuditWitnessing, Config};

/// Reads everything once, without connecting: what is wrong is said before anything starts.
pub(super) fn check(audit: &Audit) -> std::result::Result<(), ConfigError> {
    let refuse =
        |message: String| ConfigError::Invalid { origin: "the configuration".to_owned(), message };
    let wrong = |error: Error| error.public_detail().to_owned();
    audit.joined().map_err(|e| {
        let names = "`audit.join_keys`, `audit.join_ml_dsa_44_keys`";
        refuse(format!("{names}: {}", wrong(e)))
    })?;
    audit.witness.logs().map_err(|e| refuse(format!("`audit.witness`: {}", wrong(e))))?;
    let asked = audit.witnessing.options();
    asked.map_err(|e| refuse(format!("`audit.witnessing`: {}", wrong(e))))?;
    let stamped = audit.anchoring.options();
    stamped.map_err(|e| refuse(format!("`audit.anchoring`: {}", wrong(e)))).map(drop)
}

impl Audit {
    /// The logs of other servers that are joined.
    fn joined(&self) -> Result<JoinOptions> {
        let keys = self.join_keys.iter().map(|key| key.parse());
        let keys = keys.collect::<Result<Vec<VerifierKey>>>()?;
        let seconds = self.join_ml_dsa_44_keys.iter().map(|key| key.parse());
        let seconds = seconds.collect::<Result<Vec<CosignerKey>>>()?;
        let options = keys.into_iter().fold(JoinOptions::new(), JoinOptions::key);
        let options = seconds.into_iter().fold(options, JoinOptions::ml_dsa_44);
        options.check()?;
        Ok(options)
    }
}

impl AuditAnchoring {
    /// How checkpoints are time-stamped; `None` when they are not.
    ///
    /// # Errors
    /// When one of the two settings is missing, the roots can't be read, or something makes no sense.
    pub fn options(&self) -> Result<Option<AnchoringOptions>> {
        let (url, roots) = match (&self.tsa_url, &self.ca_path) {
            (None, None) => return Ok(None),
            (Some(url), Some(path)) => (url, TsaRoots::read(path)?),
            _ => {
                let what = "`tsa_url` and `ca_path` belong together";
                return Err(Error::new(codes::INVALID_REQUEST).detail(what));
            }
        };
        let options =
            AnchoringOptions::new(url, roots).every(self.interval).patience(self.patience);
        options.check()?;
        Ok(Some(options))
    }
}

impl AuditWitnessing {
    /// How the log's witnesses are asked; `None` without any.
    ///
    /// # Errors
    /// When the policy can't be read, or makes no sense.
    pub fn options(&self) -> Result<Option<WitnessingOptions>> {
        let Some(path) = &self.policy_path else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(|e| {
            let what = format!("`{}` can't be read: {e}", path.display());
            Error::new(codes::INVALID_REQUEST).detail(what).source(e)
        })?;
        let policy: WitnessPolicy = text.parse()?;
        let target = TargetOptions::default().ca(self.ca_path.clone()).insecure(self.insecure);
        let options = WitnessingOptions::new(policy)
            .every(self.interval)
            .patience(self.patience)
            .target(target);
        options.check()?;
        Ok(Some(options))
    }
}

impl AuditWitness {
    /// The keys of the logs that are watched.
    ///
    /// # Errors
    /// When one is no key of a log.
    pub fn logs(&self) -> Result<Vec<VerifierKey>> {
        self.logs.iter().map(|key| key.parse()).collect()
    }
}

impl Config {
    /// How the logs of the servers that share the store are joined; `None` when they are not.
    ///
    /// # Errors
    /// When a key is none.
    pub fn joining(&self) -> Result<Option<JoinOptions>> {
        let is_shared = self.store_url().starts_with("postgres");
        let is_wanted = self.audit.join.unwrap_or(is_shared);
        is_wanted.then(|| self.audit.joined()).transpose()
    }

    /// The name of this deployment as a witness.
    #[must_use]
    pub fn witness_name(&self) -> String {
        let name = self.audit.witness.name.clone();
        name.unwrap_or_else(|| format!("{}/witness", self.jwt.issuer))
    }
}
