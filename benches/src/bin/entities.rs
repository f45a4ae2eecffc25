//! What it costs to keep and to search an inventory, beside Cedar's own. Run with `--release`.
#![expect(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::path::PathBuf;

use clap::Parser;
use prov_bench::Failure;
use prov_bench::entities::{Plan, run};
use prov_bench::table::write_json;

/// What it costs to keep and to search an inventory, beside Cedar's own
#[derive(Debug, Parser)]
struct Arguments {
    /// Numbers of entities
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,60000,1000000")]
    sizes: Vec<usize>,
    /// Changes of one entity at each size
    #[arg(long, default_value_t = 2000)]
    changes: usize,
    /// Changes by Cedar itself at each size
    #[arg(long, default_value_t = 5)]
    cedar_changes: usize,
    /// Beyond this number Cedar itself is not measured
    #[arg(long, default_value_t = 60_000)]
    cedar_until: usize,
    /// Also writes the figures here
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> Result<(), Failure> {
    let Arguments { sizes, changes, cedar_changes, cedar_until, json } = Arguments::parse();
    let report = run(&Plan { sizes, changes, cedar_changes, cedar_until })?;
    println!("{report}");
    json.map_or(Ok(()), |path| write_json(&path, &report))
}
