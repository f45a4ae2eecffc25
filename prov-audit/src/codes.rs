//! The ways in which the audit log can fail.

use prov_core::{Code, Kind};

/// The log can't take events down: nothing that must be recorded may be acknowledged.
pub const UNAVAILABLE: Code = Code::new(
    "audit.log_unavailable",
    Kind::Unavailable,
    "the audit log can't be written, so nothing was acknowledged",
);
/// The log was closed.
pub const CLOSED: Code =
    Code::new("audit.log_closed", Kind::Unavailable, "the audit log is closed");
/// A stored record, tile or checkpoint is not what was written.
pub const DAMAGED: Code =
    Code::new("audit.log_damaged", Kind::Internal, "the audit log is damaged");
/// The log on disk is older than one that was vouched for.
pub const ROLLED_BACK: Code = Code::new(
    "audit.log_rolled_back",
    Kind::Internal,
    "the audit log lacks events that a checkpoint vouches for",
);
/// A file of the open log was deleted, replaced or changed.
pub const FILE_MISSING: Code = Code::new(
    "audit.log_file_missing",
    Kind::Unavailable,
    "a file of the audit log was deleted or replaced under it: put it back, or verify the log and \
     start again",
);
/// The log is being verified already.
pub const VERIFYING: Code = Code::new(
    "audit.verification_running",
    Kind::Unavailable,
    "the log is being verified already; try again when that is done",
);
/// Another process has the log open.
pub const IN_USE: Code =
    Code::new("audit.log_in_use", Kind::Unavailable, "another process has the audit log open");
/// An event above 65,535 bytes, the limit of a C2SP entry bundle.
pub const EVENT_TOO_LARGE: Code =
    Code::new("audit.event_too_large", Kind::TooLarge, "the event is too large for the audit log");
/// The index has not caught up within the time a query waits.
pub const INDEX_BEHIND: Code = Code::new(
    "audit.index_behind",
    Kind::Unavailable,
    "the index is still reading the newest events; try again",
);
/// No such event.
pub const EVENT_NOT_FOUND: Code =
    Code::new("audit.event_not_found", Kind::NotFound, "there is no such event");
/// The event is younger than the newest checkpoint.
pub const NOT_YET_SIGNED: Code = Code::new(
    "audit.not_yet_signed",
    Kind::NotFound,
    "the event is not covered by a checkpoint yet; try again in a moment",
);
/// A text that is no verifier key (C2SP signed-note).
pub const BAD_VERIFIER_KEY: Code = Code::new(
    "audit.bad_verifier_key",
    Kind::InvalidRequest,
    "not a verifier key of a signed note",
);
/// A text that is no witness policy (C2SP tlog-policy).
pub const BAD_WITNESS_POLICY: Code =
    Code::new("audit.bad_witness_policy", Kind::InvalidRequest, "not a witness policy");
/// A checkpoint without the cosignatures that a policy wants.
pub const NOT_WITNESSED: Code = Code::new(
    "audit.not_witnessed",
    Kind::Unprocessable,
    "the checkpoint lacks cosignatures that the policy wants",
);
/// A witness did not cosign.
pub const WITNESS_FAILED: Code = Code::new(
    "audit.witness_failed",
    Kind::Unavailable,
    "a witness of the audit log did not cosign",
);
/// An authority gave no time stamp that holds (RFC 3161).
pub const TSA_FAILED: Code =
    Code::new("audit.tsa_failed", Kind::Unavailable, "the audit log was not time-stamped");
/// A log that this witness was not told to watch (C2SP tlog-witness: 404), or that is not joined.
pub const UNKNOWN_LOG: Code =
    Code::new("audit.unknown_log", Kind::NotFound, "a log of that name is not known here");
/// A checkpoint that its log did not sign (C2SP tlog-witness: 403).
pub const NOT_SIGNED_BY_LOG: Code = Code::new(
    "audit.not_signed_by_log",
    Kind::Denied,
    "the checkpoint is not signed with a key that this witness knows of the log",
);
/// A checkpoint that does not continue what the witness has seen (C2SP tlog-witness: 422).
pub const NOT_CONSISTENT: Code = Code::new(
    "audit.not_consistent",
    Kind::Unprocessable,
    "the checkpoint is not shown to continue what this witness has seen of the log",
);
/// A sink that fails closed is too far behind: nothing may be acknowledged that it has not got.
pub const SINK_BEHIND: Code = Code::new(
    "audit.sink_behind",
    Kind::Unavailable,
    "a receiver of the audit log that must have every event is away, so nothing was acknowledged",
);
/// A receiver did not confirm what it was sent.
pub const SINK_FAILED: Code = Code::new(
    "audit.sink_failed",
    Kind::Unavailable,
    "a receiver of the audit log did not take events",
);
/// A legal hold keeps what was to be erased.
pub const HELD: Code =
    Code::new("audit.subject_held", Kind::Conflict, "a legal hold keeps what was to be erased");
/// No such hold.
pub const HOLD_NOT_FOUND: Code =
    Code::new("audit.hold_not_found", Kind::NotFound, "there is no such hold");

/// Every code of this crate.
pub const ALL: &[Code] = &[
    UNAVAILABLE,
    CLOSED,
    DAMAGED,
    ROLLED_BACK,
    FILE_MISSING,
    VERIFYING,
    IN_USE,
    EVENT_TOO_LARGE,
    INDEX_BEHIND,
    EVENT_NOT_FOUND,
    NOT_YET_SIGNED,
    BAD_VERIFIER_KEY,
    BAD_WITNESS_POLICY,
    NOT_WITNESSED,
    WITNESS_FAILED,
    TSA_FAILED,
    UNKNOWN_LOG,
    NOT_SIGNED_BY_LOG,
    NOT_CONSISTENT,
    SINK_BEHIND,
    SINK_FAILED,
    HELD,
    HOLD_NOT_FOUND,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_here_and_do_not_shadow_the_shared_ones() {
        let names: BTreeSet<String> =
            ALL.iter().chain(prov_core::codes::ALL).map(|code| code.name().to_owned()).collect();
        assert_eq!(names.len(), ALL.len() + prov_core::codes::ALL.len());
        assert!(ALL.iter().all(|code| code.name().starts_with("audit.")));
    }
}
