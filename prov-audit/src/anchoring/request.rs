//! What an authority is asked (RFC 3161, section 2.4.1).

use aws_lc_rs::digest::{SHA256, digest};
use der::asn1::{Int, OctetString};
use der::oid::ObjectIdentifier;
use der::{Any, Encode};
use prov_core::{Error, Result, codes as core_codes, random};
use x509_cert::spki::AlgorithmIdentifier;
use x509_tsp::{MessageImprint, TimeStampReq, TspVersion};

/// SHA-256 (RFC 5754).
pub(super) const ID_SHA_256: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// A request, and what its answer must repeat.
#[derive(Debug)]
pub(super) struct TsaRequest {
    pub(super) der: Vec<u8>,
    pub(super) nonce: Int,
}

impl TsaRequest {
    /// A request to stamp these bytes.
    pub(super) fn about(data: &[u8]) -> Result<Self> {
        let failed =
            |e: der::Error| Error::new(core_codes::INTERNAL).context("asking for a time").source(e);
        let mut bytes = random::bytes::<8>()?;
        if let Some(first) = bytes.first_mut() {
            // Positive, and no byte too long.
            *first = (*first & 0x3f) | 0x40;
        }
        let nonce = Int::new(&bytes).map_err(failed)?;
        let hashed = digest(&SHA256, data);
        let request = TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifier {
                    oid: ID_SHA_256,
                    parameters: Some(Any::null()),
                },
                hashed_message: OctetString::new(hashed.as_ref()).map_err(failed)?,
            },
            req_policy: None,
            nonce: Some(nonce.clone()),
            cert_req: true,
            extensions: None,
        };
        Ok(Self { der: request.to_der().map_err(failed)?, nonce })
    }
}
