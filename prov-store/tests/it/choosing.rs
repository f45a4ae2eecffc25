use std::sync::Arc;

use prov_core::HealthCheck;
use prov_core::store::Store;
use prov_store::{Database, codes, connect};

use crate::system_clock;

#[tokio::test]
async fn a_url_chooses_the_database() {
    let folder = tempfile::tempdir().unwrap();
    for (n, form) in ["sqlite:", "sqlite://"].into_iter().enumerate() {
        let url = format!("{form}{}/{n}.db", folder.path().display());
        let database = connect(&url, system_clock()).await.unwrap();
        let health: Arc<dyn HealthCheck> = Arc::<dyn Database>::clone(&database);
        let store: Arc<dyn Store> = database;
        assert_eq!(health.component(), "store");
        store.commit(prov_core::store::Batch::new()).await.unwrap();
        assert!(folder.path().join(format!("{n}.db")).exists());
    }
}

#[tokio::test]
async fn an_unknown_scheme_names_what_is_understood_and_never_the_password() {
    for url in
        ["mysql://root:hunter2@db/prov", "hunter2", "hunter2/x:y", "", "sqlite:", "sqlite::memory:"]
    {
        let error = connect(url, system_clock()).await.unwrap_err();
        assert!(error.is(codes::URL_NOT_UNDERSTOOD), "{url}: {error:?}");
        assert!(error.to_string().contains("sqlite:path/to/file.db"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    let error = connect("mysql://root:hunter2@db/prov", system_clock()).await.unwrap_err();
    assert!(error.to_string().contains("`mysql:`"), "{error}");
}
