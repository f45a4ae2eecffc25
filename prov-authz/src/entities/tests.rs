//! The closure against a second opinion: Cedar's own, over random histories.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use cedar_policy::{Entities, Entity, EntityUid};
use prov_core::Error;

use super::{Change, Drafts, EntitiesSnapshot, Origin, Uid};
use crate::{EntityRef, ResourceEntity};

/// Small numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

fn put(drafts: &mut Drafts, id: &str, parents: &[String], origin: Origin) -> Change {
    let parents: Vec<_> = parents.iter().map(|p| ("Group".to_owned(), p.clone())).collect();
    Change::Put(drafts.fact(&ResourceEntity::new("Group", id.to_owned()), &parents, origin))
}

fn uid(id: &str) -> EntityUid {
    format!("Group::\"{id}\"").parse().unwrap()
}

/// What Cedar makes of the same entities; `None` for a circle.
fn by_cedar(model: &BTreeMap<String, Vec<String>>) -> Option<Entities> {
    let entities = model.iter().map(|(id, parents)| {
        let parents: HashSet<_> = parents.iter().map(|parent| uid(parent)).collect();
        Entity::new_no_attrs(uid(id), parents)
    });
    Entities::from_entities(entities, None).ok()
}

#[test]
fn closures_are_those_that_cedar_works_out_after_each_of_3_000_changes() {
    let (mut dice, mut drafts) = (Dice(7), Drafts::default());
    let (mut circles, mut moves) = (0, 0);
    for _ in 0..30 {
        let mut model: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut known = EntitiesSnapshot::default();
        for epoch in 1..=100 {
            let id = format!("g{}", dice.roll(12));
            let mut next = model.clone();
            let change = if dice.roll(4) == 0 {
                next.remove(&id);
                Change::Remove(drafts.uid("Group", &id), Origin::Store)
            } else {
                let mut parents: BTreeSet<_> =
                    (0..dice.roll(3)).map(|_| format!("g{}", dice.roll(12))).collect();
                // Cedar takes no entity for its own parent to begin with.
                parents.remove(&id);
                let parents: Vec<_> = parents.into_iter().collect();
                next.insert(id.clone(), parents.clone());
                put(&mut drafts, &id, &parents, Origin::Store)
            };
            let Some(cedar) = by_cedar(&next) else {
                let error = Error::from(known.with([change], epoch).unwrap_err());
                assert!(error.fields()[0].message.contains("in themselves"), "{error}");
                circles += 1;
                continue;
            };
            known = known.with([change], epoch).unwrap();
            model = next;
            moves += 1;
            assert_eq!((known.len(), known.epoch()), (model.len(), epoch));
            for id in model.keys() {
                let expected: BTreeSet<String> =
                    cedar.ancestors(&uid(id)).unwrap().map(|a| a.id().unescaped().into()).collect();
                let ours = known.find("Group", id).unwrap().ancestors();
                let ours: BTreeSet<String> = ours.iter().map(|a| a.id.to_string()).collect();
                assert_eq!(ours, expected, "{id} of {model:?}");
            }
        }
    }
    assert!(circles > 100 && moves > 2_000, "{circles} circles, {moves} moves");
}

#[test]
fn a_circle_is_named_and_nothing_of_the_change_is_taken_over() {
    let mut drafts = Drafts::default();
    let chain = |drafts: &mut Drafts, id: &str, parent: &str| {
        put(drafts, id, &[parent.to_owned()], Origin::Store)
    };
    let known = EntitiesSnapshot::default()
        .with([chain(&mut drafts, "a", "b"), chain(&mut drafts, "b", "c")], 1)
        .unwrap();
    let innocent = put(&mut drafts, "z", &[], Origin::Store);
    let error = known.with([innocent, chain(&mut drafts, "c", "a")], 2);
    let error = Error::from(error.unwrap_err());
    let message = &error.fields()[0].message;
    assert_eq!(
        message,
        "these would be in themselves: Group::\"a\" in Group::\"b\" in Group::\"c\" in Group::\"a\""
    );
    assert!(known.find("Group", "z").is_none() && known.find("Group", "c").is_none());
    let own = Error::from(known.with([chain(&mut drafts, "x", "x")], 2).unwrap_err());
    assert_eq!(
        own.fields()[0].message,
        "these would be in themselves: Group::\"x\" in Group::\"x\""
    );
}

