//! What is signed, and what is not.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use prov_core::audit::Outcome;
use prov_core::{Principal, PrincipalKind, Role, SystemClock};
use prov_secrets::ssh::{SshHostRequest, SshPairRequest, SshRole, SshSignRequest};
use prov_secrets::{LeaseFilter, codes};

use crate::openssh::{keygen, pair, printed};
use crate::world::{SshWorld, caller, context};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti a@b";

fn ops() -> SshRole {
    let mut role = SshRole::new("ops").allowing(["deploy"]).for_role(Role::Viewer);
    role.force_command = Some("/usr/bin/uptime".into());
    role.source_addresses = vec!["10.0.0.0/8".parse().unwrap()];
    role
}

#[tokio::test]
async fn openssh_reads_every_field_as_it_was_meant() {
    let Some(keygen) = keygen() else { return };
    let directory = tempfile::tempdir().unwrap();
    let world = SshWorld::on_this_machine().await;
    let ctx = caller("user_1", "alice");
    world.ssh.roles().create(&ctx, &ops()).await.unwrap();
    let kinds: [&[&str]; 4] = [
        &["-t", "ed25519"],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "521"],
        &["-t", "rsa", "-b", "3072"],
    ];
    let mut serials = BTreeSet::new();
    for (n, kind) in kinds.iter().enumerate() {
        let public = pair(&keygen, &directory.path().join(format!("id{n}")), kind);
        let request =
            SshSignRequest::new(public).by_role("ops").from_addresses(Some("10.1.0.0/16".into()));
        let signed = world.ssh.sign_user(&ctx, request).await.unwrap();
        assert!(serials.last().is_none_or(|last| *last < signed.serial), "serials rise");
        serials.insert(signed.serial);
        let path = directory.path().join(format!("id{n}-cert.pub"));
        std::fs::write(&path, &signed.certificate).unwrap();
        let text = printed(Command::new(&keygen).arg("-L").arg("-f").arg(&path));
        let key_id = format!("prov:{}:user_1", signed.lease_id);
        assert_eq!(signed.key_id, key_id);
        for part in [
            "user certificate",
            &format!("Key ID: \"{key_id}\""),
            &format!("Serial: {}", signed.serial),
            "force-command /usr/bin/uptime",
            "source-address 10.1.0.0/16",
            "permit-pty",
            "deploy",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("permit-port-forwarding"), "{text}");
    }
}

#[tokio::test]
async fn a_certificate_begins_30_seconds_ago_and_ends_with_its_lease() {
    let world = SshWorld::on_this_machine().await;
    let ctx = caller("user_1", "alice");
    let request = SshSignRequest::new(KEY).for_ttl(Some(Duration::from_mins(5)));
    let signed = world.ssh.sign_user(&ctx, request).await.unwrap();
    let certificate = ssh_key::Certificate::from_openssh(&signed.certificate).unwrap();
    assert_eq!(certificate.valid_before() - certificate.valid_after(), 330);
    assert_eq!(u64::try_from(signed.valid_before.as_second()).unwrap(), certificate.valid_before());
    assert_eq!(certificate.valid_principals(), ["alice"]);
    let lease = world.leases.show(&signed.lease_id).await.unwrap();
    assert_eq!(lease.facts["serial"], signed.serial);
    let event = world.recorder.events().pop().unwrap();
    assert_eq!((event.action.as_str(), event.outcome), ("ssh.user.sign", Outcome::Success));
    assert_eq!(event.context["serial"], signed.serial);
    assert!(!format!("{:?}", event.context).contains("alice"), "a user name is personal");
}

