//! An SMT solver in a process of its own, which gets so much time and may say so much, and no more.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cedar_policy_symcc::SmtLibScript;
use cedar_policy_symcc::solver::{Decision, DecisionWithModel, Solver, SolverError};
use prov_core::{Error, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::codes;

/// No answer is longer than this many bytes.
const LONGEST_ANSWER: u64 = 16 << 20;
/// How long one question may take when nobody says otherwise.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the first, trivial questions may take.
const FIRST_PATIENCE: Duration = Duration::from_secs(20);

/// How to start a solver that reads SMT-LIB 2 from its standard input, as `cvc5 --lang smt` does.
/// `cedar-policy-symcc` speaks of sets as cvc5 does, so z3 does not understand it.
#[derive(Debug, Clone)]
pub struct SolverCommand {
    program: PathBuf,
    patience: Duration,
}

impl SolverCommand {
    /// The program at this path.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), patience: PATIENCE }
    }

    /// The first that exists: the one that is named, a `cvc5` in one of these directories.
    ///
    /// # Errors
    /// [`SOLVER_ABSENT`](codes::SOLVER_ABSENT) saying how to get one.
    pub fn find(
        named: Option<&Path>,
        directories: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Self> {
        if let Some(path) = named {
            if path.is_file() {
                return Ok(Self::new(path));
            }
            let detail = format!("there is no solver at `{}`", path.display());
            return Err(Error::new(codes::SOLVER_ABSENT).detail(detail));
        }
        let mut candidates = directories.into_iter().map(|directory| directory.join("cvc5"));
        candidates.find(|path| path.is_file()).map(Self::new).ok_or_else(|| {
            Error::new(codes::SOLVER_ABSENT).detail(
                "no SMT solver `cvc5` was found: install cvc5 1.3 from https://cvc5.github.io and put \
                 it on the PATH, or name it with `--solver` or PROV_SOLVER",
            )
        })
    }

    /// With this much time for each question.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts it and asks what every solver knows.
    pub(super) async fn start(&self) -> Result<BoundedSolver> {
        let unusable = |why: String| {
            let program = self.program.display();
            Error::new(codes::SOLVER_UNUSABLE).detail(format!("the solver `{program}` {why}"))
        };
        let patience = self.patience.min(FIRST_PATIENCE);
        let mut solver = BoundedSolver::start(&self.program, patience)
            .map_err(|error| unusable(format!("does not start: {error}")))?;
        for (formula, expected) in [
            ("(= (set.singleton 1) (as set.empty (Set Int)))", Decision::Unsat),
            ("(str.prefixof \"a\" \"ab\")", Decision::Sat),
        ] {
            match solver.ask(formula).await {
                Ok(answer) if answer == expected => {}
                Ok(answer) => {
                    let why = format!("answers {answer:?} to `{formula}`, which is {expected:?}");
                    return Err(unusable(why));
                }
                Err(error) => {
                    return Err(unusable(format!("does not answer as cvc5 does: {error}")));
                }
            }
        }
        solver.patience = self.patience;
        Ok(solver)
    }
}

/// A running solver. It ends with this value.
#[derive(Debug)]
pub(super) struct BoundedSolver {
    child: Child,
    input: BufWriter<ChildStdin>,
    output: BufReader<ChildStdout>,
    patience: Duration,
}

impl BoundedSolver {
    fn start(program: &Path, patience: Duration) -> std::io::Result<Self> {
        let mut child = Command::new(program)
            .args(["--lang", "smt"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let lost = || std::io::Error::other("it has no standard input and output");
        let input = BufWriter::new(child.stdin.take().ok_or_else(lost)?);
        let output = BufReader::new(child.stdout.take().ok_or_else(lost)?);
        Ok(Self { child, input, output, patience })
    }

    async fn ask(&mut self, formula: &str) -> std::result::Result<Decision, SolverError> {
        let input = self.smtlib_input();
        input.reset().await?;
        input.set_logic("ALL").await?;
        input.assert(formula).await?;
        self.check_sat().await
    }

    /// The next line, within time and length.
    async fn line(&mut self) -> std::result::Result<String, SolverError> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.output).take(LONGEST_ANSWER);
        match timeout(self.patience, bounded.read_until(b'\n', &mut line)).await {
            Err(_) => {
                let _ = self.child.start_kill();
                let waited = self.patience.as_secs_f64();
                Err(SolverError::Solver(format!("no answer within {waited} seconds")))
            }
            Ok(Err(error)) => Err(SolverError::Io(error)),
            Ok(Ok(0)) => Err(SolverError::Solver("it ended without an answer".to_owned())),
            Ok(Ok(_)) if !line.ends_with(b"\n") => {
                let _ = self.child.start_kill();
                Err(SolverError::Solver("its answer has no end".to_owned()))
            }
            Ok(Ok(_)) => String::from_utf8(line)
                .map_err(|_| SolverError::UnrecognizedSolverOutput("not UTF-8".to_owned())),
        }
    }
}

/// An answer that is none, short enough for a message.
fn nonsense(line: &str) -> SolverError {
    let shown: String = line.trim().chars().take(200).flat_map(char::escape_debug).collect();
    SolverError::UnrecognizedSolverOutput(shown)
}

impl Solver for BoundedSolver {
    fn smtlib_input(&mut self) -> &mut (dyn AsyncWrite + Unpin + Send) {
        &mut self.input
    }

    async fn enable_models(&mut self) -> std::result::Result<(), SolverError> {
        self.smtlib_input().set_option("produce-models", "true").await.map_err(Into::into)
    }

    async fn check_sat(&mut self) -> std::result::Result<Decision, SolverError> {
        self.smtlib_input().check_sat().await?;
        self.input.flush().await?;
        let line = self.line().await?;
        match line.trim() {
            "sat" => Ok(Decision::Sat),
            "unsat" => Ok(Decision::Unsat),
            "unknown" => Ok(Decision::Unknown),
            _ => Err(nonsense(&line)),
        }
    }

    async fn check_sat_with_model(
        &mut self,
    ) -> std::result::Result<DecisionWithModel, SolverError> {
        match self.check_sat().await? {
            Decision::Unsat => return Ok(DecisionWithModel::Unsat),
            Decision::Unknown => return Ok(DecisionWithModel::Unknown),
            Decision::Sat => {}
        }
        self.smtlib_input().get_model().await?;
        self.input.flush().await?;
        let mut model = self.line().await?;
        if model.trim() != "(" {
            return Err(nonsense(&model));
        }
        loop {
            let line = self.line().await?;
            model.push_str(&line);
            if line.trim() == ")" {
                return Ok(DecisionWithModel::Sat { model });
            }
            if model.len() as u64 > LONGEST_ANSWER {
                return Err(SolverError::Solver("its model has no end".to_owned()));
            }
        }
    }
}
