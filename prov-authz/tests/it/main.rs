//! The shipped policies, loading, reloading, the layer and the API, from outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "fast")]
mod allocations;
#[cfg(feature = "axum")]
mod api;
#[cfg(feature = "axum")]
mod authzen;
mod delegation;
mod evaluating;
mod explaining;
mod fail_closed;
mod grants;
mod inventory;
mod known_resources;
mod layer;
mod lifecycle;
mod loading;
mod matrix;
#[cfg(feature = "axum")]
mod policy_api;
#[cfg(feature = "testing")]
mod policy_tests;
#[cfg(feature = "prove")]
mod proving;
mod questions;
mod reload;
mod replay;
mod reviewing;
mod roles;
mod searching;
#[cfg(feature = "testing")]
mod shipped_tests;
mod sources;
mod teams;
#[cfg(feature = "watch")]
mod watching;
mod world;
