//! One run: open, listen, serve, close.

use std::io::Write;
use std::net::SocketAddr;

use prov_core::SecretText;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::assembly::Assembly;
use crate::bootstrap::{Bootstrapped, bootstrap};
use crate::config::Config;
use crate::connections::Connections;
use crate::reload::{Reloader, Reread};
use crate::serve::{Clients, Tls, serve};
use crate::telemetry::LogFilter;

/// Serves until SIGINT or SIGTERM, then ends in order.
///
/// # Errors
/// What stopped it, for the operator; causes included, because there is no client who could read it.
pub async fn run(config: &Config, log_filter: LogFilter, reread: Reread) -> Result<(), String> {
    if config.server.insecure && config.server.tls.is_none() {
        tracing::warn!("insecure: tokens travel in the clear to whoever can listen");
    }
    // From here on: a signal that comes while everything is opened ends the server in order too.
    let shutdown = stop_signal().map_err(|e| format!("listening for signals: {e}"))?;
    let files = config.server.tls.as_ref();
    let are_asked = config.knows_programs() || config.jwt.bind_to_certificates;
    let clients = if are_asked { Clients::Asked } else { Clients::NotAsked };
    let tls = files.map(|files| Tls::read(&files.cert, &files.key, clients)).transpose();
    let tls = tls.map_err(|e| format!("`server.tls`: {e}"))?;
    let mut assembly = Assembly::open(config).await.map_err(|e| format!("{e:?}"))?;
    let listener = TcpListener::bind(config.server.listen)
        .await
        .map_err(|e| format!("listening on {}: {e}", config.server.listen))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = config.server.public_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
    let invited =
        bootstrap(config, &assembly.auth).await.map_err(|e| format!("bootstrap: {e:?}"))?;
    greet(&url, address, &invited).map_err(|e| format!("writing to the terminal: {e}"))?;

    let reloader = Reloader {
        reread,
        rate_limit: assembly.rate_limit.clone(),
        log_filter,
        tls: tls.clone(),
        policies: assembly.policies.clone(),
        recorder: assembly.recorder(),
        clock: assembly.clock(),
    };
    assembly.reload_on_hangup(reloader, config.clone()).map_err(|e| format!("signals: {e}"))?;
    let limits = &config.server;
    let places = Connections::new(limits.max_connections, limits.max_connections_per_address);
    let app = assembly.chain.clone();
    let streams = assembly.audit_api();
    let shutdown = async move {
        shutdown.await;
        streams.end_streams();
    };
    let served = serve(listener, tls, app, shutdown, limits.drain_timeout, places).await;
    let served = served.map_err(|e| e.to_string());
    let closed = assembly.close().await.map_err(|e| format!("closing: {e:?}"));
    served.and(closed)
}

/// Ends at the first signal to stop.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("told to stop"),
            _ = interrupt.recv() => tracing::info!("interrupted"),
        }
    })
}

/// Says where the server is, and how to make the first administrator. The token goes to the terminal
/// only, never to the log.
fn greet(url: &str, address: SocketAddr, bootstrapped: &Bootstrapped) -> std::io::Result<()> {
    tracing::info!(%address, "serving");
    let mut out = std::io::stdout().lock();
    writeln!(out, "prov is at {url}")?;
    match bootstrapped {
        Bootstrapped::Invited(token) => invite(&mut out, url, token)?,
        Bootstrapped::Created => {
            writeln!(out, "the administrator of the configuration was created")?;
        }
        Bootstrapped::NotNeeded => {}
    }
    out.flush()
}

fn invite(out: &mut impl Write, url: &str, token: &SecretText) -> std::io::Result<()> {
    writeln!(
        out,
        "\nThere is no administrator yet. Create one with this one-time token:\n\n    {}\n\n    \
         prov --server {url} server init --user admin\n",
        token.expose()
    )
}
