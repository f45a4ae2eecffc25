//! Why a command failed, and the exit code that says so.

use std::process::ExitCode;

use prov_core::Problem;

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
        eprintln!("prov: {self}");
        if let Self::Problem(problem) = self
            && let Some(id) = &problem.request_id
        {
            eprintln!("      request {id}");
        }
    }

    /// 1 failed, 2 usage, 3 not signed in, 4 denied, 5 needs MFA, 6 unreachable.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Problem(problem) => match problem.status {
                401 if problem.code.starts_with("mfa.")
                    || problem.code.contains("second_factor") =>
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

fn describe(problem: &Problem) -> String {
    let fields = problem.errors.iter().map(|e| format!("\n      `{}`: {}", e.field, e.message));
    problem.detail.clone() + &fields.collect::<String>()
}
