//! What witnesses say of a log.

use std::io;
use std::path::Path;

use super::FindingKind;
use super::findings::Findings;
use crate::note::{Checkpoint, VerifierKey};
use crate::witness::{Cosigned, WitnessPolicy, read_cosigned};

/// What witnesses say.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The newest checkpoint that enough of them cosigned.
    pub(super) checkpoint: Option<Checkpoint>,
    /// Those of the policy that did.
    pub(super) by: Vec<Cosigned>,
}

/// Reads what witnesses cosigned. With a policy there must be a checkpoint, and it must be cosigned as
/// the policy wants.
pub(super) fn cosigned(
    dir: &Path,
    key: &VerifierKey,
    policy: Option<&WitnessPolicy>,
    findings: &mut Findings,
) -> io::Result<Said> {
    let mut tell = |what: &str| findings.add(FindingKind::Witness, None, what.to_owned());
    let Ok(checkpoint) = read_cosigned(dir, key)? else {
        tell("the cosigned checkpoint is damaged, or not signed with this key");
        return Ok(Said::default());
    };
    let by = match (policy, &checkpoint) {
        (None, _) => Ok(Vec::new()),
        (Some(policy), Some(checkpoint)) => policy.check(checkpoint),
        // Of a policy that wants nobody's word the log's own signature is looked at elsewhere.
        (Some(policy), None) if !policy.wants_witnesses() => Ok(Vec::new()),
        (Some(_), None) => {
            tell("there is no cosigned checkpoint, and the policy wants one");
            Ok(Vec::new())
        }
    };
    let by = by.unwrap_or_else(|error| {
        tell(error.public_detail());
        Vec::new()
    });
    Ok(Said { checkpoint, by })
}
