//! Proofs by a real solver: what is shipped holds, and a set that is changed breaks exactly what it
//! breaks. Solvers that lie, rave or sleep do no harm.
#![expect(
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and says what it skips"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cedar_policy::PolicySet;
use prov_authz::prove::{Claim, Counterexample, Invariants, Proof, SolverCommand, compare, prove};
use prov_authz::{CedarOptions, PolicyFiles, SourceFile};

/// The solver that `cargo xtask peers` installs; without one a visible skip, in CI a failure.
fn solver() -> Option<SolverCommand> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/prov/peers"));
    let peers = std::env::var_os("PROV_PEERS").map(PathBuf::from).or_else(home);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = peers.into_iter().map(|peers| peers.join("cvc5"));
    match SolverCommand::find(None, places.chain(std::env::split_paths(&path))) {
        Ok(solver) => Some(solver),
        Err(error) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{error}"),
        Err(error) => {
            eprintln!("SKIPPED: {error}");
            None
        }
    }
}

async fn proofs(files: &PolicyFiles, solver: &SolverCommand) -> Vec<Proof> {
    prove(files, CedarOptions::default(), &Invariants::shipped(), solver).await.unwrap()
}

/// This one of the shipped invariants, with what is assumed.
fn shipped_invariant(id: &str) -> Invariants {
    let all: PolicySet = include_str!("../../policies/tests/invariants.cedar").parse().unwrap();
    let wanted = all.policies().filter(|policy| {
        policy.annotation("assume").is_some() || policy.annotation("id") == Some(id)
    });
    let text: Vec<_> = wanted.map(ToString::to_string).collect();
    Invariants::of(SourceFile::new("invariant.cedar", text.join("\n")))
}

fn broken(proofs: &[Proof]) -> Vec<(&str, &Counterexample)> {
    proofs
        .iter()
        .filter_map(|proof| match &proof.claim {
            Claim::Violated { counterexample } => Some((proof.id.as_str(), &**counterexample)),
            Claim::Holds => None,
            other => panic!("{}: {other:?}", proof.id),
        })
        .collect()
}

/// The shipped set with one text in the place of another.
fn changed(from: &str, to: &str) -> PolicyFiles {
    let mut files = PolicyFiles::shipped();
    let holds = |file: &&mut SourceFile| file.text.contains(from);
    let file = files.policies.iter_mut().find(holds).unwrap();
    file.text = file.text.replacen(from, to, 1);
    files
}

#[tokio::test]
async fn every_shipped_invariant_holds_of_the_shipped_policies() {
    let Some(solver) = solver() else { return };
    let proofs = proofs(&PolicyFiles::shipped(), &solver).await;
    assert!(broken(&proofs).is_empty(), "{proofs:?}");
    assert_eq!(proofs.len(), 6);
}

