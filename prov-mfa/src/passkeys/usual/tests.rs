use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prov_core::Timestamp;
use serde_json::json;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::proto::{
    AttestationFormat, AuthenticationState, COSEEC2Key, COSEKey, ParsedAttestation,
    RegisteredExtensions, UserVerificationPolicy,
};

use super::super::Purpose;
use super::*;

const ID: &str = "example.org";
const ORIGIN: &str = "https://login.example.org";

/// A number of a row that is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, of: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % of
    }

    /// The first of these most of the time.
    fn mostly<T: Copy>(&mut self, all: &[T]) -> T {
        if self.roll(6) > 0 { all[0] } else { all[self.roll(all.len())] }
    }
}

/// Who asks, and one credential that answers.
struct Scene {
    core: WebauthnCore,
    site: Site,
    pair: EcdsaKeyPair,
    credential: Credential,
    state: AuthenticationState,
    challenge: String,
    ceremony: Ceremony,
}

impl Scene {
    fn new() -> Self {
        let origins: Vec<url::Url> = vec![ORIGIN.parse().unwrap()];
        let site = Site::new(ID, &origins);
        let five = Duration::from_mins(5);
        let core = WebauthnCore::new_unsafe_experts_only("test", ID, origins, five, None, None);
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(COORDINATE);
        let key = COSEEC2Key { curve: ECDSACurve::SECP256R1, x: x.into(), y: y.into() };
        let credential = Credential {
            cred_id: vec![7; 32],
            cred: COSEKey { type_: COSEAlgorithm::ES256, key: COSEKeyType::EC_EC2(key) },
            counter: 0,
            transports: None,
            user_verified: true,
            backup_eligible: false,
            backup_state: false,
            registration_policy: UserVerificationPolicy::Required,
            extensions: RegisteredExtensions::default(),
            attestation: ParsedAttestation::default(),
            attestation_format: AttestationFormat::None,
        };
        let policy = Some(UserVerificationPolicy::Required);
        let builder = core.new_challenge_authenticate_builder(Vec::new(), policy).unwrap();
        let (asked, state) = core.generate_challenge_authenticate(builder).unwrap();
        let challenge = URL_SAFE_NO_PAD.encode(&asked.public_key.challenge);
        let ceremony = Ceremony {
            digest: Ceremony::digest_of(&challenge),
            purpose: Purpose::SignIn,
            user: None,
            session: None,
            name: None,
            state: serde_json::value::to_raw_value(&()).unwrap(),
            expires_at: Timestamp::MAX,
        };
        Self { core, site, pair, credential, state, challenge, ceremony }
    }

    /// Authenticator data that are mostly right, for what is known of the credential; says whether they have the
    /// usual form.
    fn data(&mut self, dice: &mut Dice) -> (Vec<u8>, bool) {
        let known = [0, 0, 0, 5, u32::MAX];
        self.credential.counter = known[dice.roll(known.len())];
        let above = self.credential.counter.saturating_add(1);
        let same = if self.credential.counter == 0 { 0 } else { above };
        let counter = dice.mostly(&[same, above, self.credential.counter, 0, 4, u32::MAX]);
        self.credential.backup_eligible = dice.roll(2) == 1;
        let mut flags = USER_PRESENT | USER_VERIFIED;
        if self.credential.backup_eligible {
            flags |= dice.mostly(&[BACKUP_ELIGIBLE, BACKUP_ELIGIBLE | BACKUP_STATE, 0]);
        }
        flags ^= dice.mostly(&[0, 0x01, 0x02, 0x04, 0x05, 0x08, 0x10, 0x18, 0x20, 0x40, 0x80]);
        let site = dice.mostly(&[ID, "login.example.org", "example.com"]);
        let mut data = sha256(site.as_bytes()).to_vec();
        data.push(flags);
        data.extend(counter.to_be_bytes());
        let more = dice.mostly(&[&b""[..], b"\0", b"\xa0", b"\xa1\x63abc\xf5"]);
        data.extend(more);
        data.truncate(data.len() - dice.mostly(&[0, 0, 1, 5]));
        (data, more.is_empty() && flags & 0xE2 == 0)
    }

    /// Client data that are mostly right; says whether the challenge and the page stand in them as they were
    /// written: ceremonies are found by that.
    fn client(&self, dice: &mut Dice) -> (String, bool) {
        let more = dice.mostly(&["", "A", "=", "AA"]);
        let origin = dice.mostly(&[
            ORIGIN,
            "https://login.example.org/",
            "https://LOGIN.example.org",
            "https://login.example.org:443",
            "https://login.example.org:8443",
            "http://login.example.org",
            "https://example.org",
            "null",
            "",
        ]);
        let mut client = json!({
            "type": dice.mostly(&["webauthn.get", "webauthn.create", "payment.get", ""]),
            "challenge": format!("{}{more}", self.challenge),
            "origin": origin,
        });
        if let Some(framed) = dice.mostly(&[None, Some(true), Some(false)]) {
            client["crossOrigin"] = framed.into();
        }
        // What nobody here reads, and what may be wrong with it.
        let also = dice.mostly(&[
            "",
            r#","other":{"a":[1,null]}"#,
            r#","tokenBinding":{"status":"supported"}"#,
            r#","tokenBinding":"x""#,
            r#","tokenBinding":{}"#,
            r#","other":1e999"#,
            r#","other":"\ud800""#,
        ]);
        let mut text = client.to_string();
        text.insert_str(text.len() - 1, also);
        if dice.roll(20) == 0 {
            text = json!([client["type"], client["challenge"], client["origin"], false, null])
                .to_string();
        }
        text.push_str(dice.mostly(&["", " ", ",", "{}"]));
        (text, more.is_empty() && origin == ORIGIN)
    }

