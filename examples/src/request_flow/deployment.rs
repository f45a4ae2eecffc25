//! The application: it deploys to servers.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use http::request::Parts;
use prov_authz::{Claims, Protection, ResourceEntity};
use prov_core::{Clock, SecretBytes, SecurityContext};
use prov_http::axum::{ApiResult, Context, Json, Path};
use prov_kms::{Ciphertext, EncryptionContext, Kms};
use prov_secrets::ssh::{Ssh, SshPairRequest};
use serde_json::{Value, json};

use crate::Failure;

/// The server of the example.
pub const SERVER: &str = "web-1";
/// What the deployment needs and nobody may read on the disk.
pub const CONFIGURATION: &str = "upstream = db.internal:5432\nreplicas = 3\n";

/// What the application has.
struct Deployer {
    kms: Kms,
    ssh: Ssh,
    /// As it lies in the repository: `prov:v1:…`.
    configuration: Ciphertext,
    /// Where the configuration belongs. It decrypts nowhere else.
    belongs_to: EncryptionContext,
}

/// The route, over a configuration that is encrypted here and nowhere kept in the clear.
pub(super) async fn router(kms: Kms, ssh: Ssh, clock: &dyn Clock) -> Result<Router, Failure> {
    let operator = SecurityContext::system("setup", clock)?;
    let belongs_to: EncryptionContext = format!("env=production,service={SERVER}").parse()?;
    let plain = SecretBytes::new(CONFIGURATION.into());
    let key = Kms::DEFAULT_KEY.parse()?;
    let configuration = kms.encrypt(&operator, &key, &plain, &belongs_to).await?;
    let deployer = Arc::new(Deployer { kms, ssh, configuration, belongs_to });
    Ok(Router::new().route("/deployments/{server}", post(deploy)).with_state(deployer))
}

/// What a request is, for the policies: this action on that server, by the application's own
/// inventory. Other routes are what the route table says.
pub(super) fn protection(request: &Parts) -> Protection {
    let Some(server) = request.uri.path().strip_prefix("/deployments/") else {
        return Protection::of_route(request.extensions.get());
    };
    if server != SERVER {
        return Protection::Unknown;
    }
    let web = ResourceEntity::new("Server", SERVER)
        .with("hostname", "web-1.example.org")
        .with("workspace", "shop")
        .with("environment", "production");
    let approval = request.headers.get("x-approval").and_then(|value| value.to_str().ok());
    let claims = approval.map_or(Claims::NONE, |id| Claims::default().with_approval(id));
    Protection::Permitted {
        action: "deploy".into(),
        resource: Box::new(web),
        claims: Box::new(claims),
    }
}

/// Deploys: a certificate to log in with, and the configuration, both for this request only.
async fn deploy(
    State(deployer): State<Arc<Deployer>>,
    Context(caller): Context,
    Path(server): Path<String>,
) -> ApiResult<Json<Value>> {
    let pair = deployer.ssh.generate_pair(&caller, SshPairRequest::by_role("default")).await?;
    let Deployer { kms, configuration, belongs_to, .. } = &*deployer;
    let opened = kms.decrypt(&caller, configuration, belongs_to).await?;
    // Here a real one would log in with `pair.private_key` and write the configuration there.
    Ok(Json(json!({
        "server": server,
        "lease_id": pair.certificate.lease_id.as_str(),
        "serial": pair.certificate.serial,
        "key_id": pair.certificate.key_id,
        "valid_before": pair.certificate.valid_before,
        "configuration_bytes": opened.expose().len(),
        "configuration_key": format!("{} v{}", configuration.key(), configuration.version()),
    })))
}