#[tokio::test]
async fn keys_that_must_not_be_certified_are_refused() {
    let world = SshWorld::on_this_machine().await;
    let ctx = caller("user_1", "alice");
    let certificate =
        world.ssh.sign_user(&ctx, SshSignRequest::new(KEY)).await.unwrap().certificate;
    let ca = world.ssh.ca_public_keys().unwrap()[0].public_key.clone();
    let mut refused = vec![
        String::new(),
        "garbage".to_owned(),
        KEY.replace("AAAAC3", "AAAAC4"),
        KEY.replace("ssh-ed25519 ", "ssh-rsa "),
        format!("command=\"id\" {KEY}"),
        format!("{KEY}\nssh-ed25519 AAAA"),
        format!("{KEY}\0"),
        format!("ssh-ed25519 {}", "A".repeat(10_000)),
        "-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(),
        certificate,
        ca,
    ];
    if let Some(keygen) = keygen() {
        let directory = tempfile::tempdir().unwrap();
        refused.push(pair(&keygen, &directory.path().join("rsa"), &["-t", "rsa", "-b", "2048"]));
        let dsa = directory.path().join("dsa");
        let made =
            Command::new(&keygen).args(["-q", "-t", "dsa", "-N", "", "-f"]).arg(&dsa).status();
        if made.is_ok_and(|status| status.success()) {
            refused.push(std::fs::read_to_string(dsa.with_extension("pub")).unwrap());
        }
    }
    for line in refused {
        let error = world.ssh.sign_user(&ctx, SshSignRequest::new(line.clone())).await.unwrap_err();
        assert!(error.is(codes::SSH_KEY_REFUSED), "{line:?}: {error:?}");
        assert_eq!(error.kind().status(), 400);
    }
    let page = world.leases.list(&LeaseFilter::default(), None, 100.try_into().unwrap()).await;
    assert_eq!(page.unwrap().items.len(), 1, "a refused key leaves no lease");
}

#[tokio::test]
async fn a_role_of_others_and_foreign_principals_are_denied_and_recorded() {
    let world = SshWorld::on_this_machine().await;
    let ctx = caller("user_1", "alice");
    let role = SshRole::new("sre").allowing(["root"]).for_team("sre".parse().unwrap());
    world.ssh.roles().create(&ctx, &role).await.unwrap();
    let by_role = SshSignRequest::new(KEY).by_role("sre");
    let error = world.ssh.sign_user(&ctx, by_role.clone()).await.unwrap_err();
    assert!(error.is(codes::ROLE_NOT_YOURS));
    let foreign = SshSignRequest::new(KEY).for_principals(vec!["bob".into()]);
    let error = world.ssh.sign_user(&ctx, foreign).await.unwrap_err();
    assert!(error.is(codes::SSH_PRINCIPAL_REFUSED));
    let denied = world.recorder.events().into_iter().filter(|e| e.outcome == Outcome::Denied);
    assert_eq!(denied.count(), 2);
    let principal =
        Principal::new(PrincipalKind::User, "user_2", "bob").with_teams(["sre".parse().unwrap()]);
    let member = context(principal, &SystemClock::new());
    let signed = world.ssh.sign_user(&member, by_role).await.unwrap();
    let certificate = ssh_key::Certificate::from_openssh(&signed.certificate).unwrap();
    assert_eq!(certificate.valid_principals(), ["root"]);
}

#[tokio::test]
async fn a_user_named_root_or_a_workload_gets_no_certificate_by_the_shipped_role() {
    let world = SshWorld::on_this_machine().await;
    let workload = Principal::new(PrincipalKind::Workload, "w", "alice").with_roles([Role::Admin]);
    let strange = Principal::new(PrincipalKind::User, "user\n1", "alice").with_roles([Role::Admin]);
    let root = Principal::new(PrincipalKind::User, "user_9", "root").with_roles([Role::Admin]);
    for principal in [workload, strange, root] {
        let ctx = context(principal, &SystemClock::new());
        let error = world.ssh.sign_user(&ctx, SshSignRequest::new(KEY)).await.unwrap_err();
        assert!(error.is(codes::SSH_PRINCIPAL_REFUSED), "{ctx:?}");
    }
}

#[tokio::test]
async fn times_beyond_the_role_are_refused() {
    let world = SshWorld::on_this_machine().await;
    let ctx = caller("user_1", "alice");
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    for ttl in [hours(25), Some(Duration::MAX), Some(Duration::ZERO)] {
        let request = SshPairRequest::by_role("default").for_ttl(ttl);
        assert_eq!(world.ssh.generate_pair(&ctx, request).await.unwrap_err().kind().status(), 400);
    }
    let host = SshHostRequest::new(KEY, vec!["a.example".into()]).for_ttl(hours(91 * 24));
    assert!(world.ssh.sign_host(&ctx, host).await.unwrap_err().is(codes::LEASE_TTL_REFUSED));
}

