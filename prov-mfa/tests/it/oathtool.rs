//! A second implementation agrees, both ways.

use std::process::Command;

use prov_core::Clock;

use crate::world::{App, World};

/// The code that `oathtool` computes for a secret at a second.
fn oathtool(secret: &str, second: i64) -> Option<String> {
    let output = Command::new("oathtool")
        .args(["--totp", "-b", secret, "-N", &format!("@{second}")])
        .output()
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[tokio::test]
async fn oathtool_and_we_agree_over_many_steps() {
    let world = World::new();
    let alice = world.person();
    let begun = world.mfa.enroll(&alice, "oathtool").await.unwrap();
    let (secret, app) = (begun.secret.expose(), App::scanned(&begun));
    if oathtool(secret, 0).is_none() {
        #[expect(
            clippy::disallowed_methods,
            reason = "CI says by its name that nothing may be missing"
        )]
        let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!in_ci, "oathtool is missing");
        eprintln!("SKIPPED: oathtool is not installed (Debian package `oathtool`)");
        return;
    }
    for _ in 0..25 {
        let now = world.clock.now().as_second();
        // Theirs is ours: the URI says the same as the secret for typing.
        let theirs = oathtool(secret, now).unwrap();
        assert_eq!(app.code_at(now).expose(), theirs);
        // And ours takes theirs, the first of them as confirmation.
        world.mfa.verify_totp(&alice, &begun.id, &theirs.into()).await.unwrap();
        world.next_step();
    }
}
