//! What a decision costs, beside Cedar, regorus and a program by hand. Run with `--release`.
#![expect(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use prov_bench::Failure;
use prov_bench::authz::{Plan, run};
use prov_bench::table::write_json;

/// What a decision costs, beside Cedar, regorus and a program by hand
#[derive(Debug, Parser)]
struct Arguments {
    /// Numbers of policies
    #[arg(long, value_delimiter = ',', default_value = "20,200,2000,20000")]
    policies: Vec<usize>,
    /// Resources that are decided about
    #[arg(long, default_value_t = 60_000)]
    resources: usize,
    /// Milliseconds for each engine over each number of policies
    #[arg(long, default_value_t = 1000)]
    millis: u64,
    /// Leave out the engines that walk every policy
    #[arg(long)]
    quick: bool,
    /// Also writes the figures here
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> Result<(), Failure> {
    let Arguments { policies, resources, millis, quick, json } = Arguments::parse();
    let report = run(&Plan { policies, resources, each: Duration::from_millis(millis), quick })?;
    println!("{report}");
    json.map_or(Ok(()), |path| write_json(&path, &report))
}
