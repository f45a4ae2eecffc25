//! All that is known at one moment.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};
use smol_str::SmolStr;

use super::fact::EntityFact;
use super::{Origin, StoredEntity, Uid};
use crate::EntityRef;

/// The inventory at one moment. Immutable; to clone it is cheap, and so is the next one: it shares
/// everything that did not change.
#[derive(Debug, Clone, Default)]
pub struct EntitiesSnapshot {
    pub(super) epoch: u64,
    pub(super) count: usize,
    pub(super) kinds: BTreeMap<Arc<str>, OfKind>,
    /// Entries of the store that an entry of the policy directory stands before.
    pub(super) behind: RedBlackTreeMapSync<Uid, Arc<EntityFact>>,
}

/// What is known of one type.
#[derive(Debug, Clone, Default)]
pub(super) struct OfKind {
    pub(super) entities: RedBlackTreeMapSync<SmolStr, StoredEntity>,
    /// What is directly in an entity of this type, which itself need not be known.
    pub(super) children: RedBlackTreeMapSync<SmolStr, RedBlackTreeSetSync<Uid>>,
}

/// A part of the inventory.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EntitiesPage {
    /// The entities, by type and id.
    pub items: Vec<StoredEntity>,
    /// The last of them, when there are more.
    pub next: Option<EntityRef>,
}

impl EntitiesSnapshot {
    /// Rises with every change; the same number is the same inventory on every node that shares a
    /// store (entries of policy directories aside).
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The number of entities.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing is known.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entity of this type (without namespace) and id.
    #[must_use]
    pub fn find(&self, kind: &str, id: &str) -> Option<&StoredEntity> {
        self.kinds.get(kind)?.entities.get(id)
    }

    /// Up to `limit` entities, of one type if given, after the one named, by type and id. Costs what
    /// is returned, wherever it starts.
    #[must_use]
    pub fn page(
        &self,
        kind: Option<&str>,
        after: Option<&EntityRef>,
        limit: usize,
    ) -> EntitiesPage {
        let mut rest = self.after(kind, after);
        let items: Vec<_> = rest.by_ref().take(limit).cloned().collect();
        let next = items.last().filter(|_| rest.next().is_some()).map(StoredEntity::reference);
        EntitiesPage { items, next }
    }

    /// Everything after the entity named, of one type if given, by type and id.
    pub(crate) fn after<'a>(
        &'a self,
        kind: Option<&'a str>,
        after: Option<&'a EntityRef>,
    ) -> impl Iterator<Item = &'a StoredEntity> {
        let first = kind.or(after.map(|after| after.kind.as_ref())).unwrap_or_default();
        self.kinds
            .range::<str, _>((Bound::Included(first), Bound::Unbounded))
            .take_while(move |(name, _)| kind.is_none_or(|kind| ***name == *kind))
            .flat_map(move |(name, of_kind)| {
                let start = match after {
                    Some(after) if *after.kind == **name => Bound::Excluded(after.id.as_ref()),
                    _ => Bound::Unbounded,
                };
                of_kind.entities.range::<str, _>((start, Bound::Unbounded))
            })
            .map(|(_, entity)| entity)
    }

    /// All that the entity of this type and id is in; nothing when it is not known.
    pub(crate) fn above(&self, kind: &str, id: &str) -> &[Uid] {
        self.find(kind, id).map_or(&[], StoredEntity::above)
    }

    /// The names of everything that was entered there.
    pub(crate) fn of_origin(&self, origin: Origin) -> impl Iterator<Item = &Uid> {
        self.after(None, None).filter(move |e| e.origin() == origin).map(|e| &e.fact.uid)
    }

    /// The names of everything the store holds, whether or not the directory stands before it.
    pub(super) fn entered(&self) -> impl Iterator<Item = &Uid> {
        self.of_origin(Origin::Store).chain(self.behind.keys())
    }

    pub(super) fn entity(&self, uid: &Uid) -> Option<&StoredEntity> {
        self.find(&uid.kind, &uid.id)
    }

    pub(super) fn children(&self, uid: &Uid) -> impl Iterator<Item = &Uid> {
        let known = self.kinds.get(&uid.kind).and_then(|of_kind| of_kind.children.get(&uid.id));
        known.into_iter().flat_map(RedBlackTreeSetSync::iter)
    }
}
