use proptest::prelude::*;
use prov_core::{PrincipalKind, Role};

use super::*;

fn caller() -> Principal {
    Principal::new(PrincipalKind::User, "user_1", "alice").with_roles([Role::Developer])
}

fn role() -> SshRole {
    let mut role = SshRole::new("ops").allowing(["{{username}}", "deploy"]).for_role(Role::Viewer);
    role.force_command = Some("/usr/bin/uptime".to_owned());
    role.source_addresses = AddressRange::parse_list("10.0.0.0/8").unwrap();
    role
}

#[test]
fn what_the_role_forces_stays_when_the_caller_asks_for_nothing() {
    let merged = merge(&role(), &caller(), None, &Asked::default()).unwrap();
    let options = merged.critical_options();
    assert_eq!(options.get("force-command").unwrap(), "/usr/bin/uptime");
    assert_eq!(options.get("source-address").unwrap(), "10.0.0.0/8");
    assert_eq!(merged.principals, ["alice".to_owned(), "deploy".to_owned()].into());
}

#[test]
fn a_caller_narrows_addresses_and_never_widens_them() {
    let asked = |text: &str| Asked { source_address: Some(text.to_owned()), ..Asked::default() };
    let merged = merge(&role(), &caller(), None, &asked("10.1.0.0/16")).unwrap();
    assert_eq!(merged.critical_options().get("source-address").unwrap(), "10.1.0.0/16");
    for wider in ["0.0.0.0/0", "10.1.0.0/16,11.0.0.0/8", "::/0", ""] {
        assert!(merge(&role(), &caller(), None, &asked(wider)).is_err(), "{wider}");
    }
}

#[test]
fn foreign_principals_extensions_times_and_callers_are_refused() {
    let principals = |list: &[&str]| Asked {
        principals: list.iter().map(|p| (*p).to_owned()).collect(),
        ..Asked::default()
    };
    for list in [&["root"][..], &["alice", "bob"], &["a,b"], &["{{username}}"], &["x"; 33]] {
        assert!(merge(&role(), &caller(), None, &principals(list)).is_err(), "{list:?}");
    }
    let x11 = Asked { extensions: Some(vec!["permit-X11-forwarding".into()]), ..Asked::default() };
    assert!(merge(&role(), &caller(), None, &x11).unwrap_err().is(codes::SSH_OPTION_REFUSED));
    let long = Some(Duration::from_hours(25));
    let error = merge(&role(), &caller(), long, &Asked::default()).unwrap_err();
    assert!(error.is(codes::LEASE_TTL_REFUSED));
    let stranger = Principal::new(PrincipalKind::User, "user_2", "bob");
    let error = merge(&role(), &stranger, None, &Asked::default()).unwrap_err();
    assert!(error.is(codes::ROLE_NOT_YOURS));
}

fn range() -> impl Strategy<Value = String> {
    (any::<u32>(), 0_u8..=32).prop_map(|(bits, prefix)| {
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        format!("{}/{prefix}", std::net::Ipv4Addr::from(bits & mask))
    })
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(
        prop_oneof![Just("alice"), Just("deploy"), Just("root"), Just("bob")]
            .prop_map(String::from),
        0..4,
    )
}

fn extensions() -> impl Strategy<Value = Vec<String>> {
    const KNOWN: &[&str] =
        &["permit-pty", "permit-user-rc", "permit-port-forwarding", "x@example.org"];
    prop::collection::vec(prop::sample::select(KNOWN).prop_map(String::from), 0..4)
}

proptest! {
    #[test]
    fn a_certificate_is_never_wider_than_its_role(
        role_ranges in prop::collection::vec(range(), 0..4),
        asked_ranges in prop::option::of(prop::collection::vec(range(), 1..4)),
        principals in names(),
        allowed_extensions in extensions(),
        asked_extensions in prop::option::of(extensions()),
        ttl in prop::option::of(0_u64..200_000),
        command in prop::option::of("[a-z/]{1,12}"),
    ) {
        let mut role = SshRole::new("p").allowing(["{{username}}", "deploy"]).for_role(Role::Viewer);
        role.source_addresses = role_ranges.iter().map(|text| text.parse().unwrap()).collect();
        role.extensions = allowed_extensions.into_iter().map(|e| (e, String::new())).collect();
        role.default_extensions = role.extensions.keys().cloned().collect();
        role.force_command = command;
        let asked = Asked {
            principals,
            extensions: asked_extensions,
            source_address: asked_ranges.map(|ranges| ranges.join(",")),
        };
        let Ok(merged) = merge(&role, &caller(), ttl.map(Duration::from_secs), &asked) else {
            return Ok(());
        };
        prop_assert!(merged.ttl <= role.max_ttl);
        prop_assert!(!merged.principals.is_empty());
        prop_assert!(merged.principals.iter().all(|p| p == "alice" || p == "deploy"));
        prop_assert!(merged.extensions.keys().all(|name| role.extensions.contains_key(name)));
        prop_assert_eq!(&merged.force_command, &role.force_command);
        if !role.source_addresses.is_empty() {
            prop_assert!(!merged.source_addresses.is_empty(), "no restriction is the widest");
            let inside = |r: &AddressRange| role.source_addresses.iter().any(|w| w.contains(r));
            prop_assert!(merged.source_addresses.iter().all(inside));
        }
    }
}
