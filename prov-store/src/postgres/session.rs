//! The statements of a commit, in the order in which the server must see them. Those of one round
//! trip are sent together: the server works them off in order, and the first that fails fails the
//! rest.

use futures_util::try_join;
use prov_core::Result;
use prov_core::store::Key;
use tokio_postgres::{Error as PgError, Row, Statement};

use super::link::{Link, bounded};
use super::news::CHANNEL;
use super::readers::Values;
use super::schema::LOCK_CLASS;
use super::{PostgresOptions, rows};
use crate::ending;
use crate::group::{Settled, Write};

/// A connection that commits.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) link: Link,
    lock: Statement,
    states: Statement,
    versions: Statement,
    put: Statement,
    delete: Statement,
    put_terms: Statement,
    delete_terms: Statement,
    notify: Statement,
}

impl Session {
    pub(super) async fn open(options: &PostgresOptions) -> Result<Self> {
        let link = Link::open(options, None).await?;
        let prepare = |sql| link.client.prepare(sql);
        // Large: once per connection it may as well live on the heap.
        let statements = Box::pin(async {
            try_join!(
                prepare(rows::LOCK),
                prepare(rows::STATES),
                prepare(rows::VERSIONS),
                prepare(rows::PUT),
                prepare(rows::DELETE),
                prepare(rows::PUT_TERMS),
                prepare(rows::DELETE_TERMS),
                prepare(rows::NOTIFY),
            )
        });
        let (lock, states, versions, put, delete, put_terms, delete_terms, notify) =
            bounded("preparing statements", options.connect_limit(), statements).await?;
        Ok(Self { link, lock, states, versions, put, delete, put_terms, delete_terms, notify })
    }

    /// Starts a transaction that holds the locks of `keys`, and reads their states and as many new
    /// versions as asked for.
    pub(super) async fn begin(
        &self,
        keys: &[&Key],
        versions: usize,
    ) -> Result<(Vec<Row>, Vec<Row>), PgError> {
        let client = &self.link.client;
        let (kinds, ids) = columns(keys.iter().copied());
        let count = i64::try_from(versions).unwrap_or(i64::MAX);
        let (locked, read, counted): (Values<'_>, Values<'_>, Values<'_>) =
            (&[&LOCK_CLASS, &kinds, &ids], &[&kinds, &ids], &[&count]);
        let ((), _, states, versions) = try_join!(
            client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
            client.query(&self.lock, locked),
            client.query(&self.states, read),
            client.query(&self.versions, counted),
        )?;
        Ok((states, versions))
    }

    /// Writes what a group leaves, tells the other processes, and commits. Records come before
    /// terms, as in a purge, so that the two never wait for each other.
    pub(super) async fn finish(
        &self,
        settled: &Settled<'_>,
        news: &[String],
    ) -> Result<(), PgError> {
        let client = &self.link.client;
        if settled.writes.is_empty() {
            return client.batch_execute("COMMIT").await;
        }
        let (kinds, ids) = columns(settled.changed());
        let puts = Puts::of(settled);
        let deleted = settled.writes.iter().filter(|(_, write)| **write == Write::Delete);
        let (gone_kinds, gone_ids) = columns(deleted.map(|(key, _)| *key));
        let put = async {
            if puts.kinds.is_empty() {
                return Ok(0);
            }
            client.execute(&self.put, &puts.records()).await
        };
        let delete = async {
            if gone_kinds.is_empty() {
                return Ok(0);
            }
            client.execute(&self.delete, &[&gone_kinds, &gone_ids]).await
        };
        let put_terms = async {
            if puts.term_kinds.is_empty() {
                return Ok(0);
            }
            client.execute(&self.put_terms, &puts.terms()).await
        };
        let (changed, told): (Values<'_>, Values<'_>) = (&[&kinds, &ids], &[&CHANNEL, &news]);
        try_join!(
            put,
            delete,
            client.execute(&self.delete_terms, changed),
            put_terms,
            client.query(&self.notify, told),
            client.batch_execute("COMMIT"),
        )
        .map(drop)
    }
}

/// Keys as the two arrays that statements take.
fn columns<'k>(keys: impl Iterator<Item = &'k Key>) -> (Vec<&'k str>, Vec<&'k [u8]>) {
    keys.map(|key| (&*key.kind, key.id.as_bytes())).unzip()
}

/// What is put, column by column.
#[derive(Default)]
struct Puts<'p> {
    kinds: Vec<&'p str>,
    ids: Vec<&'p [u8]>,
    versions: Vec<i64>,
    ends: Vec<Option<i64>>,
    values: Vec<&'p [u8]>,
    term_kinds: Vec<&'p str>,
    term_names: Vec<&'p str>,
    term_values: Vec<&'p [u8]>,
    term_ids: Vec<&'p [u8]>,
}

impl<'p> Puts<'p> {
    fn of(settled: &'p Settled<'_>) -> Self {
        let mut puts = Self::default();
        for (key, write) in &settled.writes {
            let Write::Put { value, state, terms } = write else { continue };
            puts.kinds.push(&key.kind);
            puts.ids.push(key.id.as_bytes());
            puts.versions.push(i64::try_from(state.version.number()).unwrap_or(i64::MAX));
            puts.ends.push(state.expires_at.map(ending::to_number));
            puts.values.push(value);
            for term in *terms {
                puts.term_kinds.push(&key.kind);
                puts.term_names.push(&term.name);
                puts.term_values.push(term.value.as_bytes());
                puts.term_ids.push(key.id.as_bytes());
            }
        }
        puts
    }

    fn records(&self) -> [&(dyn tokio_postgres::types::ToSql + Sync); 5] {
        [&self.kinds, &self.ids, &self.versions, &self.ends, &self.values]
    }

    fn terms(&self) -> [&(dyn tokio_postgres::types::ToSql + Sync); 4] {
        [&self.term_kinds, &self.term_names, &self.term_values, &self.term_ids]
    }
}
