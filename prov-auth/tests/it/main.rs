//! The integration tests of this crate, in one binary.

#![expect(clippy::clone_on_ref_ptr, reason = "tests read better with short clones")]

#[cfg(feature = "axum")]
#[cfg(test)]
mod api_clauses;
#[cfg(feature = "axum")]
#[cfg(test)]
mod api_http;
#[cfg(feature = "axum")]
#[cfg(test)]
mod api_routes;
#[cfg(test)]
mod api_tokens;
#[cfg(test)]
mod asvs;
#[cfg(test)]
mod complaints;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod embedded;
#[cfg(test)]
mod federation_codes;
#[cfg(test)]
mod federation_fixture;
#[cfg(test)]
mod federation_logout;
#[cfg(all(feature = "axum", feature = "https"))]
#[cfg(test)]
mod federation_peer;
#[cfg(test)]
mod federation_sign_in;
#[cfg(test)]
mod federation_tokens;
#[cfg(test)]
mod holder;
#[cfg(test)]
mod jose;
#[cfg(test)]
mod layers_authn;
#[cfg(test)]
mod layers_rate_limit;
#[cfg(test)]
mod login_enrolment;
#[cfg(test)]
mod login_mfa;
#[cfg(test)]
mod login_password;
#[cfg(all(feature = "axum", feature = "https"))]
#[cfg(test)]
mod node;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod possession_nodes;
#[cfg(test)]
mod possession_proofs;
#[cfg(test)]
mod possession_tokens;
#[cfg(any(feature = "axum", feature = "workload-api"))]
#[cfg(test)]
mod python;
#[cfg(test)]
mod refresh_interleavings;
#[cfg(test)]
mod refresh_tokens;
#[cfg(test)]
mod revocation_bound;
#[cfg(test)]
mod session_lifecycle;
#[cfg(test)]
mod token_algorithms;
#[cfg(test)]
mod token_allocation;
#[cfg(test)]
mod token_clauses;
#[cfg(test)]
mod token_fixture;
#[cfg(test)]
mod token_fuzz;
#[cfg(test)]
mod token_oracle;
#[cfg(test)]
mod token_refusals;
#[cfg(test)]
mod token_revocation;
#[cfg(test)]
mod token_rotation;
#[cfg(test)]
mod token_rotation_by_age;
#[cfg(feature = "axum")]
#[cfg(test)]
mod token_third_party;
#[cfg(test)]
mod user_accounts;
#[cfg(test)]
mod user_bootstrap;
#[cfg(test)]
mod user_evidence;
#[cfg(test)]
mod user_fixture;
#[cfg(feature = "workload-api")]
#[cfg(test)]
mod workload_agent;
#[cfg(feature = "x509-svid")]
#[cfg(test)]
mod workload_certificates;
#[cfg(feature = "workload-api")]
#[cfg(test)]
mod workload_fixtures;
#[cfg(test)]
mod workload_tokens;
