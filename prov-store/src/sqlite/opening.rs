//! Opening the file: permissions, the lock against a second process, and connections.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use prov_core::{Error, Result, codes};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{SqliteOptions, fault, schema};

/// The size of a page, which SQLite fixes when a database is made.
const PAGE_SIZE: u64 = 4096;

/// Held while the database is open, so that no second process opens it: two processes would not
/// hear of each other's changes, and each would trust what it keeps in memory.
#[derive(Debug)]
pub(super) struct Ownership {
    // The lock goes with the file handle, also when the process is killed.
    _lock: File,
}

/// Makes the file and its folder if need be, readable by this user alone, and takes the lock.
pub(super) fn own(path: &Path) -> Result<(PathBuf, Ownership)> {
    let failed = |doing: &str| {
        let context = format!("{doing} {}", path.display());
        move |e: std::io::Error| Error::new(codes::STORE_UNAVAILABLE).context(context).source(e)
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder).map_err(failed("making the folder of"))?;
    }
    private_file(path).map_err(failed("opening"))?;
    // One database has one lock, by whatever name it is opened.
    let path = fs::canonicalize(path).map_err(failed("resolving"))?;
    let mut lock_path = path.clone().into_os_string();
    lock_path.push(".lock");
    let lock = private_file(Path::new(&lock_path)).map_err(failed("opening the lock of"))?;
    match lock.try_lock() {
        Ok(()) => Ok((path, Ownership { _lock: lock })),
        Err(TryLockError::WouldBlock) => Err(Error::new(crate::codes::DATABASE_IN_USE)
            .context(format!("opening {}", path.display()))),
        Err(TryLockError::Error(e)) => Err(failed("locking")(e)),
    }
}

/// The connection that writes, with tables in place.
pub(super) fn writer(options: &SqliteOptions, path: &Path) -> Result<Connection> {
    let db = connection(options, path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let ready = schema::is_ready(&db)?;
    // After the first look: another program's database is left as it is.
    let mode: String = db
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(fault::while_("turning the write-ahead log on"))?;
    if mode != "wal" {
        return Err(Error::new(codes::STORE_UNAVAILABLE).context(format!(
            "the file system of {} has no shared memory, which the write-ahead log needs",
            path.display()
        )));
    }
    // Checkpoints are rarer than SQLite's default, after 32 MiB: groups that touch many pages would
    // have one each. Recovery after a crash reads as much, in some tens of milliseconds.
    db.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA secure_delete = FAST; PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 8192;",
    )
    .map_err(fault::while_("setting up the writer"))?;
    if let Some(bytes) = options.max_size {
        let pages = u32::try_from(bytes / PAGE_SIZE).unwrap_or(u32::MAX).max(1);
        db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .map_err(fault::while_("capping the size"))?;
    }
    if !ready {
        schema::make(&db)?;
    }
    Ok(db)
}

/// A connection that only reads.
pub(super) fn reader(options: &SqliteOptions, path: &Path) -> Result<Connection> {
    let db = connection(options, path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.pragma_update(None, "cache_size", -512).map_err(fault::while_("setting up a reader"))?;
    Ok(db)
}

fn connection(options: &SqliteOptions, path: &Path, flags: OpenFlags) -> Result<Connection> {
    // Each connection is used by one thread at a time, so SQLite's own mutexes guard nothing.
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|db| db.busy_timeout(options.busy_timeout).map(|()| db))
        // A plan does not depend on what is asked for: with a limit that is bound, statements are planned anew
        // each time otherwise.
        .and_then(|db| db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| db))
        .map_err(fault::while_("opening the database"))?;
    // A damaged page is noticed when it is read; functions in a tampered schema are not run.
    db.execute_batch(
        "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;",
    )
    .map_err(fault::while_("setting up a connection"))?;
    Ok(db)
}

/// Makes the folder and those above it, their names durably.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // SQLite makes durable what stands in the folder, but not the folder.
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
