//! A log that is none of ours: made with the crates `signed_note` and `tlog_tiles`.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use signed_note::{Note, StandardSigner};
use tlog_tiles::checkpoint::Checkpoint;
use tlog_tiles::tlog::{
    Hash, HashReader, prove_tree, record_hash, stored_hash_count, stored_hashes_for_record_hash,
    tree_hash,
};

/// A log in memory.
pub(crate) struct ForeignLog {
    pub(crate) name: String,
    pub(crate) vkey: String,
    skey: String,
    hashes: Hashes,
    pub(crate) size: u64,
}

struct Hashes(Vec<Hash>);

impl HashReader for Hashes {
    fn read_hashes(&self, wanted: &[u64]) -> Result<Vec<Hash>, tlog_tiles::tlog::Error> {
        Ok(wanted.iter().map(|at| self.0[usize::try_from(*at).unwrap()]).collect())
    }
}

impl ForeignLog {
    /// An empty log; logs of one name and seed are forks of each other.
    pub(crate) fn new(name: &str, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let key = |kind: &[u8]| [&[1], kind].concat();
        let public = key(pair.public_key().as_ref());
        let id = signed_note::key_id(name, &public);
        let vkey = format!("{name}+{id:08x}+{}", STANDARD.encode(&public));
        let secret = STANDARD.encode(key(&[seed; 32]));
        let skey = format!("PRIVATE+KEY+{name}+{id:08x}+{secret}");
        Self { name: name.to_owned(), vkey, skey, hashes: Hashes(Vec::new()), size: 0 }
    }

    /// Appends so many leaves of this kind.
    pub(crate) fn append(&mut self, count: u64, kind: &str) {
        for _ in 0..count {
            let leaf = record_hash(format!("{kind} {}", self.size).as_bytes());
            let more = stored_hashes_for_record_hash(self.size, leaf, &self.hashes).unwrap();
            self.hashes.0.extend(more);
            self.size += 1;
            assert_eq!(self.hashes.0.len() as u64, stored_hash_count(self.size));
        }
    }

    /// The signed note of its first `size` leaves.
    pub(crate) fn note(&self, size: u64) -> String {
        let root = if size == 0 {
            Hash(
                aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"")
                    .as_ref()
                    .try_into()
                    .unwrap(),
            )
        } else {
            tree_hash(size, &self.hashes).unwrap()
        };
        let checkpoint = Checkpoint::new(&self.name, size, root, "").unwrap();
        self.sign(&checkpoint.to_bytes())
    }

    /// Whatever text, signed.
    pub(crate) fn sign(&self, text: &[u8]) -> String {
        let mut note = Note::new(text, &[]).unwrap();
        note.add_sigs(&[&StandardSigner::new(&self.skey).unwrap()]).unwrap();
        String::from_utf8(note.to_bytes()).unwrap()
    }

    /// What a witness is sent.
    pub(crate) fn request(&self, old: u64, size: u64) -> String {
        let proof = if old == 0 || old == size {
            Vec::new()
        } else {
            prove_tree(size, old, &self.hashes).unwrap()
        };
        let lines = proof.iter().map(|hash| STANDARD.encode(hash.0) + "\n");
        let head: String = std::iter::once(format!("old {old}\n")).chain(lines).collect();
        format!("{head}\n{}", self.note(size))
    }
}
