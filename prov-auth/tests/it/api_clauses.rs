//! RFC 7009, RFC 7662 and discovery, clause by clause, as clients see them.

use http::header;
use prov_auth::{Algorithm, AuthOptions, PasswordHasher, ProofOptions};
use prov_core::Role;
use serde_json::{Value, json};

use crate::api_http::Client;
use crate::user_fixture::House;

const REVOKE: &str = "/api/v1/auth/revoke";
const INTROSPECT: &str = "/api/v1/auth/introspect";

async fn me(client: &Client, token: &str) -> u16 {
    client.json("GET", "/api/v1/auth/me", Some(token), Value::Null).await.status
}

#[tokio::test]
async fn rfc_7009_2_1_a_refresh_token_takes_the_access_tokens_of_its_grant_along() {
    let client = Client::new().await;
    let (access, refresh) = client.login("admin").await;
    let (other, _) = client.login("admin").await;
    assert_eq!(client.form(REVOKE, None, format!("token={refresh}")).await.status, 200);
    assert_eq!((me(&client, &access).await, me(&client, &other).await), (401, 200));
}

#[tokio::test]
async fn rfc_7009_2_1_a_wrong_or_unknown_hint_misleads_nobody() {
    let client = Client::new().await;
    for hint in ["access_token", "refresh_token", "pneumonoultramicroscopic", ""] {
        let (access, _) = client.login("admin").await;
        let form = format!("token={access}&token_type_hint={hint}&extra=1");
        assert_eq!(client.form(REVOKE, None, form).await.status, 200, "{hint}");
        assert_eq!(me(&client, &access).await, 401, "{hint}");
    }
}

#[tokio::test]
async fn rfc_7009_2_2_a_token_that_does_not_hold_is_no_error_and_none_at_all_is() {
    let client = Client::new().await;
    for token in ["x", "prov_rt_x", "prov_x", "a.b.c"] {
        assert_eq!(client.form(REVOKE, None, format!("token={token}")).await.status, 200);
    }
    for form in ["", "token_type_hint=access_token"] {
        assert_eq!(client.form(REVOKE, None, form.to_owned()).await.status, 400, "{form}");
    }
}

#[tokio::test]
async fn rfc_7662_2_1_whoever_asks_is_authenticated_and_parameters_beyond_are_ignored() {
    let client = Client::new().await;
    let (access, _) = client.login("admin").await;
    let stranger = client.form(INTROSPECT, None, format!("token={access}")).await;
    assert_eq!(stranger.status, 401);
    assert!(stranger.headers.contains_key(header::WWW_AUTHENTICATE));
    let form = format!("token={access}&token_type_hint=refresh_token&resource=x");
    let answer = client.form(INTROSPECT, Some(&access), form).await;
    assert_eq!((answer.status, &answer.body["active"]), (200, &json!(true)));
}

#[tokio::test]
async fn rfc_7662_2_2_what_does_not_hold_is_told_by_one_member_alone() {
    let client = Client::new().await;
    client.house.user("bob", &[Role::Viewer]).await;
    let (access, _) = client.login("admin").await;
    let (revoked, others) = client.login("bob").await;
    client.form(REVOKE, None, format!("token={revoked}")).await;
    for token in ["x", &revoked, &others, "prov_rt_0", "a.b.c"] {
        let answer = client.form(INTROSPECT, Some(&access), format!("token={token}")).await;
        assert_eq!((answer.status, answer.body), (200, json!({"active": false})), "{token}");
    }
}