    fn sign(&self, dice: &mut Dice, data: &[u8], client: &str) -> Vec<u8> {
        let mut signed = [data, &sha256(client.as_bytes())].concat();
        signed.extend(dice.mostly(&[&b""[..], b"\0"]));
        let mut signature =
            self.pair.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec();
        match dice.mostly(&[0, 1, 2, 3]) {
            1 => signature[9] ^= 1,
            2 => signature.push(0),
            3 => signature.clear(),
            _ => {}
        }
        signature
    }

    /// An answer that is mostly right; says whether it has the usual form.
    fn answer(&mut self, dice: &mut Dice) -> (AssertionAnswer, bool) {
        let (data, is_usual) = self.data(dice);
        let (client, is_as_written) = self.client(dice);
        let signature = self.sign(dice, &data, &client);
        let id = URL_SAFE_NO_PAD.encode(dice.mostly(&[[7; 32], [8; 32]]));
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let answer = json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encoded(client.as_bytes()),
                "authenticatorData": encoded(&data), "signature": encoded(&signature),
            },
        });
        match AssertionAnswer::read(&answer.to_string()) {
            Ok(answer) => (answer, is_usual && is_as_written),
            // What is no JSON is refused before.
            Err(_) => self.answer(dice),
        }
    }
}

#[test]
fn what_is_accepted_webauthn_rs_accepts_too_and_whatever_is_usual_is_accepted() {
    let (mut scene, mut dice) = (Scene::new(), Dice(1));
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..3000 {
        let (answer, is_usual) = scene.answer(&mut dice);
        let here = scene.site.held(&answer, &scene.ceremony, &scene.credential);
        // The library's part is slow in a build for tests: of what neither accepts a part will do.
        if here.is_none() && !is_usual && round % 4 > 0 {
            continue;
        }
        let (given, credential) = (&answer.credential, &scene.credential);
        let there = scene.core.authenticate_single_credential(given, &scene.state, credential);
        let there = there.ok().filter(|_| !answer.client.cross_origin);
        let there =
            there.map(|held| Held { counter: held.counter(), backup_state: held.backup_state() });
        if here.is_some() || is_usual {
            assert_eq!(here, there, "{answer:?} of {credential:?}");
        }
        if there.is_some() { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 300 && refused > 300, "{accepted} {refused}");
}

#[test]
fn a_key_of_another_kind_and_a_ceremony_of_another_challenge_are_left_to_webauthn_rs() {
    let mut scene = Scene::new();
    let mut dice = Dice(7);
    let mut right = |scene: &mut Scene| loop {
        let (answer, _) = scene.answer(&mut dice);
        if scene.site.held(&answer, &scene.ceremony, &scene.credential).is_some() {
            return answer;
        }
    };
    let answer = right(&mut scene);
    let changed = |change: &dyn Fn(&mut Credential, &mut Ceremony, &mut AssertionAnswer)| {
        let (mut credential, mut ceremony) = (scene.credential.clone(), scene.ceremony.clone());
        let mut answer = AssertionAnswer {
            credential: answer.credential.clone(),
            client: serde_json::from_slice(&answer.credential.response.client_data_json).unwrap(),
        };
        change(&mut credential, &mut ceremony, &mut answer);
        scene.site.held(&answer, &ceremony, &credential)
    };
    assert!(changed(&|_, _, _| ()).is_some());
    assert_eq!(changed(&|credential, _, _| credential.cred.type_ = COSEAlgorithm::ES384), None);
    let on_curve = |credential: &mut Credential, change: &dyn Fn(&mut COSEEC2Key)| {
        if let COSEKeyType::EC_EC2(key) = &mut credential.cred.key {
            change(key);
        }
    };
    assert_eq!(changed(&|c, _, _| on_curve(c, &|key| key.curve = ECDSACurve::SECP384R1)), None);
    assert_eq!(changed(&|c, _, _| on_curve(c, &|key| key.x[0] ^= 1)), None);
    assert_eq!(changed(&|c, _, _| on_curve(c, &|key| key.x.push(key.y.remove(0)))), None);
    assert_eq!(changed(&|_, ceremony, _| ceremony.digest = Ceremony::digest_of("other")), None);
    assert_eq!(changed(&|_, _, answer| answer.client.top_origin = Some(ORIGIN.into())), None);
    assert_eq!(changed(&|_, _, answer| answer.client.cross_origin = true), None);
}
