//! Records, keys for records, and the log.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use prov_audit::{Log, LogOptions};
use prov_core::store::Store;
use prov_core::{Clock, Error, Result, codes};
use prov_kms::{AgeBackend, AgeKeys, KmsBackend, LocalKeyring, SealedStore};
use prov_store::Database;

use crate::config::{Config, KmsBackendName};

/// The floor everything else stands on.
pub(super) struct Storage {
    pub(super) database: Arc<dyn Database>,
    pub(super) backend: Arc<dyn KmsBackend>,
    pub(super) store: Arc<dyn Store>,
    pub(super) log: Arc<Log>,
}

pub(super) async fn open(config: &Config, clock: &Arc<dyn Clock>) -> Result<Storage> {
    private_folder(&config.server.data_dir)?;
    let database = prov_store::connect(&config.store_url(), Arc::clone(clock)).await?;
    let raw: Arc<dyn Store> = Arc::<dyn Database>::clone(&database);
    let backend = backend(config, &raw, clock).await?;
    let store: Arc<dyn Store> = if config.store.encrypt {
        let sealing = sealing(config, &backend, &raw, clock).await?;
        Arc::new(SealedStore::open(Arc::clone(&raw), &*sealing, &**clock).await?)
    } else {
        tracing::warn!(
            "`store.encrypt = false`: records lie in the clear, keys and secrets among them"
        );
        raw
    };
    let origin = format!("{}/audit/{}", config.jwt.issuer, config.server.node);
    let mut options =
        LogOptions::new(config.audit_path(), origin, Arc::clone(&store), Arc::clone(clock))
            .retention(config.audit.retention())
            .with_ml_dsa_44(config.audit.ml_dsa_44);
    if let Some(folder) = &config.audit.archive {
        options = options.archive(folder);
    }
    if let Some(bucket) = &config.audit.bucket {
        options = options.archive_in(Arc::new(bucket.build(Arc::clone(clock))?));
    }
    let log = Arc::new(Log::open(options).await?);
    Ok(Storage { database, backend, store, log })
}

/// What wraps the keys of the record store: the backend, unless anybody can wrap for it (age); then
/// a local keyring.
async fn sealing(
    config: &Config,
    backend: &Arc<dyn KmsBackend>,
    raw: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn KmsBackend>> {
    if backend.info().capabilities.authenticated {
        return Ok(Arc::clone(backend));
    }
    local(config, raw, clock).await
}

async fn local(
    config: &Config,
    raw: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn KmsBackend>> {
    let path = config.root_key_path();
    Ok(Arc::new(LocalKeyring::open(Arc::clone(raw), &path, Arc::clone(clock)).await?))
}

async fn backend(
    config: &Config,
    raw: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn KmsBackend>> {
    match config.kms.backend {
        KmsBackendName::Local => local(config, raw, clock).await,
        KmsBackendName::Age => {
            let age = &config.kms.age;
            let keys =
                AgeKeys::load(age.public_key_path.as_deref(), age.private_key_path.as_deref())?;
            if !keys.can_decrypt() {
                return Err(Error::new(codes::INVALID_REQUEST).detail(
                    "`kms.age.private_key_path` is needed: a server must read what it wrote",
                ));
            }
            Ok(Arc::new(AgeBackend::new(keys)))
        }
    }
}

/// Makes the data folder, for its owner only.
fn private_folder(path: &Path) -> Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| {
        Error::new(codes::INVALID_REQUEST)
            .detail(format!("the data folder `{}` can't be made: {e}", path.display()))
            .source(e)
    })
}
