//! Writes `ACTIONS.md` anew.

fn main() -> std::io::Result<()> {
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/ACTIONS.md"), prov_audit::action_page())
}
