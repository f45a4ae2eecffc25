use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prov_core::{Error, Result, codes};
use serde::{Deserialize, Serialize};

/// `limit` (1 to 1000, 100 by default) and the opaque `cursor` of a list.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PageQuery {
    /// At most this many items, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<NonZeroU32>,
    /// Continues where an earlier answer's `next_cursor` says.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// The number of items asked for.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] above 1000.
    pub fn limit(&self) -> Result<NonZeroU32> {
        const DEFAULT: NonZeroU32 = NonZeroU32::new(100).unwrap();
        match self.limit {
            Some(limit) if limit.get() > 1000 => {
                Err(Error::new(codes::INVALID_REQUEST).field("limit", "at most 1000"))
            }
            limit => Ok(limit.unwrap_or(DEFAULT)),
        }
    }

    /// The id after which to continue.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] for a cursor that no answer of ours contained.
    pub fn after(&self) -> Result<Option<String>> {
        let refuse = || {
            Error::new(codes::INVALID_REQUEST)
                .field("cursor", "not a cursor; take `next_cursor` of an earlier answer")
        };
        let decode = |text: &String| {
            let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refuse())?;
            String::from_utf8(bytes).map_err(|_| refuse())
        };
        self.cursor.as_ref().map(decode).transpose()
    }
}

/// A part of a list: `{"items": […], "next_cursor"?}`.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[non_exhaustive]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to continue; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Listed<T> {
    /// Items, and the id after which the rest follows if there is a rest.
    #[must_use]
    pub fn new(items: Vec<T>, next: Option<&str>) -> Self {
        Self { items, next_cursor: next.map(|id| URL_SAFE_NO_PAD.encode(id)) }
    }
}
