//! Our revocation list, read by OpenSSH.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use prov_core::{ManualClock, SystemClock};
use prov_secrets::ssh::{SshHostRequest, SshPairRequest, SshSignRequest};

use crate::openssh::{keygen, pair, printed, run};
use crate::world::{SshWorld, caller};

fn write(directory: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn openssh_finds_exactly_the_revoked_certificates_in_the_list() {
    let Some(keygen) = keygen() else { return };
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let world = SshWorld::on_this_machine().await;
    let ctx = caller("user_1", "alice");
    let empty = write(at, "empty", &world.ssh.krl().await.unwrap().bytes);
    let public = pair(&keygen, &at.join("id"), &["-t", "ed25519"]);
    let mut certificates = Vec::new();
    for n in 0..40_usize {
        let signed = if n % 5 == 4 {
            let request = SshHostRequest::new(public.clone(), vec!["web.example.org".into()]);
            world.ssh.sign_host(&ctx, request).await.unwrap()
        } else {
            world.ssh.sign_user(&ctx, SshSignRequest::new(public.clone())).await.unwrap()
        };
        let path = write(at, &format!("{n}-cert.pub"), signed.certificate.as_bytes());
        certificates.push((signed, path));
    }
    // Runs, pairs and single serials: ranges and lists.
    let revoked = |n: usize| (3..17).contains(&n) || n == 20 || n == 23 || n == 24 || n > 37;
    for (n, (signed, _)) in certificates.iter().enumerate() {
        if revoked(n) {
            world.ssh.revoke(&ctx, &signed.lease_id).await.unwrap();
        }
    }
    let krl = world.ssh.krl().await.unwrap();
    assert_eq!(krl.revoked, (0..40).filter(|n| revoked(*n)).count());
    let list = write(at, "krl", &krl.bytes);
    let listed = printed(Command::new(&keygen).arg("-Q").arg("-l").arg("-f").arg(&list));
    assert!(listed.contains("serial") && listed.contains("prov"), "{listed}");
    for (n, (_, path)) in certificates.iter().enumerate() {
        let asked = run(Command::new(&keygen).arg("-Qf").arg(&list).arg(path));
        assert_eq!(!asked.status.success(), revoked(n), "certificate {n}");
        let asked = run(Command::new(&keygen).arg("-Qf").arg(&empty).arg(path));
        assert!(asked.status.success(), "the empty list revokes nothing");
    }
}

#[tokio::test]
async fn a_certificate_that_has_ended_leaves_the_list() {
    let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
    let world = SshWorld::new(Arc::new(clock.clone())).await;
    let ctx = caller("user_1", "alice");
    let request = SshPairRequest::by_role("default").for_ttl(Some(Duration::from_mins(10)));
    let issued = world.ssh.generate_pair(&ctx, request.clone()).await.unwrap();
    world.ssh.revoke(&ctx, &issued.certificate.lease_id).await.unwrap();
    world.ssh.generate_pair(&ctx, request).await.unwrap();
    assert_eq!(world.ssh.krl().await.unwrap().revoked, 1);
    // An hour beyond its end, for servers whose clocks are behind.
    clock.advance(Duration::from_mins(65));
    assert_eq!(world.ssh.krl().await.unwrap().revoked, 1);
    clock.advance(Duration::from_mins(6));
    world.leases.reap().await;
    let krl = world.ssh.krl().await.unwrap();
    assert_eq!(krl.revoked, 0, "one that merely expired never was in it");
}

#[tokio::test]
async fn what_another_node_revokes_is_listed_within_a_second() {
    let clock = Arc::new(SystemClock::new());
    let here = SshWorld::new(clock).await;
    let there = SshWorld::over(Arc::clone(&here.store), Arc::new(SystemClock::new())).await;
    let ctx = caller("user_1", "alice");
    let issued = here.ssh.generate_pair(&ctx, SshPairRequest::by_role("default")).await.unwrap();
    assert_eq!(there.ssh.krl().await.unwrap().revoked, 0);
    here.ssh.revoke(&ctx, &issued.certificate.lease_id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1050)).await;
    assert_eq!(there.ssh.krl().await.unwrap().revoked, 1);
}
