//! Signing in with an identity provider, and every way it must fail.

use std::time::Duration;

use prov_auth::codes::{
    FEDERATION_ACCOUNT_REFUSED, FEDERATION_FAILED, FEDERATION_REFUSED, FEDERATION_UNCONFIGURED,
    GRANT_REFUSED, HANDOVER_INVALID, ISSUER_EXISTS, ISSUER_UNKNOWN, PROVIDER_UNAVAILABLE,
};
use prov_auth::{
    AuthOptions, AuthService, FederatedOutcome, FederatedStart, GroupRule, LoginOutcome, NewIssuer,
};
use prov_core::{Amr, Error, Role};
use serde_json::{Value, json};

use crate::federation_fixture::{CORP, Federated, PUBLIC_URL, back, corp, tokens};
use crate::token_fixture::b64;
use crate::user_fixture::{House, secret};

#[tokio::test]
async fn somebody_comes_back_with_an_account_roles_and_teams_by_rule() {
    let fed = Federated::new().await;
    let mark = fed.house.mark();
    let begun = fed.begin().await;
    assert_eq!(begun.query["response_type"], "code");
    assert_eq!(begun.query["code_challenge_method"], "S256");
    assert_eq!(begun.query["scope"], "openid profile email");
    assert_eq!(begun.query["redirect_uri"], format!("{PUBLIC_URL}/api/v1/auth/oidc/corp/callback"));
    fed.answer_with(&fed.corp.signed("JWT", &fed.claims(&begun)));
    let signed_in = tokens(fed.signed_in(&back(&begun)).await.unwrap());
    let identity = fed.house.verifier.verify(signed_in.access_token.expose()).unwrap();
    assert_eq!(identity.principal.name, "alice@corp");
    assert_eq!(identity.principal.roles, [Role::Operator]);
    assert_eq!(identity.principal.teams, ["sre".parse().unwrap()]);
    assert!(identity.authentication.amr.is_empty(), "an issuer's word is taken when told to");
    // The code goes to the token endpoint with the verifier of the challenge, and with the secret.
    let (headers, body) = fed.corp.asked.lock().pop().unwrap();
    let sent: std::collections::HashMap<_, _> =
        form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, sent["code_verifier"].as_bytes());
    assert_eq!(b64(digest.as_ref()), begun.query["code_challenge"]);
    assert_eq!(
        (&*sent["code"], &*sent["redirect_uri"]),
        ("the-code", &*begun.query["redirect_uri"])
    );
    assert!(headers[http::header::AUTHORIZATION].to_str().unwrap().starts_with("Basic "));
    assert!(!body.contains("cret"), "the secret stands in the header");
    assert_eq!(
        fed.house.events(mark),
        ["user.create", "auth.login.federated", "auth.login.federated"]
            .map(|a| format!("{a} success"))
    );
    let user = fed.service.user("alice@corp").await.unwrap();
    assert_eq!(user.issuer.as_deref(), Some("corp"));
    assert_eq!(user.email.as_deref(), Some("alice@example.com"));
}

/// ASVS 5.0, 6.8.1: neither a name nor an address makes anybody somebody else.
#[tokio::test]
async fn a_person_is_issuer_and_subject_and_nothing_else() {
    let fed = Federated::new().await;
    let local = fed.house.user("alice", &[Role::Admin]).await;
    let first = fed.tokens(|_| {}).await;
    let id = |tokens: &prov_auth::TokenSet| {
        fed.house.verifier.verify(tokens.access_token.expose()).unwrap().principal.id.clone()
    };
    assert_ne!(id(&first), local.id.as_str(), "the local account of that name is somebody else's");
    let renamed = fed.tokens(|claims| {
        claims["preferred_username"] = json!("root");
        claims["email"] = json!("root@example.com");
    });
    assert_eq!(id(&renamed.await), id(&first), "the same subject");
    let namesake = fed.tokens(|claims| claims["sub"] = json!("another")).await;
    assert_ne!(id(&namesake), id(&first), "the same name, another subject");
    let named = fed.house.verifier.verify(namesake.access_token.expose()).unwrap();
    let name = &named.principal.name;
    assert!(name.starts_with("alice-") && name.ends_with("@corp"), "{name}");
}

