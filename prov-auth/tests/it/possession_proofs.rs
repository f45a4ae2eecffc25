//! DPoP proofs, rule by rule (RFC 9449, section 4.3).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use futures_util::FutureExt as _;
use prov_auth::codes::{PROOF_INVALID, PROOF_NONCE_REQUIRED, PROOFS_TOO_MANY};
use prov_auth::{ProofOptions, ProofVerifier};
use prov_core::{Clock, Code, ManualClock, Result, SecretText};
use serde_json::{Value, json};

use crate::holder::{Holder, URL, encode, facts_of};

struct Server {
    clock: ManualClock,
    proofs: ProofVerifier,
    holder: Holder,
}

impl Server {
    fn new() -> Self {
        Self::with(ProofOptions::default())
    }

    fn with(options: ProofOptions) -> Self {
        Self::at("2026-03-02T09:00:00Z", URL, options)
    }

    fn at(time: &str, url: &str, options: ProofOptions) -> Self {
        let clock = ManualClock::at(time.parse().unwrap());
        let proofs = ProofVerifier::new(url, options, Arc::new(clock.clone())).unwrap();
        Self { clock, proofs, holder: Holder::new() }
    }

    fn claims(&self) -> Value {
        self.holder.claims("POST", "/token", self.clock.now().as_second())
    }

    /// Shows a proof with `POST /token`.
    fn show(&self, proof: &str) -> Result<String> {
        self.show_with("POST", "/token", proof, None)
    }

    fn show_with(
        &self,
        method: &str,
        path: &str,
        proof: &str,
        token: Option<&str>,
    ) -> Result<String> {
        let facts = facts_of(&self.clock, method, path).with_proof(Some(SecretText::new(proof)));
        // Where no memory is shared, it waits for nobody.
        self.proofs.verify(&facts, token).now_or_never().unwrap()
    }

    /// What becomes of a proof that differs in this from a good one.
    fn with_header(&self, change: impl FnOnce(&mut Value)) -> Option<Code> {
        let mut header = self.holder.header();
        change(&mut header);
        self.show(&self.holder.sign(&header, &self.claims())).err().map(|error| error.code())
    }

    fn with_claims(&self, change: impl FnOnce(&mut Value)) -> Option<Code> {
        let mut claims = self.claims();
        change(&mut claims);
        let proof = self.holder.sign(&self.holder.header(), &claims);
        self.show(&proof).err().map(|error| error.code())
    }
}

/// The proof of figure 2, for a token.
const FIGURE_2: &str = concat!(
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklD",
    "UkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2",
    "R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBz",
    "Oi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiM",
    "LvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
);
/// That of figure 7, for a refresh.
const FIGURE_7: &str = concat!(
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklD",
    "UkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2",
    "R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBz",
    "Oi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ.pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8",
    "cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA",
);
/// That of figure 12, for a protected resource, with the access token of figure 13.
const FIGURE_12: &str = concat!(
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklD",
    "UkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2",
    "R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6",
    "Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8y",
    "cjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemA",
    "gR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
);
const FIGURE_13_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
/// The thumbprint of figures 8 and 9.
const FIGURE_9: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

#[test]
fn the_examples_of_the_rfc_hold_when_they_were_made() {
    let options = ProofOptions::default();
    let server = Server::at("2019-07-04T17:50:16Z", "https://server.example.com", options);
    assert_eq!(server.clock.now().as_second(), 1_562_262_616);
    assert_eq!(server.show(FIGURE_2).unwrap(), FIGURE_9);
    server.clock.advance(Duration::from_secs(2_680));
    assert_eq!(server.show(FIGURE_7).unwrap(), FIGURE_9, "the same id long after is another proof");
    let resource = Server::at("2019-07-04T17:50:18Z", "https://resource.example.org", options);
    let show = |token| resource.show_with("GET", "/protectedresource", FIGURE_12, Some(token));
    assert!(show("another token").is_err());
    assert_eq!(show(FIGURE_13_TOKEN).unwrap(), FIGURE_9);
    assert!(show(FIGURE_13_TOKEN).unwrap_err().is(PROOF_INVALID), "once");
}

