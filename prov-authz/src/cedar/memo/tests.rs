use prov_core::{PrincipalKind, Role};

use super::*;

fn ann() -> Principal {
    Principal::new(PrincipalKind::User, "user_ann", "ann")
        .with_roles([Role::Viewer])
        .with_teams(["sre".parse().unwrap()])
}

const fn question(principal: &Principal) -> Question<'_> {
    Question { slice: 7, principal, mfa_verified: false, resource: "users" }
}

/// With one slot every question has the same place, as if all hashes were equal.
#[test]
fn questions_that_differ_in_anything_never_share_an_answer() {
    let asked = ann();
    let with = |change: fn(&mut Principal)| {
        let mut other = ann();
        change(&mut other);
        other
    };
    let others = [
        with(|other| other.id = "user_bob".into()),
        with(|other| other.name = "bob".into()),
        with(|other| other.kind = PrincipalKind::System),
        ann().with_roles([]),
        ann().with_roles([Role::Admin]),
        ann().with_roles([Role::Viewer, Role::Auditor]),
        ann().with_teams([]),
        ann().with_teams(["sre".parse().unwrap(), "audit".parse().unwrap()]),
    ];
    let mut different: Vec<_> = others.iter().map(question).collect();
    different.push(Question { slice: 8, ..question(&asked) });
    different.push(Question { mfa_verified: true, ..question(&asked) });
    different.push(Question { resource: "user", ..question(&asked) });

    let memo = Memo::with_slots(1);
    memo.keep(&question(&asked), true, &["p".to_owned()]);
    assert!(memo.find(&question(&asked)).unwrap().allowed);
    for other in &different {
        assert!(memo.find(other).is_none(), "{other:?}");
        memo.keep(other, false, &[]);
        assert!(!memo.find(other).unwrap().allowed, "{other:?}");
        assert!(memo.find(&question(&asked)).is_none(), "the newer answer took the place");
        memo.keep(&question(&asked), true, &["p".to_owned()]);
    }
}

#[test]
fn it_never_remembers_more_than_it_has_slots() {
    let memo = Memo::with_slots(16);
    let people: Vec<_> = (0..1_000)
        .map(|n| Principal::new(PrincipalKind::User, format!("user_{n}"), "somebody"))
        .collect();
    for person in &people {
        memo.keep(&question(person), true, &["p".to_owned()]);
        assert!(memo.find(&question(person)).is_some(), "the latest is always there");
    }
    let remembered = people.iter().filter(|p| memo.find(&question(p)).is_some()).count();
    assert!((1..=16).contains(&remembered), "{remembered}");
    assert_eq!(Memo::new().slots.len(), SLOTS);
}