#[tokio::test]
async fn a_changed_set_breaks_what_it_breaks_and_the_request_shows_it() {
    let Some(solver) = solver() else { return };
    let cases = [
        (
            "unless { principal in Provisioning::Team::\"platform-admin\" || context.mfa_verified };",
            "unless { principal in [Provisioning::Team::\"platform-admin\", Provisioning::Team::\"sre\"] || context.mfa_verified };",
            "deploy-needs-mfa",
        ),
        (
            "forbid (principal in Provisioning::Team::\"audit\", action, resource)",
            "forbid (principal in Provisioning::Team::\"auditors\", action, resource)",
            "audit-never-modifies",
        ),
        (
            "  principal in Provisioning::Team::\"developers\",\n  action in\n    [Provisioning::Action::\"read\", Provisioning::Action::\"list\", Provisioning::Action::\"monitor\"],\n  resource in Provisioning::Environment::\"production\"",
            "  principal in Provisioning::Team::\"developers\",\n  action in\n    [Provisioning::Action::\"read\", Provisioning::Action::\"list\", Provisioning::Action::\"update\"],\n  resource in Provisioning::Environment::\"production\"",
            "developers-never-modify-production",
        ),
        (
            "unless { context.ip_address.isInRange(ip(\"10.0.0.0/8\")) };",
            "unless { context.ip_address.isInRange(ip(\"0.0.0.0/0\")) };",
            "production-from-corporate-networks",
        ),
    ];
    for (from, to, invariant) in cases {
        let (files, only) = (changed(from, to), shipped_invariant(invariant));
        let proofs = prove(&files, CedarOptions::default(), &only, &solver).await.unwrap();
        let [(_, found)] = broken(&proofs)[..] else {
            panic!("{invariant} should be broken: {proofs:?}");
        };
        match invariant {
            "deploy-needs-mfa" => {
                assert_eq!((found.action.as_str(), found.decision), ("deploy", "allow"));
                assert!(
                    !found.mfa_verified && found.teams.contains(&"sre".to_owned()),
                    "{found:?}"
                );
                // The environment itself is as good an example as something in it.
                let environment = found.attributes.get("environment");
                assert!(environment.is_none_or(|name| name == "production"), "{found:?}");
            }
            "audit-never-modifies" => {
                assert!(found.teams.contains(&"audit".to_owned()), "{found:?}");
            }
            "developers-never-modify-production" => {
                assert_eq!(
                    (found.action.as_str(), &*found.teams),
                    ("update", &["developers".to_owned()][..])
                );
                assert_eq!(found.by, ["prod-developers-read"]);
            }
            _ => {
                let std::net::IpAddr::V4(address) = found.address.unwrap() else {
                    panic!("{found:?}")
                };
                assert_ne!(address.octets()[0], 10, "{found:?}");
            }
        }
    }
}

#[tokio::test]
async fn whoever_is_in_no_team_gets_nothing_is_broken_by_a_permit_for_everybody() {
    let Some(solver) = solver() else { return };
    let mut files = PolicyFiles::shipped();
    files.policies.push(SourceFile::new(
        "site.cedar",
        "@id(\"all-read\") @description(\"x\") permit (principal, action == Provisioning::Action::\"list\", resource is Provisioning::Server);",
    ));
    let proofs = proofs(&files, &solver).await;
    let broken = broken(&proofs);
    let [(id, found)] = broken.as_slice() else { panic!("{broken:?}") };
    assert_eq!(
        (*id, found.action.as_str(), &*found.by),
        ("no-team-nothing", "list", &["all-read".to_owned()][..])
    );
}

#[tokio::test]
async fn two_sets_are_compared_both_ways() {
    let Some(solver) = solver() else { return };
    let shipped = PolicyFiles::shipped();
    let assumed = Invariants::shipped();
    let against = |old: PolicyFiles, new: PolicyFiles| {
        let (assumed, solver) = (assumed.clone(), solver.clone());
        async move {
            compare(&old, &new, CedarOptions::default(), Some(&assumed), &solver).await.unwrap()
        }
    };
    let same = changed("|| context.mfa_verified };", "|| context.mfa_verified || false };");
    assert!(against(shipped.clone(), same).await.is_equivalent());
    let later = changed(
        "(context.time.toTime() >= duration(\"8h\") && context.time.toTime() < duration(\"18h\"))\n};\n\n@id(\"prod-delete-mfa\")",
        "(context.time.toTime() >= duration(\"8h\") && context.time.toTime() < duration(\"20h\"))\n};\n\n@id(\"prod-delete-mfa\")",
    );
    let wider = against(shipped.clone(), later.clone()).await;
    assert!(matches!(wider.permits_no_less, Claim::Holds), "{wider:?}");
    let Claim::Violated { counterexample } = &wider.permits_no_more else { panic!("{wider:?}") };
    let hour = counterexample.time.to_string();
    assert!(hour.contains("T18:") || hour.contains("T19:"), "{hour}");
    assert_eq!(wider.differences[0].old_by, ["prod-deploy-hours"]);
    let narrower = against(later, shipped).await;
    assert!(matches!(narrower.permits_no_more, Claim::Holds), "{narrower:?}");
}

