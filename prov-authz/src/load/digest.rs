//! SHA-256 over texts.

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

/// A SHA-256.
pub(crate) type Digest = [u8; SHA256_OUTPUT_LEN];

/// Over texts, each with its length before it, so that none can pass for the end of another.
pub(crate) fn of(parts: &[&str]) -> Digest {
    let mut hash = Lengths::new();
    for part in parts {
        hash.add(part);
    }
    hash.finish()
}

/// Over one text.
pub(crate) fn digest_of(text: &str) -> Digest {
    of(&[text])
}

/// The same, text after text.
pub(super) struct Lengths(Context);

impl Lengths {
    pub(super) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(super) fn add(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    pub(super) fn finish(self) -> Digest {
        self.0.finish().as_ref().first_chunk().copied().unwrap_or_default()
    }
}
