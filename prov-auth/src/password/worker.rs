//! One Argon2 computation in memory that is used again and again.

use argon2::{Algorithm, Argon2, Block, Version};
use prov_core::{Error, Result, SecretText, codes};
use zeroize::Zeroize;

use super::PasswordParameters;

/// Which computation.
#[derive(Debug, Clone)]
pub(super) struct Computation {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) parameters: PasswordParameters,
    pub(super) salt: Vec<u8>,
    pub(super) output: usize,
    pub(super) password: SecretText,
}

/// The memory of one worker. A fresh 19 MiB for every hash would cost half as much again in page
/// faults alone.
#[derive(Debug, Default)]
pub(super) struct Arena(Vec<Block>);

impl Arena {
    pub(super) fn compute(&mut self, what: &Computation) -> Result<Vec<u8>> {
        let params = what.parameters.params(what.output)?;
        let blocks = params.block_count();
        if self.0.len() < blocks {
            self.release();
            self.0.try_reserve_exact(blocks).map_err(|e| {
                Error::new(codes::UNAVAILABLE).context("memory for hashing a password").source(e)
            })?;
            self.0.resize(blocks, Block::default());
        }
        let mut out = vec![0; what.output];
        Argon2::new(what.algorithm, what.version, params)
            .hash_password_into_with_memory(
                what.password.expose().as_bytes(),
                &what.salt,
                &mut out,
                &mut self.0,
            )
            .map_err(|e| {
                Error::new(codes::INTERNAL).context("hashing a password").source(e.to_string())
            })?;
        Ok(out)
    }

    /// Wipes the memory and gives it back.
    pub(super) fn release(&mut self) {
        self.0.zeroize();
        self.0 = Vec::new();
    }

    /// Keeps no more than `blocks`, so that one hash of a costlier past does not stay.
    pub(super) fn shrink_to(&mut self, blocks: usize) {
        if self.0.len() > blocks {
            self.release();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