#[tokio::test]
async fn rules_decide_anew_at_every_sign_in_and_whom_none_knows_does_not_get_in() {
    let fed = Federated::new().await;
    let first = fed.tokens(|_| {}).await;
    let second = fed.tokens(|claims| claims["groups"] = json!("dev")).await;
    assert!(fed.house.verifier.verify(first.access_token.expose()).is_err(), "its roles are past");
    let now = fed.house.verifier.verify(second.access_token.expose()).unwrap();
    assert_eq!((&*now.principal.roles, now.principal.teams.len()), (&[Role::Developer][..], 0));
    let out = fed.sign_in(|claims| claims["groups"] = json!(["people"])).await.unwrap_err();
    assert!(out.is(FEDERATION_ACCOUNT_REFUSED), "{out}");
    assert!(
        fed.house.verifier.verify(second.access_token.expose()).is_err(),
        "who is no longer let in loses what they hold"
    );
    let refresh = second.refresh_token.unwrap();
    assert!(fed.service.refresh(&refresh, &fed.house.facts()).await.is_err());
    let stranger = fed.sign_in(|claims| {
        claims["sub"] = json!("stranger");
        claims["groups"] = Value::Null;
    });
    assert!(stranger.await.unwrap_err().is(FEDERATION_ACCOUNT_REFUSED));
}

#[tokio::test]
async fn a_locked_account_stays_locked_whatever_the_provider_says() {
    let fed = Federated::new().await;
    fed.tokens(|_| {}).await;
    let user = fed.service.user("alice@corp").await.unwrap();
    fed.service.lock_user(&fed.house.system(), &user.id).await.unwrap();
    assert!(fed.sign_in(|_| {}).await.unwrap_err().is(FEDERATION_ACCOUNT_REFUSED));
    fed.service.unlock_user(&fed.house.system(), &user.id).await.unwrap();
    fed.tokens(|_| {}).await;
}

#[tokio::test]
async fn who_was_deleted_and_comes_again_is_new() {
    let fed = Federated::new().await;
    fed.tokens(|_| {}).await;
    let before = fed.service.user("alice@corp").await.unwrap().id;
    fed.service.delete_user(&fed.house.system(), &before).await.unwrap();
    fed.tokens(|_| {}).await;
    assert_ne!(fed.service.user("alice@corp").await.unwrap().id, before);
}

#[tokio::test]
async fn claims_that_do_not_hold_are_one_answer_and_change_nothing() {
    let fed = Federated::new().await;
    let now = fed.now();
    let wrong: Vec<(&str, Value)> = vec![
        ("iss", json!("https://other.example.com")),
        ("iss", json!(format!("{CORP}/"))),
        ("aud", json!("somebody-else")),
        ("aud", json!(["prov-client", "somebody-else"])),
        ("azp", json!("somebody-else")),
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("exp", json!(now - 31)),
        ("exp", json!(now + 48 * 3600)),
        ("iat", json!(now + 60)),
        ("nbf", json!(now + 60)),
        ("sub", json!("")),
        ("sub", json!("é")),
        ("sub", json!("x".repeat(256))),
        ("sub", json!(5)),
        ("at_hash", json!(5)),
    ];
    for (claim, value) in wrong {
        let shown = format!("{claim}: {value}");
        let refused = fed.sign_in(|claims| claims[claim] = value).await.unwrap_err();
        assert!(refused.is(FEDERATION_FAILED), "{shown}: {refused:?}");
        assert_eq!(refused.public_detail(), FEDERATION_FAILED.title(), "{shown}");
    }
    assert!(fed.service.user("alice@corp").await.is_err(), "nobody was made");
    // Several audiences are one more reason to name the party.
    fed.tokens(|claims| {
        claims["aud"] = json!(["prov-client", "somebody-else"]);
        claims["azp"] = json!("prov-client");
    })
    .await;
}