#[test]
fn a_long_circle_is_named_in_part() {
    let mut drafts = Drafts::default();
    let changes: Vec<_> = (0..100)
        .map(|at| {
            put(&mut drafts, &format!("g{at}"), &[format!("g{}", (at + 1) % 100)], Origin::Store)
        })
        .collect();
    let error = Error::from(EntitiesSnapshot::default().with(changes, 1).unwrap_err());
    assert!(error.fields()[0].message.contains("(92 more)"), "{error}");
    assert!(error.fields()[0].message.len() < 300);
}

#[test]
fn nothing_is_in_more_than_a_thousand_others() {
    let mut drafts = Drafts::default();
    let changes: Vec<_> = (0..1_100)
        .map(|at| put(&mut drafts, &format!("g{at}"), &[format!("g{}", at + 1)], Origin::Store))
        .collect();
    let error = Error::from(EntitiesSnapshot::default().with(changes, 1).unwrap_err());
    assert!(error.fields()[0].message.contains("more than 1024"), "{error}");
}

#[test]
fn the_directory_stands_before_the_store_and_gives_way_when_it_goes() {
    let mut drafts = Drafts::default();
    let of = |known: &EntitiesSnapshot| {
        known.find("Group", "a").map(|a| (a.origin(), a.ancestors().len()))
    };
    let stored = put(&mut drafts, "a", &["x".to_owned()], Origin::Store);
    let filed = put(&mut drafts, "a", &[], Origin::Directory);
    let gone = |drafts: &mut Drafts, origin| Change::Remove(drafts.uid("Group", "a"), origin);
    for order in [[stored.clone(), filed.clone()], [filed, stored]] {
        let known = EntitiesSnapshot::default().with(order, 1).unwrap();
        assert_eq!(of(&known), Some((Origin::Directory, 0)));
        assert_eq!(known.entered().count(), 1);
        let without = known.with([gone(&mut drafts, Origin::Directory)], 2).unwrap();
        assert_eq!(of(&without), Some((Origin::Store, 1)));
        assert_eq!((without.len(), without.behind.size()), (1, 0));
        let neither = without.with([gone(&mut drafts, Origin::Store)], 3).unwrap();
        assert_eq!((of(&neither), neither.len()), (None, 0));
        let only_filed = known.with([gone(&mut drafts, Origin::Store)], 2).unwrap();
        assert_eq!(of(&only_filed), Some((Origin::Directory, 0)));
        assert_eq!(only_filed.entered().count(), 0);
    }
}

#[test]
fn pages_are_in_order_complete_and_continue_where_they_ended() {
    let mut drafts = Drafts::default();
    let changes: Vec<_> = (0..30)
        .map(|at| {
            let kind = ["Server", "Cluster", "Team"][at % 3];
            let resource = ResourceEntity::new(kind, format!("{at:02}"));
            Change::Put(drafts.fact(&resource, &[], Origin::Store))
        })
        .collect();
    let known = EntitiesSnapshot::default().with(changes, 1).unwrap();
    for (kind, expected) in [(None, 30), (Some("Server"), 10), (Some("Nothing"), 0)] {
        for limit in [1, 7, 100] {
            let (mut all, mut after): (Vec<EntityRef>, _) = (Vec::new(), None);
            loop {
                let page = known.page(kind, after.as_ref(), limit);
                all.extend(page.items.iter().map(super::StoredEntity::reference));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(all.len(), expected);
            assert!(all.is_sorted() && all.iter().collect::<HashSet<_>>().len() == expected);
        }
    }
    // A name that is gone is still a place to continue from.
    let gone = EntityRef::new("Cluster", "zz");
    assert_eq!(known.page(None, Some(&gone), 100).items.len(), 20);
}

#[test]
fn siblings_share_what_they_are_in() {
    let mut drafts = Drafts::default();
    let mut changes: Vec<_> = (0..3)
        .map(|at| put(&mut drafts, &format!("s{at}"), &["shop".to_owned()], Origin::Store))
        .collect();
    changes.push(put(&mut drafts, "shop", &["prod".to_owned()], Origin::Store));
    let known = EntitiesSnapshot::default().with(changes, 1).unwrap();
    let of = |id: &str| Arc::clone(&known.find("Group", id).unwrap().ancestors);
    assert!(Arc::ptr_eq(&of("s0"), &of("s1")) && Arc::ptr_eq(&of("s1"), &of("s2")));
    assert_eq!(
        of("s0").iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["Group::\"prod\"", "Group::\"shop\""]
    );
    assert!(size_of::<Uid>() <= 40);
}
