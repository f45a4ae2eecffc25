//! The examples do what they say.

#[cfg(test)]
mod own_lines;
#[cfg(test)]
mod request_flow;
#[cfg(test)]
mod secure_axum_app;
