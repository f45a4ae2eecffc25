//! X509-SVIDs (The X.509 SPIFFE Verifiable Identity Document, sections 2 to 5).

use std::time::Duration;

use bytes::Bytes;
use prov_core::{Error, Result, Timestamp};
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::jwt_svid::refused;
use super::{SpiffeId, TrustBundles};

/// More certificates than any chain has.
const LONGEST_CHAIN: usize = 8;

/// A document that holds.
#[derive(Debug)]
pub(super) struct X509Svid {
    pub(super) id: SpiffeId,
    pub(super) ends: Timestamp,
}

/// Reads and checks a chain, the leaf first: its path to a certificate of its own trust domain, at this time,
/// for clients; and what the specification asks of leaves and authorities beyond that.
pub(super) fn open(chain: &[Bytes], bundles: &TrustBundles, now: Timestamp) -> Result<X509Svid> {
    if chain.len() > LONGEST_CHAIN {
        return Err(refused("a chain that is too long"));
    }
    let (leaf, authorities) = chain.split_first().ok_or_else(|| refused("no certificate"))?;
    let parsed = parsed(leaf)?;
    let id = id_of(&parsed)?;
    check_leaf(&parsed)?;
    for authority in authorities {
        check_authority(&self::parsed(authority)?)?;
    }
    let bundle = bundles.of(id.trust_domain()).ok_or_else(|| refused("an unknown trust domain"))?;
    let roots: Vec<_> =
        bundle.x509.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let anchors: Vec<_> =
        roots.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
    let intermediates: Vec<_> =
        authorities.iter().map(|der| CertificateDer::from(der.as_ref())).collect();
    let leaf = CertificateDer::from(leaf.as_ref());
    let leaf = EndEntityCert::try_from(&leaf).map_err(|e| refused("no certificate").source(e))?;
    let algorithms =
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let second = u64::try_from(now.as_second()).unwrap_or(0);
    let time = UnixTime::since_unix_epoch(Duration::from_secs(second));
    leaf.verify_for_usage(
        algorithms,
        &anchors,
        &intermediates,
        time,
        KeyUsage::client_auth(),
        None,
        None,
    )
    .map_err(|e| refused("the chain does not hold").source(e))?;
    let ends = Timestamp::from_second(parsed.validity().not_after.timestamp())
        .map_err(|e| refused("a time out of range").source(e))?;
    Ok(X509Svid { id, ends })
}

fn parsed(der: &[u8]) -> Result<X509Certificate<'_>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(refused("no certificate")),
    }
}

/// Exactly one URI, which is an id with a path (section 2).
fn id_of(leaf: &X509Certificate<'_>) -> Result<SpiffeId> {
    let names = leaf
        .subject_alternative_name()
        .map_err(|e| refused("names that can't be read").source(e))?
        .ok_or_else(|| refused("no names"))?;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let (Some(one), None) = (uris.next(), uris.next()) else {
        return Err(refused("not exactly one URI among the names"));
    };
    let id: SpiffeId = one.parse().map_err(|e: Error| refused("no SPIFFE ID").source(e))?;
    if id.path().is_empty() {
        return Err(refused("the id of a trust domain is no program's"));
    }
    Ok(id)
}

/// Sections 4.1 and 4.3: a leaf signs no certificates, and says what its key is for.
fn check_leaf(leaf: &X509Certificate<'_>) -> Result<()> {
    let constraints = leaf.basic_constraints().map_err(|e| refused("constraints").source(e))?;
    if constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(refused("the leaf is an authority"));
    }
    let usage = leaf.key_usage().map_err(|e| refused("a key usage").source(e))?;
    let usage = usage.ok_or_else(|| refused("the leaf does not say what its key is for"))?.value;
    if !usage.digital_signature() || usage.key_cert_sign() || usage.crl_sign() {
        return Err(refused("the leaf's key is for something else"));
    }
    Ok(())
}

/// Section 4: an authority says that it is one, and signs certificates.
fn check_authority(authority: &X509Certificate<'_>) -> Result<()> {
    let constraints =
        authority.basic_constraints().map_err(|e| refused("constraints").source(e))?;
    if !constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(refused("a certificate of the chain is no authority"));
    }
    let usage = authority.key_usage().map_err(|e| refused("a key usage").source(e))?;
    if !usage.is_some_and(|usage| usage.value.key_cert_sign()) {
        return Err(refused("an authority's key does not sign certificates"));
    }
    Ok(())
}
