//! From one snapshot to the next.

use std::sync::Arc;

use super::closure::{self, Misplaced};
use super::fact::{EntityFact, Origin};
use super::{EntitiesSnapshot, StoredEntity, Uid};

/// One change.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// This is known now, whatever was before.
    Put(Arc<EntityFact>),
    /// Who entered it takes it back.
    Remove(Uid, Origin),
}

impl Change {
    /// The entity it is about.
    pub(crate) fn uid(&self) -> &Uid {
        match self {
            Self::Put(fact) => &fact.uid,
            Self::Remove(uid, _) => uid,
        }
    }
}

impl EntitiesSnapshot {
    /// The snapshot after these changes, all of them or none. Costs in proportion to the changes and
    /// to the entities below those that move, not to the inventory.
    ///
    /// # Errors
    /// When an entity would be in itself; the circle is named.
    pub(crate) fn with(
        &self,
        changes: impl IntoIterator<Item = Change>,
        epoch: u64,
    ) -> Result<Self, Misplaced> {
        let mut next = self.clone();
        let mut moved = Vec::new();
        for change in changes {
            match change {
                Change::Put(fact) => next.put(fact, &mut moved),
                Change::Remove(uid, origin) => next.take(&uid, origin, &mut moved),
            }
        }
        closure::renew(&mut next, moved)?;
        next.epoch = epoch;
        Ok(next)
    }

    fn put(&mut self, fact: Arc<EntityFact>, moved: &mut Vec<Uid>) {
        let before = self.entity(&fact.uid).cloned();
        match before.as_ref().map(|before| (before.origin(), fact.origin)) {
            // The directory stands before the store.
            Some((Origin::Directory, Origin::Store)) => {
                self.behind.insert_mut(fact.uid.clone(), fact);
                return;
            }
            Some((Origin::Store, Origin::Directory)) => {
                if let Some(hidden) = before.as_ref().map(|before| Arc::clone(&before.fact)) {
                    self.behind.insert_mut(hidden.uid.clone(), hidden);
                }
            }
            _ => {}
        }
        self.place(fact, before.as_ref(), moved);
    }

    fn take(&mut self, uid: &Uid, origin: Origin, moved: &mut Vec<Uid>) {
        let Some(before) = self.entity(uid).cloned() else { return };
        if before.origin() != origin {
            if origin == Origin::Store {
                self.behind.remove_mut(uid);
            }
            return;
        }
        if let Some(hidden) = self.behind.get(uid).cloned() {
            self.behind.remove_mut(uid);
            return self.place(hidden, Some(&before), moved);
        }
        self.unlink(&before, moved);
        if let Some(of_kind) = self.kinds.get_mut(&uid.kind)
            && of_kind.entities.remove_mut(&uid.id)
        {
            self.count -= 1;
        }
    }

    fn place(
        &mut self,
        fact: Arc<EntityFact>,
        before: Option<&StoredEntity>,
        moved: &mut Vec<Uid>,
    ) {
        let stays = match before {
            Some(before) => before.fact.parents == fact.parents,
            None => fact.parents.is_empty(),
        };
        self.count += usize::from(before.is_none());
        let ancestors = before.map(|before| Arc::clone(&before.ancestors)).unwrap_or_default();
        if !stays {
            if let Some(before) = before {
                self.unlink(before, moved);
            }
            self.link(&fact);
            moved.push(fact.uid.clone());
        }
        let of_kind = self.kinds.entry(Arc::clone(&fact.uid.kind)).or_default();
        of_kind.entities.insert_mut(fact.uid.id.clone(), StoredEntity { fact, ancestors });
    }

    /// Puts an entity into what it is in.
    fn link(&mut self, fact: &EntityFact) {
        for parent in fact.parents.iter() {
            let of_kind = self.kinds.entry(Arc::clone(&parent.kind)).or_default();
            let mut children = of_kind.children.get(&parent.id).cloned().unwrap_or_default();
            children.insert_mut(fact.uid.clone());
            of_kind.children.insert_mut(parent.id.clone(), children);
        }
    }

    /// Takes an entity out of what it is in.
    fn unlink(&mut self, entity: &StoredEntity, moved: &mut Vec<Uid>) {
        let uid = &entity.fact.uid;
        for parent in entity.fact.parents.iter() {
            let Some(of_kind) = self.kinds.get_mut(&parent.kind) else { continue };
            let Some(mut children) = of_kind.children.get(&parent.id).cloned() else { continue };
            children.remove_mut(uid);
            if children.is_empty() {
                of_kind.children.remove_mut(&parent.id);
            } else {
                of_kind.children.insert_mut(parent.id.clone(), children);
            }
        }
        if !entity.fact.parents.is_empty() {
            moved.push(uid.clone());
        }
    }
}
