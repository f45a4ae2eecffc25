use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use parking_lot::{Mutex, RwLock};

use super::Metadata;
use super::state::{Change, NameChange, State};

/// What is done to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    Open,
    Create,
    Read,
    List,
    Look,
    Write,
    SetLength,
    Sync,
    SyncFolder,
    SyncAll,
    Rename,
    Remove,
    MakeFolder,
}

impl Op {
    /// Whether the disk is another afterwards.
    fn changes(self) -> bool {
        !matches!(self, Self::Open | Self::Read | Self::List | Self::Look)
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The operation fails.
    Error,
    /// There is no room for this one.
    Full,
    /// A sync fails, what it was to write is lost, and the next one says that all is well.
    SyncLost,
    /// A write writes less than it was given.
    Short,
    /// A write writes a part; the rest fails.
    TornError,
    /// A write writes a part; for the rest there is no room.
    TornFull,
    /// Everything fails from here on.
    Away,
    /// From here on there is no room for anything that is longer than it was.
    Filled,
}

impl Fault {
    pub(crate) const ALL: [Self; 8] = [
        Self::Error,
        Self::Full,
        Self::SyncLost,
        Self::Short,
        Self::TornError,
        Self::TornFull,
        Self::Away,
        Self::Filled,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "I/O error",
            Self::Full => "no room, once",
            Self::SyncLost => "failed sync loses what it had",
            Self::Short => "short write",
            Self::TornError => "torn write, then I/O error",
            Self::TornFull => "torn write, then no room",
            Self::Away => "disk gone from here on",
            Self::Filled => "disk full from here on",
        }
    }

    /// Whether it can befall this operation.
    fn befalls(self, op: Op, length: usize) -> bool {
        match self {
            Self::Error | Self::Away | Self::Filled => true,
            Self::Full => op.changes() && !matches!(op, Op::Remove | Op::SetLength),
            Self::SyncLost => matches!(op, Op::Sync | Op::SyncAll),
            Self::Short | Self::TornError | Self::TornFull => op == Op::Write && length > 1,
        }
    }
}

/// The disk just before an operation.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) op: Op,
    pub(crate) state: State,
    /// How many promises had been made.
    pub(crate) promises: usize,
}

/// A disk in memory.
#[derive(Debug)]
pub(crate) struct World {
    root: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    recording: Option<Vec<Moment>>,
    promises: usize,
    operations: u64,
    /// What goes wrong, at which operation.
    planned: Option<(u64, Fault)>,
    /// What goes on being wrong.
    standing: Option<Fault>,
    /// What went wrong.
    hit: Option<Op>,
}

static WORLDS: LazyLock<RwLock<BTreeMap<PathBuf, Arc<World>>>> = LazyLock::new(RwLock::default);

/// The disk that is mounted at or above this path.
pub(crate) fn world_of(path: &Path) -> Option<Arc<World>> {
    let worlds = WORLDS.read();
    if worlds.is_empty() {
        return None;
    }
    path.ancestors().find_map(|above| worlds.get(above).cloned())
}

/// A disk in the place of a folder, until this is dropped.
#[derive(Debug)]
pub(crate) struct Mounted {
    root: PathBuf,
    pub(crate) world: Arc<World>,
}

impl Mounted {
    /// Mounts a disk with this on it.
    pub(crate) fn new(root: &Path, mut state: State) -> Self {
        state.seen.folders.insert(PathBuf::new());
        state.durable.folders.insert(PathBuf::new());
        let inner = Mutex::new(Inner { state, ..Inner::default() });
        let world = Arc::new(World { root: root.to_owned(), inner });
        WORLDS.write().insert(root.to_owned(), Arc::clone(&world));
        Self { root: root.to_owned(), world }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        WORLDS.write().remove(&self.root);
    }
}

fn broken() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

fn full() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())
}

impl World {
    /// From here on remembers the disk before every operation that changes it.
    pub(crate) fn record(&self) {
        self.inner.lock().recording = Some(Vec::new());
    }

    pub(crate) fn recorded(&self) -> Vec<Moment> {
        self.inner.lock().recording.take().unwrap_or_default()
    }

    /// So many promises have been made.
    pub(crate) fn promised(&self, promises: usize) {
        self.inner.lock().promises = promises;
    }

    /// Has something go wrong at an operation, counted from now; where it can't befall that one, at
    /// the next that it can.
    pub(crate) fn plan(&self, after: u64, fault: Fault) {
        let mut inner = self.inner.lock();
        inner.planned = Some((inner.operations + after, fault));
    }

