//! What is decided about: what is known, whatever is said.

use prov_core::{Error, Result, codes};

use super::{Contradiction, EntitiesSnapshot, InventoryPolicy, StoredEntity, Subject};
use crate::{EntityRef, ResourceEntity};

/// The one type that is never in the inventory and may always be asked about.
const OWN_API: &str = "Api";

impl EntitiesSnapshot {
    /// The resource to decide about when a request names `stated`: as it is known, or, where that is
    /// allowed, as it is described.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] when what is stated is not what is known, or nothing is known and
    /// the asker's word does not count.
    pub(crate) fn resolve<'r>(
        &'r self,
        stated: &'r ResourceEntity,
        policy: InventoryPolicy,
        contradiction: Contradiction,
    ) -> Result<Subject<'r>> {
        let EntityRef { kind, id } = &stated.entity;
        let Some(known) = self.find(kind, id) else {
            return match policy {
                InventoryPolicy::Closed if kind != OWN_API => {
                    Err(Error::new(codes::INVALID_REQUEST).field(
                        "resource.id",
                        "is not in the inventory, and nothing else is decided about",
                    ))
                }
                _ => Ok(Subject::Stated(stated)),
            };
        };
        if contradiction == Contradiction::Refused {
            agrees(known, stated)?;
        }
        Ok(Subject::Known(known))
    }
}

/// Whether all that is stated is known to be so. What is known is not told: whoever may not read the
/// inventory does not learn from it by guessing loudly; a refusal is all there is.
fn agrees(known: &StoredEntity, stated: &ResourceEntity) -> Result<()> {
    let mut error = Error::new(codes::INVALID_REQUEST);
    for (name, value) in &stated.attributes {
        let is_so = match known.attribute(name) {
            Some(known) => known.is(value),
            None => name == "id" && value.as_str() == Some(known.id()),
        };
        if !is_so {
            let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
            error = error.field(
                format!("resource.attributes.{shown}"),
                "is not what the inventory knows; leave it out",
            );
        }
    }
    for parent in &stated.parents {
        if !known.above().iter().any(|above| above.is(&parent.kind, &parent.id)) {
            let message = "names one that the resource is not in, as the inventory knows";
            error = error.field("resource.parents", message);
        }
    }
    if error.fields().is_empty() { Ok(()) } else { Err(error) }
}
