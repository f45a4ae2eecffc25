//! The server, with tiny counts.

use std::path::PathBuf;

use prov_bench::footprint::{Plan, run};

/// The reference server, if it was built as this test was.
fn server() -> Option<PathBuf> {
    let bare = PathBuf::from(env!("CARGO_BIN_EXE_server_footprint"));
    let server = bare.with_file_name("reference-server");
    if server.exists() {
        return Some(server);
    }
    let why = "SKIPPED: there is no reference server; `cargo build -p reference-server` makes one";
    let on_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!on_ci, "{why}");
    println!("{why}");
    None
}

#[tokio::test]
async fn both_servers_are_started_asked_and_stopped() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        server,
        bare: PathBuf::from(env!("CARGO_BIN_EXE_server_footprint")),
        requests: 50,
        connections: 2,
        starts: 2,
        folder: folder.path().to_owned(),
    };
    let report = run(&plan).await.unwrap();
    assert!(report.ready_ms > 0.0);
    for served in [report.reference, report.bare] {
        assert!(served.idle_mib > 1.0 && served.after_mib > 1.0, "{served:?}");
        assert!(served.per_second > 0.0 && served.p50_us > 0.0, "{served:?}");
    }
    assert_eq!(report.budgets.len(), 3);
    assert!(report.to_string().contains("requests per second"));
}
