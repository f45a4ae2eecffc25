//! `AuthZEN` 1.0, over HTTP: the certification scenario, and the published interoperability cases,
//! rebuilt from the facts and the rules they follow.

mod basic;
mod batch;
mod discovery;
mod interop;
mod search;
mod server;
mod transcript;

use serde_json::{Value, json};

/// A question about identifiers alone.
fn asked(subject: &str, action: &str, resource: &str) -> Value {
    json!({
        "subject": {"type": "user", "id": subject},
        "action": {"name": action},
        "resource": {"type": "record", "id": resource},
    })
}

/// With this in place of one of its members.
fn with(mut message: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    message.pointer_mut(parent).unwrap()[name] = value;
    message
}

/// Without one of its members.
fn without(mut message: Value, pointer: &str) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    message.pointer_mut(parent).unwrap().as_object_mut().unwrap().shift_remove(name).unwrap();
    message
}
