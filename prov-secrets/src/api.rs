//! The routes of the HTTP API: `/api/v1/secrets/…` and `/api/v1/ssh/…`.
//!
//! [`router`] brings the handlers, [`routes()`] says who may use each: the layers in front of the router
//! decide, never a handler.

mod documents;
mod engines;
mod leases;
mod role_document;
mod roles;
mod routes;
mod ssh;
mod ssh_documents;

use std::sync::Arc;

pub use routes::routes;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes as mount;

use crate::Leases;
use crate::ssh::Ssh;

/// What the handlers need.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SecretsState {
    /// The lease manager.
    pub leases: Arc<Leases>,
    /// The SSH certificate authority.
    pub ssh: Arc<Ssh>,
}

impl SecretsState {
    /// Over these services.
    #[must_use]
    pub fn new(leases: Arc<Leases>, ssh: Arc<Ssh>) -> Self {
        Self { leases, ssh }
    }
}

/// Every route of this crate, ready to be merged into an application.
pub fn router(state: SecretsState) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(mount!(engines::list))
        .routes(mount!(engines::stats))
        .routes(mount!(engines::generate))
        .routes(mount!(leases::list))
        .routes(mount!(leases::show))
        .routes(mount!(leases::renew))
        .routes(mount!(leases::revoke))
        .routes(mount!(leases::revoke_prefix))
        .routes(mount!(leases::revoke_user))
        .routes(mount!(roles::list, roles::create))
        .routes(mount!(roles::show, roles::set, roles::delete))
        .routes(mount!(ssh::generate, ssh::list))
        .routes(mount!(ssh::show, ssh::revoke))
        .routes(mount!(ssh::sign))
        .routes(mount!(ssh::sign_host))
        .routes(mount!(ssh::ca))
        .routes(mount!(ssh::krl))
        .routes(mount!(ssh::stats))
        .with_state(state)
}