#[test]
fn every_algorithm_that_is_told_of_is_taken() {
    let server = Server::new();
    assert_eq!(server.with_header(|_| {}), None);
    let second = server.clock.now().as_second();
    let edwards = Holder::of_ed25519();
    for name in ["EdDSA", "Ed25519"] {
        let mut header = edwards.header();
        header["alg"] = name.into();
        let proof = edwards.sign(&header, &edwards.claims("POST", "/token", second));
        assert_eq!(server.show(&proof).unwrap(), edwards.thumbprint(), "{name}");
    }
    // RSA keys sign by either of two, and the name tells by which.
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair.public_key();
    let by: [(&str, &dyn RsaEncoding); 2] =
        [("RS256", &RSA_PKCS1_SHA256), ("PS256", &RSA_PSS_SHA256)];
    for (name, _) in by {
        let header = json!({"typ": "dpop+jwt", "alg": name, "jwk": {
            "kty": "RSA",
            "n": encode(public.modulus().big_endian_without_leading_zero()),
            "e": encode(public.exponent().big_endian_without_leading_zero()),
        }});
        for (other, encoding) in by {
            let claims = edwards.claims("POST", "/token", second);
            let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
            let mut signature = vec![0; public.modulus_len()];
            let random = SystemRandom::new();
            pair.sign(encoding, &random, signed.as_bytes(), &mut signature).unwrap();
            let shown = server.show(&format!("{signed}.{}", encode(signature)));
            assert_eq!(shown.is_ok(), name == other, "{name} signed as {other}");
        }
    }
}

#[test]
fn keys_on_p384_sign_by_their_own_algorithm_alone() {
    let server = Server::new();
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let jwk =
        json!({"kty": "EC", "crv": "P-384", "x": encode(&point[1..49]), "y": encode(&point[49..])});
    let show = |algorithm: &str, jwk: &Value| {
        let header = json!({"typ": "dpop+jwt", "alg": algorithm, "jwk": jwk}).to_string();
        let signed = format!("{}.{}", encode(header), encode(server.claims().to_string()));
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        server.show(&format!("{signed}.{}", encode(signature)))
    };
    let canonical = format!(r#"{{"crv":"P-384","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
    let thumbprint = encode(digest(&SHA256, canonical.as_bytes()));
    assert_eq!(show("ES384", &jwk).unwrap(), thumbprint, "RFC 7638");
    for name in ["ES256", "ES512", "EdDSA", "RS256", "PS256", "none", "es384"] {
        assert!(show(name, &jwk).unwrap_err().is(PROOF_INVALID), "{name}");
    }
    let changed = |name: &str, value: Value| {
        let mut other = jwk.clone();
        other[name] = value;
        other
    };
    for other in [
        changed("crv", json!("P-256")),
        changed("x", json!(encode(&point[1..48]))),
        changed("x", json!(encode([&[0], &point[1..49]].concat()))),
        changed("y", json!(encode(&point[1..49]))),
        changed("d", json!(encode(&point[1..49]))),
    ] {
        assert!(show("ES384", &other).unwrap_err().is(PROOF_INVALID), "{other}");
    }
    // Nor does a key on P-256 sign by it.
    let mut header = server.holder.header();
    header["alg"] = "ES384".into();
    let proof = server.holder.sign(&header, &server.claims());
    assert!(server.show(&proof).unwrap_err().is(PROOF_INVALID));
}

#[test]
fn a_header_that_breaks_a_rule_makes_no_proof() {
    let server = Server::new();
    let invalid = Some(PROOF_INVALID);
    for kind in ["JWT", "at+jwt", "logout+jwt", ""] {
        assert_eq!(server.with_header(|header| header["typ"] = kind.into()), invalid, "{kind}");
    }
    for algorithm in ["none", "HS256", "RS256", "ES384", "EdDSA", "es256", ""] {
        let found = server.with_header(|header| header["alg"] = algorithm.into());
        assert_eq!(found, invalid, "{algorithm}");
    }
    for missing in ["typ", "alg", "jwk"] {
        let remove = |header: &mut Value| drop(header.as_object_mut().unwrap().remove(missing));
        assert_eq!(server.with_header(remove), invalid, "{missing}");
    }
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        let add = |header: &mut Value| header["jwk"][private] = "AAAA".into();
        assert_eq!(server.with_header(add), invalid, "{private}");
    }
    for extension in ["crit", "b64", "jku", "x5u", "x5c"] {
        let add = |header: &mut Value| header[extension] = json!(null);
        assert_eq!(server.with_header(add), invalid, "{extension}");
    }
    let other = Holder::new();
    assert_eq!(server.with_header(|header| header["jwk"] = other.jwk()), invalid, "not its own");
    for jwk in [
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "EC", "crv": "P-384", "x": "AAAA", "y": "AAAA"}),
        json!({"kty": "EC", "crv": "P-256", "x": encode([1; 32]), "y": encode([1; 32])}),
        json!("a key"),
        json!({}),
    ] {
        assert_eq!(server.with_header(|header| header["jwk"] = jwk.clone()), invalid, "{jwk}");
    }
}

