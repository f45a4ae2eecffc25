//! Coming back from an identity provider signs nobody in: the code does, once, for whoever began.

use std::time::Duration;

use prov_auth::codes::{CHALLENGE_INVALID, HANDOVER_INVALID, PROOF_NONCE_REQUIRED};
use prov_auth::{AuthOptions, AuthService, FederatedOutcome, LoginOutcome, ProofOptions};
use prov_core::SecretText;
use prov_core::store::{Scan, Store};

use crate::federation_fixture::{Federated, PUBLIC_URL, back, tokens};
use crate::holder::{Holder, facts_of};
use crate::user_fixture::secret;

/// A code of the sign-in of a browser by itself, and the browser.
async fn code_of(fed: &Federated) -> (SecretText, SecretText) {
    let begun = fed.begin().await;
    fed.answer_with(&fed.corp.signed("JWT", &fed.claims(&begun)));
    match fed.come_back(&back(&begun)).await.unwrap() {
        FederatedOutcome::Confirm { code, expires_in } => {
            assert_eq!(expires_in, Duration::from_mins(1));
            (code, begun.browser)
        }
        FederatedOutcome::Handover { .. } => panic!("no program waits"),
    }
}

/// Whoever follows a link to a provider at which they are signed in comes back without having wanted to.
#[tokio::test]
async fn following_a_link_signs_nobody_in() {
    let fed = Federated::new().await;
    let (code, browser) = code_of(&fed).await;
    let sessions = Scan::kind("auth.session");
    assert!(fed.house.store.scan(&sessions).await.unwrap().records.is_empty());
    let facts = fed.house.facts();
    for other in [secret(""), code.clone(), code_of(&fed).await.1] {
        let (code, _) = code_of(&fed).await;
        let refused = fed.service.federated_exchange(&code, &other, &facts).await.unwrap_err();
        assert!(refused.is(HANDOVER_INVALID), "for the browser that began, and no other");
    }
    tokens(fed.service.federated_exchange(&code, &browser, &facts).await.unwrap());
    let (late, browser) = code_of(&fed).await;
    fed.house.wait(Duration::from_mins(1));
    let refused = fed.service.federated_exchange(&late, &browser, &facts).await.unwrap_err();
    assert!(refused.is(HANDOVER_INVALID), "what nobody wants ends by itself");
    assert_eq!(fed.house.store.scan(&sessions).await.unwrap().records.len(), 1);
}

/// RFC 6749, section 4.1.2: whoever is second may be the one whose code it was.
#[tokio::test]
async fn a_code_that_is_presented_again_ends_what_it_gave_and_nothing_else() {
    let fed = Federated::new().await;
    let facts = fed.house.facts();
    let other = fed.tokens(|_| {}).await;
    let (code, browser) = code_of(&fed).await;
    let exchange = async |verifier| fed.service.federated_exchange(&code, verifier, &facts).await;
    let first = tokens(exchange(&browser).await.unwrap());
    let refreshed = fed.service.refresh(&first.refresh_token.unwrap(), &facts).await.unwrap();
    // Also by who has the code alone, and ten minutes long.
    fed.house.wait(Duration::from_mins(9));
    let mark = fed.house.mark();
    assert!(exchange(&secret("a guess")).await.unwrap_err().is(HANDOVER_INVALID));
    assert!(fed.house.verifier.verify(refreshed.access_token.expose()).is_err());
    let refresh = refreshed.refresh_token.unwrap();
    assert!(fed.service.refresh(&refresh, &facts).await.is_err());
    let event = &fed.house.recorded(mark)[0];
    assert_eq!(event.context["reason"], "code_used_before");
    assert_eq!(event.context["ended"], 1);
    let goes_on = other.refresh_token.unwrap();
    fed.service.refresh(&goes_on, &facts).await.unwrap();
}

#[tokio::test]
async fn a_code_that_is_presented_again_ends_the_challenge_it_gave_and_the_session_of_that() {
    let fed = Federated::new().await;
    let facts = fed.house.facts();
    fed.tokens(|_| {}).await;
    fed.house.factors.enroll(&fed.service.user("alice@corp").await.unwrap().id);
    for answers_first in [false, true] {
        let (code, browser) = code_of(&fed).await;
        let exchange = || fed.service.federated_exchange(&code, &browser, &facts);
        let LoginOutcome::MfaRequired { challenge, .. } = exchange().await.unwrap() else {
            panic!("a second factor is due")
        };
        let right = crate::user_fixture::code("right");
        let answer = async || fed.service.login_mfa(&challenge, &right, &facts).await;
        if answers_first {
            let tokens = answer().await.unwrap();
            exchange().await.unwrap_err();
            assert!(fed.house.verifier.verify(tokens.access_token.expose()).is_err());
        } else {
            exchange().await.unwrap_err();
            assert!(answer().await.unwrap_err().is(CHALLENGE_INVALID));
        }
    }
}

#[tokio::test]
async fn of_two_who_present_a_code_at_once_nobody_goes_on_with_a_session() {
    let fed = Federated::new().await;
    let facts = fed.house.facts();
    for _ in 0..20 {
        let (code, browser) = code_of(&fed).await;
        let exchange = || fed.service.federated_exchange(&code, &browser, &facts);
        let (a, b) = tokio::join!(exchange(), exchange());
        assert!(a.is_err() || b.is_err());
        for outcome in [a, b].into_iter().flatten() {
            let tokens = tokens(outcome);
            assert!(fed.house.verifier.verify(tokens.access_token.expose()).is_err());
        }
    }
}

/// Whoever put it there would know it.
#[tokio::test]
async fn a_browser_gets_a_new_ticket_for_each_sign_in() {
    let fed = Federated::new().await;
    let (a, b) = (fed.begin().await, fed.begin().await);
    assert!(a.browser != b.browser && a.flow != b.flow);
    // In two tabs, either comes back.
    for begun in [&b, &a] {
        fed.answer_with(&fed.corp.signed("JWT", &fed.claims(begun)));
        tokens(fed.signed_in(&back(begun)).await.unwrap());
    }
}

/// RFC 9449, section 8: who is asked for a nonce has not used the code up.
#[tokio::test]
async fn a_client_that_is_asked_for_a_nonce_still_has_its_code() {
    let fed = Federated::new().await;
    let proofs = ProofOptions::default().with_nonces(true);
    let options =
        AuthOptions::default().with_public_url(Some(PUBLIC_URL)).with_proofs(Some(proofs));
    let service = AuthService::open(fed.parts.clone(), options).await.unwrap();
    let (code, browser) = code_of(&fed).await;
    let holder = Holder::new();
    let exchange = async |nonce: Option<String>| {
        let facts = facts_of(&fed.house.clock, "POST", "/api/v1/auth/oidc/exchange");
        let second = facts.received_at.as_second();
        let mut claims = holder.claims(&facts.method, &facts.path, second);
        claims["htu"] = format!("{PUBLIC_URL}{}", facts.path).into();
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        let proof = SecretText::new(holder.sign(&holder.header(), &claims));
        service.federated_exchange(&code, &browser, &facts.with_proof(Some(proof))).await
    };
    assert!(exchange(None).await.unwrap_err().is(PROOF_NONCE_REQUIRED));
    let nonce = service.proofs().unwrap().nonce();
    assert_eq!(tokens(exchange(nonce).await.unwrap()).token_type, "DPoP");
}
