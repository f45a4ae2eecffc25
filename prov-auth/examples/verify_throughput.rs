//! What verifying and issuing an access token costs, beside the limits and jsonwebtoken, in one run.

#![expect(clippy::clone_on_ref_ptr, clippy::print_stdout, reason = "an example prints")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{rand::SystemRandom, rsa::KeySize};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, jwk::JwkSet};
use prov_auth::{
    AccessClaims, Revocations, SigningKeyOptions, SigningKeys, TokenIssuer, TokenOptions,
    TokenVerifier,
};
use prov_core::{Clock, SecretText, SessionId, SystemClock, UserId, store::MemoryStore};

/// Operations per second, measured for one second.
fn rate(name: &str, limit: Option<f64>, mut operation: impl FnMut()) -> f64 {
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_secs(1) {
        (0..64).for_each(|_| operation());
        count += 64;
    }
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    let ratio = limit.map_or(String::new(), |limit| format!("{:>8.2} of the limit", rate / limit));
    println!("{name:<42}{rate:>12.0}/s{ratio}");
    rate
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let der: Pkcs8V1Der<'_> = pair.as_der()?;
    let body = BASE64_STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let given = SigningKeyOptions::default().with_private_key(SecretText::new(pem.clone()));
    let keys = Arc::new(SigningKeys::open(store.clone(), clock.clone(), given).await?);
    let revocations = Revocations::open(store, clock.clone()).await?;
    // Something is revoked, so that asking is not free.
    revocations.revoke_user(&UserId::generate(&*clock)?).await?;
    revocations.revoke_session(&SessionId::generate(&*clock)?, clock.now()).await?;
    let options = TokenOptions::new("https://prov.example.com", ["orchestrator", "cli"]);
    let verifier = |options: &TokenOptions| {
        TokenVerifier::new(keys.clone(), revocations.clone(), clock.clone(), options)
    };
    let (cached, uncached) =
        (verifier(&options)?, verifier(&options.clone().with_cache_entries(0))?);
    let issuer = TokenIssuer::new(keys.clone(), revocations.clone(), clock.clone(), &options)?;
    let (user, session) = (UserId::generate(&*clock)?, SessionId::generate(&*clock)?);
    let claims = AccessClaims::new(user, session, "alice", "cli", clock.now())
        .with_roles([prov_core::Role::Operator]);
    let made = issuer.issue(&claims)?;
    let token = made.token.expose();
    println!("token of {} bytes, RSA-2048, one core", token.len());
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())?;
    let (signed, signature) = token.rsplit_once('.').ok_or("no JWS")?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature)?;
    let limit = rate("limit: RSA verify, parsed key", None, || {
        assert!(black_box(key.verify_sig(signed.as_bytes(), &signature)).is_ok());
    });
    let set: JwkSet = serde_json::from_value(keys.jwks())?;
    let jwk =
        set.find(&jsonwebtoken::decode_header(token)?.kid.ok_or("no kid")?).ok_or("no key")?;
    let (key, mut validation) = (DecodingKey::from_jwk(jwk)?, Validation::new(Algorithm::RS256));
    validation.set_audience(&options.audience);
    rate("jsonwebtoken::decode", Some(limit), || {
        assert!(jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).is_ok());
    });
    rate("TokenVerifier, first sight", Some(limit), || {
        assert!(black_box(uncached.verify(token)).is_ok());
    });
    let limit = rate("limit: SHA-256 of the token", None, || {
        black_box(digest(&SHA256, token.as_bytes()));
    });
    rate("TokenVerifier, seen before", Some(limit), || {
        assert!(black_box(cached.verify(token)).is_ok());
    });

    let mut out = [0; 256];
    let limit = rate("limit: RSA sign, parsed key", None, || {
        let rng = SystemRandom::new();
        assert!(pair.sign(&RSA_PKCS1_SHA256, &rng, signed.as_bytes(), &mut out).is_ok());
    });
    let key = EncodingKey::from_rsa_pem(pem.as_bytes())?;
    let payload = signed.split_once('.').ok_or("no JWS")?.1;
    let body: serde_json::Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload)?)?;
    rate("jsonwebtoken::encode", Some(limit), || {
        assert!(jsonwebtoken::encode(&Header::new(Algorithm::RS256), &body, &key).is_ok());
    });
    rate("TokenIssuer", Some(limit), || assert!(issuer.issue(&claims).is_ok()));
    Ok(())
}
