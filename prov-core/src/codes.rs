//! The error codes that every crate shares. Each crate lists its own in its `codes.rs`.

use crate::{Code, Kind};

/// The request can't be understood or breaks a rule of its own.
pub const INVALID_REQUEST: Code =
    Code::new("core.invalid_request", Kind::InvalidRequest, "the request is not valid");
/// No credential, or none that is understood here.
pub const UNAUTHENTICATED: Code =
    Code::new("core.unauthenticated", Kind::Unauthenticated, "sign in first");
/// The caller may not do this.
pub const DENIED: Code = Code::new("core.denied", Kind::Denied, "this is not permitted");
/// There is no such thing.
pub const NOT_FOUND: Code = Code::new("core.not_found", Kind::NotFound, "there is no such thing");
/// The path exists, the method does not.
pub const METHOD_NOT_ALLOWED: Code = Code::new(
    "core.method_not_allowed",
    Kind::MethodNotAllowed,
    "this path does not take this method",
);
/// The state has changed meanwhile, or the thing exists already.
pub const CONFLICT: Code =
    Code::new("core.conflict", Kind::Conflict, "the state has changed meanwhile");
/// The body is larger than allowed.
pub const TOO_LARGE: Code = Code::new("core.too_large", Kind::TooLarge, "the request is too large");
/// The body is of a type that is not understood here.
pub const UNSUPPORTED_MEDIA_TYPE: Code = Code::new(
    "core.unsupported_media_type",
    Kind::UnsupportedMediaType,
    "the body has a type that is not understood here",
);
/// Too many requests.
pub const RATE_LIMITED: Code =
    Code::new("core.rate_limited", Kind::RateLimited, "too many requests");
/// Our fault; the log knows more.
pub const INTERNAL: Code = Code::new(
    "core.internal",
    Kind::Internal,
    "an internal error; the request id finds it in the log",
);
/// Something this answer needs is away or overloaded.
pub const UNAVAILABLE: Code = Code::new(
    "core.unavailable",
    Kind::Unavailable,
    "something this answer needs is not available; try again",
);
/// The record store can't be reached.
pub const STORE_UNAVAILABLE: Code =
    Code::new("core.store_unavailable", Kind::Unavailable, "the record store is not available");
/// The disk is full: nothing was stored.
pub const STORAGE_FULL: Code = Code::new(
    "core.storage_full",
    Kind::Unavailable,
    "the disk is full, nothing was stored; make room and try again",
);
/// A stored record is damaged or was moved.
pub const STORE_CORRUPT: Code =
    Code::new("core.store_corrupt", Kind::Internal, "a stored record is damaged");

/// Every code of this module.
pub const ALL: &[Code] = &[
    INVALID_REQUEST,
    UNAUTHENTICATED,
    DENIED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    CONFLICT,
    TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    RATE_LIMITED,
    INTERNAL,
    UNAVAILABLE,
    STORE_UNAVAILABLE,
    STORAGE_FULL,
    STORE_CORRUPT,
];
