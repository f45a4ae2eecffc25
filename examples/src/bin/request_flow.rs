//! Walks one request through every part of prov, in one process, and prints each step.
#![expect(clippy::print_stdout, reason = "a program talks to its terminal")]

use examples::Failure;
use examples::request_flow::walk;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?; // deleted at the end; a real server keeps it
    println!("{}", walk(folder.path()).await?);
    Ok(())
}
