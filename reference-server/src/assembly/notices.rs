//! How people are told of their account outside of the server.

use std::sync::Arc;

use prov_auth::{HttpsClient, HttpsOptions, Webhook};
use prov_core::{Clock, Notifier, Result, SecretText};

use super::unreadable;
use crate::config::Config;

/// The webhook, if there is one. Its address is the operator's own word: it may be on this machine.
pub(super) fn notifier(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<dyn Notifier>>> {
    let notices = &config.notices;
    let (Some(url), Some(path)) = (&notices.webhook_url, &notices.webhook_secret_path) else {
        return Ok(None);
    };
    let secret = std::fs::read_to_string(path).map_err(|e| unreadable(path, e))?;
    let authorities = match &notices.webhook_ca_path {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|e| unreadable(path, e))?),
        None => None,
    };
    let options =
        HttpsOptions::default().with_authorities(authorities).with_insecure_loopback(true);
    let client = Arc::new(HttpsClient::new(options)?);
    let webhook = Webhook::new(url, &SecretText::new(secret), client, Arc::clone(clock))?;
    Ok(Some(Arc::new(webhook)))
}
