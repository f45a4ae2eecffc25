//! Who may use which route.

use http::Method;
use prov_http::Route;

/// The table of this crate's routes, for the layers in front of [`router`](super::router).
#[must_use]
pub fn routes() -> Vec<Route> {
    let leases = "/api/v1/secrets/leases";
    let roles = "/api/v1/secrets/roles";
    let keys = "/api/v1/ssh/keys";
    let one = |path: &str| format!("{path}/{{id}}");
    vec![
        Route::guarded(Method::GET, "/api/v1/secrets/engines", "list", "secret-engines"),
        Route::guarded(Method::GET, "/api/v1/secrets/stats", "read", "leases"),
        Route::guarded(Method::POST, "/api/v1/secrets/{engine}/generate", "execute", "secrets")
            .with_secret_answer(),
        Route::guarded(Method::GET, leases, "list", "leases"),
        Route::guarded(Method::GET, one(leases), "read", "leases"),
        Route::guarded(Method::POST, format!("{leases}/{{id}}/renew"), "update", "leases"),
        Route::guarded(Method::POST, format!("{leases}/{{id}}/revoke"), "delete", "leases"),
        Route::guarded(Method::POST, format!("{leases}/revoke-prefix"), "delete", "leases"),
        Route::guarded(Method::POST, format!("{leases}/revoke-user"), "delete", "leases"),
        Route::guarded(Method::GET, roles, "list", "secret-roles"),
        Route::guarded(Method::POST, roles, "create", "secret-roles"),
        Route::guarded(Method::GET, one(roles), "read", "secret-roles"),
        Route::guarded(Method::PUT, one(roles), "update", "secret-roles"),
        Route::guarded(Method::DELETE, one(roles), "delete", "secret-roles"),
        Route::guarded(Method::POST, keys, "execute", "ssh-certificates").with_secret_answer(),
        Route::guarded(Method::GET, keys, "list", "ssh-certificates"),
        Route::guarded(Method::GET, one(keys), "read", "ssh-certificates"),
        Route::guarded(Method::DELETE, one(keys), "delete", "ssh-certificates"),
        Route::guarded(Method::POST, "/api/v1/ssh/sign", "execute", "ssh-certificates"),
        Route::guarded(Method::POST, "/api/v1/ssh/host/sign", "admin", "ssh-ca"),
        // Public keys, for servers and clients that have no account here.
        Route::public(Method::GET, "/api/v1/ssh/ca"),
        // Serial numbers of revoked certificates, for sshd hosts that have no account here.
        Route::public(Method::GET, "/api/v1/ssh/krl"),
        Route::guarded(Method::GET, "/api/v1/ssh/stats", "read", "ssh-certificates"),
    ]
}
