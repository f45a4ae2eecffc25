//! The signature of a time stamp (RFC 5652, sections 5.4 to 5.6; RFC 3161 and RFC 5816 for what more a
//! time stamp's must have).

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use cms::cert::CertificateChoices;
use cms::signed_data::{SignedData, SignerInfo};
use der::asn1::OctetString;
use der::oid::ObjectIdentifier;
use der::{Any, Sequence};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, SignatureVerificationAlgorithm, alg_id,
};
use x509_cert::Certificate;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::TsaRoots;
use super::token::{ID_TST_INFO, der_of};

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const CONTENT_TYPE: ObjectIdentifier = oid("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = oid("1.2.840.113549.1.9.4");
/// `id-aa-signingCertificate`, with SHA-1 (RFC 2634), and `…V2`, with any hash (RFC 5035).
const SIGNING_CERTIFICATE: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.47");
/// `id-ce-extKeyUsage`.
const EXTENDED_KEY_USAGE: ObjectIdentifier = oid("2.5.29.37");

/// Of which certificate a signature is (RFC 2634, RFC 5035): the first of those named.
#[derive(Sequence)]
struct SigningCertificate {
    certs: Vec<EssCertId>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

/// One certificate by its hash; without an algorithm SHA-1 or SHA-256, by the attribute it stands in.
#[derive(Sequence)]
struct EssCertId {
    #[asn1(optional = "true")]
    hash_algorithm: Option<AlgorithmIdentifierOwned>,
    cert_hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<Any>,
}

/// Checks that `content` was signed by an authority that leads to one of the roots, at this moment in
/// seconds since 1970.
pub(super) fn check_signer(
    signed: &SignedData,
    content: &[u8],
    roots: &TsaRoots,
    at: u64,
) -> Result<(), String> {
    let [by] = signed.signer_infos.0.as_slice() else {
        return Err("a time stamp has exactly one signature".to_owned());
    };
    let hash = hash_of(by.digest_alg.oid).ok_or("it hashes with what is not known here")?;
    if attribute::<ObjectIdentifier>(by, CONTENT_TYPE)? != ID_TST_INFO {
        return Err("its signature is not for a time stamp".to_owned());
    }
    let stated: OctetString = attribute(by, MESSAGE_DIGEST)?;
    if stated.as_bytes() != digest::digest(hash, content).as_ref() {
        return Err("its signature is over something else".to_owned());
    }
    let (own, others) = certificates(signed, by)?;
    // What is signed is the set of attributes as such, not with the tag it stands under.
    let attributes = by.signed_attrs.as_ref().ok_or("its signature covers no attributes")?;
    let message = der_of(attributes)?;
    let wanted = signature_algorithm(by).ok_or("it signs with what is not known here")?;
    let all = default_provider().signature_verification_algorithms.all;
    let algorithms: Vec<&dyn SignatureVerificationAlgorithm> =
        all.iter().copied().filter(|one| one.signature_alg_id() == wanted).collect();
    let signature = by.signature.as_bytes();
    roots.verify(&own, &others, at, (&algorithms, &message, signature))
}

/// The one value of a signed attribute.
fn attribute<T>(by: &SignerInfo, wanted: ObjectIdentifier) -> Result<T, String>
where
    T: for<'a> der::Choice<'a> + for<'a> der::DecodeValue<'a>,
{
    find(by, wanted)?
        .ok_or_else(|| format!("its signature lacks the attribute {wanted}"))?
        .decode_as()
        .map_err(|e| format!("the attribute {wanted} can't be read: {e}"))
}

fn find(by: &SignerInfo, wanted: ObjectIdentifier) -> Result<Option<&Any>, String> {
    let attributes = by.signed_attrs.as_ref().ok_or("its signature covers no attributes")?;
    let mut found = attributes.iter().filter(|attribute| attribute.oid == wanted);
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(one), None) if one.values.len() == 1 => Ok(one.values.get(0)),
        _ => Err(format!("the attribute {wanted} stands there twice")),
    }
}

