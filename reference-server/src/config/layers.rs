//! Laying one source of settings over another, and giving the result its types.

use std::path::Path;

use toml::{Table, Value};

use super::{Config, ConfigError, Environment, expand};

/// The settings of a file, with `${NAME:-default}` expanded.
pub(super) fn from_file(path: &Path, environment: &Environment) -> Result<Table, ConfigError> {
    let origin = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: origin.clone(), source })?;
    let mut table: Table = toml::from_str(&text).map_err(|e| ConfigError::Invalid {
        origin: origin.clone(),
        message: e.to_string().trim_end().to_owned(),
    })?;
    expand::expand_table(&mut table, environment, &origin)?;
    Ok(table)
}

/// Sets `section.key` to a text, which is read as TOML where it is a number, a boolean or a list.
pub(super) fn set(
    tree: &mut Table,
    path: &str,
    text: &str,
    origin: &str,
) -> Result<(), ConfigError> {
    let refuse = |message: String| ConfigError::Invalid { origin: origin.to_owned(), message };
    let mut table = tree;
    let mut keys: Vec<&str> = path.split('.').collect();
    let last = keys.pop().unwrap_or_default();
    for key in keys {
        table = table
            .entry(key)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| refuse(format!("`{path}`: `{key}` is no section")))?;
    }
    table.insert(last.to_owned(), value_of(text));
    Ok(())
}

fn value_of(text: &str) -> Value {
    let read = toml::from_str::<Table>(&format!("v = {text}")).ok().and_then(|mut t| t.remove("v"));
    match read {
        Some(
            // Nothing but a text in quotes is read as one: whoever writes it as in the file means the same.
            value @ (Value::String(_)
            | Value::Integer(_)
            | Value::Boolean(_)
            | Value::Array(_)
            | Value::Table(_)),
        ) => value,
        _ => Value::String(text.to_owned()),
    }
}

/// Gives the settings their types. A key that is not known is named together with the nearest one
/// that is.
pub(super) fn typed(tree: Table) -> Result<Config, ConfigError> {
    Config::deserialize_from(tree).map_err(|(path, message)| ConfigError::Invalid {
        origin: "the configuration".to_owned(),
        message: with_nearest(&path, &message),
    })
}

/// Turns serde's list of what it expected into the one name that was probably meant.
fn with_nearest(path: &str, message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let place = if path.is_empty() || path == "." { String::new() } else { format!("`{path}`: ") };
    if !message.starts_with("unknown ") {
        return format!("{place}{message}");
    }
    let unknown = quoted.next().unwrap_or_default();
    let nearest = quoted
        .map(|known| (strsim::damerau_levenshtein(unknown, known), known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, known)| *distance <= known.len().max(3) / 2 + 1);
    let first_line = message.split(", expected").next().unwrap_or(message);
    match nearest {
        Some((_, known)) => format!("{place}{first_line}; did you mean `{known}`?"),
        None => format!("{place}{message}"),
    }
}
