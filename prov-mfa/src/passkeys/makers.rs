//! Whose authenticators are accepted: makers by their root certificates, models by their AAGUIDs.

use std::collections::BTreeMap;

use prov_core::Result;
use webauthn_attestation_ca::{AttestationCaList, AttestationCaListBuilder};

use super::options::refuse;

/// The list that attestations are checked against.
///
/// # Errors
/// When there is no root, or a root or a model can't be read.
pub(super) fn makers(roots: &[String], models: &[String]) -> Result<AttestationCaList> {
    let unreadable = |e: webauthn_attestation_ca::Error| {
        refuse("attestation.roots", "certificates as PEM").context(format!("{e:?}"))
    };
    let mut list = AttestationCaList::default();
    for root in roots {
        let of_this_root = if models.is_empty() {
            AttestationCaList::try_from(root.as_bytes()).map_err(unreadable)?
        } else {
            let mut builder = AttestationCaListBuilder::new();
            for model in models {
                let id = model.parse().map_err(|_| refuse("attestation.models", "UUIDs"))?;
                builder
                    .insert_device_pem(root.as_bytes(), id, model.clone(), BTreeMap::new())
                    .map_err(unreadable)?;
            }
            builder.build()
        };
        list.union(&of_this_root);
    }
    if list.is_empty() {
        return Err(refuse("attestation.roots", "name at least one"));
    }
    Ok(list)
}