/// RFC 8725, section 3.1, and the confusions of CVE-2015-9235 and CVE-2018-0114.
#[tokio::test]
async fn tokens_with_another_algorithm_type_or_key_are_refused() {
    let fed = Federated::new().await;
    let kid = fed.corp.key_id();
    let hmac_with_the_public_key = |text: &str| {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &fed.corp.public_key());
        b64(aws_lc_rs::hmac::sign(&key, text.as_bytes()).as_ref())
    };
    let own = json!({"kty": "OKP", "crv": "Ed25519", "x": b64([7; 32])});
    let headers = [
        json!({"alg": "none", "kid": kid}),
        json!({"alg": "HS256", "kid": kid}),
        json!({"alg": "RS256", "kid": kid}),
        json!({"alg": "EdDSA", "kid": "another"}),
        json!({"alg": "EdDSA"}),
        json!({"alg": "EdDSA", "kid": kid, "jwk": own}),
        json!({"alg": "EdDSA", "kid": kid, "jku": "https://evil.example/jwks"}),
        json!({"alg": "EdDSA", "kid": kid, "crit": ["x"], "x": 1}),
        json!({"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}),
        json!({"alg": "EdDSA", "kid": kid, "typ": "logout+jwt"}),
    ];
    for header in headers {
        let begun = fed.begin().await;
        let text = format!("{}.{}", b64(header.to_string()), b64(fed.claims(&begun).to_string()));
        for token in [
            fed.corp.sign(&header, &fed.claims(&begun)),
            format!("{text}."),
            format!("{text}.{}", hmac_with_the_public_key(&text)),
        ] {
            let begun = fed.begin().await;
            fed.answer_with(&token);
            let refused = fed.come_back(&back(&begun)).await.unwrap_err();
            assert!(refused.is(FEDERATION_FAILED), "{header}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn a_state_is_good_once_for_one_browser_one_issuer_and_ten_minutes() {
    let fed = Federated::new().await;
    let begun = fed.begin().await;
    let other = fed.begin().await;
    fed.answer_with(&fed.corp.signed("JWT", &fed.claims(&begun)));
    let failed = |error: Error| assert!(error.is(FEDERATION_FAILED), "{error:?}");
    // Login CSRF: the attacker's answer in the victim's browser.
    for browser in [None, Some(other.browser.clone()), Some(secret("x"))] {
        let mut answer = back(&begun);
        answer.browser = browser;
        failed(fed.come_back(&answer).await.unwrap_err());
    }
    for state in ["", "x", &b64([7; 32])] {
        let mut answer = back(&begun);
        answer.state = state.to_owned();
        failed(fed.come_back(&answer).await.unwrap_err());
    }
    assert!(fed.corp.asked.lock().is_empty(), "no code was sent anywhere");
    tokens(fed.signed_in(&back(&begun)).await.unwrap());
    failed(fed.come_back(&back(&begun)).await.unwrap_err());
    let late = fed.begin().await;
    fed.house.wait(Duration::from_mins(10));
    failed(fed.come_back(&back(&late)).await.unwrap_err());
}

/// RFC 9700, section 4.4: an answer of one issuer that arrives as another's, by address or by name.
#[tokio::test]
async fn mixed_up_answers_are_refused_before_the_code_goes_anywhere() {
    let fed = Federated::new().await;
    let other = NewIssuer::new("other", "https://other.example.com", "prov-client")
        .with_rule(GroupRule::new("*", [Role::Viewer]));
    fed.service.create_issuer(&fed.house.system(), other).await.unwrap();
    let begun = fed.begin().await;
    let answer = back(&begun);
    let facts = fed.house.facts();
    let refused = fed.service.federated_callback("other", &answer, &facts).await.unwrap_err();
    assert!(refused.is(FEDERATION_FAILED), "{refused:?}");
    let begun = fed.begin().await;
    let answer = back(&begun).by_issuer(Some("https://other.example.com".to_owned()));
    assert!(fed.come_back(&answer).await.unwrap_err().is(FEDERATION_FAILED));
    // An issuer that says it always tells its name must.
    fed.corp.metadata.lock()["authorization_response_iss_parameter_supported"] = json!(true);
    fed.house.wait(Duration::from_mins(11));
    let begun = fed.begin().await;
    assert!(fed.come_back(&back(&begun)).await.unwrap_err().is(FEDERATION_FAILED));
    assert!(fed.corp.asked.lock().is_empty(), "no code was sent anywhere");
    let begun = fed.begin().await;
    fed.answer_with(&fed.corp.signed("JWT", &fed.claims(&begun)));
    let told = back(&begun).by_issuer(Some(CORP.to_owned()));
    tokens(fed.signed_in(&told).await.unwrap());
}

#[tokio::test]
async fn what_a_provider_refuses_or_cannot_answer_is_told_apart() {
    let fed = Federated::new().await;
    let begun = fed.begin().await;
    let denied = back(&begun).with_code(None).with_error(Some("access_denied".to_owned()));
    assert!(fed.come_back(&denied).await.unwrap_err().is(FEDERATION_REFUSED));
    for (status, code) in
        [(400, FEDERATION_FAILED), (302, PROVIDER_UNAVAILABLE), (500, PROVIDER_UNAVAILABLE)]
    {
        let begun = fed.begin().await;
        *fed.corp.answer.lock() = (status, json!({"error": "invalid_grant"}));
        let refused = fed.come_back(&back(&begun)).await.unwrap_err();
        assert!(refused.is(code), "{status}: {refused:?}");
    }
    let begun = fed.begin().await;
    *fed.corp.answer.lock() = (200, json!({"access_token": "at"}));
    assert!(fed.come_back(&back(&begun)).await.unwrap_err().is(FEDERATION_FAILED));
}

#[tokio::test]
async fn keys_are_fetched_again_when_needed_and_never_more_than_every_thirty_seconds() {
    let fed = Federated::new().await;
    fed.tokens(|_| {}).await;
    assert_eq!(fed.corp.fetched(), 1);
    // A new key under the same id, as a provider has that was set up anew.
    fed.corp.new_key("k1");
    assert!(fed.sign_in(|_| {}).await.is_err(), "asked a moment ago");
    fed.house.wait(Duration::from_secs(31));
    fed.tokens(|_| {}).await;
    assert_eq!(fed.corp.fetched(), 2);
    for _ in 0..50 {
        let begun = fed.begin().await;
        let header = json!({"alg": "EdDSA", "kid": "unknown"});
        fed.answer_with(&fed.corp.sign(&header, &fed.claims(&begun)));
        assert!(fed.come_back(&back(&begun)).await.is_err());
    }
    assert_eq!(fed.corp.fetched(), 2, "a flood of unknown ids asks nobody");
    // What is known is used on while the provider is away.
    fed.net.down.store(true, std::sync::atomic::Ordering::SeqCst);
    fed.house.wait(Duration::from_mins(11));
    fed.begin().await;
}

#[tokio::test]
async fn a_provider_that_is_not_what_it_says_is_not_used() {
    for (name, value) in [
        ("issuer", json!("https://evil.example.com")),
        ("authorization_endpoint", json!("http://idp.example.com/auth")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("jwks_uri", json!("https://nowhere.example.com/jwks")),
        ("code_challenge_methods_supported", json!(["plain"])),
        ("token_endpoint", Value::Null),
    ] {
        let fed = Federated::new().await;
        fed.corp.metadata.lock()[name] = value;
        let refused = fed.begin_with(FederatedStart::default()).await.err().unwrap();
        assert!(refused.is(PROVIDER_UNAVAILABLE), "{name}: {refused:?}");
    }
}

#[tokio::test]
async fn a_second_factor_is_asked_for_here_unless_the_providers_word_is_trusted() {
    let fed = Federated::new().await;
    fed.tokens(|_| {}).await;
    let user = fed.service.user("alice@corp").await.unwrap();
    fed.house.factors.enroll(&user.id);
    let with_mfa = |claims: &mut Value| claims["amr"] = json!(["pwd", "otp", "mfa", "made-up"]);
    let LoginOutcome::MfaRequired { challenge, .. } = fed.sign_in(with_mfa).await.unwrap() else {
        panic!("its word is not trusted")
    };
    let (code, facts) = (crate::user_fixture::code("right"), fed.house.facts());
    let answered = fed.service.login_mfa(&challenge, &code, &facts).await.unwrap();
    let identity = fed.house.verifier.verify(answered.access_token.expose()).unwrap();
    assert_eq!(identity.authentication.amr, [Amr::Otp, Amr::Mfa]);
    let trusted = Federated::with(corp().trusting_its_second_factor()).await;
    trusted.tokens(|_| {}).await;
    let user = trusted.service.user("alice@corp").await.unwrap();
    trusted.house.factors.enroll(&user.id);
    let tokens = trusted.tokens(with_mfa).await;
    let identity = trusted.house.verifier.verify(tokens.access_token.expose()).unwrap();
    assert_eq!(identity.authentication.amr, [Amr::Pwd, Amr::Otp, Amr::Mfa]);
    assert!(matches!(trusted.sign_in(|_| {}).await.unwrap(), LoginOutcome::MfaRequired { .. }));
}

/// RFC 9470 over a provider: a recent sign-in is asked for there, and its absence noticed here.
#[tokio::test]
async fn a_sign_in_that_must_be_recent_is() {
    let fed = Federated::new().await;
    for (auth_time, holds) in
        [(Some(-10), true), (Some(-100), false), (None, false), (Some(3600), true)]
    {
        let begun = fed.begin_with(FederatedStart::default().within(Some(60))).await.unwrap();
        assert_eq!(begun.query["max_age"], "60");
        let mut claims = fed.claims(&begun);
        if let Some(ago) = auth_time {
            claims["auth_time"] = json!(fed.now() + ago);
        }
        fed.answer_with(&fed.corp.signed("JWT", &claims));
        let outcome = fed.signed_in(&back(&begun)).await;
        assert_eq!(outcome.is_ok(), holds, "{auth_time:?}");
        if let Ok(outcome) = outcome {
            let token = tokens(outcome).access_token;
            let identity = fed.house.verifier.verify(token.expose()).unwrap();
            let at = identity.authentication.authenticated_at.as_second();
            assert!(at <= fed.now(), "nobody signed in in the future");
        }
    }
}

#[tokio::test]
async fn a_program_fetches_its_tokens_once_with_its_verifier() {
    let fed = Federated::new().await;
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let start = || FederatedStart::default().for_program("http://127.0.0.1:40001/x", challenge);
    let code = async || {
        let begun = fed.begin_with(start()).await.unwrap();
        fed.answer_with(&fed.corp.signed("JWT", &fed.claims(&begun)));
        match fed.come_back(&back(&begun)).await.unwrap() {
            FederatedOutcome::Handover { location } => {
                secret(location.strip_prefix("http://127.0.0.1:40001/x?code=").unwrap())
            }
            FederatedOutcome::Confirm { .. } => panic!("a program waits"),
        }
    };
    let facts = fed.house.facts();
    let exchange = async |code, verifier: &str| {
        fed.service.federated_exchange(code, &secret(verifier), &facts).await
    };
    let one = code().await;
    let LoginOutcome::Tokens(tokens) = exchange(&one, verifier).await.unwrap() else { panic!() };
    assert!(fed.house.verifier.verify(tokens.access_token.expose()).is_ok());
    assert!(exchange(&one, verifier).await.unwrap_err().is(HANDOVER_INVALID), "good once");
    // RFC 6749, section 4.1.2: somebody else may have been the first.
    assert!(fed.house.verifier.verify(tokens.access_token.expose()).is_err());
    let refresh = tokens.refresh_token.unwrap();
    assert!(fed.service.refresh(&refresh, &fed.house.facts()).await.is_err());
    let stolen = code().await;
    assert!(exchange(&stolen, "a-guess").await.unwrap_err().is(HANDOVER_INVALID));
    assert!(exchange(&stolen, verifier).await.is_err(), "and spent by the attempt");
    let late = code().await;
    fed.house.wait(Duration::from_mins(1));
    assert!(exchange(&late, verifier).await.unwrap_err().is(HANDOVER_INVALID));
    // A lock between the two wins.
    let locked = code().await;
    let user = fed.service.user("alice@corp").await.unwrap();
    fed.service.lock_user(&fed.house.system(), &user.id).await.unwrap();
    assert!(exchange(&locked, verifier).await.unwrap_err().is(HANDOVER_INVALID));
    for (address, challenge) in
        [("https://evil.example:9/", challenge), ("http://127.0.0.1:9/", "x")]
    {
        let start = FederatedStart::default().for_program(address, challenge);
        assert!(fed.begin_with(start).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn issuers_are_entered_by_those_who_hold_what_their_rules_give() {
    let fed = Federated::new().await;
    let house = &fed.house;
    house.user("boss", &[Role::Admin]).await;
    house.user("dev", &[Role::Developer]).await;
    let boss = house.context(&house.login("boss").await);
    let dev = house.context(&house.login("dev").await);
    let new = |name: &str, url: &str, role| {
        NewIssuer::new(name, url, "prov").with_rule(GroupRule::new("*", [role]))
    };
    let refused = fed.service.create_issuer(&dev, new("a", "https://a.example.com", Role::Admin));
    assert!(refused.await.unwrap_err().is(GRANT_REFUSED));
    let mark = house.mark();
    fed.service.create_issuer(&boss, new("a", "https://a.example.com", Role::Admin)).await.unwrap();
    assert_eq!(house.events(mark), ["auth.issuer.create success"]);
    for (name, url) in [
        ("a", "https://b.example.com"),
        ("b", "https://a.example.com"),
        ("c", "https://prov.example.com"),
    ] {
        let again = fed.service.create_issuer(&boss, new(name, url, Role::Viewer)).await;
        assert!(again.unwrap_err().is(ISSUER_EXISTS), "{name}");
    }
    let unknown_team = GroupRule::new("*", []).with_teams(["nobody".parse().unwrap()]);
    let new = NewIssuer::new("d", "https://d.example.com", "prov").with_rule(unknown_team);
    assert!(fed.service.create_issuer(&boss, new).await.is_err());
    assert_eq!(fed.service.issuers().len(), 2);
    let printed = format!("{:?}", fed.service.issuers());
    assert!(!printed.contains("s&cret"), "{printed}");
}

#[tokio::test]
async fn an_issuer_that_is_removed_takes_its_sessions_along() {
    let fed = Federated::new().await;
    let session = fed.tokens(|_| {}).await;
    let begun = fed.begin().await;
    fed.service.delete_issuer(&fed.house.system(), "corp").await.unwrap();
    assert!(fed.house.verifier.verify(session.access_token.expose()).is_err());
    let refresh = session.refresh_token.unwrap();
    assert!(fed.service.refresh(&refresh, &fed.house.facts()).await.is_err());
    assert!(fed.come_back(&back(&begun)).await.unwrap_err().is(ISSUER_UNKNOWN));
    let gone = fed.service.delete_issuer(&fed.house.system(), "corp").await;
    assert!(gone.unwrap_err().is(ISSUER_UNKNOWN));
    // Entered again, the same person has the same account.
    let before = fed.service.user("alice@corp").await.unwrap().id;
    fed.service.create_issuer(&fed.house.system(), corp()).await.unwrap();
    fed.tokens(|_| {}).await;
    assert_eq!(fed.service.user("alice@corp").await.unwrap().id, before);
}

#[tokio::test]
async fn without_a_way_out_or_a_public_url_nobody_is_sent_anywhere() {
    let fed = Federated::new().await;
    let start = FederatedStart::default;
    let unknown = fed.service.federated_start("nobody", start()).await.unwrap_err();
    assert!(unknown.is(ISSUER_UNKNOWN));
    let nowhere = AuthService::open(fed.parts.clone(), AuthOptions::default()).await.unwrap();
    let refused = nowhere.federated_start("corp", start()).await.unwrap_err();
    assert!(refused.is(FEDERATION_UNCONFIGURED));
    let house = House::new().await;
    house.service.create_issuer(&house.system(), corp()).await.unwrap();
    let refused = house.service.federated_start("corp", start()).await.unwrap_err();
    assert!(refused.is(FEDERATION_UNCONFIGURED));
}
