//! What passes for signed, and what does not.

use prov_core::SecretText;
use signed_note::{Note, StandardVerifier, VerifierList};

use super::key::PublicKey;
use super::*;
use crate::{Finding, PolicyFiles, SourceFile};

fn signer(name: &str) -> BundleSigner {
    BundleSigner::generate(name).unwrap()
}

fn signed(files: PolicyFiles, version: u64, signers: &[&BundleSigner]) -> PolicyFiles {
    let note = signers
        .iter()
        .fold(bundle_manifest(&files, version), |note, signer| sign_bundle(&note, signer).unwrap());
    files.with_bundle(Some(note))
}

fn root(signers: &[&BundleSigner], threshold: usize) -> TrustRoot {
    TrustRoot::new(signers.iter().map(|signer| signer.verifier_key()), threshold).unwrap()
}

fn refusal(found: Result<Bundle, Vec<Finding>>) -> String {
    found.unwrap_err().first().unwrap().to_string()
}

#[test]
fn a_set_signed_by_enough_is_what_they_signed() {
    let (ann, bob, eve) = (signer("ann"), signer("bob"), signer("eve"));
    let trusted = root(&[&ann, &bob], 2);
    let bundle = signed(PolicyFiles::shipped(), 7, &[&bob, &eve, &ann]);
    let found = trusted.verify(&bundle).unwrap();
    assert_eq!((found.version, found.signers), (7, vec!["ann".to_owned(), "bob".to_owned()]));
}

#[test]
fn an_unsigned_set_is_refused_where_signatures_are_asked_for() {
    let ann = signer("ann");
    let trusted = root(&[&ann], 1);
    assert!(refusal(trusted.verify(&PolicyFiles::shipped())).contains("is not signed"));
    let listed = bundle_manifest(&PolicyFiles::shipped(), 1);
    let unsigned = PolicyFiles::shipped().with_bundle(Some(listed));
    assert!(refusal(trusted.verify(&unsigned)).contains("0 trusted signatures"));
}

/// OPA's signature check asked the bundle which key to use (GHSA-g2pf-6v5v-qcc8).
#[test]
fn a_key_id_in_the_bundle_never_chooses_the_key() {
    let (ann, eve) = (signer("ann"), signer("eve"));
    let trusted = root(&[&ann], 1);
    // Eve signs, and puts Ann's name, or Ann's name and hash, beside her signature.
    let by_eve = signed(PolicyFiles::shipped(), 1, &[&eve]);
    let renamed = by_eve.bundle.clone().unwrap().replace("— eve", "— ann");
    let impostor = PolicyFiles::shipped().with_bundle(Some(renamed));
    assert!(refusal(trusted.verify(&impostor)).contains("0 trusted signatures"));
    let (mine, hers) = (blob(&signed(PolicyFiles::shipped(), 1, &[&ann])), blob(&by_eve));
    let forged = [mine.get(..4).unwrap(), hers.get(4..).unwrap()].concat();
    assert!(refusal(trusted.verify(&labelled("ann", &forged))).contains("0 trusted"));
    // Her own key, called Ann: another key is another key.
    let called_ann = signer("ann");
    let by_namesake = signed(PolicyFiles::shipped(), 1, &[&called_ann]);
    assert!(refusal(trusted.verify(&by_namesake)).contains("0 trusted signatures"));
    // And what stands beside Ann's signature takes nothing away from it.
    let mislabelled = [hers.get(..4).unwrap(), mine.get(4..).unwrap()].concat();
    assert_eq!(trusted.verify(&labelled("eve", &mislabelled)).unwrap().signers, ["ann"]);
}

fn blob(bundle: &PolicyFiles) -> Vec<u8> {
    use base64::Engine;
    let note = bundle.bundle.as_deref().unwrap();
    let encoded = note.trim_end().rsplit(' ').next().unwrap();
    base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()
}

fn labelled(name: &str, blob: &[u8]) -> PolicyFiles {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(blob);
    let list = bundle_manifest(&PolicyFiles::shipped(), 1);
    PolicyFiles::shipped().with_bundle(Some(format!("{list}\n— {name} {encoded}\n")))
}

#[test]
fn one_signer_is_one_signer_however_often_they_sign() {
    let (ann, bob) = (signer("ann"), signer("bob"));
    let trusted = root(&[&ann, &bob], 2);
    let mut bundle = signed(PolicyFiles::shipped(), 1, &[&ann]);
    let note = bundle.bundle.clone().unwrap();
    assert!(sign_bundle(&note, &ann).unwrap_err().to_string().contains("already"));
    let line = note.lines().last().unwrap();
    bundle.bundle = Some(format!("{note}{line}\n{}\n", line.replace("ann", "bob")));
    assert!(refusal(trusted.verify(&bundle)).contains("1 trusted signatures, and 2 are needed"));
}

