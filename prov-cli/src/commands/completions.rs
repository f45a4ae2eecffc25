//! `prov completions` and `prov man`.

use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::failure::{Failure, Outcome};

/// Print completions for a shell, for example `prov completions bash > /etc/bash_completion.d/prov`
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(self) {
        clap_complete::generate(self.shell, &mut Cli::command(), "prov", &mut std::io::stdout());
    }
}

/// Prints the manual page.
pub(crate) fn man() -> Outcome {
    clap_mangen::Man::new(Cli::command())
        .render(&mut std::io::stdout())
        .map_err(|e| Failure::of("printing the manual page", e))
}
