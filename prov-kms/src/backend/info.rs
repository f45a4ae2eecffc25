use serde::Serialize;

/// What a backend can do, as data: callers and the conformance suite ask instead of trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether keys have versions that [`rotate`](crate::KmsBackend::rotate) adds to.
    pub rotation: bool,
    /// Whether it can unwrap; an age backend without a private key can't.
    pub unwrap: bool,
    /// Whether only a holder of the key can make a wrapped key that unwraps. Where false (age: the
    /// recipient is public), a ciphertext is secret, but does not prove who made it.
    pub authenticated: bool,
}

impl Capabilities {
    /// Rotates, unwraps, authenticates.
    #[must_use]
    pub const fn full() -> Self {
        Self { rotation: true, unwrap: true, authenticated: true }
    }

    /// Without key versions.
    #[must_use]
    pub const fn without_rotation(mut self) -> Self {
        self.rotation = false;
        self
    }

    /// Without a private key.
    #[must_use]
    pub const fn without_unwrap(mut self) -> Self {
        self.unwrap = false;
        self
    }

    /// Anybody can make wrapped keys.
    #[must_use]
    pub const fn without_authentication(mut self) -> Self {
        self.authenticated = false;
        self
    }
}

/// Who a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BackendInfo {
    /// The name that stands in every ciphertext: `local`, `age`. Letters `a-z`, digits and `-`.
    pub name: &'static str,
    /// What it can do.
    pub capabilities: Capabilities,
}

impl BackendInfo {
    /// A backend of this name.
    #[must_use]
    pub const fn new(name: &'static str, capabilities: Capabilities) -> Self {
        Self { name, capabilities }
    }
}
