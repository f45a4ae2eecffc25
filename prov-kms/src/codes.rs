//! The error codes of this crate.

use prov_core::{Code, Kind};

/// Nothing came out: wrong key, wrong context, damage, or no ciphertext of ours. Which one it was is
/// not told, on purpose: every such failure looks the same.
pub const DECRYPTION_FAILED: Code = Code::new(
    "kms.decryption_failed",
    Kind::InvalidRequest,
    "this can't be decrypted with this key and context",
);
/// An encryption context that is malformed or too large.
pub const CONTEXT_INVALID: Code =
    Code::new("kms.context_invalid", Kind::InvalidRequest, "the encryption context is not valid");
/// There is no key of this name.
pub const KEY_UNKNOWN: Code =
    Code::new("kms.key_unknown", Kind::NotFound, "there is no key of this name");
/// A key of this name exists already.
pub const KEY_EXISTS: Code =
    Code::new("kms.key_exists", Kind::Conflict, "a key of this name exists already");
/// The key is disabled: it neither encrypts nor decrypts until it is enabled again.
pub const KEY_DISABLED: Code =
    Code::new("kms.key_disabled", Kind::Conflict, "the key is disabled; enable it first");
/// The backend has no key versions.
pub const ROTATION_UNSUPPORTED: Code = Code::new(
    "kms.rotation_unsupported",
    Kind::Conflict,
    "this backend can't rotate keys; give it a new key and rewrap",
);
/// The backend holds no private key: it wraps, but can't unwrap.
pub const UNWRAP_UNSUPPORTED: Code = Code::new(
    "kms.unwrap_unsupported",
    Kind::Conflict,
    "this backend has no private key and can't decrypt; configure one",
);
/// A key file that others than its owner can read or write.
pub const KEY_FILE_EXPOSED: Code = Code::new(
    "kms.key_file_exposed",
    Kind::Internal,
    "the key file is accessible to other users; set its mode to 0600, and consider the key known",
);
/// A key file that can't be read at all.
pub const KEY_FILE_UNREADABLE: Code =
    Code::new("kms.key_file_unreadable", Kind::Internal, "the key file can't be read");
/// A key file whose text is not what was once written.
pub const KEY_FILE_DAMAGED: Code = Code::new(
    "kms.key_file_damaged",
    Kind::Internal,
    "the key file is damaged; restore it from its backup",
);
/// The backend unwraps store keys that anybody could have made.
pub const STORE_BACKEND_UNFIT: Code = Code::new(
    "kms.store_backend_unfit",
    Kind::InvalidRequest,
    "a backend that anybody can wrap keys for can't seal the record store; use the local keyring",
);
/// A file that was to be written exists already.
pub const KEY_FILE_EXISTS: Code = Code::new(
    "kms.key_file_exists",
    Kind::Conflict,
    "a key file exists here already and is never overwritten",
);
/// The root key file is gone while data sealed under it exists.
pub const ROOT_KEY_MISSING: Code = Code::new(
    "kms.root_key_missing",
    Kind::Unavailable,
    "the root key file is missing, and the stored data can't be opened without it; restore the file",
);
/// The root key file is intact, but it is another key than the data was sealed under.
pub const ROOT_KEY_MISMATCH: Code = Code::new(
    "kms.root_key_mismatch",
    Kind::Unavailable,
    "this is not the root key the stored data was sealed under; restore the right file",
);
/// The key of the sealed store can't be unwrapped by the backend.
pub const STORE_KEY_LOCKED: Code = Code::new(
    "kms.store_key_locked",
    Kind::Unavailable,
    "the key of the record store can't be unwrapped; configure the backend and key it was made under",
);
/// A file that was to be encrypted or decrypted can't be read or written.
pub const FILE_FAILED: Code =
    Code::new("kms.file_failed", Kind::Internal, "a file could not be read or written");

/// Every code of this module.
pub const ALL: &[Code] = &[
    DECRYPTION_FAILED,
    CONTEXT_INVALID,
    KEY_UNKNOWN,
    KEY_EXISTS,
    KEY_DISABLED,
    ROTATION_UNSUPPORTED,
    UNWRAP_UNSUPPORTED,
    KEY_FILE_EXPOSED,
    KEY_FILE_UNREADABLE,
    KEY_FILE_DAMAGED,
    KEY_FILE_EXISTS,
    ROOT_KEY_MISSING,
    ROOT_KEY_MISMATCH,
    STORE_KEY_LOCKED,
    STORE_BACKEND_UNFIT,
    FILE_FAILED,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_of_this_crate() {
        let names: BTreeSet<_> = ALL.iter().map(Code::name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|name| name.starts_with("kms.")));
    }
}
