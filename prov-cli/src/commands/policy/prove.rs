//! `prov policy prove`: what holds of every request there is, without any server.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use prov_authz::prove::{
    Claim, Comparison, Counterexample, Invariants, Proof, SolverCommand, compare, prove,
};
use prov_authz::{CedarOptions, PolicyFiles};
use serde_json::json;

use super::validate::refused;
use crate::cli::OutputFormat;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::terminal::shown;

/// What to prove of which policies.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The folder with `schema.cedarschema` and `*.cedar`; the policies that are built in when left out
    folder: Option<PathBuf>,
    /// The invariants, in Cedar: nothing that a `forbid` matches is ever allowed, everything that a
    /// `permit` matches always is; `tests/invariants.cedar` in the folder when left out
    #[arg(long, value_name = "FILE")]
    invariants: Option<PathBuf>,
    /// Instead of invariants, compare with the policies of this folder: what does either allow that the
    /// other does not?
    #[arg(long, value_name = "FOLDER")]
    against: Option<PathBuf>,
    /// With `--against`: fail only when more is permitted than there, not when less is
    #[arg(long, requires = "against")]
    no_more: bool,
    /// The SMT solver, cvc5 1.3 or later; `cvc5` on the PATH when left out
    #[arg(long, env = "PROV_SOLVER", value_name = "PROGRAM")]
    solver: Option<PathBuf>,
    /// Seconds that the solver may take for one question
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience: u64,
}

impl Prove {
    pub(super) fn run(self, format: OutputFormat) -> Outcome {
        let files = match &self.folder {
            Some(folder) => read(folder)?,
            None => PolicyFiles::shipped(),
        };
        let solver = self.solver()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Failure::of("starting", e))?;
        let options = CedarOptions::default();
        if let Some(old) = &self.against {
            let old = read(old)?;
            // Assumptions about what there is hold in a comparison as well.
            let known = self.invariants(false)?;
            let comparison = compare(&old, &files, options, known.as_ref(), &solver);
            let comparison = runtime.block_on(comparison).map_err(|e| failed(&e))?;
            return self.told(format, &comparison);
        }
        let Some(invariants) = self.invariants(true)? else {
            return Err(Failure::Usage("`--invariants` names what is to be proved".to_owned()));
        };
        let proofs = runtime.block_on(prove(&files, options, &invariants, &solver));
        let proofs = proofs.map_err(|e| failed(&e))?;
        show_proofs(format, &proofs)
    }

    fn invariants(&self, must_exist: bool) -> Outcome<Option<Invariants>> {
        let path = match (&self.invariants, &self.folder) {
            (Some(path), _) => path.clone(),
            (None, None) => return Ok(Some(Invariants::shipped())),
            (None, Some(folder)) => folder.join("tests").join("invariants.cedar"),
        };
        if self.invariants.is_none() && !must_exist && !path.exists() {
            return Ok(None);
        }
        let what = format!("`{}`", path.display());
        Invariants::read(&path).map(Some).map_err(|findings| refused(&what, &findings))
    }

    /// The one that is named, or a `cvc5` on the PATH, or the one that `cargo xtask peers` installs.
    fn solver(&self) -> Outcome<SolverCommand> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
        directories.extend(peers());
        SolverCommand::find(self.solver.as_deref(), directories)
            .map(|solver| solver.with_patience(Duration::from_secs(self.patience)))
            .map_err(|e| failed(&e))
    }

    fn told(&self, format: OutputFormat, comparison: &Comparison) -> Outcome {
        match format {
            OutputFormat::Table => output::print(&comparison_text(comparison))?,
            OutputFormat::Json | OutputFormat::Yaml => {
                let value = serde_json::to_value(comparison)
                    .map_err(|e| Failure::of("printing the answer", e))?;
                output::show(format, &value, &[])?;
            }
        }
        let holds = matches!(comparison.permits_no_more, Claim::Holds)
            && (self.no_more || comparison.is_equivalent());
        if holds { Ok(()) } else { Err(Failure::Failed("the policies differ".to_owned())) }
    }
}

