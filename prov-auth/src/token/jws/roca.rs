//! The mark of a flawed key generator (ROCA, CVE-2017-15361).
//!
//! The primes it made are powers of 65537 modulo every small prime, and so are their products. An
//! honest modulus passes for one with a chance of 2⁻²⁸.

/// Small primes modulo which the powers of 65537 are few.
const PRIMES: [u16; 17] =
    [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// Whether a big-endian modulus has the mark, so that its factors can be found.
pub(super) fn bears_mark(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| {
        let prime = u32::from(*prime);
        let rest = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * (65_537 % prime) % prime));
        // The powers repeat before `prime` steps.
        powers.take(usize::try_from(prime).unwrap_or(usize::MAX)).any(|power| power == rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_the_generator_bear_the_mark_and_other_numbers_do_not() {
        assert!(bears_mark(&1_u32.to_be_bytes()));
        assert!(bears_mark(&65_537_u32.to_be_bytes()));
        assert!(bears_mark(&(65_537_u64 * 65_537).to_be_bytes()));
        assert!(!bears_mark(&65_539_u32.to_be_bytes()));
        assert!(!bears_mark(&[0xd7; 256]));
    }
}