    /// Nothing goes wrong any more. Which operation it befell, if any.
    pub(crate) fn mend(&self) -> Option<Op> {
        let mut inner = self.inner.lock();
        inner.standing = None;
        inner.planned = None;
        inner.hit
    }

    pub(crate) fn operations(&self) -> u64 {
        self.inner.lock().operations
    }

    pub(crate) fn state(&self) -> State {
        self.inner.lock().state.clone()
    }

    /// Names on the disk are those below its root: it can be mounted elsewhere.
    fn below<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap()
    }

    fn act<T>(
        &self,
        op: Op,
        length: usize,
        work: impl FnOnce(&mut State, Option<Fault>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut inner = self.inner.lock();
        let fault = inner.next(op, length)?;
        work(&mut inner.state, fault)
    }

    pub(super) fn open(
        self: &Arc<Self>,
        path: &Path,
        create: bool,
        truncate: bool,
    ) -> io::Result<Handle> {
        let path = self.below(path);
        let op = if create { Op::Create } else { Op::Open };
        let what = self.act(op, 0, |state, _| {
            if state.seen.folders.contains(path) {
                return Ok(Opened::Folder(path.to_owned()));
            }
            let node = match state.seen.files.get(path) {
                Some(node) => *node,
                None if create && state.has_folder_of(path) => {
                    let node = state.new_node();
                    state.change_name(NameChange::Link(path.to_owned(), node));
                    node
                }
                None => return Err(io::ErrorKind::NotFound.into()),
            };
            if truncate && !state.node(node).bytes.is_empty() {
                state.change(node, Change::Length(0));
            }
            Ok(Opened::File(node))
        })?;
        Ok(Handle { world: Arc::clone(self), what })
    }

    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let path = self.below(path);
        self.act(Op::Read, 0, |state, _| {
            let node = state.seen.files.get(path).ok_or(io::ErrorKind::NotFound)?;
            Ok(state.node(*node).bytes.clone())
        })
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
        let path = self.below(path);
        self.act(Op::List, 0, |state, _| {
            if !state.seen.folders.contains(path) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let is_in = |entry: &&PathBuf| entry.parent() == Some(path);
            let files = state.seen.files.keys().filter(is_in).map(|file| (file, false));
            let folders = state.seen.folders.iter().filter(is_in).map(|folder| (folder, true));
            Ok(files.chain(folders).map(|(name, is)| (self.root.join(name), is)).collect())
        })
    }

    pub(super) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let path = self.below(path);
        self.act(Op::Look, 0, |state, _| {
            let node = state.seen.files.get(path).ok_or(io::ErrorKind::NotFound)?;
            Ok(state.metadata(*node))
        })
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        let path = self.below(path);
        let there = self.act(Op::Look, 0, |state, _| {
            Ok(state.seen.files.contains_key(path) || state.seen.folders.contains(path))
        });
        there.unwrap_or(false)
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.below(from), self.below(to));
        self.act(Op::Rename, 0, |state, _| {
            let node = *state.seen.files.get(from).ok_or(io::ErrorKind::NotFound)?;
            let (from, to) = (from.to_owned(), to.to_owned());
            state.change_name(NameChange::Renamed { from, to, node });
            Ok(())
        })
    }

    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        let path = self.below(path);
        self.act(Op::Remove, 0, |state, _| {
            if !state.seen.files.contains_key(path) {
                return Err(io::ErrorKind::NotFound.into());
            }
            state.change_name(NameChange::Gone(path.to_owned()));
            Ok(())
        })
    }

    pub(super) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let path = self.below(path);
        self.act(Op::Remove, 0, |state, _| {
            let lies_in = |entry: &PathBuf| entry.parent() == Some(path);
            if state.seen.files.keys().any(lies_in) || state.seen.folders.iter().any(lies_in) {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            if state.seen.folders.contains(path) {
                state.change_name(NameChange::FolderGone(path.to_owned()));
            }
            Ok(())
        })
    }

    pub(super) fn make_folders(&self, path: &Path) -> io::Result<()> {
        let path = self.below(path);
        self.act(Op::MakeFolder, 0, |state, _| {
            let known = state.seen.folders.clone();
            let mut missing: Vec<&Path> =
                path.ancestors().take_while(|above| !known.contains(*above)).collect();
            missing.reverse();
            for folder in missing {
                state.change_name(NameChange::Folder(folder.to_owned()));
            }
            Ok(())
        })
    }

    pub(super) fn sync_everything(&self) -> io::Result<()> {
        self.act(Op::SyncAll, 0, |state, fault| {
            if fault == Some(Fault::SyncLost) {
                let nodes: Vec<u64> = state.nodes.keys().copied().collect();
                for node in nodes {
                    state.lose(node);
                }
                return Err(broken());
            }
            state.sync_everything();
            Ok(())
        })
    }
}

