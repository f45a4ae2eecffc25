//! The index against its definition: every scope held against the request one by one.

use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::Policy;
use proptest::prelude::*;

use super::*;

const fn name<'a>(kind: &'a str, id: &'a str) -> Name<'a> {
    Name { id, kind }
}

fn closure<'a>(own: Name<'a>, above: &[Name<'a>]) -> Closure<'a> {
    Closure { own, above: above.to_vec() }
}

/// Whether a scope matches, by the book.
fn matches(scope: &Scope, who: &Closure<'_>, does: &Closure<'_>, what: &Closure<'_>) -> bool {
    matching(scope, who, does, what) == [true; 3]
}

/// Whether its principal, its action and its resource match.
fn matching(scope: &Scope, who: &Closure<'_>, does: &Closure<'_>, what: &Closure<'_>) -> [bool; 3] {
    let is_bound = |bound: &Bound, entity: &Closure<'_>| {
        bound.kind.as_ref().is_none_or(|kind| **kind == *entity.own.kind)
            && match &bound.place {
                Place::Anywhere => true,
                Place::At(other) => entity.own == other.name(),
                Place::Within(above) => is_within(entity, above.name()),
            }
    };
    [is_bound(&scope.principal, who), admits(scope, does), is_bound(&scope.resource, what)]
}

fn is_within(entity: &Closure<'_>, other: Name<'_>) -> bool {
    entity.own == other || entity.above.contains(&other)
}

/// Whether an action is one of those of a scope.
fn admits(scope: &Scope, action: &Closure<'_>) -> bool {
    match &scope.action {
        Actions::Any => true,
        Actions::Only(other) => action.own == other.name(),
        Actions::Within(list) => list.iter().any(|above| is_within(action, above.name())),
    }
}

const USERS: [&str; 4] =
    ["principal", "principal == U::\"a\"", "principal in U::\"a\"", "principal is U"];
const MORE_USERS: [&str; 5] = [
    "principal in T::\"t\"",
    "principal is U in T::\"t\"",
    "principal is T in T::\"t\"",
    "principal == T::\"t\"",
    "principal is T",
];
const ACTIONS: [&str; 7] = [
    "action",
    "action == Action::\"look\"",
    "action == Action::\"peek\"",
    "action in Action::\"look\"",
    "action in [Action::\"peek\", Action::\"look\"]",
    "action in [Action::\"close\"]",
    "action in []",
];
const RESOURCES: [&str; 8] = [
    "resource",
    "resource == D::\"d\"",
    "resource in D::\"d\"",
    "resource in R::\"r\"",
    "resource is D",
    "resource is D in R::\"r\"",
    "resource is R in R::\"r\"",
    "resource == R::\"r\"",
];

static EVERY_SCOPE: LazyLock<Vec<Scope>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for who in USERS.iter().chain(&MORE_USERS) {
        for does in ACTIONS {
            for what in RESOURCES {
                let text = format!("permit ({who}, {does}, {what});");
                all.push(Scope::of(&Policy::from_str(&text).unwrap()));
            }
        }
    }
    all
});

static INDEX: LazyLock<ScopeIndex> =
    LazyLock::new(|| ScopeIndex::of(EVERY_SCOPE.iter(), &actions()));

fn actions() -> [Closure<'static>; 3] {
    let look = name("Action", "look");
    [
        closure(look, &[]),
        closure(name("Action", "peek"), &[look]),
        closure(name("Action", "close"), &[]),
    ]
}

fn entities() -> impl Strategy<Value = Closure<'static>> {
    let one = prop_oneof![
        Just(name("U", "a")),
        Just(name("U", "b")),
        Just(name("T", "t")),
        Just(name("D", "d")),
        Just(name("D", "e")),
        Just(name("R", "r")),
        Just(name("X", "t")),
    ];
    let above = proptest::collection::vec(one.clone(), 0..4);
    (one, above).prop_map(|(own, above)| Closure { own, above })
}

proptest! {
    #[test]
    fn it_finds_the_scopes_that_match_and_no_others(
        who in entities(), action in 0..3_usize, what in entities(),
    ) {
        let does = &actions()[action];
        let expected: Vec<_> = (0..)
            .zip(EVERY_SCOPE.iter())
            .filter(|(_, scope)| matches(scope, &who, does, &what))
            .map(|(number, _)| number)
            .collect();
        prop_assert_eq!(INDEX.candidates(&who, does.own, &what), Some(expected));
    }

    #[test]
    fn it_finds_the_scopes_of_which_one_part_does_not_match(
        who in entities(), action in 0..3_usize, what in entities(),
    ) {
        let does = &actions()[action];
        let mut expected = Vec::new();
        for (number, scope) in (0..).zip(EVERY_SCOPE.iter()) {
            let matching = matching(scope, &who, does, &what);
            let admitted = actions().iter().filter(|action| admits(scope, action)).count();
            let part = match matching {
                [false, true, true] => Part::Principal,
                // For one of its other actions the scope misses the action alone.
                [true, true, true] if admitted > 1 && !matches!(scope.action, Actions::Any) => {
                    Part::Action
                }
                // Of one that admits no action at all nobody is told.
                [true, false, true] if admitted > 0 => Part::Action,
                [true, true, false] => Part::Resource,
                _ => continue,
            };
            expected.push((number, part));
        }
        prop_assert_eq!(INDEX.near(&who, does.own, &what), expected);
    }
}

#[test]
fn an_action_that_it_was_not_made_for_is_said_to_be_unknown() {
    let who = closure(name("U", "a"), &[]);
    assert_eq!(INDEX.candidates(&who, name("Action", "fly"), &who), None);
}
