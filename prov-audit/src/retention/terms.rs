use std::time::Duration;

use prov_core::audit::RetentionClass;
use prov_core::store::Entity;
use prov_core::{Error, Result, codes as core_codes, duration_text};
use serde::{Deserialize, Serialize};

/// A day.
const DAY: Duration = Duration::from_hours(24);

/// How long events of each class are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditRetention))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Retention {
    /// Everything but emergency access; a year unless set.
    #[serde(with = "duration_text")]
    #[cfg_attr(feature = "axum", schema(value_type = String, example = "365d"))]
    pub standard: Duration,
    /// Emergency access; seven years unless set.
    #[serde(with = "duration_text")]
    #[cfg_attr(feature = "axum", schema(value_type = String, example = "2555d"))]
    pub break_glass: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { standard: DAY * 365, break_glass: DAY * 2555 }
    }
}

impl Retention {
    /// So long for each class.
    #[must_use]
    pub fn new(standard: Duration, break_glass: Duration) -> Self {
        Self { standard, break_glass }
    }

    /// How long events of a class are kept.
    #[must_use]
    pub fn of(&self, class: RetentionClass) -> Duration {
        match class {
            RetentionClass::BreakGlass => self.break_glass,
            _ => self.standard,
        }
    }

    /// At least a day, and at most a century.
    pub(crate) fn check(&self) -> Result<()> {
        for (name, time) in [("standard", self.standard), ("break_glass", self.break_glass)] {
            if !(DAY..=DAY * 36_525).contains(&time) {
                let what = "at least `1d` and at most a hundred years";
                return Err(Error::new(core_codes::INVALID_REQUEST).field(name, what));
            }
        }
        Ok(())
    }

    /// The longer of both, for each class.
    #[must_use]
    pub(crate) fn or_longer(self, other: Self) -> Self {
        Self {
            standard: self.standard.max(other.standard),
            break_glass: self.break_glass.max(other.break_glass),
        }
    }
}

/// What was set while the log was open, for every node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredRetention {
    pub(crate) retention: Retention,
}

impl StoredRetention {
    pub(crate) const ID: &'static str = "all";
}

impl Entity for StoredRetention {
    const KIND: &'static str = "audit.retention";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}
