//! Writes `ACTIONS.md` anew, in the crate that cargo runs this of.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    std::fs::write(here.join("ACTIONS.md"), prov_audit::action_page())
}