#[test]
fn claims_that_break_a_rule_make_no_proof() {
    let server = Server::new();
    let invalid = Some(PROOF_INVALID);
    assert_eq!(server.with_claims(|_| {}), None);
    assert_eq!(
        server.with_claims(|claims| claims["htu"] = format!("{URL}/token?a=b").into()),
        None
    );
    for missing in ["jti", "htm", "htu", "iat"] {
        let remove = |claims: &mut Value| drop(claims.as_object_mut().unwrap().remove(missing));
        assert_eq!(server.with_claims(remove), invalid, "{missing}");
    }
    for (claim, value) in [
        ("htm", json!("GET")),
        ("htm", json!("post")),
        ("htu", json!("https://prov.example.com/other")),
        ("htu", json!("https://evil.example.com/token")),
        ("htu", json!("http://prov.example.com/token")),
        ("htu", json!("/token")),
        ("jti", json!("")),
        ("jti", json!("x".repeat(257))),
        ("jti", json!(7)),
        ("iat", json!("now")),
        ("iat", json!(1e40)),
    ] {
        let found = server.with_claims(|claims| claims[claim] = value.clone());
        assert_eq!(found, invalid, "{claim}: {value}");
    }
    let twice = server.claims().to_string().replacen('{', "{\"htm\":\"GET\",", 1);
    let proof = server.holder.sign_text(&server.holder.header().to_string(), &twice);
    assert!(server.show(&proof).unwrap_err().is(PROOF_INVALID), "a claim stands twice");
}

#[test]
fn a_proof_is_for_now() {
    let server = Server::new();
    let now = server.clock.now().as_second();
    for (made, holds) in [
        (now, true),
        (now - 60, true),
        (now - 61, false),
        (now + 10, true),
        (now + 11, false),
        (0, false),
        (i64::MIN, false),
        (i64::MAX, false),
    ] {
        let found = server.with_claims(|claims| claims["iat"] = made.into());
        assert_eq!(found.is_none(), holds, "{}", i128::from(made) - i128::from(now));
    }
}

#[test]
fn what_is_no_proof_at_all_is_refused() {
    let server = Server::new();
    let good = || server.holder.sign(&server.holder.header(), &server.claims());
    let flipped = |text: String| {
        let (head, tail) = text.rsplit_once('.').unwrap();
        format!("{head}.{}", tail.chars().rev().collect::<String>())
    };
    for proof in [
        String::new(),
        "?".to_owned(),
        "a.b.c".to_owned(),
        format!("{}.x", good()),
        // As several headers arrive (section 4.3, rule 1).
        format!("{}, {}", good(), good()),
        flipped(good()),
        format!("{}\n", good()),
        "x".repeat(9000),
    ] {
        assert!(server.show(&proof).unwrap_err().is(PROOF_INVALID), "{proof}");
    }
    let nothing = facts_of(&server.clock, "POST", "/token");
    assert!(
        server.proofs.verify(&nothing, None).now_or_never().unwrap().unwrap_err().is(PROOF_INVALID)
    );
}

