use jiff::Timestamp;
use prov_core::SecretBytes;
use prov_core::store::{Entity, Term};
use serde::{Deserialize, Serialize};

/// At most so many names of one account are kept for looking it up.
pub(super) const MOST_NAMES: usize = 16;

/// The key of one subject: destroying it erases the subject from the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Subject {
    /// A keyed hash of the account.
    pub(super) id: String,
    /// What stands in the leaves: random.
    pub(super) pid: String,
    /// The account's id.
    pub(super) actor: Option<String>,
    /// Names it was known by, lower case.
    pub(super) names: Vec<String>,
    /// The data key; the store is sealed at rest.
    #[serde(with = "exposed")]
    pub(super) key: SecretBytes,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
}

impl Subject {
    pub(super) const PID: &'static str = "pid";
    pub(super) const NAME: &'static str = "name";
}

impl Entity for Subject {
    const KIND: &'static str = "audit.subject";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn terms(&self) -> Vec<Term> {
        let names = self.names.iter().map(|name| Term::new(Self::NAME, name));
        names.chain([Term::new(Self::PID, &self.pid)]).collect()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

/// That a subject was erased: nothing in it says who it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Erasure {
    pub(super) pid: String,
    pub(super) erased_at: Timestamp,
}

impl Entity for Erasure {
    const KIND: &'static str = "audit.erasure";

    fn id(&self) -> String {
        self.pid.clone()
    }
}

/// A secret of the log itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LogSecret {
    /// What it is for.
    pub(crate) id: String,
    #[serde(with = "exposed")]
    pub(crate) bytes: SecretBytes,
}

impl Entity for LogSecret {
    const KIND: &'static str = "audit.secret";

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// Writes secret bytes into an entity, on purpose.
mod exposed {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use prov_core::SecretBytes;
    use serde::{Deserialize, Deserializer, Serializer, de};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(key: &SecretBytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&Zeroizing::new(STANDARD.encode(key.expose())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SecretBytes, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        STANDARD.decode(text.as_bytes()).map(SecretBytes::new).map_err(de::Error::custom)
    }
}
