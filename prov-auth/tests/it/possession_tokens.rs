//! Tokens that are bound to a key or a certificate, from the sign-in to the layer that takes them.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use prov_auth::codes::{
    CHALLENGE_INVALID, PROOF_INVALID, PROOF_NONCE_REQUIRED, REFRESH_TOKEN_INVALID, TOKEN_BOUND,
};
use prov_auth::{AuthOptions, AuthService, Introspection, LoginOutcome, ProofOptions, TokenSet};
use prov_core::audit::Action;
use prov_core::{Code, Confirmation, Error, RequestFacts, Result, SecretText, SecurityContext};
use prov_http::{PeerCertificates, Refusal, step_up_challenge};
use tower::{Layer, ServiceExt, service_fn};

use crate::holder::{Holder, URL, encode, facts_of};
use crate::user_fixture::{House, PASSWORD, code, secret};

struct World {
    house: House,
    service: Arc<AuthService>,
    holder: Holder,
}

impl World {
    async fn new() -> Self {
        Self::with(proving(ProofOptions::default())).await
    }

    async fn with(options: AuthOptions) -> Self {
        let house = House::new().await;
        house.user("alice", &[]).await;
        let service = house.reopened(options).await.unwrap();
        Self { house, service, holder: Holder::new() }
    }

    fn facts(&self, path: &str) -> RequestFacts {
        facts_of(&self.house.clock, "POST", path)
    }

    fn signing_in(&self) -> RequestFacts {
        self.facts("/api/v1/auth/login")
    }

    async fn login(&self, facts: &RequestFacts) -> Result<TokenSet> {
        match self.service.login("alice", &secret(PASSWORD), facts).await? {
            LoginOutcome::Tokens(tokens) => Ok(tokens),
            LoginOutcome::MfaRequired { .. } => panic!("no second factor is enrolled"),
        }
    }

    /// Tokens bound to the key of the holder.
    async fn bound(&self) -> TokenSet {
        self.login(&self.holder.proving(self.signing_in(), None)).await.unwrap()
    }

    fn confirmation(&self, tokens: &TokenSet) -> Option<Confirmation> {
        let identity = self.house.verifier.verify(tokens.access_token.expose()).unwrap();
        identity.authentication.confirmation.as_deref().cloned()
    }

    async fn refresh(&self, tokens: &TokenSet, holder: Option<&Holder>) -> Result<TokenSet> {
        let facts = self.facts("/api/v1/auth/refresh");
        let facts = match holder {
            Some(holder) => holder.proving(facts, None),
            None => facts,
        };
        self.service.refresh(tokens.refresh_token.as_ref().unwrap(), &facts).await
    }

    /// Asks for `/me` through the layer.
    async fn ask(&self, scheme: &str, tokens: &TokenSet, proof: Option<&str>) -> Response<Bytes> {
        self.ask_over(scheme, tokens, proof, None).await
    }

    async fn ask_over(
        &self,
        scheme: &str,
        tokens: &TokenSet,
        proof: Option<&str>,
        certificate: Option<&Bytes>,
    ) -> Response<Bytes> {
        let mut request = Request::get("/me?limit=1").body(Bytes::new()).unwrap();
        let credential = format!("{scheme} {}", tokens.access_token.expose());
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, HeaderValue::try_from(credential).unwrap());
        if let Some(proof) = proof {
            headers.insert("dpop", HeaderValue::try_from(proof).unwrap());
        }
        if let Some(certificate) = certificate {
            request.extensions_mut().insert(PeerCertificates([certificate.clone()].into()));
        }
        let answer = service_fn(|request: Request<Bytes>| async move {
            let context = request.extensions().get::<SecurityContext>();
            let mut response =
                Response::new(Bytes::from(context.unwrap().principal().name.clone()));
            // As a layer within asks for more.
            let challenge = step_up_challenge("more is needed", true, None);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            Ok::<_, Infallible>(response)
        });
        self.service.authn_layer().layer(answer).oneshot(request).await.unwrap()
    }

    /// A good proof for `GET /me` with this token.
    fn proof(&self, holder: &Holder, tokens: &TokenSet) -> String {
        let facts = facts_of(&self.house.clock, "GET", "/me");
        holder.proof(&facts, Some(tokens.access_token.expose())).expose().to_owned()
    }
}

fn proving(proofs: ProofOptions) -> AuthOptions {
    AuthOptions::default().with_public_url(Some(URL)).with_proofs(Some(proofs))
}

fn reason(response: &Response<Bytes>) -> Option<Code> {
    let refusal = response.extensions().get::<Refusal>()?;
    let source = std::error::Error::source(refusal.error())?;
    source.downcast_ref::<Error>().map(Error::code)
}

fn challenge(response: &Response<Bytes>) -> &str {
    response.headers()[WWW_AUTHENTICATE].to_str().unwrap()
}