#[test]
fn no_letter_of_a_proof_can_be_another() {
    let server = Server::new();
    let good = server.holder.sign(&server.holder.header(), &server.claims());
    for place in 0..good.len() {
        let mut letters: Vec<char> = good.chars().collect();
        letters[place] = if letters[place] == 'A' { 'B' } else { 'A' };
        let changed: String = letters.into_iter().collect();
        assert!(server.show(&changed).is_err(), "{place} of {good}");
    }
    assert!(server.show(&good).is_ok());
}

#[test]
fn a_proof_for_a_token_is_for_that_one() {
    let server = Server::new();
    let facts = facts_of(&server.clock, "GET", "/api/v1/auth/me");
    let of = |token| server.holder.proof(&facts, token);
    let show = |proof: &SecretText| {
        server.show_with("GET", "/api/v1/auth/me", proof.expose(), Some("token"))
    };
    assert_eq!(show(&of(Some("token"))).unwrap(), server.holder.thumbprint());
    assert!(show(&of(Some("another"))).unwrap_err().is(PROOF_INVALID));
    assert!(show(&of(None)).unwrap_err().is(PROOF_INVALID));
}

#[test]
fn a_proof_is_good_once_and_what_does_not_hold_takes_no_room() {
    let server = Server::with(ProofOptions::default().with_remembered(16));
    let proof = server.holder.sign(&server.holder.header(), &server.claims());
    for _ in 0..50 {
        let wrong = server.with_claims(|claims| claims["htm"] = "GET".into());
        assert_eq!(wrong, Some(PROOF_INVALID));
    }
    assert!(server.show(&proof).is_ok());
    assert!(server.show(&proof).unwrap_err().is(PROOF_INVALID));
    server.clock.advance(Duration::from_mins(1));
    assert!(server.show(&proof).unwrap_err().is(PROOF_INVALID), "as long as it is fresh");
    assert_eq!(server.with_claims(|_| {}), Some(PROOFS_TOO_MANY), "there is room for one");
    server.clock.advance(Duration::from_secs(71));
    assert_eq!(server.with_claims(|_| {}), None);
}

#[test]
fn with_nonces_a_proof_made_in_advance_is_none() {
    let server = Server::with(ProofOptions::default().with_nonces(true));
    let missing = Some(PROOF_NONCE_REQUIRED);
    assert_eq!(server.with_claims(|_| {}), missing);
    assert_eq!(server.with_claims(|claims| claims["nonce"] = "guessed".into()), missing);
    let nonce = server.proofs.nonce().unwrap();
    assert_eq!(server.with_claims(|claims| claims["nonce"] = nonce.clone().into()), None);
    let other = Server::with(ProofOptions::default().with_nonces(true)).proofs.nonce().unwrap();
    assert_eq!(server.with_claims(|claims| claims["nonce"] = other.into()), missing);
    server.clock.advance(Duration::from_mins(7));
    assert_eq!(server.with_claims(|claims| claims["nonce"] = nonce.into()), missing, "too old");
    assert!(Server::new().proofs.nonce().is_none());
}

#[test]
fn options_that_can_not_be_right_are_refused() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap()));
    let verifier = |url: &str, options| ProofVerifier::new(url, options, clock.clone());
    assert!(verifier("", ProofOptions::default()).is_err());
    assert!(verifier(URL, ProofOptions::default().with_max_age(Duration::from_hours(1))).is_err());
    assert!(verifier(URL, ProofOptions::default().with_remembered(0)).is_err());
}
