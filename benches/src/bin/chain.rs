//! What the chain of layers costs, beside bare axum. Run with `--release`.
#![expect(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::path::PathBuf;

use clap::Parser;
use prov_bench::Failure;
use prov_bench::chain::{Plan, run};
use prov_bench::table::write_json;

/// What the chain of layers costs, beside bare axum
#[derive(Debug, Parser)]
struct Arguments {
    /// Requests of each arrangement in a round
    #[arg(long, default_value_t = 2000)]
    requests: usize,
    /// Rounds, after one to warm up
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Requests at once, where there are many
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// A folder on the disk that is measured
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Also writes the figures here
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let Arguments { requests, rounds, in_flight, folder, json } = Arguments::parse();
    let report = run(&Plan { requests, rounds, in_flight, folder }).await?;
    println!("{report}");
    json.map_or(Ok(()), |path| write_json(&path, &report))
}