#[tokio::test]
async fn invariants_that_are_not_well_formed_are_refused_with_their_place() {
    let solver = SolverCommand::new("/nonexistent");
    for (text, message) in [
        ("forbid (principal, action, resource)", "unexpected end"),
        ("\n@id(\"x\") forbid (principal, action, resource);", "no description"),
        (
            "@id(\"x\") @description(\"x\") forbid (principal, action, resource) when { context.mfa };",
            "mfa",
        ),
        (
            "@id(\"x\") @description(\"x\") @assume(\"x\") permit (principal, action, resource);",
            "an assumption is a `forbid`",
        ),
        (
            "@id(\"x\") @description(\"x\") @assume(\"x\") forbid (principal, action, resource);",
            "there is no invariant",
        ),
    ] {
        let invariants = Invariants::of(SourceFile::new("i.cedar", text));
        let refused =
            prove(&PolicyFiles::shipped(), CedarOptions::default(), &invariants, &solver).await;
        let error = refused.unwrap_err();
        let field = &error.fields()[0];
        assert!(field.field.starts_with("i.cedar"), "{field:?}");
        assert!(field.message.contains(message), "{field:?} for {message}");
    }
}

#[test]
fn an_absent_solver_is_said_to_be_absent_and_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let error = SolverCommand::find(None, [folder.path().to_owned()]).unwrap_err();
    assert_eq!(error.code().name(), "authz.solver_absent");
    assert!(error.public_detail().contains("--solver"), "{error}");
    let named = SolverCommand::find(Some(Path::new("/no/such/solver")), []).unwrap_err();
    assert!(named.public_detail().contains("/no/such/solver"), "{named}");
}

/// A script in the place of a solver.
fn script(folder: &Path, text: &str) -> SolverCommand {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("solver");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    SolverCommand::new(path).with_patience(Duration::from_millis(500))
}

#[tokio::test]
async fn a_solver_that_lies_raves_sleeps_or_dies_is_refused_soon() {
    for (text, why) in [
        ("while read x; do echo unsat; done", "which is Sat"),
        ("while read x; do echo sat; done", "which is Unsat"),
        ("while read x; do echo flurb; done", "flurb"),
        ("exec sleep 600", "no answer within"),
        ("exit 3", "answer"),
        ("cat > /dev/null & exec tr '\\0' 'x' < /dev/zero", "as cvc5 does"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let solver = script(folder.path(), text);
        let start = Instant::now();
        let error = prove(
            &PolicyFiles::shipped(),
            CedarOptions::default(),
            &Invariants::shipped(),
            &solver,
        )
        .await
        .unwrap_err();
        assert_eq!(error.code().name(), "authz.solver_unusable");
        assert!(error.public_detail().contains(why), "{error:?} for `{text}`");
        assert!(start.elapsed() < Duration::from_secs(15), "{text}");
    }
}

/// It knows what every solver knows, and then no more.
#[tokio::test]
async fn a_solver_that_gives_up_leaves_the_invariant_unproved() {
    let folder = tempfile::tempdir().unwrap();
    let text = "n=0; while read -r x; do case \"$x\" in *check-sat*) n=$((n+1)); \
                case $n in 1) echo unsat;; 2) echo sat;; *) echo unknown;; esac;; esac; done";
    let solver = script(folder.path(), text);
    let invariants = Invariants::of(SourceFile::new(
        "i.cedar",
        "@id(\"x\") @description(\"x\") forbid (principal, action == Provisioning::Action::\"lockdown\", resource) \
         unless { context.mfa_verified };",
    ));
    let proofs = prove(&PolicyFiles::shipped(), CedarOptions::default(), &invariants, &solver)
        .await
        .unwrap();
    let Claim::Unproved { reason } = &proofs[0].claim else { panic!("{proofs:?}") };
    assert!(reason.contains("lockdown") && reason.contains("unknown"), "{reason}");
}
