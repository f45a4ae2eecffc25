//! The age format (<https://c2sp.org/age>): data keys wrapped to X25519 recipients, and files that
//! the `age` tool reads and writes.

mod backend;
mod file;
mod keys;

pub use backend::AgeBackend;
pub use file::{
    AgeFileFormat, decrypt_age_file, decrypt_age_stream, encrypt_age_file, encrypt_age_stream,
};
pub use keys::AgeKeys;
