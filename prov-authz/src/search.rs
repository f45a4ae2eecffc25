//! What may somebody do, and who may do something: every answer complete, in parts of bounded work.
//!
//! A part that ends before the end says where the next one begins; nothing is ever left out in
//! silence. Each part is decided by what is in force while it is made; its order is that of names, so
//! that a change between two parts neither repeats nor hides what did not change.

mod cursor;
mod resources;

pub(crate) use cursor::Cursor;
pub use resources::{ResourceSearch, ResourcesFound};
