use std::fmt;
use std::path::Path;
use std::time::Duration;

use prov_core::{Error, Result, codes as core_codes};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// `id-kp-timeStamping` (RFC 3161, section 2.3).
const TIME_STAMPING: KeyUsage = KeyUsage::required(&[0x2b, 6, 1, 5, 5, 7, 3, 8]);

/// The authorities whose time stamps are believed: certificates that theirs must lead to.
#[derive(Clone)]
pub struct TsaRoots {
    anchors: Vec<TrustAnchor<'static>>,
}

impl TsaRoots {
    /// Reads certificates (PEM).
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] when there is none in the file, or one is no certificate.
    pub fn read(path: &Path) -> Result<Self> {
        let refuse = |what: &str| {
            let what = format!("`{}` {what}", path.display());
            Error::new(core_codes::INVALID_REQUEST).detail(what)
        };
        let found: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|e| refuse("can't be read as certificates (PEM)").source(e))?;
        let anchors = found.iter().map(|der| {
            let anchor = anchor_from_trusted_cert(der);
            anchor
                .map(|anchor| anchor.to_owned())
                .map_err(|e| refuse("is no certificate").source(e))
        });
        let anchors: Vec<_> = anchors.collect::<Result<_>>()?;
        if anchors.is_empty() {
            return Err(refuse("holds no certificate (PEM)"));
        }
        Ok(Self { anchors })
    }

    /// Whether the certificate of an authority leads to one of the roots, over `others`, at this moment
    /// in seconds since 1970, and is for time-stamping; and whether it signed this.
    pub(super) fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        seconds: u64,
        signed: (&[&dyn SignatureVerificationAlgorithm], &[u8], &[u8]),
    ) -> std::result::Result<(), String> {
        let bad = |e: webpki::Error| format!("its certificate does not hold: {e}");
        let leaf = EndEntityCert::try_from(certificate).map_err(bad)?;
        let (algorithms, message, signature) = signed;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        leaf.verify_for_usage(
            default_provider().signature_verification_algorithms.all,
            &self.anchors,
            others,
            time,
            TIME_STAMPING,
            None,
            None,
        )
        .map_err(bad)?;
        let is_signed = |algorithm: &&dyn SignatureVerificationAlgorithm| {
            leaf.verify_signature(*algorithm, message, signature).is_ok()
        };
        if algorithms.iter().any(is_signed) {
            Ok(())
        } else {
            Err("its signature is not one of its certificate's key".to_owned())
        }
    }
}

impl fmt::Debug for TsaRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TsaRoots({})", self.anchors.len())
    }
}
