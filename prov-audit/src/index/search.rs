use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use uuid::Uuid;

use super::schema::open_to_read;

/// One condition: the event has one of these terms.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Terms from the public part.
    pub(crate) public: Vec<i64>,
    /// Terms from the personal part.
    pub(crate) personal: Vec<i64>,
}

/// What to look for in one index.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    pub(crate) filters: Vec<Filter>,
    /// Every action below this prefix, when asked for one.
    pub(crate) action_prefix: Option<String>,
    /// In microseconds, both inclusive.
    pub(crate) times: (i64, i64),
    /// Records before this one only.
    pub(crate) before: u64,
    pub(crate) limit: u32,
}

/// Where an event lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) seq: u64,
    pub(crate) time: i64,
    pub(crate) segment: u64,
    pub(crate) place: u64,
}

/// Lists longer than this are not counted to their end when the rarest condition is looked for.
const COUNTED: i64 = 20_000;

/// The newest events that meet every condition, newest first.
pub(crate) fn search(
    file: &Path,
    search: &Search,
    term_of: &dyn Fn(&str) -> i64,
) -> rusqlite::Result<Vec<Hit>> {
    let db = open_to_read(file)?;
    let mut filters = search.filters.clone();
    if let Some(prefix) = &search.action_prefix {
        filters.push(Filter { public: actions_below(&db, prefix, term_of)?, personal: Vec::new() });
    }
    if filters.iter().any(|filter| filter.public.is_empty() && filter.personal.is_empty()) {
        return Ok(Vec::new());
    }
    let mut counted = Vec::new();
    for filter in filters {
        counted.push((count(&db, &filter)?, filter));
    }
    counted.sort_by_key(|(count, _)| *count);
    let mut sql = Sql::default();
    let mut filters = counted.iter().map(|(_, filter)| filter);
    let limit_of = i64::from(search.limit);
    sql.text("SELECT e.seq, e.time, e.segment, e.place FROM ");
    let ordered = if let Some(rarest) = filters.next() {
        // The rarest condition drives; its list is in order already when it has one term.
        sql.text("(");
        sql.list(rarest);
        sql.text(") d CROSS JOIN event e ON e.seq = d.seq");
        "d.seq"
    } else {
        sql.text("event e");
        "e.seq"
    };
    sql.text(&format!(" WHERE {ordered} < "));
    sql.value(search.before.min(i64::MAX.cast_unsigned()).cast_signed());
    sql.text(" AND e.time >= ");
    sql.value(search.times.0);
    sql.text(" AND e.time <= ");
    sql.value(search.times.1);
    for filter in filters {
        sql.text(" AND ");
        sql.holds(filter);
    }
    sql.text(&format!(" ORDER BY {ordered} DESC LIMIT "));
    sql.value(limit_of);
    let mut statement = db.prepare(&sql.text)?;
    let hits = statement.query_map(params_from_iter(sql.values), read_hit)?;
    hits.collect()
}

/// The event of this id.
pub(crate) fn by_id(file: &Path, id: Uuid) -> rusqlite::Result<Option<Hit>> {
    open_to_read(file)?
        .query_row(
            "SELECT seq, time, segment, place FROM event WHERE id = ?1",
            [id.as_bytes()],
            read_hit,
        )
        .optional()
}

/// How many events by action and outcome.
pub(crate) fn tally(file: &Path) -> rusqlite::Result<Vec<(String, String, u64)>> {
    let db = open_to_read(file)?;
    let mut all = db.prepare("SELECT action, outcome, count FROM tally")?;
    let rows = all.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.cast_unsigned()))
    })?;
    rows.collect()
}

fn read_hit(row: &rusqlite::Row<'_>) -> rusqlite::Result<Hit> {
    Ok(Hit {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        time: row.get(1)?,
        segment: row.get::<_, i64>(2)?.cast_unsigned(),
        place: row.get::<_, i64>(3)?.cast_unsigned(),
    })
}

fn actions_below(
    db: &Connection,
    prefix: &str,
    term_of: &dyn Fn(&str) -> i64,
) -> rusqlite::Result<Vec<i64>> {
    let mut all = db.prepare("SELECT DISTINCT action FROM tally")?;
    let names = all.query_map([], |row| row.get::<_, String>(0))?;
    let mut terms = Vec::new();
    for name in names {
        let name = name?;
        if name.starts_with(prefix) {
            terms.push(term_of(&name));
        }
    }
    Ok(terms)
}

fn count(db: &Connection, filter: &Filter) -> rusqlite::Result<i64> {
    let mut sql = Sql::default();
    sql.text("SELECT count(*) FROM (SELECT 1 FROM (");
    sql.list(filter);
    sql.text(") LIMIT ");
    sql.value(COUNTED);
    sql.text(")");
    db.query_row(&sql.text, params_from_iter(sql.values), |row| row.get(0))
}

/// A statement and its values; no value ever stands in the text.
#[derive(Debug, Default)]
struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn value(&mut self, value: i64) {
        self.values.push(Value::Integer(value));
        self.text.push('?');
        self.text.push_str(&self.values.len().to_string());
    }

    /// The records that meet a condition.
    fn list(&mut self, filter: &Filter) {
        let tables = filter.tables();
        for (at, (table, term)) in tables.into_iter().enumerate() {
            if at > 0 {
                self.text(" UNION ");
            }
            self.text(&format!("SELECT seq FROM {table} WHERE term = "));
            self.value(term);
        }
    }

    /// Whether the event at hand meets a condition.
    fn holds(&mut self, filter: &Filter) {
        let tables = filter.tables();
        self.text("(");
        for (at, (table, term)) in tables.into_iter().enumerate() {
            if at > 0 {
                self.text(" OR ");
            }
            self.text(&format!("EXISTS (SELECT 1 FROM {table} WHERE term = "));
            self.value(term);
            self.text(" AND seq = e.seq)");
        }
        self.text(")");
    }
}

impl Filter {
    fn tables(&self) -> Vec<(&'static str, i64)> {
        let public = self.public.iter().map(|term| ("posting", *term));
        public.chain(self.personal.iter().map(|term| ("personal", *term))).collect()
    }
}
