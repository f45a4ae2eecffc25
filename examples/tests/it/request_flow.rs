//! The nine steps.

use examples::request_flow::{CONFIGURATION, walk};
use http::StatusCode;
use prov_core::audit::Outcome;

#[tokio::test(flavor = "multi_thread")]
async fn every_step_leaves_its_facts() {
    let folder = tempfile::tempdir().unwrap();
    let walk = walk(folder.path()).await.unwrap();

    assert_eq!(walk.steps.len(), 9);
    assert_eq!(walk.answer.status, StatusCode::OK);
    let who = walk.answer.context.as_ref().unwrap();
    assert_eq!(who.principal().name, "sam");
    assert!(who.is_multi_factor());
    assert_eq!(who.request().id.as_str(), walk.answer.request_id);
    let decision = walk.answer.decision.as_ref().unwrap();
    assert!(decision.allowed);
    assert_eq!(decision.policies, ["prod-sre"]);
    assert!(walk.answer.text("lease_id").unwrap().starts_with("lease_"));
    assert_eq!(walk.answer.document["configuration_bytes"], CONFIGURATION.len());

    let actions: Vec<&str> = walk.events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["ssh.key.generate", "kms.decrypt"]);
    assert!(walk.events.iter().all(|event| event.outcome == Outcome::Success));
    assert!(walk.events.iter().all(|event| event.actor.name.as_deref() == Some("sam")));
    assert!(walk.verified > walk.events.len() as u64);

    let printed = walk.to_string();
    assert!(printed.contains("9. response"), "{printed}");
    assert!(!printed.contains("PRIVATE KEY") && !printed.contains("db.internal"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_falls_short_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let walk = walk(folder.path()).await.unwrap();
    let [unapproved, one_factor, flood] = &walk.refused[..] else { panic!("three of them") };

    assert_eq!(unapproved.status, StatusCode::FORBIDDEN);
    assert_eq!(unapproved.policies, ["prod-deploy-approval"]);
    assert!(unapproved.problem.contains("prod-deploy-approval"), "{}", unapproved.problem);
    assert!(unapproved.seq.is_some());

    assert_eq!(one_factor.status, StatusCode::UNAUTHORIZED);
    assert!(one_factor.problem.starts_with("mfa.step_up_required"), "{}", one_factor.problem);
    assert!(one_factor.policies.is_empty(), "it never came to the policies");
    assert!(one_factor.seq > unapproved.seq);

    assert_eq!(flood.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(flood.seq, None);
}

/// What lies on the disk shows neither the configuration nor the password.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_readable_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    walk(folder.path()).await.unwrap();
    let mut folders = vec![folder.path().to_owned()];
    let mut files = 0;
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            for secret in ["db.internal", "copper lanterns", "PRIVATE KEY"] {
                let shown = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!shown, "{} shows `{secret}`", path.display());
            }
        }
    }
    assert!(files > 5, "the walk leaves a database, a key and a log");
}
