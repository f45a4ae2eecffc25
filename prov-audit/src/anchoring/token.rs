//! What an authority answered (RFC 3161, section 2.4.2), checked.

use aws_lc_rs::digest::{SHA256, digest};
use cms::signed_data::SignedData;
use der::asn1::{Int, OctetString};
use der::oid::ObjectIdentifier;
use der::{Decode, Encode};
use jiff::Timestamp;
use x509_tsp::{TimeStampResp, TstInfo};

use super::TsaRoots;
use super::request::ID_SHA_256;
use super::signer::check_signer;

const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// `id-ct-TSTInfo`.
pub(super) const ID_TST_INFO: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// What an authority vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamped {
    /// That the data existed by then, by its clock.
    pub(crate) time: Timestamp,
}

/// Checks an answer about these bytes: status, imprint, nonce (if it is known), the signature over all of
/// it, the certificate that made it, and that this leads to one of the roots: `at` this moment, or when the
/// time was stamped. Says what is wrong.
pub(crate) fn verify_token(
    answer: &[u8],
    data: &[u8],
    nonce: Option<&Int>,
    roots: &TsaRoots,
    at: Option<Timestamp>,
) -> Result<Stamped, String> {
    let malformed = |e: der::Error| format!("what was answered is no time stamp: {e}");
    let response = TimeStampResp::from_der(answer).map_err(malformed)?;
    let status = response.status.status as u8;
    // 0: granted; 1: granted with modifications.
    if status > 1 {
        let text = response.status.status_string.unwrap_or_default();
        let text: Vec<String> = text.iter().map(|line| printable(line.as_ref())).collect();
        return Err(format!("it refused with status {status}: {}", text.join(" ")));
    }
    let token = response.time_stamp_token.ok_or("it granted the request without a time stamp")?;
    if token.content_type != ID_SIGNED_DATA {
        return Err("its time stamp is not signed".to_owned());
    }
    let signed: SignedData = token.content.decode_as().map_err(malformed)?;
    if signed.encap_content_info.econtent_type != ID_TST_INFO {
        return Err("it signed something else than a time stamp".to_owned());
    }
    let content = signed.encap_content_info.econtent.as_ref().ok_or("it signed nothing")?;
    let content: OctetString = content.decode_as().map_err(malformed)?;
    let info = TstInfo::from_der(content.as_bytes()).map_err(malformed)?;
    let imprint = &info.message_imprint;
    let is_about = imprint.hash_algorithm.oid == ID_SHA_256
        && imprint.hashed_message.as_bytes() == digest(&SHA256, data).as_ref();
    if !is_about {
        return Err("its time stamp is about something else".to_owned());
    }
    if nonce.is_some_and(|nonce| info.nonce.as_ref() != Some(nonce)) {
        return Err("its time stamp answers another request".to_owned());
    }
    let stamped = info.gen_time.to_unix_duration().as_secs();
    let time = i64::try_from(stamped).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let time = time.ok_or("its time is no time")?;
    let at = at.map_or(stamped, |at| u64::try_from(at.as_second()).unwrap_or_default());
    check_signer(&signed, content.as_bytes(), roots, at)?;
    Ok(Stamped { time })
}

/// For people: printable, and not much of it.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(160).collect()
}

/// DER of something that was read from DER.
pub(super) fn der_of(value: &impl Encode) -> Result<Vec<u8>, String> {
    value.to_der().map_err(|e| format!("what was answered can't be read: {e}"))
}