#[test]
fn one_key_under_two_names_is_no_second_signer() {
    let ann = signer("ann");
    let renamed = PublicKey {
        name: "bob".to_owned(),
        bytes: PublicKey::parse(&ann.verifier_key()).unwrap().bytes,
    };
    for other in [ann.verifier_key(), renamed.to_string()] {
        let twice = TrustRoot::new([ann.verifier_key(), other], 1);
        assert!(twice.unwrap_err().to_string().contains("twice"));
    }
    for threshold in [0, 2] {
        assert!(TrustRoot::new([ann.verifier_key()], threshold).is_err(), "{threshold}");
    }
    assert!(TrustRoot::new(Vec::<String>::new(), 1).is_err());
}

#[test]
fn any_file_more_less_or_other_than_was_signed_is_refused_by_name() {
    let ann = signer("ann");
    let trusted = root(&[&ann], 1);
    let good = || signed(PolicyFiles::shipped(), 1, &[&ann]);
    let refused = |change: &dyn Fn(&mut PolicyFiles)| {
        let mut bundle = good();
        change(&mut bundle);
        refusal(trusted.verify(&bundle))
    };
    let edited = refused(&|set| set.policies.first_mut().unwrap().text.push('\n'));
    assert!(edited.starts_with("admin.cedar: the file is not the one that was signed"), "{edited}");
    let schema = refused(&|set| set.schema.text.push('\n'));
    assert!(schema.starts_with("schema.cedarschema: the file is not"), "{schema}");
    let more = refused(&|set| set.policies.push(SourceFile::new("zz.cedar", "")));
    assert!(more.starts_with("zz.cedar: the file is not in the signed list"), "{more}");
    let less = refused(&|set| drop(set.policies.pop()));
    assert!(less.starts_with("staging.cedar: the signed list names this file"), "{less}");
    let version = refused(&|set| {
        set.bundle = set.bundle.take().map(|note| note.replace("version 1\n", "version 9\n"));
    });
    assert!(version.contains("0 trusted signatures"), "{version}");
    for note in ["", "x", "x\n", "\n\n", "prov-policy-bundle/v1\nversion 01\n\n— a AAAA\n"] {
        let broken = refused(&|set| set.bundle = Some(note.to_owned()));
        assert!(broken.contains("no signed list"), "{note:?}: {broken}");
    }
}

#[test]
fn a_version_never_falls_and_never_means_two_sets() {
    let ann = signer("ann");
    let trusted = root(&[&ann], 1);
    let set = |version| signed(PolicyFiles::shipped(), version, &[&ann]);
    let (found, content) = trusted.admit(&set(5), None).unwrap();
    let newest = Some(&(found.version, content.clone())).cloned();
    assert!(trusted.admit(&set(5), newest.as_ref()).is_ok(), "the same again");
    assert!(trusted.admit(&set(6), newest.as_ref()).is_ok());
    let older = trusted.admit(&set(4), newest.as_ref()).unwrap_err();
    assert!(older.first().unwrap().message.contains("older than 5"), "{older:?}");
    let mut other = PolicyFiles::shipped();
    other.policies.first_mut().unwrap().text.push_str("\n// more\n");
    let other = trusted.admit(&signed(other, 5, &[&ann]), newest.as_ref()).unwrap_err();
    assert!(other.first().unwrap().message.contains("another set"), "{other:?}");
}

#[test]
fn another_implementation_of_signed_notes_verifies_the_list_and_reads_the_keys() {
    let ann = signer("ann.example/policies");
    let bundle = signed(PolicyFiles::shipped(), 3, &[&ann]);
    let key = StandardVerifier::new(&ann.verifier_key()).unwrap();
    let note = Note::from_bytes(bundle.bundle.as_deref().unwrap().as_bytes()).unwrap();
    let (verified, _) = note.verify(&VerifierList::new(vec![Box::new(key)])).unwrap();
    assert_eq!(verified.len(), 1);
    let read = BundleSigner::parse(&ann.private_key()).unwrap();
    assert_eq!(read.verifier_key(), ann.verifier_key());
}

#[test]
fn keys_that_are_cut_or_renamed_are_refused_and_never_printed() {
    let ann = signer("ann");
    let (public, private) = (ann.verifier_key(), ann.private_key());
    assert!(!format!("{ann:?} {private:?}").contains(private.expose().rsplit('+').next().unwrap()));
    let cut = public.get(..public.len() - 5).unwrap().to_owned();
    for text in [public.replace("ann", "bob"), cut, "ann".to_owned(), String::new()] {
        assert!(TrustRoot::new([&text], 1).is_err(), "{text}");
    }
    for text in [public, private.expose().replace("ann", "bob"), "PRIVATE+KEY+".to_owned()] {
        assert!(BundleSigner::parse(&SecretText::new(text)).is_err());
    }
    assert!(BundleSigner::generate("a b").is_err() && BundleSigner::generate("").is_err());
}
