//! Asking for secrets without showing them, and without a terminal from a file or stdin.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};

/// A secret: from a file (`-` is stdin), or asked for without an echo.
pub(crate) fn secret(what: &str, file: Option<&Path>) -> Outcome<Zeroizing<String>> {
    let failed = |e: &dyn std::fmt::Display| Failure::of(&format!("reading the {what}"), e);
    match file {
        Some(path) if path == Path::new("-") => first_line_of_stdin(what),
        Some(path) => {
            let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| failed(&e))?);
            Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
        }
        None if std::io::stdin().is_terminal() => rpassword::prompt_password(format!("{what}: "))
            .map(Zeroizing::new)
            .map_err(|e| failed(&e)),
        None => first_line_of_stdin(what),
    }
}

/// A line that may be seen.
pub(crate) fn line(what: &str) -> Outcome<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "no terminal to ask for the {what}: give it as option"
        )));
    }
    eprint!("{what}: ");
    std::io::stderr().flush().map_err(|e| Failure::of("writing to the terminal", e))?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|e| Failure::of("reading", e))?;
    Ok(line.trim().to_owned())
}

fn first_line_of_stdin(what: &str) -> Outcome<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|e| Failure::of(&format!("reading the {what}"), e))?;
    if read == 0 {
        return Err(Failure::Usage(format!("no {what} on stdin")));
    }
    Ok(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()))
}
