//! The standard library's file system, and in the place of chosen folders a disk in memory.

mod power;
mod state;
mod world;

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use power::{Cut, Dice};
pub(crate) use state::State;
use world::Handle;
pub(crate) use world::{Fault, Moment, Mounted, Op, World, world_of};

/// Below this disks are mounted.
pub(crate) const ABOVE: &str = "/simulated";

/// A file, or a folder that is opened to be synced.
#[derive(Debug)]
pub(crate) enum File {
    Real(std::fs::File),
    Simulated(Handle),
    /// A folder above every disk in memory: nothing happens to it.
    Above,
}

/// Does what the real one does for a real file.
macro_rules! either {
    ($file:expr, $real:ident => $one:expr, $simulated:ident => $other:expr) => {
        match $file {
            File::Real($real) => $one,
            File::Simulated($simulated) => $other,
            File::Above => Err(std::io::ErrorKind::IsADirectory.into()),
        }
    };
}

impl File {
    pub(crate) fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().write(true).create(true).truncate().open(path)
    }

    pub(crate) fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().open(path)
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        either!(self, file => file.metadata().map(|found| Metadata::of(&found)), it => it.metadata())
    }

    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        either!(self, file => file.set_len(length), it => it.set_len(length))
    }

    pub(crate) fn sync_all(&self) -> io::Result<()> {
        match self {
            Self::Above => Ok(()),
            other => either!(other, file => file.sync_all(), it => it.sync()),
        }
    }

    pub(crate) fn sync_data(&self) -> io::Result<()> {
        either!(self, file => file.sync_data(), it => it.sync())
    }

    pub(crate) fn try_lock(&self) -> Result<(), TryLockError> {
        match self {
            Self::Real(file) => file.try_lock(),
            Self::Simulated(_) | Self::Above => Ok(()),
        }
    }
}

impl io::Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, file => file.write(bytes), it => it.append(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reading and writing at a place.
pub(crate) trait FileExt {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// As the standard library's: goes on after a short write.
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write_at(bytes, offset)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
            offset += written as u64;
        }
        Ok(())
    }
}

impl FileExt for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        use std::os::unix::fs::FileExt as _;
        either!(self, file => file.read_at(bytes, offset), it => it.read_at(bytes, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        use std::os::unix::fs::FileExt as _;
        either!(self, file => file.write_at(bytes, offset), it => it.write_at(bytes, offset))
    }
}

/// How a file is opened.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "as the standard library's")]
pub(crate) struct OpenOptions {
    write: bool,
    append: bool,
    create: bool,
    truncate: bool,
}

impl OpenOptions {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn write(mut self, write: bool) -> Self {
        self.write = write;
        self
    }

    pub(crate) fn append(mut self, append: bool) -> Self {
        self.append = append;
        self
    }

    pub(crate) fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    fn truncate(mut self) -> Self {
        self.truncate = true;
        self
    }

    pub(crate) fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        if let Some(world) = world_of(path) {
            let opened = world.open(path, self.create, self.truncate);
            return opened.map(File::Simulated);
        }
        if path.starts_with(ABOVE) || path == Path::new("/") {
            return Ok(File::Above);
        }
        let read = !self.write && !self.append;
        std::fs::OpenOptions::new()
            .read(read)
            .write(self.write)
            .append(self.append)
            .create(self.create)
            .truncate(self.truncate)
            .open(path)
            .map(File::Real)
    }
}

/// What is known of a file without reading it.
#[derive(Debug)]
pub(crate) struct Metadata {
    node: (u64, u64),
    length: u64,
    changed: [(i64, i64); 2],
}

impl Metadata {
    fn of(found: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            node: (found.dev(), found.ino()),
            length: found.len(),
            changed: [(found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())],
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.length
    }
}

/// Which file it is, and when it was changed.
pub(crate) trait MetadataExt {
    fn dev(&self) -> u64;
    fn ino(&self) -> u64;
    fn mtime(&self) -> i64;
    fn mtime_nsec(&self) -> i64;
    fn ctime(&self) -> i64;
    fn ctime_nsec(&self) -> i64;
}

impl MetadataExt for Metadata {
    fn dev(&self) -> u64 {
        self.node.0
    }

    fn ino(&self) -> u64 {
        self.node.1
    }

    fn mtime(&self) -> i64 {
        self.changed[0].0
    }

    fn mtime_nsec(&self) -> i64 {
        self.changed[0].1
    }

    fn ctime(&self) -> i64 {
        self.changed[1].0
    }

    fn ctime_nsec(&self) -> i64 {
        self.changed[1].1
    }
}

/// What lies in a folder.
#[derive(Debug)]
pub(crate) struct DirEntry {
    path: PathBuf,
    is_dir: bool,
}

/// Whether it is a folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileType(bool);

impl FileType {
    pub(crate) fn is_dir(self) -> bool {
        self.0
    }
}

impl DirEntry {
    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    pub(crate) fn file_name(&self) -> std::ffi::OsString {
        self.path.file_name().unwrap_or_default().to_owned()
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the standard library's")]
    pub(crate) fn file_type(&self) -> io::Result<FileType> {
        Ok(FileType(self.is_dir))
    }
}

/// Asks the simulated disk, where one is mounted at this path, and the real one otherwise.
fn of<T>(
    path: &Path,
    simulated: impl FnOnce(&Arc<World>, &Path) -> io::Result<T>,
    real: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    match world_of(path) {
        Some(world) => simulated(&world, path),
        None => real(path),
    }
}

pub(crate) fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    of(path.as_ref(), |world, path| world.read(path), |path| std::fs::read(path))
}

pub(crate) fn read_dir(
    path: impl AsRef<Path>,
) -> io::Result<std::vec::IntoIter<io::Result<DirEntry>>> {
    let real = |path: &Path| {
        std::fs::read_dir(path)?
            .map(|entry| entry.and_then(|e| Ok((e.path(), e.file_type()?.is_dir()))))
            .collect()
    };
    let found: Vec<(PathBuf, bool)> = of(path.as_ref(), |world, path| world.list(path), real)?;
    let entries: Vec<_> =
        found.into_iter().map(|(path, is_dir)| Ok(DirEntry { path, is_dir })).collect();
    Ok(entries.into_iter())
}

pub(crate) fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let real = |path: &Path| std::fs::metadata(path).map(|found| Metadata::of(&found));
    of(path.as_ref(), |world, path| world.metadata(path), real)
}

pub(crate) fn exists(path: &Path) -> bool {
    match world_of(path) {
        Some(world) => world.exists(path),
        None => path.exists(),
    }
}

pub(crate) fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    of(from, |world, from| world.rename(from, to), |from| std::fs::rename(from, to))
}

pub(crate) fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    of(path.as_ref(), |world, path| world.remove(path), |path| std::fs::remove_file(path))
}

pub(crate) fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    of(path.as_ref(), |world, path| world.remove_folder(path), |path| std::fs::remove_dir(path))
}

pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    of(path, |world, path| world.make_folders(path), |path| std::fs::create_dir_all(path))
}

pub(crate) fn create_private_dir_all(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let real = |path: &Path| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    of(path, |world, path| world.make_folders(path), real)
}

/// A disk in memory begins with nothing: what is not synced is lost when the power fails.
pub(crate) fn let_go(_file: &File) {}

#[cfg(target_os = "linux")]
pub(crate) fn sync_file_system(folder: &Path) -> io::Result<()> {
    let real =
        |folder: &Path| rustix::fs::syncfs(std::fs::File::open(folder)?).map_err(io::Error::from);
    of(folder, |world, _| world.sync_everything(), real)
}