#[tokio::test]
async fn rfc_7662_2_2_and_4_times_are_numbers_and_nothing_is_cached() {
    let client = Client::new().await;
    let (access, _) = client.login("admin").await;
    let answer = client.form(INTROSPECT, Some(&access), format!("token={access}")).await;
    assert!(answer.body["exp"].is_i64() && answer.body["auth_time"].is_i64());
    assert_eq!(answer.body["iss"], "https://prov.example.com");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn rfc_7662_2_2_an_access_token_is_told_with_its_client_audience_and_beginning() {
    let client = Client::new().await;
    let (access, _) = client.login("admin").await;
    let now = prov_core::Clock::now(&client.house.clock).as_second();
    let answer = client.form(INTROSPECT, Some(&access), format!("token={access}")).await;
    assert_eq!(answer.body["client_id"], "prov");
    assert_eq!(answer.body["aud"], json!(["cli"]));
    assert_eq!((&answer.body["iat"], &answer.body["exp"]), (&json!(now), &json!(now + 900)));
    // The other form, and a token that has ended meanwhile.
    client.house.wait(std::time::Duration::from_mins(16));
    let (fresh, _) = client.login("admin").await;
    let ended = client.form(INTROSPECT, Some(&fresh), format!("token={access}")).await;
    assert_eq!(ended.body, json!({"active": false}));
}

async fn discovered(options: AuthOptions, host: &str) -> (u16, Value) {
    let hasher = PasswordHasher::insecure_for_tests().unwrap();
    let client = Client::of(House::with(hasher, options).await);
    let path = format!("http://{host}/.well-known/openid-configuration");
    let answer = client.json("GET", &path, None, Value::Null).await;
    (answer.status, answer.body)
}

/// `Host` is whatever a client says: a document made of it would point verifiers to an attacker's keys.
#[tokio::test]
async fn oidc_discovery_3_everything_comes_from_the_configuration_and_all_of_it_is_true() {
    let options = AuthOptions::default().with_public_url(Some("https://prov.example.com/"));
    let (status, document) = discovered(options.clone(), "evil.example").await;
    assert_eq!(status, 200);
    assert_eq!(document["issuer"], "https://prov.example.com");
    for (name, path) in [
        ("jwks_uri", "/.well-known/jwks.json"),
        ("revocation_endpoint", REVOKE),
        ("introspection_endpoint", INTROSPECT),
    ] {
        assert_eq!(document[name], format!("https://prov.example.com{path}"));
        assert!(prov_auth::api::routes().iter().any(|route| route.path == path), "{path}");
    }
    let algorithms = &document["id_token_signing_alg_values_supported"];
    assert_eq!(algorithms, &json!([Algorithm::EdDsa]));
    for absent in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint"] {
        assert!(document.get(absent).is_none(), "there is no {absent}");
    }
    assert!(!document.to_string().contains("evil"));
    assert_eq!(discovered(options, "prov.example.com").await.1, document);
}

#[tokio::test]
async fn rfc_9449_5_1_and_rfc_8705_3_3_metadata_tell_what_tokens_are_bound_to() {
    let options = AuthOptions::default().with_public_url(Some("https://prov.example.com"));
    let (_, plain) = discovered(options.clone(), "x").await;
    assert!(plain.get("dpop_signing_alg_values_supported").is_none());
    assert_eq!(plain["tls_client_certificate_bound_access_tokens"], false);
    let bound = options.with_proofs(Some(ProofOptions::default())).with_certificate_binding(true);
    let (_, document) = discovered(bound, "x").await;
    let algorithms = json!(["ES256", "EdDSA", "Ed25519", "RS256", "PS256", "ES384"]);
    assert_eq!(document["dpop_signing_alg_values_supported"], algorithms);
    assert_eq!(document["tls_client_certificate_bound_access_tokens"], true);
}

#[tokio::test]
async fn without_a_public_url_nothing_is_discovered() {
    let (status, problem) = discovered(AuthOptions::default(), "prov.example.com").await;
    assert_eq!((status, &problem["code"]), (404, &json!("auth.discovery_unconfigured")));
}

#[tokio::test]
async fn a_public_url_that_is_no_base_is_refused_at_the_start() {
    for url in ["prov.example.com", "ftp://x", "https://", "https://a/?b", "https://u:p@a", ""] {
        let house = House::new().await;
        let options = AuthOptions::default().with_public_url(Some(url));
        let refused = house.reopened(options).await.unwrap_err();
        assert!(refused.to_string().contains("public_url"), "{url}: {refused}");
    }
}
