//! A mutator against the token parser, with `jsonwebtoken` as the second opinion: whatever is accepted here
//! is accepted there, and says the same.
//!
//! It runs for 3 seconds, or for as many as `PROV_FUZZ_SECONDS` says. What it does follows from its seed,
//! which a failure names.

use std::time::{Duration, Instant};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::token_fixture::{AUDIENCE, ISSUER, Node, b64};

/// Pieces that have meant trouble for some parser.
const PIECES: &[&str] = &[
    "\"alg\":\"none\",",
    "\"alg\":\"HS256\",",
    "\"alg\":\"RS256\",",
    "\"crit\":[\"exp\"],",
    "\"kid\":null,",
    "\"jwk\":{},",
    "\"aud\":[],",
    "\"aud\":null,",
    "\"exp\":99999999999,",
    "\"exp\":-1,",
    "\"exp\":1e99,",
    "\"exp\":\"1\",",
    "\"sub\":\"user_x\",",
    "\"iss\":[\"x\"],",
    "\"\\u0061lg\":\"none\",",
    "\u{feff}",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ".",
    "=",
    "==",
    " ",
    "\n",
    "\0",
    "é",
];

/// Numbers that follow from a seed (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below.max(1) as u64).unwrap()
    }

    /// A few changes to a text.
    fn mutate(&mut self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.roll(3) {
            let at = self.roll(bytes.len() + 1);
            match self.roll(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.roll(8),
                1 if at < bytes.len() => {
                    bytes.remove(at);
                }
                2 => {
                    let piece = PIECES[self.roll(PIECES.len())].bytes();
                    drop(bytes.splice(at..at, piece));
                }
                3 => bytes.truncate(at),
                4 => {
                    let to = at + self.roll(bytes.len() - at + 1).min(64);
                    let copy = bytes[at..to].to_vec();
                    drop(bytes.splice(at..at, copy));
                }
                _ => {
                    // Behind the first brace, where a member may stand.
                    let piece = PIECES[self.roll(PIECES.len())].bytes();
                    let at = 1.min(bytes.len());
                    drop(bytes.splice(at..at, piece));
                }
            }
        }
        bytes
    }
}

fn seconds() -> Duration {
    let given = std::env::var_os("PROV_FUZZ_SECONDS").and_then(|text| text.to_str()?.parse().ok());
    Duration::from_secs(given.unwrap_or(3))
}

#[tokio::test]
async fn mutated_tokens_never_break_the_parser_and_never_divide_it_from_the_second_opinion() {
    const SEED: u64 = 0x5eed_0f70_6b65_6e73;
    let node = Node::start().await;
    let set: JwkSet = serde_json::from_value(node.keys.jwks()).unwrap();
    let key = DecodingKey::from_jwk(set.find(&node.key_id()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false; // the clock of the test is not the machine's
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&AUDIENCE);
    let (header, body) = (node.header().to_string(), node.body().to_string());
    let good = node.token();
    let (mut dice, started) = (Dice(SEED), Instant::now());
    let (mut tried, mut accepted) = (0_u64, 0_u64);
    while started.elapsed() < seconds() {
        let round = tried;
        let token = match dice.roll(4) {
            // Signed afterwards: what stands behind the signature is read as well.
            0 => node.sign_raw(&b64(dice.mutate(&header)), &b64(body.as_bytes())),
            1 | 2 => node.sign_raw(&b64(header.as_bytes()), &b64(dice.mutate(&body))),
            _ => String::from_utf8_lossy(&dice.mutate(&good)).into_owned(),
        };
        tried += 1;
        let Ok(identity) = node.verifier.verify(&token) else { continue };
        accepted += 1;
        let second = jsonwebtoken::decode::<Value>(&token, &key, &validation);
        let second = second.unwrap_or_else(|e| panic!("round {round} of {SEED:#x}: {e}: {token}"));
        assert_eq!(second.claims["sub"], *identity.principal.id, "round {round} of {SEED:#x}");
        assert_eq!(second.claims["preferred_username"], *identity.principal.name);
        assert_eq!(second.header.alg, Algorithm::RS256);
    }
    // Blanks and unknown members are harmless, so some hold; a mutator that never hits is none.
    assert!(tried > 500 && accepted > 0, "{accepted} of {tried}");
    println!("{tried} tokens, {accepted} accepted by both");
}
