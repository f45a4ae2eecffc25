//! Signed notes (C2SP signed-note): text, an empty line, signature lines.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::{Error, Result, codes};

use super::BundleSigner;

/// No note has more; each costs the verification of a signature for each trusted key.
const MOST_SIGNATURES: usize = 32;

/// A note whose signatures nobody has looked at yet.
#[derive(Debug)]
pub(super) struct Note<'n> {
    /// What is signed, with its last newline.
    pub(super) text: &'n str,
    /// The signatures. The names and hashes beside them are not kept: anybody can write them.
    pub(super) signatures: Vec<Vec<u8>>,
}

impl<'n> Note<'n> {
    /// Takes a note apart; `None` when it is none. A text without signatures is one with none.
    pub(super) fn parse(note: &'n str) -> Option<Self> {
        let Some(end) = note.rfind("\n\n") else {
            return note.ends_with('\n').then_some(Self { text: note, signatures: Vec::new() });
        };
        let (text, lines) = note.split_at_checked(end + 1)?;
        let lines = lines.strip_prefix('\n')?.strip_suffix('\n')?;
        let signatures: Option<Vec<_>> = lines.split('\n').map(signature).collect();
        let signatures = signatures?;
        (signatures.len() <= MOST_SIGNATURES).then_some(Self { text, signatures })
    }
}

/// `— name base64(hash, signature)`
fn signature(line: &str) -> Option<Vec<u8>> {
    let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (_hash, signature) = bytes.split_at_checked(4)?;
    (!name.is_empty()).then(|| signature.to_vec())
}

/// Adds a signature to a list made by [`bundle_manifest`](super::bundle_manifest), or to one that
/// others have signed.
///
/// # Errors
/// [`INVALID_REQUEST`](codes::INVALID_REQUEST) when it is no such list, or this key signed it
/// already.
pub fn sign_bundle(note: &str, signer: &BundleSigner) -> Result<String> {
    let refuse = |what: &'static str| Error::new(codes::INVALID_REQUEST).detail(what);
    let parsed = Note::parse(note)
        .filter(|parsed| super::manifest::Manifest::parse(parsed.text).is_some())
        .ok_or_else(|| refuse("this is no list of a policy set; make one by `create`"))?;
    let public = signer.public();
    if parsed.signatures.iter().any(|known| public.verifies(parsed.text, known)) {
        return Err(refuse("this key has signed it already"));
    }
    if parsed.signatures.len() == MOST_SIGNATURES {
        return Err(refuse("at most 32 signatures"));
    }
    let blob = [public.hash().to_vec(), signer.sign(parsed.text)].concat();
    let gap = if parsed.signatures.is_empty() { "\n" } else { "" };
    Ok(format!("{note}{gap}— {} {}\n", public.name, STANDARD.encode(blob)))
}
