//! The tables, and whose version they have.

use prov_core::{Error, Result};

use super::PostgresOptions;
use super::link::{Link, bounded};
use crate::codes;

/// The version of the tables below; rises with every change of them.
const SCHEMA_VERSION: i32 = 1;
/// "prov" in ASCII: the class of our advisory locks.
pub(super) const LOCK_CLASS: i32 = 0x7072_6F76;

/// As SQLite's, but ids and the values of terms are `bytea`: in order of bytes whatever the
/// collation, and any text (PostgreSQL's `text` has no zero character). Values are sealed as a rule,
/// so compressing them is not tried.
const TABLES: &str = r#"
CREATE TABLE prov_records (
    kind text COLLATE "C" NOT NULL,
    id bytea NOT NULL,
    version bigint NOT NULL,
    expires_at bigint,
    value bytea NOT NULL,
    PRIMARY KEY (kind, id)
);
ALTER TABLE prov_records ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX prov_records_by_end ON prov_records (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE prov_terms (
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    value bytea NOT NULL,
    id bytea NOT NULL,
    PRIMARY KEY (kind, name, value, id)
);
CREATE INDEX prov_terms_by_record ON prov_terms (kind, id);
CREATE SEQUENCE prov_version;
CREATE TABLE prov_schema (version integer NOT NULL);
"#;

/// Makes the tables if there are none; of several processes that start at once, one does.
///
/// # Errors
/// When a newer version of this program made them, or this user may not.
pub(super) async fn prepare(link: &Link, options: &PostgresOptions) -> Result<()> {
    let client = &link.client;
    let version = bounded("preparing the tables", options.connect_limit(), async {
        client
            .batch_execute(&format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK_CLASS}, -1)"))
            .await?;
        let there: bool = client
            .query_one("SELECT to_regclass('prov_schema') IS NOT NULL", &[])
            .await?
            .try_get(0)?;
        if !there {
            let made = format!("{TABLES} INSERT INTO prov_schema VALUES ({SCHEMA_VERSION});");
            client.batch_execute(&made).await?;
        }
        let row = client.query_one("SELECT max(version) FROM prov_schema", &[]).await?;
        let version: i32 = row.try_get(0)?;
        client.batch_execute("COMMIT").await?;
        Ok(version)
    })
    .await?;
    if version > SCHEMA_VERSION {
        return Err(Error::new(codes::DATABASE_TOO_NEW).detail(format!(
            "the database has schema version {version}, this program understands {SCHEMA_VERSION}; \
             start the newer program, or restore a backup from before the upgrade"
        )));
    }
    Ok(())
}