/// The certificate that is said to have signed, by its hash, and the others.
fn certificates(
    signed: &SignedData,
    by: &SignerInfo,
) -> Result<(CertificateDer<'static>, Vec<CertificateDer<'static>>), String> {
    let (named, hash) = named(by)?;
    let given = signed.certificates.as_ref().ok_or("it sent no certificate")?;
    let (mut own, mut others) = (None, Vec::new());
    for choice in given.0.iter() {
        let CertificateChoices::Certificate(certificate) = choice else { continue };
        let der = der_of(certificate)?;
        if own.is_none() && digest::digest(hash, &der).as_ref() == named.as_bytes() {
            check_usage(certificate)?;
            own = Some(CertificateDer::from(der));
        } else {
            others.push(CertificateDer::from(der));
        }
    }
    Ok((own.ok_or("it did not send the certificate that signed")?, others))
}

/// The hash of the certificate that signed, and with what it was made.
fn named(by: &SignerInfo) -> Result<(OctetString, &'static digest::Algorithm), String> {
    let read = |value: &Any| {
        let read: Result<SigningCertificate, _> = value.decode_as();
        let read = read.map_err(|e| format!("which certificate signed can't be read: {e}"))?;
        read.certs.into_iter().next().ok_or_else(|| "no certificate is named".to_owned())
    };
    if let Some(value) = find(by, SIGNING_CERTIFICATE_V2)? {
        let one = read(value)?;
        let hash = one.hash_algorithm.map_or(Some(&SHA256), |algorithm| hash_of(algorithm.oid));
        return Ok((one.cert_hash, hash.ok_or("a certificate is named by an unknown hash")?));
    }
    let value = find(by, SIGNING_CERTIFICATE)?.ok_or("no certificate is named")?;
    Ok((read(value)?.cert_hash, &digest::SHA1_FOR_LEGACY_USE_ONLY))
}

/// For time-stamping, and marked so that nobody passes over it (RFC 3161, section 2.3). That it is that
/// is asked of the chain.
fn check_usage(certificate: &Certificate) -> Result<(), String> {
    let extensions = certificate.tbs_certificate.extensions.as_deref().unwrap_or_default();
    let usage = extensions.iter().find(|extension| extension.extn_id == EXTENDED_KEY_USAGE);
    if usage.is_some_and(|usage| usage.critical) {
        Ok(())
    } else {
        Err("its certificate is not for time-stamping alone".to_owned())
    }
}

fn hash_of(of: ObjectIdentifier) -> Option<&'static digest::Algorithm> {
    let known = [
        (oid("2.16.840.1.101.3.4.2.1"), &SHA256),
        (oid("2.16.840.1.101.3.4.2.2"), &SHA384),
        (oid("2.16.840.1.101.3.4.2.3"), &SHA512),
    ];
    known.into_iter().find_map(|(known, hash)| (known == of).then_some(hash))
}

/// With what a signature was made: said outright, or as a key's kind, with the hash beside it.
fn signature_algorithm(by: &SignerInfo) -> Option<AlgorithmIdentifier> {
    const RSA: &str = "1.2.840.113549.1.1.1";
    let (of, hash) = (by.signature_algorithm.oid.to_string(), by.digest_alg.oid);
    let place =
        [&SHA256, &SHA384, &SHA512].iter().position(|known| hash_of(hash) == Some(*known))?;
    let rsa = [alg_id::RSA_PKCS1_SHA256, alg_id::RSA_PKCS1_SHA384, alg_id::RSA_PKCS1_SHA512];
    let ecdsa = [alg_id::ECDSA_SHA256, alg_id::ECDSA_SHA384, alg_id::ECDSA_SHA512];
    let known = [
        ("1.2.840.113549.1.1.11", 0, rsa),
        ("1.2.840.113549.1.1.12", 1, rsa),
        ("1.2.840.113549.1.1.13", 2, rsa),
        ("1.2.840.10045.4.3.2", 0, ecdsa),
        ("1.2.840.10045.4.3.3", 1, ecdsa),
        ("1.2.840.10045.4.3.4", 2, ecdsa),
    ];
    match &*of {
        RSA => rsa.get(place).copied(),
        "1.3.101.112" => Some(alg_id::ED25519),
        _ => known
            .into_iter()
            .find(|(known, with, _)| *known == of && *with == place)
            .and_then(|(_, with, all)| all.get(with).copied()),
    }
}