/// Where `cargo xtask peers` puts it.
fn peers() -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(".cache").join("prov").join("peers").join("cvc5"))
}

fn read(folder: &Path) -> Outcome<PolicyFiles> {
    PolicyFiles::read(folder)
        .map_err(|findings| refused(&format!("`{}`", folder.display()), &findings))
}

fn failed(error: &prov_core::Error) -> Failure {
    let field = |e: &prov_core::FieldError| format!("\n      {}: {}", e.field, e.message);
    let fields: String = error.fields().iter().map(field).collect();
    Failure::Failed(format!("{}{fields}", error.public_detail()))
}

fn show_proofs(format: OutputFormat, proofs: &[Proof]) -> Outcome {
    match format {
        OutputFormat::Table => output::print(&proofs_text(proofs))?,
        OutputFormat::Json | OutputFormat::Yaml => {
            output::show(format, &json!({ "items": proofs }), &[])?;
        }
    }
    let broken = proofs.iter().filter(|proof| !matches!(proof.claim, Claim::Holds)).count();
    if broken == 0 {
        return Ok(());
    }
    Err(Failure::Failed(format!("{broken} of {} invariants are not proved", proofs.len())))
}

fn proofs_text(proofs: &[Proof]) -> String {
    let mut text = String::new();
    for proof in proofs {
        let (id, description) = (shown(&proof.id), shown(&proof.description));
        let place = format!("[{}:{}]", shown(&proof.file), proof.line);
        // Writing to a text can't fail.
        let _ = match &proof.claim {
            Claim::Holds => writeln!(text, "proved    {id}  {place}\n          {description}"),
            Claim::Violated { counterexample } => writeln!(
                text,
                "VIOLATED  {id}  {place}\n          {description}\n{}",
                counterexample_text(counterexample)
            ),
            Claim::Unproved { reason } => {
                let reason = shown(reason);
                writeln!(
                    text,
                    "UNPROVED  {id}  {place}\n          {description}\n          {reason}"
                )
            }
            _ => Ok(()),
        };
    }
    text.trim_end().to_owned()
}

fn comparison_text(comparison: &Comparison) -> String {
    let word = |claim: &Claim| match claim {
        Claim::Holds => "proved".to_owned(),
        Claim::Violated { .. } => "no".to_owned(),
        Claim::Unproved { reason } => format!("unproved: {}", shown(reason)),
        _ => String::new(),
    };
    let mut text = format!(
        "permits no more than before: {}\npermits no less than before: {}",
        word(&comparison.permits_no_more),
        word(&comparison.permits_no_less)
    );
    for difference in &comparison.differences {
        let by = |ids: &[String]| match ids {
            [] => "no policy".to_owned(),
            ids => ids.join(", "),
        };
        let _ = write!(
            text,
            "\n\n{}\n          before: by {}",
            counterexample_text(&difference.request),
            by(&difference.old_by)
        );
    }
    text
}

/// A request as one would tell it.
fn counterexample_text(found: &Counterexample) -> String {
    let list = |names: &[String], none: &str| {
        if names.is_empty() { none.to_owned() } else { shown(&names.join(", ")) }
    };
    let json = |value: &serde_json::Value| shown(&value.to_string());
    let attributes = json(&serde_json::Value::Object(found.attributes.clone()));
    let claims = json(&serde_json::Value::Object(found.claims.clone()));
    let address = found.address.map(|address| address.to_string()).unwrap_or_default();
    format!(
        "          {} `{}` on {} `{}` {attributes}\n          \
         by `{}` in teams: {}; roles: {}\n          \
         {} second factor, from {address}, at {}, claiming {claims}\n          \
         decided again: {} by {}",
        found.decision.to_uppercase(),
        shown(&found.action),
        shown(&found.resource.kind),
        shown(&found.resource.id),
        shown(&found.principal),
        list(&found.teams, "none"),
        list(&found.roles, "none"),
        if found.mfa_verified { "with a" } else { "without a" },
        found.time,
        found.decision,
        list(&found.by, "no policy"),
    )
}