impl Inner {
    fn next(&mut self, op: Op, length: usize) -> io::Result<Option<Fault>> {
        self.operations += 1;
        if op.changes()
            && let Some(recording) = &mut self.recording
        {
            let (state, promises) = (self.state.clone(), self.promises);
            recording.push(Moment { op, state, promises });
        }
        let due =
            self.planned.filter(|(at, fault)| self.operations > *at && fault.befalls(op, length));
        if let Some((_, fault)) = due {
            self.planned = None;
            self.hit.get_or_insert(op);
            match fault {
                Fault::Error => return Err(broken()),
                Fault::Full => return Err(full()),
                Fault::TornError => self.planned = Some((self.operations, Fault::Error)),
                Fault::TornFull => self.planned = Some((self.operations, Fault::Full)),
                Fault::Away | Fault::Filled => self.standing = Some(fault),
                Fault::SyncLost | Fault::Short => {}
            }
            if fault != Fault::Away {
                return Ok(Some(fault));
            }
        }
        match self.standing {
            Some(Fault::Away) => Err(broken()),
            standing => Ok(standing),
        }
    }
}

impl State {
    fn has_folder_of(&self, path: &Path) -> bool {
        path.parent().is_some_and(|folder| self.seen.folders.contains(folder))
    }

    fn metadata(&self, node: u64) -> Metadata {
        let found = self.node(node);
        let changed = [(found.changed, 0); 2];
        Metadata { node: (1, node), length: found.bytes.len() as u64, changed }
    }
}

#[derive(Debug)]
enum Opened {
    File(u64),
    Folder(PathBuf),
}

/// An open file of a disk in memory.
#[derive(Debug)]
pub(crate) struct Handle {
    world: Arc<World>,
    what: Opened,
}

impl Handle {
    fn node(&self) -> io::Result<u64> {
        match &self.what {
            Opened::File(node) => Ok(*node),
            Opened::Folder(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        let node = self.node()?;
        self.world.act(Op::Look, 0, |state, _| Ok(state.metadata(node)))
    }

    pub(super) fn set_len(&self, length: u64) -> io::Result<()> {
        let (node, length) = (self.node()?, usize::try_from(length).unwrap());
        self.world.act(Op::SetLength, 0, |state, _| {
            state.change(node, Change::Length(length));
            Ok(())
        })
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        match &self.what {
            Opened::Folder(path) => self.world.act(Op::SyncFolder, 0, |state, _| {
                state.sync_folder(path);
                Ok(())
            }),
            Opened::File(node) => self.world.act(Op::Sync, 0, |state, fault| {
                if fault == Some(Fault::SyncLost) {
                    state.lose(*node);
                    return Err(broken());
                }
                state.sync(*node);
                Ok(())
            }),
        }
    }

    pub(super) fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let (node, offset) = (self.node()?, usize::try_from(offset).unwrap());
        self.world.act(Op::Read, 0, |state, _| {
            let rest = state.node(node).bytes.get(offset..).unwrap_or_default();
            let length = rest.len().min(bytes.len());
            bytes[..length].copy_from_slice(&rest[..length]);
            Ok(length)
        })
    }

    pub(super) fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let node = self.node()?;
        self.write(bytes, |state| state.node(node).bytes.len())
    }

    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let offset = usize::try_from(offset).unwrap();
        self.write(bytes, |_| offset)
    }

    fn write(&self, bytes: &[u8], at: impl FnOnce(&State) -> usize) -> io::Result<usize> {
        let node = self.node()?;
        self.world.act(Op::Write, bytes.len(), |state, fault| {
            let at = at(state);
            let length = match fault {
                Some(Fault::Short | Fault::TornError | Fault::TornFull) => bytes.len() / 2,
                Some(Fault::Filled) => {
                    let room = state.node(node).bytes.len().saturating_sub(at);
                    if room == 0 {
                        return Err(full());
                    }
                    room.min(bytes.len())
                }
                _ => bytes.len(),
            };
            state.change(node, Change::Write(at, bytes[..length].to_vec()));
            Ok(length)
        })
    }
}
