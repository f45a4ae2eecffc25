//! `[audit.bucket]`: archives in a store that speaks as S3.

use std::sync::Arc;

use prov_audit::sink::{S3Archive, Target, TargetOptions};
use prov_core::{Clock, Error, Result, SystemClock, codes as core_codes};

use super::ConfigError;
use super::sections::{Audit, AuditBucket};

/// Makes the archive once, without connecting: what is wrong is said before anything starts.
pub(super) fn check(audit: &Audit) -> std::result::Result<(), ConfigError> {
    let Some(bucket) = &audit.bucket else { return Ok(()) };
    let wrong = if audit.archive.is_some() {
        Some("events go to `audit.archive` already: say one of them".to_owned())
    } else {
        let built = bucket.build(Arc::new(SystemClock::new()));
        built.err().map(|error| error.public_detail().to_owned())
    };
    let Some(wrong) = wrong else { return Ok(()) };
    let message = format!("`audit.bucket`: {wrong}");
    Err(ConfigError::Invalid { origin: "the configuration".to_owned(), message })
}

impl AuditBucket {
    /// The archive, not connected yet.
    ///
    /// # Errors
    /// When something is missing, makes no sense, or can't be read.
    pub fn build(&self, clock: Arc<dyn Clock>) -> Result<S3Archive> {
        let refuse = |what: &'static str| Error::new(core_codes::INVALID_REQUEST).detail(what);
        if !self.url.starts_with("https://") && !self.url.starts_with("http://") {
            return Err(refuse("`url` begins with `https://` or `http://`"));
        }
        let credentials = self.credentials_file.as_ref();
        let credentials = credentials.ok_or_else(|| refuse("`credentials_file` is missing"))?;
        let options = TargetOptions::default().ca(self.ca.clone()).insecure(self.insecure);
        let target = Target::new(&self.url, &options)?;
        S3Archive::new(target, &self.region, (&self.bucket, &self.prefix), credentials, clock)
    }
}
