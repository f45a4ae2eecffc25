use std::fs::DirBuilder;
pub(crate) use std::fs::{
    File, Metadata, OpenOptions, metadata, read, read_dir, remove_dir, remove_file, rename,
};
use std::io;
use std::os::unix::fs::DirBuilderExt;
pub(crate) use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Whether there is something of this name.
pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}

/// Makes a folder and those above it.
pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Makes a folder and those above it, for this user alone.
pub(crate) fn create_private_dir_all(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Has the disk begin with what was written to a file, and the system keep nothing of it in memory that is
/// on the disk already. It is not durable by that; a later sync has less to do, and what others sync meanwhile
/// does not wait behind all of it.
pub(crate) fn let_go(file: &File) {
    #[cfg(target_os = "linux")]
    // Advice: what refuses it writes later, and keeps what it likes.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// Makes everything durable that the file system of this folder holds.
#[cfg(target_os = "linux")]
pub(crate) fn sync_file_system(folder: &Path) -> io::Result<()> {
    rustix::fs::syncfs(File::open(folder)?).map_err(io::Error::from)
}