#[tokio::test]
async fn host_certificates_need_names_that_are_no_patterns() {
    let world = SshWorld::on_this_machine().await;
    let ctx = caller("user_1", "alice");
    let many = vec!["a.example".to_owned(); 33];
    for names in [vec![], vec!["*".to_owned()], vec!["a,b".to_owned()], many] {
        let request = SshHostRequest::new(KEY, names);
        assert_eq!(world.ssh.sign_host(&ctx, request).await.unwrap_err().kind().status(), 400);
    }
    let request = SshHostRequest::new(KEY, vec!["a.example".into(), "10.0.0.7".into()]);
    let signed = world.ssh.sign_host(&ctx, request).await.unwrap();
    let certificate = ssh_key::Certificate::from_openssh(&signed.certificate).unwrap();
    assert!(certificate.cert_type().is_host() && certificate.extensions().is_empty());
    // The role of host certificates can't be used, or made, as one of users.
    let by_role = SshSignRequest::new(KEY).by_role("host");
    assert!(world.ssh.sign_user(&ctx, by_role).await.unwrap_err().is(codes::ROLE_UNKNOWN));
    let role = SshRole::new("host").allowing(["root"]).for_role(Role::Viewer);
    assert!(world.ssh.roles().create(&ctx, &role).await.is_err());
}

#[tokio::test]
async fn the_private_key_of_a_pair_fits_and_is_stored_nowhere() {
    let world = SshWorld::on_this_machine().await;
    let ctx = caller("user_1", "alice");
    let issued = world.ssh.generate_pair(&ctx, SshPairRequest::by_role("default")).await.unwrap();
    let private = ssh_key::PrivateKey::from_openssh(issued.private_key.expose()).unwrap();
    let certificate = ssh_key::Certificate::from_openssh(&issued.certificate.certificate).unwrap();
    assert_eq!(private.public_key().key_data(), certificate.public_key());
    assert!(!format!("{issued:?}").contains("PRIVATE"));
    let row = format!("{:?}", world.leases.show(&issued.certificate.lease_id).await.unwrap());
    assert!(!row.contains("PRIVATE"));
    assert_eq!(world.recorder.events().pop().unwrap().action.as_str(), "ssh.key.generate");
}

#[tokio::test]
async fn a_restart_keeps_the_keys_and_never_repeats_a_serial() {
    let world = SshWorld::on_this_machine().await;
    let ctx = caller("user_1", "alice");
    let first = world.ssh.sign_user(&ctx, SshSignRequest::new(KEY)).await.unwrap();
    let again = SshWorld::over(Arc::clone(&world.store), Arc::new(SystemClock::new())).await;
    assert_eq!(again.ssh.ca_public_keys().unwrap(), world.ssh.ca_public_keys().unwrap());
    let second = again.ssh.sign_user(&ctx, SshSignRequest::new(KEY)).await.unwrap();
    assert!(second.serial > first.serial);
    let made = |world: &SshWorld| {
        let events = world.recorder.events();
        events.iter().filter(|event| event.action.as_str() == "ssh.ca.create").count()
    };
    assert_eq!((made(&world), made(&again)), (2, 0));
}

#[tokio::test]
async fn the_shipped_role_stays_and_odd_roles_are_refused() {
    let world = SshWorld::on_this_machine().await;
    let ctx = caller("user_1", "alice");
    let roles = world.ssh.roles();
    assert!(roles.delete(&ctx, "default").await.unwrap_err().is(codes::ROLE_SHIPPED));
    roles.create(&ctx, &ops()).await.unwrap();
    assert!(roles.create(&ctx, &ops()).await.unwrap_err().is(codes::ROLE_EXISTS));
    roles.delete(&ctx, "ops").await.unwrap();
    assert!(roles.show("ops").await.unwrap_err().is(codes::ROLE_UNKNOWN));
    let odd: [fn(&mut SshRole); 10] = [
        |role| role.name = "../x".into(),
        |role| role.roles.clear(),
        |role| role.allowed_principals.clear(),
        |role| _ = role.allowed_principals.insert("a,b".into()),
        |role| _ = role.default_principals.insert("x".into()),
        |role| role.max_ttl = Duration::from_hours(31 * 24),
        |role| role.default_ttl = Duration::from_hours(25),
        |role| _ = role.extensions.insert("permit-all".into(), String::new()),
        |role| role.force_command = Some("a\nb".into()),
        |role| role.key_types.clear(),
    ];
    for (n, change) in odd.into_iter().enumerate() {
        let mut role = ops();
        change(&mut role);
        assert_eq!(roles.set(&ctx, &role).await.unwrap_err().kind().status(), 400, "{n}");
    }
}
