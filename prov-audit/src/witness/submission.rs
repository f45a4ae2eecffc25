//! What a witness is sent (C2SP tlog-witness, add-checkpoint).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::{Error, Result, codes as core_codes};

use crate::merkle::Hash;
use crate::note::{Checkpoint, Line, read, split};

/// A consistency proof has at most so many hashes.
pub(crate) const MOST_HASHES: usize = 63;

/// A request, taken apart; nothing in it is believed yet.
#[derive(Debug)]
pub(super) struct Submission<'b> {
    /// What the log had when the witness last cosigned it, as the client believes.
    pub(super) old: u64,
    pub(super) proof: Vec<Hash>,
    /// The note's text, which is what was signed.
    pub(super) text: &'b str,
    pub(super) lines: Vec<Line<'b>>,
    pub(super) checkpoint: Checkpoint,
}

impl<'b> Submission<'b> {
    /// Reads the body of a request.
    pub(super) fn read(body: &'b [u8]) -> Result<Self> {
        let refuse = |what| Error::new(core_codes::INVALID_REQUEST).field("body", what);
        let body = std::str::from_utf8(body).map_err(|_| refuse("it is no text"))?;
        let (head, note) = body.split_once("\n\n").ok_or_else(|| refuse("it has no checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| number(line.strip_prefix("old ")?))
            .ok_or_else(|| refuse("its first line is `old` and a size"))?;
        let mut proof = Vec::new();
        for line in lines {
            let hash = STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok());
            proof.push(hash.ok_or_else(|| refuse("a line of the proof is one hash in base64"))?);
            if proof.len() > MOST_HASHES {
                return Err(refuse("a proof has at most 63 hashes"));
            }
        }
        let malformed = || refuse("what follows the empty line is no checkpoint");
        let (text, lines) = split(note).ok_or_else(malformed)?;
        let checkpoint = read(text, note).ok_or_else(malformed)?;
        Ok(Self { old, proof, text, lines, checkpoint })
    }

    /// The checkpoint with these of its signatures only.
    pub(super) fn note_with(&self, wanted: impl Fn(&Line<'_>) -> bool) -> String {
        let mut note = format!("{}\n", self.text);
        for line in self.lines.iter().filter(|line| wanted(line)) {
            note.extend([line.text, "\n"]);
        }
        note
    }
}

/// A number as it must be written: no sign, no leading zero.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use prov_core::SecretBytes;

    use super::*;
    use crate::note::{SigningKey, sign};

    #[test]
    fn what_is_no_request_is_refused() {
        let key = SigningKey::from_seed("a.example/log", &SecretBytes::new(vec![1; 32])).unwrap();
        let note = sign(&key, 42, [9; 32]).note;
        let hash = STANDARD.encode([7; 32]);
        let good = format!("old 20\n{hash}\n{hash}\n\n{note}");
        let read = Submission::read(good.as_bytes()).unwrap();
        assert_eq!((read.old, read.proof.len(), read.checkpoint.size), (20, 2, 42));
        assert_eq!(read.note_with(|_| true), note);
        assert!(Submission::read(format!("old 0\n\n{note}").as_bytes()).is_ok());
        let longest = format!("old 1\n{}\n{note}", format!("{hash}\n").repeat(MOST_HASHES));
        assert!(Submission::read(longest.as_bytes()).is_ok());
        for bad in [
            String::new(),
            note.clone(),
            format!("old 020\n\n{note}"),
            format!("old -1\n\n{note}"),
            format!("old +1\n\n{note}"),
            format!("old  1\n\n{note}"),
            format!("old 18446744073709551616\n\n{note}"),
            format!("OLD 1\n\n{note}"),
            format!("old 1\r\n\r\n{note}"),
            format!("old 1\nAAAA\n\n{note}"),
            format!("old 1\n{hash}{hash}\n\n{note}"),
            format!("old 1\n{}\n{note}", format!("{hash}\n").repeat(MOST_HASHES + 1)),
            format!("old 1\n\n{}", note.trim_end()),
            format!("old 1\n\n{}", note.replace("\n42\n", "\n042\n")),
            format!("old 1\n\n{}", note.replace("a.example/log\n42", "\n42")),
            format!("old 1\n\n{note}\n"),
            "old 1\n\n".to_owned(),
        ] {
            assert!(Submission::read(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let mut no_text = good.into_bytes();
        no_text[10] = 0xff;
        assert!(Submission::read(&no_text).is_err());
    }
}
