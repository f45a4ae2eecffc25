//! What the chain of layers costs over the same handler on bare axum.
//!
//! `cargo run --release -p prov-bench --bin chain -- [--json FILE]`
//!
//! Left out: the network, TLS and hyper. Beside it: the disk's own sync time.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints its table")]

use std::process::ExitCode;

use prov_bench::chain::{Counts, run};
use prov_bench::{fdatasync_micros, print, write_json};

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("chain: {why}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<(), Box<dyn std::error::Error>> {
    let counts = Counts { plain: 200_000, fresh: 10_000, durable: 100_000 };
    // Not a memory file system: a sync must reach the disk.
    let folder = tempfile::tempdir_in(".")?;
    println!("fdatasync of 4 KiB: p50 {:.0} µs", fdatasync_micros(folder.path(), 500)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(run(counts, folder.path()))?;
    print(&rows);
    println!("\nbudgets over bare: 15 µs known token, 60 µs fresh token, 150 µs durable audit");
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--json") {
        let file = arguments.next().ok_or("`--json` needs a file")?;
        write_json(file.as_ref(), &rows)?;
    }
    Ok(())
}
