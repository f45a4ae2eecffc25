//! Starts the secured status board; see `examples/src/secure_axum_app.rs` for the lines that secure
//! it. Everything lies in `./board-data`, or in the folder that is named.
#![expect(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use examples::Failure;
use examples::secure_axum_app::{secured, status_board};
use prov_auth::{AuthService, codes};
use prov_core::{SecretText, random};
use tokio::net::TcpListener;

/// Who may do everything in this example.
const USER: &str = "demo";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let data: PathBuf = std::env::args_os().nth(1).map_or("board-data".into(), PathBuf::from);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&data)?;
    let (app, auth) = secured(status_board(), &data).await?;

    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    match create_demo_user(&auth).await? {
        Some(password) => explain(listener.local_addr()?, &password),
        None => println!("user `{USER}` is there already, with the password of the first start"),
    }
    // ── the application's own security: begin ──
    let app = app.into_make_service_with_connect_info::<SocketAddr>(); // addresses for the rate limit
    // ── the application's own security: end ──
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    Ok(axum::serve(listener, app).with_graceful_shutdown(interrupted).await?)
}

/// Makes the user at the first start, and says the password this once.
async fn create_demo_user(auth: &AuthService) -> Result<Option<SecretText>, Failure> {
    let password = SecretText::new(hex::encode(random::bytes::<12>()?));
    match auth.bootstrap_admin(USER, &password).await {
        Ok(_) => Ok(Some(password)),
        Err(error) if error.is(codes::BOOTSTRAP_CLOSED) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn explain(address: SocketAddr, password: &SecretText) {
    let password = password.expose();
    println!(
        "the status board is at http://{address}; user `{USER}`, password `{password}`

curl http://{address}/                 # open to everybody
curl http://{address}/status           # 401: who asks?
TOKEN=$(curl -s http://{address}/api/v1/auth/login -H 'content-type: application/json' \\
  -d '{{\"username\": \"{USER}\", \"password\": \"{password}\"}}' | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')
curl http://{address}/status -H \"authorization: Bearer $TOKEN\"
curl -X POST http://{address}/drain -H \"authorization: Bearer $TOKEN\"   # 401: a second factor is due"
    );
}
