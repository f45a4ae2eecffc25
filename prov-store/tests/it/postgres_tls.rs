use prov_core::codes;
use prov_core::store::{Batch, Store};
use prov_store::PostgresStore;

use crate::peer_postgres::PeerPostgres;
use crate::system_clock;

/// A server with a certificate of its own authority for `name`, and the authority's file.
fn with_certificate_for(name: &str) -> Option<(PeerPostgres, tempfile::NamedTempFile)> {
    let mut peer = PeerPostgres::start(&["fsync = off"])?;
    peer.stop();
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    peer.place("server.crt", &certified.cert.pem());
    peer.place("server.key", &certified.signing_key.serialize_pem());
    let config = peer.data().join("postgresql.auto.conf");
    let settings = std::fs::read_to_string(&config).unwrap() + "ssl = on\n";
    std::fs::write(&config, settings).unwrap();
    // Without TLS nobody gets in.
    peer.place("pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\n");
    peer.run();
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), certified.cert.pem()).unwrap();
    Some((peer, authority))
}

#[tokio::test]
async fn tls_is_spoken_and_the_certificate_verified() {
    let Some((peer, authority)) = with_certificate_for("127.0.0.1") else { return };
    let trusted = format!("sslrootcert={}", authority.path().display());
    for mode in ["require", "verify-full", "prefer"] {
        let url = format!("{}?sslmode={mode}&{trusted}", peer.url());
        let store = PostgresStore::open(&url, system_clock()).await.unwrap();
        store.commit(Batch::new()).await.unwrap();
    }
    let plain = format!("{}?sslmode=disable", peer.url());
    let error = PostgresStore::open(&plain, system_clock()).await.unwrap_err();
    assert!(error.is(codes::STORE_UNAVAILABLE), "the server wants TLS: {error:?}");
    for mode in ["require", "prefer"] {
        let url =
            format!("{}?sslmode={mode}&sslrootcert=/etc/ssl/certs/ca-certificates.crt", peer.url());
        if std::path::Path::new("/etc/ssl/certs/ca-certificates.crt").exists() {
            let error = PostgresStore::open(&url, system_clock()).await.unwrap_err();
            assert!(format!("{error:?}").contains("certificate"), "not our authority: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let Some((peer, authority)) = with_certificate_for("other.example") else { return };
    let url = format!("{}?sslmode=require&sslrootcert={}", peer.url(), authority.path().display());
    let error = PostgresStore::open(&url, system_clock()).await.unwrap_err();
    assert!(format!("{error:?}").contains("certificate"), "{error:?}");
}
