//! Hashing and checking passwords.

use std::fmt;
use std::num::NonZeroUsize;

use argon2::password_hash::phc;
use argon2::{Algorithm, Params, Version};
use prov_core::{Error, Result, SecretText, codes, random};
use subtle::ConstantTimeEq;

use super::pool::Pool;
use super::worker::Computation;
use super::{PasswordParameters, PoolOptions, PoolUse};

const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;

/// A password hash in PHC form, `$argon2id$v=19$m=…`. Its `Debug` is redacted: a hash can be
/// guessed at without limits.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(SecretText);

impl PasswordHash {
    /// Takes over a PHC string, as from another system. It is read when it is first used.
    #[must_use]
    pub fn from_phc(text: impl Into<String>) -> Self {
        Self(SecretText::new(text))
    }

    /// The PHC string. Each call is a place to look at in review.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What became of checking a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these three are all there is")]
#[must_use = "an unread verdict protects nothing"]
pub enum Verdict {
    /// It is not the password.
    Wrong,
    /// It is.
    Right,
    /// It is, and its hash is cheaper than the policy asks: hash it again and keep that.
    RightButWeak,
}

impl Verdict {
    /// Whether it is the password.
    #[must_use]
    pub const fn is_right(self) -> bool {
        matches!(self, Self::Right | Self::RightButWeak)
    }
}

/// Hashes passwords with Argon2id on a few threads of its own.
///
/// Every check costs one computation, also that of a user who does not exist (see
/// [`check_nobody`](Self::check_nobody)). Memory is at most workers × memory of one hash.
#[derive(Debug)]
pub struct PasswordHasher {
    pool: Pool,
    policy: PasswordParameters,
}

impl PasswordHasher {
    /// A hasher of this cost; starts its threads, which end when it is dropped.
    ///
    /// # Errors
    /// [`codes::INTERNAL`] when the operating system starts no thread.
    pub fn new(policy: PasswordParameters, options: PoolOptions) -> Result<Self> {
        let blocks = policy.params(OUTPUT_BYTES)?.block_count();
        Ok(Self { pool: Pool::start(options, blocks)?, policy })
    }

    /// A hasher of the least cost Argon2 has, on one thread: for tests, where a thousand sign-ins
    /// must not take a minute.
    ///
    /// # Errors
    /// As [`PasswordHasher::new`].
    pub fn insecure_for_tests() -> Result<Self> {
        Self::new(PasswordParameters::new(8, 1, 1)?, PoolOptions::new(NonZeroUsize::MIN))
    }

    /// The cost of a new hash.
    #[must_use]
    pub fn parameters(&self) -> PasswordParameters {
        self.policy
    }

    /// The number of threads.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.pool.workers()
    }

    /// What was computed so far.
    #[must_use]
    pub fn usage(&self) -> PoolUse {
        self.pool.usage()
    }

    /// Hashes a password under a fresh salt.
    ///
    /// # Errors
    /// [`HASHING_OVERLOADED`](crate::codes::HASHING_OVERLOADED) when too many are waiting.
    pub async fn hash(&self, password: &SecretText) -> Result<PasswordHash> {
        let salt = random::bytes::<SALT_BYTES>()?;
        let output = self.pool.compute(self.usual(password, &salt)).await?;
        let hash = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: (&self.policy.params(OUTPUT_BYTES)?).try_into().map_err(unwritable)?,
            salt: Some(phc::Salt::new(&salt).map_err(unwritable)?),
            hash: Some(phc::Output::new(&output).map_err(unwritable)?),
        };
        Ok(PasswordHash(SecretText::new(hash.to_string())))
    }

    /// Checks a password against a hash, at the cost that the hash names.
    ///
    /// # Errors
    /// [`HASHING_OVERLOADED`](crate::codes::HASHING_OVERLOADED) when too many are waiting;
    /// [`codes::STORE_CORRUPT`] when the hash can't be read.
    pub async fn check(&self, password: &SecretText, hash: &PasswordHash) -> Result<Verdict> {
        let kept = Kept::read(hash.expose())?;
        let output = self.pool.compute(kept.computation(password)).await?;
        if !bool::from(output.ct_eq(&kept.output)) {
            return Ok(Verdict::Wrong);
        }
        let weak = kept.algorithm != Algorithm::Argon2id
            || kept.version != Version::V0x13
            || kept.output.len() < OUTPUT_BYTES
            || kept.parameters.is_below(self.policy);
        Ok(if weak { Verdict::RightButWeak } else { Verdict::Right })
    }

    /// Does the work of checking a password when there is no user, so that the answer takes as long.
    ///
    /// # Errors
    /// [`HASHING_OVERLOADED`](crate::codes::HASHING_OVERLOADED) when too many are waiting.
    pub async fn check_nobody(&self, password: &SecretText) -> Result<Verdict> {
        let output = self.pool.compute(self.usual(password, &[0; SALT_BYTES])).await?;
        // Compared as a real one would be; nothing can be equal to it.
        let _ = output.ct_eq(&[0; OUTPUT_BYTES]);
        Ok(Verdict::Wrong)
    }

    fn usual(&self, password: &SecretText, salt: &[u8]) -> Computation {
        Computation {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            parameters: self.policy,
            salt: salt.to_vec(),
            output: OUTPUT_BYTES,
            password: password.clone(),
        }
    }
}

/// A hash as it was kept.
struct Kept {
    algorithm: Algorithm,
    version: Version,
    parameters: PasswordParameters,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Kept {
    fn read(text: &str) -> Result<Self> {
        let hash = phc::PasswordHash::new(text).map_err(|e| unreadable(&e.to_string()))?;
        let algorithm = Algorithm::new(hash.algorithm.as_str())
            .map_err(|_| unreadable("an algorithm that is not Argon2"))?;
        let version = hash
            .version
            .map_or(Ok(Version::V0x10), Version::try_from)
            .map_err(|e| unreadable(&e.to_string()))?;
        let params = Params::try_from(&hash).map_err(|e| unreadable(&e.to_string()))?;
        let salt = hash.salt.ok_or_else(|| unreadable("no salt"))?;
        let output = hash.hash.ok_or_else(|| unreadable("no output"))?;
        Ok(Self {
            algorithm,
            version,
            parameters: PasswordParameters::of(&params)
                .map_err(|e| unreadable("parameters out of bounds").source(e))?,
            salt: salt.to_vec(),
            output: output.as_bytes().to_vec(),
        })
    }

    fn computation(&self, password: &SecretText) -> Computation {
        Computation {
            algorithm: self.algorithm,
            version: self.version,
            parameters: self.parameters,
            salt: self.salt.clone(),
            output: self.output.len(),
            password: password.clone(),
        }
    }
}

fn unreadable(why: &str) -> Error {
    Error::new(codes::STORE_CORRUPT).context("reading a password hash").source(why.to_owned())
}

fn unwritable(error: impl fmt::Display) -> Error {
    Error::new(codes::INTERNAL).context("writing a password hash").source(error.to_string())
}

#[cfg(test)]
mod tests;
