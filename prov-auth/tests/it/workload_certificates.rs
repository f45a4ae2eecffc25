//! X509-SVIDs: chains that hold, and every one that must not.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use prov_auth::codes::WORKLOAD_REFUSED;
use prov_auth::{TrustBundle, TrustBundles};
use prov_core::{Attempt, Authenticator, Clock, Presented, RequestFacts, RequestId, Role};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::json;

use crate::user_fixture::House;
use crate::workload_tokens::{API, domain, workloads};

struct Authority {
    der: Bytes,
    issuer: Issuer<'static, KeyPair>,
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority");
    params
}

fn root() -> Authority {
    let (params, key) = (authority_params(), KeyPair::generate().unwrap());
    let der = Bytes::copy_from_slice(params.self_signed(&key).unwrap().der());
    Authority { der, issuer: Issuer::new(params, key) }
}

impl Authority {
    fn intermediate(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Self { der: Bytes::copy_from_slice(made.der()), issuer: Issuer::new(params, key) }
    }

    fn leaf(&self, params: &CertificateParams) -> Bytes {
        let key = KeyPair::generate().unwrap();
        Bytes::copy_from_slice(params.signed_by(&key, &self.issuer).unwrap().der())
    }
}

fn leaf() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri(API)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    params
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

struct World {
    house: House,
    programs: Arc<prov_auth::Workloads>,
    root: Authority,
}

impl World {
    async fn new() -> Self {
        let (house, root) = (House::new().await, root());
        let key = json!({"use": "x509-svid", "x5c": [BASE64_STANDARD.encode(&root.der)]});
        let bundle = TrustBundle::read(json!({"keys": [key]}).to_string().as_bytes()).unwrap();
        let programs = workloads(&house, TrustBundles::new([(domain(), bundle)]));
        Self { house, programs, root }
    }

    fn ask(&self, chain: &[Bytes]) -> Attempt {
        let clock = &self.house.clock;
        let facts = RequestFacts::new(RequestId::generate(clock).unwrap(), clock.now());
        self.programs.authenticate(&Presented::new(&facts).with_certificates(Some(chain)))
    }

    fn holds(&self, chain: &[Bytes]) -> bool {
        match self.ask(chain) {
            Attempt::Authenticated(who) => {
                assert_eq!(
                    (&*who.principal.id, &*who.principal.roles),
                    (API, &[Role::Developer][..])
                );
                true
            }
            Attempt::Refused(error) => {
                assert!(error.is(WORKLOAD_REFUSED), "{error:?}");
                false
            }
            Attempt::NotRequested => panic!("certificates were presented"),
        }
    }
}

#[tokio::test]
async fn a_chain_to_the_trust_domains_root_is_a_program() {
    let world = World::new().await;
    assert!(world.holds(&[world.root.leaf(&leaf())]));
    let between = world.root.intermediate(authority_params());
    let chain = [between.leaf(&leaf()), between.der.clone()];
    assert!(world.holds(&chain));
    assert!(!world.holds(&chain[..1]), "without what is between");
    assert!(matches!(world.ask(&[]), Attempt::NotRequested));
    // Until it ends, and not before it begins.
    let mut short = leaf();
    short.not_before = rcgen::date_time_ymd(2026, 3, 1);
    short.not_after = rcgen::date_time_ymd(2026, 3, 3);
    let chain = [world.root.leaf(&short)];
    assert!(world.holds(&chain));
    world.house.wait(Duration::from_hours(24));
    assert!(!world.holds(&chain));
    world.house.clock.set("2026-02-28T23:59:59Z".parse().unwrap());
    assert!(!world.holds(&chain));
}

/// The cases of the negative fixtures of the `spiffe` crate, made here.
#[tokio::test]
async fn leaves_that_the_specification_refuses_are_refused() {
    let world = World::new().await;
    let wrong = |change: fn(&mut CertificateParams)| {
        let mut params = leaf();
        change(&mut params);
        world.root.leaf(&params)
    };
    for (what, certificate) in [
        ("no id", wrong(|p| p.subject_alt_names.clear())),
        ("two ids", wrong(|p| p.subject_alt_names.push(uri("spiffe://example.org/ns/prov/x")))),
        (
            "another URI",
            wrong(|p| p.subject_alt_names = vec![uri("https://example.org/ns/prov/x")]),
        ),
        ("an id and another URI", wrong(|p| p.subject_alt_names.push(uri("https://x.org/")))),
        ("a trust domain", wrong(|p| p.subject_alt_names = vec![uri("spiffe://example.org")])),
        (
            "another domain",
            wrong(|p| p.subject_alt_names = vec![uri("spiffe://other.org/ns/prov/x")]),
        ),
        (
            "an id nobody knows",
            wrong(|p| p.subject_alt_names = vec![uri("spiffe://example.org/x")]),
        ),
        ("an odd id", wrong(|p| p.subject_alt_names = vec![uri("spiffe://example.org/ns/prov/")])),
        ("an authority", wrong(|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))),
        ("signs certificates", wrong(|p| p.key_usages.push(KeyUsagePurpose::KeyCertSign))),
        ("signs revocation lists", wrong(|p| p.key_usages.push(KeyUsagePurpose::CrlSign))),
        ("no digital signature", wrong(|p| p.key_usages = vec![KeyUsagePurpose::KeyAgreement])),
        ("no key usage", wrong(|p| p.key_usages.clear())),
        (
            "for servers only",
            wrong(|p| {
                p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
        ),
    ] {
        assert!(!world.holds(&[certificate]), "{what}");
    }
    assert!(!world.holds(&[Bytes::from_static(b"no certificate")]));
    let mut trailing = world.root.leaf(&leaf()).to_vec();
    trailing.push(0);
    assert!(!world.holds(&[trailing.into()]), "bytes behind it");
    assert!(!world.holds(&[root().leaf(&leaf())]), "another root of the same name");
    assert!(!world.holds(&vec![world.root.leaf(&leaf()); 9]), "a chain without end");
}

#[tokio::test]
async fn authorities_that_the_specification_refuses_are_refused() {
    let world = World::new().await;
    let chain_by = |params: CertificateParams| {
        let between = world.root.intermediate(params);
        [between.leaf(&leaf()), between.der.clone()]
    };
    let mut no_authority = authority_params();
    no_authority.is_ca = IsCa::ExplicitNoCa;
    assert!(!world.holds(&chain_by(no_authority)));
    let mut no_signing = authority_params();
    no_signing.key_usages = vec![KeyUsagePurpose::CrlSign];
    assert!(!world.holds(&chain_by(no_signing)));
    let mut no_usage = authority_params();
    no_usage.key_usages.clear();
    assert!(!world.holds(&chain_by(no_usage)));
    assert!(world.holds(&chain_by(authority_params())));
}
