//! Making, rotating, disabling and enabling keys.

use std::num::NonZeroU32;

use prov_core::audit::{Action, Outcome};
use prov_core::store::{EntityPage, Scan, StoreExt, Stored};
use prov_core::{Error, Result, SecurityContext, codes as core_codes};

use super::{KeyInfo, KeyState, Kms};
use crate::backend::{KeyName, KeyVersion};
use crate::codes;

impl Kms {
    /// Makes a key.
    ///
    /// # Errors
    /// [`codes::KEY_EXISTS`].
    pub async fn create_key(&self, caller: &SecurityContext, name: &KeyName) -> Result<KeyInfo> {
        let made = self.make_key(name).await.map_err(|error| {
            if error.is(core_codes::CONFLICT) { codes::KEY_EXISTS.into() } else { error }
        });
        let event = self.event(Action::KMS_KEY_CREATE, Outcome::Success, name);
        self.record(caller, event, made).await
    }

    /// What is known of a key.
    ///
    /// # Errors
    /// [`codes::KEY_UNKNOWN`].
    pub async fn key(&self, name: &KeyName) -> Result<KeyInfo> {
        let stored = self.store.load::<KeyInfo>(name.as_str()).await?;
        stored.map(|stored| stored.entity).ok_or_else(|| unknown(name))
    }

    /// A page of keys by name, after the one of this name.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn keys(
        &self,
        limit: NonZeroU32,
        after: Option<String>,
    ) -> Result<EntityPage<KeyInfo>> {
        let scan = Scan::kind("kms.key").limit(limit).after(after);
        self.store.list(&scan).await
    }

    /// Gives a key a new version. Ciphertexts of older versions still decrypt;
    /// [`rewrap`](Self::rewrap) brings them up to date.
    ///
    /// # Errors
    /// [`codes::KEY_UNKNOWN`]; [`codes::KEY_DISABLED`]; [`codes::ROTATION_UNSUPPORTED`].
    pub async fn rotate_key(&self, caller: &SecurityContext, name: &KeyName) -> Result<KeyInfo> {
        let rotated = self.rotate(name).await;
        let mut event = self.event(Action::KMS_KEY_ROTATE, Outcome::Success, name);
        if let Ok(key) = &rotated {
            event = event.with("version", key.version.number());
        }
        self.record(caller, event, rotated).await
    }

    /// Disables a key: from when this returns, on this node and all others, nothing encrypts or
    /// decrypts with it.
    ///
    /// # Errors
    /// [`codes::KEY_UNKNOWN`].
    pub async fn disable_key(&self, caller: &SecurityContext, name: &KeyName) -> Result<KeyInfo> {
        let disabled = self.set_state(name, KeyState::Disabled).await;
        self.envelope.forget(name);
        let event = self.event(Action::KMS_KEY_DISABLE, Outcome::Success, name);
        self.record(caller, event, disabled).await
    }

    /// Enables a key again.
    ///
    /// # Errors
    /// [`codes::KEY_UNKNOWN`].
    pub async fn enable_key(&self, caller: &SecurityContext, name: &KeyName) -> Result<KeyInfo> {
        let enabled = self.set_state(name, KeyState::Enabled).await;
        let event = self.event(Action::KMS_KEY_ENABLE, Outcome::Success, name);
        self.record(caller, event, enabled).await
    }

    /// The key, if it may be used. Read anew each time: a key that another node has disabled is
    /// disabled here.
    pub(super) async fn usable_key(&self, name: &KeyName) -> Result<KeyInfo> {
        let key = self.key(name).await?;
        match key.state {
            KeyState::Enabled => Ok(key),
            KeyState::Disabled => Err(codes::KEY_DISABLED.into()),
        }
    }

    pub(super) async fn ensure_default_key(&self) -> Result<()> {
        let name: KeyName = Self::DEFAULT_KEY.parse()?;
        match self.key(&name).await {
            Err(error) if error.is(codes::KEY_UNKNOWN) => {}
            found => return found.map(drop),
        }
        match self.make_key(&name).await {
            // Another node was faster, and has recorded it.
            Err(error) if error.is(core_codes::CONFLICT) => Ok(()),
            made => {
                made?;
                let caller = SecurityContext::system("kms", &*self.clock)?;
                let event = self.event(Action::KMS_KEY_CREATE, Outcome::Success, &name);
                self.recorder.record(event.in_context(&caller)).await.map(drop)
            }
        }
    }

    /// At the backend and in the store; a conflict when there is one of this name.
    async fn make_key(&self, name: &KeyName) -> Result<KeyInfo> {
        let backend = self.envelope.backend();
        // First the key, then its entry: an entry always has a key behind it.
        let version = backend.ensure_key(name).await?;
        let key = KeyInfo {
            name: name.clone(),
            state: KeyState::Enabled,
            version,
            backend: backend.info().name.to_owned(),
            created_at: self.clock.now(),
            rotated_at: None,
        };
        self.store.create(&key).await?;
        Ok(key)
    }

    async fn rotate(&self, name: &KeyName) -> Result<KeyInfo> {
        self.usable_key(name).await?;
        let version: KeyVersion = self.envelope.backend().rotate(name).await?;
        let now = self.clock.now();
        let change = |key: &mut KeyInfo| {
            // Of two rotations at once, the later version stays.
            key.version = key.version.max(version);
            key.rotated_at = Some(now);
            Ok(())
        };
        let rotated = found(self.store.update(name.as_str(), &change).await?, name)?;
        self.envelope.forget(name);
        Ok(rotated)
    }

    /// On the record that every node reads before each use.
    async fn set_state(&self, name: &KeyName, state: KeyState) -> Result<KeyInfo> {
        let change = |key: &mut KeyInfo| {
            key.state = state;
            Ok(())
        };
        found(self.store.update(name.as_str(), &change).await?, name)
    }
}

fn found(stored: Option<Stored<KeyInfo>>, name: &KeyName) -> Result<KeyInfo> {
    stored.map(|stored| stored.entity).ok_or_else(|| unknown(name))
}

fn unknown(name: &KeyName) -> Error {
    Error::new(codes::KEY_UNKNOWN).detail(format!("there is no key `{name}`"))
}
