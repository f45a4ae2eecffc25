//! The first administrator: by a password file, or by a one-time token on the terminal.

use std::path::Path;

use prov_auth::AuthService;
use prov_core::{Kind, Result, SecretText};

use crate::assembly::unreadable;
use crate::config::Config;

/// What became of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Bootstrapped {
    /// There are users already; nothing was done.
    NotNeeded,
    /// The administrator of the configuration was created.
    Created,
    /// Whoever has this one-time token may create the administrator.
    Invited(SecretText),
}

/// Creates the first administrator, or the token to create one with. Does nothing once there is a
/// user.
///
/// # Errors
/// When the password file can't be read, the password is refused, or the store fails.
pub async fn bootstrap(config: &Config, auth: &AuthService) -> Result<Bootstrapped> {
    let Some(path) = &config.bootstrap.admin_password_file else {
        return match auth.begin_bootstrap().await {
            Ok(token) => Ok(Bootstrapped::Invited(token)),
            Err(error) if is_done(&error) => Ok(Bootstrapped::NotNeeded),
            Err(error) => Err(error),
        };
    };
    match auth.bootstrap_admin(&config.bootstrap.admin_user, &first_line(path)?).await {
        Ok(_) => Ok(Bootstrapped::Created),
        Err(error) if is_done(&error) => Ok(Bootstrapped::NotNeeded),
        Err(error) => Err(error),
    }
}

/// Whether the refusal says that there is a user already.
fn is_done(error: &prov_core::Error) -> bool {
    matches!(error.kind(), Kind::Conflict | Kind::Gone)
}

fn first_line(path: &Path) -> Result<SecretText> {
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(path, e))?;
    Ok(SecretText::new(text.lines().next().unwrap_or_default()))
}