const ALGS: &str = "algs=\"ES256 EdDSA Ed25519 RS256 PS256 ES384\"";

#[tokio::test]
async fn a_bound_token_is_taken_with_a_proof_and_in_no_other_way() {
    let world = World::new().await;
    let tokens = world.bound().await;
    assert_eq!(tokens.token_type, "DPoP");
    let bound_to = Confirmation::of(Some(world.holder.thumbprint()), None);
    assert_eq!(world.confirmation(&tokens), bound_to);
    let proof = world.proof(&world.holder, &tokens);
    for (scheme, holds) in [("DPoP", true), ("dpop", false)] {
        let response = world.ask(scheme, &tokens, Some(&proof)).await;
        assert_eq!(response.status() == StatusCode::OK, holds, "a proof is good once");
    }
    let fresh = || world.proof(&world.holder, &tokens);
    // Whoever stole the token has no proof, or one of another key, request or token.
    let downgraded = world.ask("Bearer", &tokens, None).await;
    assert_eq!(reason(&downgraded), Some(TOKEN_BOUND));
    assert_eq!(world.ask("Bearer", &tokens, Some(&fresh())).await.status(), 401);
    let of_thief = world.proof(&Holder::new(), &tokens);
    assert_eq!(reason(&world.ask("DPoP", &tokens, Some(&of_thief)).await), Some(TOKEN_BOUND));
    let elsewhere = facts_of(&world.house.clock, "GET", "/other");
    let elsewhere = world.holder.proof(&elsewhere, Some(tokens.access_token.expose()));
    let response = world.ask("DPoP", &tokens, Some(elsewhere.expose())).await;
    assert_eq!(reason(&response), Some(PROOF_INVALID));
    assert_eq!(reason(&world.ask("DPoP", &tokens, None).await), Some(PROOF_INVALID));
    let other = world.bound().await;
    let of_other = world.proof(&world.holder, &other);
    assert_eq!(reason(&world.ask("DPoP", &tokens, Some(&of_other)).await), Some(PROOF_INVALID));
    assert_eq!(world.ask("DPoP", &tokens, Some(&fresh())).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_token_that_is_bound_to_nothing_stays_as_it_was() {
    let world = World::new().await;
    let tokens = world.login(&world.signing_in()).await.unwrap();
    assert_eq!((tokens.token_type, world.confirmation(&tokens)), ("Bearer", None));
    assert_eq!(world.ask("Bearer", &tokens, None).await.status(), StatusCode::OK);
    let proof = world.proof(&world.holder, &tokens);
    let response = world.ask("DPoP", &tokens, Some(&proof)).await;
    assert_eq!(reason(&response), Some(TOKEN_BOUND), "RFC 9449, section 7.1");
}

#[tokio::test]
async fn challenges_say_which_scheme_and_what_is_wrong() {
    let world = World::new().await;
    let tokens = world.bound().await;
    let bearer = world.ask("Bearer", &tokens, None).await;
    let both =
        format!("Bearer realm=\"prov\", error=\"invalid_token\", DPoP realm=\"prov\", {ALGS}");
    assert_eq!(challenge(&bearer), both);
    let asked = world.ask("DPoP", &tokens, None).await;
    let proof = format!("DPoP realm=\"prov\", {ALGS}, error=\"invalid_dpop_proof\"");
    assert_eq!(challenge(&asked), proof);
    assert_eq!(asked.status(), 401);
    world.house.wait(std::time::Duration::from_hours(1));
    let ended = world.ask("DPoP", &tokens, Some(&world.proof(&world.holder, &tokens))).await;
    assert_eq!(challenge(&ended), format!("DPoP realm=\"prov\", {ALGS}, error=\"invalid_token\""));
    let nobody = world.ask("Basic", &tokens, None).await;
    assert_eq!(challenge(&nobody), format!("Bearer realm=\"prov\", DPoP realm=\"prov\", {ALGS}"));
    // The layers within ask for more in the scheme that was used.
    let tokens = world.bound().await;
    let taken = world.ask("DPoP", &tokens, Some(&world.proof(&world.holder, &tokens))).await;
    assert!(challenge(&taken).starts_with("DPoP error=\"insufficient_user_authentication\""));
}

#[tokio::test]
async fn a_refresh_token_is_bound_to_the_key_and_stays_the_owners_when_it_is_stolen() {
    let world = World::new().await;
    let first = world.bound().await;
    let second = world.refresh(&first, Some(&world.holder)).await.unwrap();
    assert_eq!(second.token_type, "DPoP");
    assert_eq!(world.confirmation(&second), world.confirmation(&first));
    // A thief without the key neither gets tokens nor ends the session, with a spent token or the current.
    for stolen in [&second, &first] {
        for holder in [None, Some(&Holder::new())] {
            let error = world.refresh(stolen, holder).await.unwrap_err();
            assert!(error.is(REFRESH_TOKEN_INVALID), "{error:?}");
        }
    }
    let lost = world.refresh(&first, Some(&world.holder)).await.unwrap();
    assert_eq!(lost.refresh_token, second.refresh_token, "a lost answer is asked for again");
    world.refresh(&second, Some(&world.holder)).await.unwrap();
    // A bound session can't be opened up again, nor one that is open be bound.
    let open = world.login(&world.signing_in()).await.unwrap();
    let still = world.refresh(&open, Some(&world.holder)).await.unwrap();
    assert_eq!((still.token_type, world.confirmation(&still)), ("Bearer", None));
}

#[tokio::test]
async fn a_proof_that_does_not_hold_signs_nobody_in_and_spends_nothing() {
    let world = World::new().await;
    let user = world.service.user("alice").await.unwrap();
    world.house.factors.enroll(&user.id);
    let begun = world.service.login("alice", &secret(PASSWORD), &world.signing_in()).await.unwrap();
    let LoginOutcome::MfaRequired { challenge, .. } = begun else { panic!("a factor is due") };
    let facts = world.facts("/api/v1/auth/login/mfa");
    let wrong = facts_of(&world.house.clock, "POST", "/api/v1/auth/login/mfa")
        .with_proof(Some(secret("no proof")));
    for _ in 0..10 {
        let error = world.service.login_mfa(&challenge, &code("right"), &wrong).await.unwrap_err();
        assert!(error.is(PROOF_INVALID), "{error:?}");
    }
    let facts = world.holder.proving(facts, None);
    let tokens = world.service.login_mfa(&challenge, &code("right"), &facts).await.unwrap();
    assert_eq!(tokens.token_type, "DPoP", "neither challenge nor code was spent");
    let failures = world.house.recorded(0).into_iter().filter(|event| {
        let code = event.context.get("code");
        event.action == Action::AUTH_LOGIN_MFA
            && code.is_some_and(|code| code == PROOF_INVALID.name())
    });
    assert_eq!(failures.count(), 10, "each left an event");
    let error = world.service.login_mfa(&challenge, &code("right"), &world.facts("/x")).await;
    assert!(error.unwrap_err().is(CHALLENGE_INVALID));
    // Nor by a password alone.
    world.house.user("bob", &[]).await;
    let error = world.service.login("bob", &secret(PASSWORD), &wrong).await.unwrap_err();
    assert!(error.is(PROOF_INVALID));
}

#[tokio::test]
async fn with_nonces_every_answer_to_a_proof_brings_the_next_one() {
    let world = World::with(proving(ProofOptions::default().with_nonces(true))).await;
    let error = world.login(&world.holder.proving(world.signing_in(), None)).await.unwrap_err();
    assert!(error.is(PROOF_NONCE_REQUIRED));
    let with_nonce = |facts: RequestFacts, nonce: &str, token: Option<&str>| {
        let second = facts.received_at.as_second();
        let mut claims = world.holder.claims(&facts.method, &facts.path, second);
        claims["nonce"] = nonce.into();
        if let Some(token) = token {
            claims["ath"] =
                encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes()))
                    .into();
        }
        let proof = world.holder.sign(&world.holder.header(), &claims);
        facts.with_proof(Some(secret(&proof)))
    };
    let nonce = world.service.proofs().unwrap().nonce().unwrap();
    let tokens = world.login(&with_nonce(world.signing_in(), &nonce, None)).await.unwrap();
    let first = world.ask("DPoP", &tokens, Some(&world.proof(&world.holder, &tokens))).await;
    assert_eq!(first.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(challenge(&first), format!("DPoP realm=\"prov\", {ALGS}, error=\"use_dpop_nonce\""));
    let given = first.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    let facts = facts_of(&world.house.clock, "GET", "/me");
    let facts = with_nonce(facts, &given, Some(tokens.access_token.expose()));
    let again = world.ask("DPoP", &tokens, facts.proof.as_ref().map(SecretText::expose)).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert!(again.headers().contains_key("dpop-nonce"));
    // Another node of the installation takes it as well.
    let other = world.house.reopened(proving(ProofOptions::default().with_nonces(true))).await;
    let facts = with_nonce(world.signing_in(), &given, None);
    assert!(other.unwrap().login("alice", &secret(PASSWORD), &facts).await.is_ok());
}

#[tokio::test]
async fn with_the_switch_off_proofs_are_not_looked_at_and_bound_tokens_not_taken() {
    let world = World::new().await;
    let tokens = world.bound().await;
    let off = World {
        service: world.house.reopened(AuthOptions::default()).await.unwrap(),
        house: world.house,
        holder: world.holder,
    };
    let open = off.login(&off.signing_in().with_proof(Some(secret("no proof")))).await.unwrap();
    assert_eq!(open.token_type, "Bearer");
    for scheme in ["Bearer", "DPoP"] {
        let proof = off.proof(&off.holder, &tokens);
        let response = off.ask(scheme, &tokens, Some(&proof)).await;
        assert_eq!(reason(&response), Some(TOKEN_BOUND), "{scheme}");
        assert_eq!(challenge(&response), "Bearer realm=\"prov\", error=\"invalid_token\"");
    }
    let error = off.refresh(&tokens, Some(&off.holder)).await.unwrap_err();
    assert!(error.is(REFRESH_TOKEN_INVALID));
    assert!(
        off.house
            .reopened(AuthOptions::default().with_proofs(Some(ProofOptions::default())))
            .await
            .is_err(),
        "where is it reached?"
    );
}

#[tokio::test]
async fn introspection_and_discovery_tell_of_it() {
    let world = World::with(proving(ProofOptions::default()).with_certificate_binding(true)).await;
    let tokens = world.bound().await;
    let context = world.house.context(&tokens);
    let told = world.service.introspect(&context, &tokens.access_token).await.unwrap();
    let Introspection::Active(prov_auth::ActiveToken::Access { identity, .. }) = told else {
        panic!("{told:?}")
    };
    let bound_to = identity.authentication.confirmation.as_deref().cloned();
    assert_eq!(bound_to, Confirmation::of(Some(world.holder.thumbprint()), None));
    let found = world.service.discovery().unwrap();
    assert_eq!(found.proof_algorithms, ["ES256", "EdDSA", "Ed25519", "RS256", "PS256", "ES384"]);
    assert!(found.binds_to_certificates);
}

/// RFC 8705, section 3.
#[tokio::test]
async fn a_token_is_bound_to_the_certificate_of_the_connection() {
    let world = World::with(AuthOptions::default().with_certificate_binding(true)).await;
    let (own, other) = (Bytes::from_static(b"a certificate"), Bytes::from_static(b"another"));
    let over = |path: &str, shown: &Bytes| world.facts(path).with_certificate(Some(shown.clone()));
    let tokens = world.login(&over("/api/v1/auth/login", &own)).await.unwrap();
    assert_eq!(tokens.token_type, "Bearer");
    let thumbprint = encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &own));
    assert_eq!(world.confirmation(&tokens), Confirmation::of(None, Some(thumbprint)));
    for (shown, holds) in [(Some(&own), true), (Some(&other), false), (None, false)] {
        let response = world.ask_over("Bearer", &tokens, None, shown).await;
        assert_eq!(response.status() == StatusCode::OK, holds, "{shown:?}");
        assert_eq!(reason(&response), (!holds).then_some(TOKEN_BOUND));
    }
    let refresh = async |facts: RequestFacts| {
        world.service.refresh(tokens.refresh_token.as_ref().unwrap(), &facts).await
    };
    let path = "/api/v1/auth/refresh";
    assert!(refresh(over(path, &other)).await.unwrap_err().is(REFRESH_TOKEN_INVALID));
    assert!(refresh(world.facts(path)).await.unwrap_err().is(REFRESH_TOKEN_INVALID));
    let next = refresh(over(path, &own)).await.unwrap();
    assert_eq!(world.confirmation(&next), world.confirmation(&tokens));
    // Without the switch nothing is bound, and what was bound before stays so.
    let off = world.house.reopened(AuthOptions::default()).await.unwrap();
    let open = off.login("alice", &secret(PASSWORD), &over("/api/v1/auth/login", &own)).await;
    let LoginOutcome::Tokens(open) = open.unwrap() else { panic!("no factor is enrolled") };
    assert_eq!(world.confirmation(&open), None);
    let refresh = off.refresh(next.refresh_token.as_ref().unwrap(), &world.facts(path)).await;
    assert!(refresh.unwrap_err().is(REFRESH_TOKEN_INVALID));
}

#[tokio::test]
async fn a_token_may_be_bound_to_both_and_needs_both() {
    let world = World::with(proving(ProofOptions::default()).with_certificate_binding(true)).await;
    let own = Bytes::from_static(b"a certificate");
    let facts = world.signing_in().with_certificate(Some(own.clone()));
    let tokens = world.login(&world.holder.proving(facts, None)).await.unwrap();
    let proof = || world.proof(&world.holder, &tokens);
    let ask = async |certificate| {
        world.ask_over("DPoP", &tokens, Some(&proof()), certificate).await.status().as_u16()
    };
    assert_eq!((ask(Some(&own)).await, ask(None).await), (200, 401));
    let bearer = world.ask_over("Bearer", &tokens, None, Some(&own)).await;
    assert_eq!(reason(&bearer), Some(TOKEN_BOUND));
}
