//! What the reference server needs, beside a bare axum server. Build both with `--release`.
#![expect(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use prov_bench::Failure;
use prov_bench::footprint::{Plan, run, serve_bare};
use prov_bench::table::write_json;

/// What the reference server needs, beside a bare axum server
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The reference server; the one beside this program unless set
    #[arg(long)]
    server: Option<PathBuf>,
    /// How many requests each server answers
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
    /// Over how many connections at once
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// How often the reference server is started on the database that is there
    #[arg(long, default_value_t = 9)]
    starts: usize,
    /// A folder on the disk that is measured
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Also writes the figures here
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve a document under a path, with nothing around it
    #[command(hide = true)]
    Bare { path: String, document: String },
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    if let Some(Verb::Bare { path, document }) = arguments.verb {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(serve_bare(&path, document));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(arguments))
}

async fn measure(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { server, requests, connections, starts, folder, json, .. } = arguments;
    let bare = std::env::current_exe()?;
    let server = server.unwrap_or_else(|| bare.with_file_name("reference-server"));
    let report = run(&Plan { server, bare, requests, connections, starts, folder }).await?;
    println!("{report}");
    json.map_or(Ok(()), |path| write_json(&path, &report))
}
