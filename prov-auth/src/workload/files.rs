//! Trust bundles in files, read again when they change.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use prov_core::{Error, Result, codes};

use super::{TrustBundle, TrustBundles, TrustDomain};

/// The largest file that is read.
const MOST_BYTES: u64 = 1024 * 1024;
/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Files that hold one bundle each, as an agent or a mounted secret keeps them up to date.
///
/// They are looked at every second. A file that can't be read leaves its domain as it was, with a warning:
/// half a file must not cut everybody off. A bundle without keys does.
#[derive(Debug)]
pub struct BundleFiles {
    files: Vec<(TrustDomain, PathBuf)>,
    bundles: Arc<TrustBundles>,
    read: parking_lot::Mutex<Vec<Option<Read>>>,
}

/// What a file held when it was last good: its bytes, and what they mean.
type Read = (Vec<u8>, TrustBundle);

impl BundleFiles {
    /// Reads these files, all of which must be good at the start.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] when one can't be read.
    pub fn open(files: impl IntoIterator<Item = (TrustDomain, PathBuf)>) -> Result<Self> {
        let files: Vec<_> = files.into_iter().collect();
        let bundles = TrustBundles::new([]);
        let read = parking_lot::Mutex::new(files.iter().map(|_| None).collect());
        let opened = Self { files, bundles, read };
        match opened.look().pop() {
            Some(error) => Err(error),
            None => Ok(opened),
        }
    }

    /// What they hold, always as they were read last.
    #[must_use]
    pub fn bundles(&self) -> Arc<TrustBundles> {
        Arc::clone(&self.bundles)
    }

    /// Reads them again now; returns what could not be read.
    pub fn look(&self) -> Vec<Error> {
        let (mut errors, mut changed) = (Vec::new(), false);
        let mut read = self.read.lock();
        for ((domain, path), before) in self.files.iter().zip(read.iter_mut()) {
            let bytes = match small_file(path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    errors.push(error.context(format!("the trust bundle of `{domain}`")));
                    continue;
                }
            };
            if before.as_ref().is_some_and(|(known, _)| *known == bytes) {
                continue;
            }
            match TrustBundle::read(&bytes) {
                Ok(bundle) => {
                    *before = Some((bytes, bundle));
                    changed = true;
                }
                Err(error) => errors.push(error.context(format!("the trust bundle of `{domain}`"))),
            }
        }
        if changed {
            let known = self.files.iter().zip(read.iter());
            self.bundles.replace(known.filter_map(|((domain, _), bundle)| {
                bundle.as_ref().map(|(_, bundle)| (domain.clone(), bundle.clone()))
            }));
        }
        errors
    }

    /// Looks at the files until `shutdown` is ready. Runs on a tokio runtime with its timer.
    pub async fn follow(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown);
        let mut warned = false;
        loop {
            let pause = pin!(tokio::time::sleep(LOOK_EVERY));
            if matches!(select(pause, &mut shutdown).await, Either::Right(_)) {
                return;
            }
            let errors = self.look();
            if !warned {
                for error in &errors {
                    tracing::warn!(?error, "a trust bundle is kept as it was");
                }
            }
            warned = !errors.is_empty();
        }
    }
}

fn small_file(path: &std::path::Path) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let refuse = |e: std::io::Error| {
        Error::new(codes::INVALID_REQUEST).detail("a trust bundle can't be read").source(e)
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(refuse)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(refuse)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Error::new(codes::INVALID_REQUEST).detail("a trust bundle has 1 MiB at most"));
    }
    Ok(bytes)
}
