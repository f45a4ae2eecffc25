//! Extractors and responses for axum handlers; feature `axum`.

mod body;
mod context;
mod error;
mod openapi;
mod page;

pub use body::{Form, Json, Path, Query};
pub use context::{Context, Facts};
pub use error::{ApiError, ApiResult};
pub use openapi::{CommonErrors, FieldErrorDocument, ProblemDocument};
pub use page::{Listed, PageQuery};
