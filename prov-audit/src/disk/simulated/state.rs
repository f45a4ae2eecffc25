use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a disk holds: what a running program sees, what is surely there after the power failed, and
/// what may be.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(super) seen: Names,
    pub(super) durable: Names,
    /// Changes of names since their folder was synced, in order.
    pub(super) pending: Vec<NameChange>,
    pub(super) nodes: HashMap<u64, Arc<Node>>,
    next_node: u64,
    ticks: i64,
}

/// Which names there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) files: BTreeMap<PathBuf, u64>,
    pub(super) folders: BTreeSet<PathBuf>,
}

/// A change of a name, not durable before its folder is synced.
#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Folder(PathBuf),
    FolderGone(PathBuf),
    Link(PathBuf, u64),
    Gone(PathBuf),
    Renamed { from: PathBuf, to: PathBuf, node: u64 },
}

/// A file.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) bytes: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Changes since it was synced.
    pub(super) pending: Vec<Change>,
    pub(super) changed: i64,
}

/// A change of a file.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write(at, written) => {
                let end = at + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(written);
            }
        }
    }
}

impl NameChange {
    /// The folder in which it is.
    fn folder(&self) -> Option<&Path> {
        let (Self::Folder(path)
        | Self::FolderGone(path)
        | Self::Link(path, _)
        | Self::Gone(path)
        | Self::Renamed { to: path, .. }) = self;
        path.parent()
    }

    pub(super) fn apply(&self, names: &mut Names) {
        match self {
            Self::Folder(path) => {
                names.folders.insert(path.clone());
            }
            Self::FolderGone(path) => {
                names.folders.remove(path);
            }
            Self::Link(path, node) => {
                names.files.insert(path.clone(), *node);
            }
            Self::Gone(path) => {
                names.files.remove(path);
            }
            Self::Renamed { from, to, node } => {
                names.files.remove(from);
                names.files.insert(to.clone(), *node);
            }
        }
    }
}

impl State {
    pub(super) fn of(names: Names, nodes: HashMap<u64, Arc<Node>>) -> Self {
        let next_node = nodes.keys().max().map_or(0, |most| most + 1);
        let (seen, durable) = (names.clone(), names);
        Self { seen, durable, pending: Vec::new(), nodes, next_node, ticks: 0 }
    }

    pub(super) fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    pub(super) fn new_node(&mut self) -> u64 {
        self.next_node += 1;
        self.nodes.insert(self.next_node, Arc::default());
        self.next_node
    }

    pub(super) fn node(&self, node: u64) -> &Node {
        &self.nodes[&node]
    }

    pub(super) fn change(&mut self, node: u64, change: Change) {
        self.ticks += 1;
        let ticks = self.ticks;
        let node = Arc::make_mut(self.nodes.get_mut(&node).unwrap());
        change.apply(&mut node.bytes);
        node.pending.push(change);
        node.changed = ticks;
    }

    pub(super) fn sync(&mut self, node: u64) {
        let node = Arc::make_mut(self.nodes.get_mut(&node).unwrap());
        for change in std::mem::take(&mut node.pending) {
            change.apply(&mut node.durable);
        }
    }

    /// A sync failed, and the system takes what was to be written for written.
    pub(super) fn lose(&mut self, node: u64) {
        Arc::make_mut(self.nodes.get_mut(&node).unwrap()).pending.clear();
    }

    pub(super) fn sync_folder(&mut self, folder: &Path) {
        let (synced, rest) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|change| change.folder() == Some(folder));
        self.pending = rest;
        let synced: Vec<NameChange> = synced;
        for change in &synced {
            change.apply(&mut self.durable);
        }
    }

    pub(super) fn sync_everything(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
        let nodes: Vec<u64> = self.nodes.keys().copied().collect();
        for node in nodes {
            self.sync(node);
        }
    }
}
