//! `prov completions` and `prov man`.

use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Print completions for a shell, for example `prov completions bash > /etc/bash_completion.d/prov`
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "prov", &mut script);
        output::write(&[&script])
    }
}

/// Prints the manual page.
pub(crate) fn man() -> Outcome {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|e| Failure::of("making the manual page", e))?;
    output::write(&[&page])
}
