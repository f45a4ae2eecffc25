//! What wrapped keys and data are bound to.

use aws_lc_rs::digest::{SHA256, digest};

use crate::backend::KeyName;
use crate::context::EncryptionContext;
use crate::encoding::framed;

/// What a data key is for: a message can't be presented as a file or the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Message,
    File,
}

impl Purpose {
    const fn word(self) -> &'static [u8] {
        match self {
            Self::Message => b"message",
            Self::File => b"file",
        }
    }

    /// The AAD of the wrapped data key. The backend itself binds the key's name and version.
    pub(crate) fn wrap_aad(self, backend: &str, context: &EncryptionContext) -> Vec<u8> {
        framed(&[b"prov-kms wrap v1", self.word(), backend.as_bytes(), context.digest()])
    }

    /// What the data is bound to: key name and context, hashed, so that the derivation of each
    /// message's key takes the same short time for every context. Not the key's version: a file's
    /// data key can be wrapped anew without touching the data.
    pub(crate) fn data_context(self, key: &KeyName, context: &EncryptionContext) -> [u8; 32] {
        let parts: [&[u8]; 4] =
            [b"prov-kms data v1", self.word(), key.as_str().as_bytes(), context.digest()];
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, &framed(&parts)).as_ref());
        out
    }
}
