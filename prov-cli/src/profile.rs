//! Profiles: `config.toml` in the configuration folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cli::Global;
use crate::failure::{Failure, Outcome};
use crate::sessions::TokenStore;

/// Where the server is when nobody says so.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8443";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    server: Option<String>,
    ca_cert: Option<PathBuf>,
}

/// What a command needs to know before it talks to a server.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) server: String,
    pub(crate) ca_cert: Option<PathBuf>,
    pub(crate) config_dir: PathBuf,
    pub(crate) insecure: bool,
    pub(crate) token_store: TokenStore,
}

/// Command line over environment over profile over default.
pub(crate) fn settings(global: &Global) -> Outcome<Settings> {
    let config_dir = match &global.config_dir {
        Some(folder) => folder.clone(),
        None => default_folder()?,
    };
    let profile = read(&config_dir.join("config.toml"), &global.profile)?;
    let server = global
        .server
        .clone()
        .or(profile.server)
        .unwrap_or_else(|| DEFAULT_SERVER.to_owned())
        .trim_end_matches('/')
        .to_owned();
    let ca_cert = global.ca_cert.clone().or(profile.ca_cert);
    let Global { insecure, token_store, .. } = *global;
    Ok(Settings { server, ca_cert, config_dir, insecure, token_store })
}

fn default_folder() -> Outcome<PathBuf> {
    if let Some(folder) = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()) {
        return Ok(PathBuf::from(folder).join("prov"));
    }
    std::env::home_dir()
        .map(|home| home.join(".config/prov"))
        .ok_or_else(|| Failure::Usage("no home folder: give `--config-dir`".to_owned()))
}

fn read(path: &Path, name: &str) -> Outcome<Profile> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && name == "default" => {
            return Ok(Profile::default());
        }
        Err(e) => return Err(Failure::of(&format!("reading `{}`", path.display()), e)),
    };
    let file: File =
        toml::from_str(&text).map_err(|e| Failure::of(&format!("`{}`", path.display()), e))?;
    match file.profiles.get(name) {
        Some(profile) => Ok(profile.clone()),
        None if name == "default" => Ok(Profile::default()),
        None => Err(Failure::Usage(format!(
            "no profile `{name}` in `{}`; there are: {}",
            path.display(),
            file.profiles.keys().cloned().collect::<Vec<_>>().join(", ")
        ))),
    }
}
