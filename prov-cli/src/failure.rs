//! Why a command failed, and the exit code that says so.

use std::process::ExitCode;

use prov_core::Problem;

use crate::terminal::{shown, shown_lines};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server answered with a problem.
    #[error("{}", describe(.0))]
    Problem(Box<Problem>),
    /// The answer to the question is no.
    #[error("denied")]
    Denied,
    /// Nobody is signed in.
    #[error("not signed in to {server}: run `prov login`")]
    NotSignedIn { server: String },
    /// The server could not be reached.
    #[error("{server} can't be reached: {why}")]
    Unreachable { server: String, why: String },
    /// The arguments don't fit together.
    #[error("{0}")]
    Usage(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// What a command ends with.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure that names what was being done.
    pub(crate) fn of(what: &str, why: impl std::fmt::Display) -> Self {
        Self::Failed(format!("{what}: {why}"))
    }

    /// Tells the person at the terminal.
    pub(crate) fn tell(&self) {
        eprintln!("prov: {}", shown_lines(&self.to_string()));
        if let Self::Problem(problem) = self
            && let Some(id) = &problem.request_id
        {
            eprintln!("      request {}", shown(&id.to_string()));
        }
    }

    /// 1 failed, 2 usage, 3 not signed in, 4 denied, 5 needs MFA, 6 unreachable.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Problem(problem) => match problem.status {
                401 if problem.code.starts_with("mfa.")
                    || problem.code.contains("second_factor")
                    || problem.code == "auth.recent_sign_in_required" =>
                {
                    5
                }
                401 => 3,
                403 => 4,
                _ => 1,
            },
            Self::Denied => 4,
            Self::NotSignedIn { .. } => 3,
            Self::Unreachable { .. } => 6,
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        })
    }
}

/// What the server says; each piece is one line, so that none can pass for another.
fn describe(problem: &Problem) -> String {
    let field =
        |e: &prov_core::FieldError| format!("\n      `{}`: {}", shown(&e.field), shown(&e.message));
    shown(&problem.detail) + &problem.errors.iter().map(field).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, code: &str) -> Failure {
        let document = serde_json::json!({
            "type": "x", "code": code, "title": "x", "status": status,
            "detail": "no\u{1b}[2J\nprov: all is well",
            "errors": [{ "field": "a\u{9b}b", "message": "c\rd" }],
        });
        Failure::Problem(serde_json::from_value(document).unwrap())
    }

    #[test]
    fn what_a_server_says_is_shown_and_not_obeyed() {
        let told = problem(400, "core.invalid_request").to_string();
        assert_eq!(told, "no\\u{1b}[2J\\nprov: all is well\n      `a\\u{9b}b`: c\\rd");
    }

    #[test]
    fn exit_codes_tell_scripts_what_to_do() {
        let code = |failure: Failure| format!("{:?}", failure.exit_code());
        let expected = |number: u8| format!("{:?}", ExitCode::from(number));
        for (failure, number) in [
            (problem(400, "core.invalid_request"), 1),
            (problem(404, "core.not_found"), 1),
            (problem(401, "auth.token_expired"), 3),
            (problem(401, "auth.second_factor_required"), 5),
            (problem(401, "mfa.step_up_required"), 5),
            (problem(401, "auth.recent_sign_in_required"), 5),
            (problem(403, "core.denied"), 4),
            (Failure::Denied, 4),
            (Failure::NotSignedIn { server: String::new() }, 3),
            (Failure::Unreachable { server: String::new(), why: String::new() }, 6),
            (Failure::Usage(String::new()), 2),
            (Failure::Failed(String::new()), 1),
        ] {
            let told = format!("{failure:?}");
            assert_eq!(code(failure), expected(number), "{told}");
        }
    }
}
