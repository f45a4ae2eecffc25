//! Files of lines, which turn into the next one when they are large.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use prov_core::{Error, Result, codes as core_codes};

use super::{Batch, Receiver};
use crate::codes;
use crate::files::{is_full, make_folder, sync_parent};
use crate::format::Format;
use crate::log::blocking;

/// Writes events as lines into `audit-00000001.log`, `audit-00000002.log` and so on in a folder: the
/// one with the highest number grows. A batch is confirmed when it is synced. A file that somebody
/// moves away is made anew.
#[derive(Debug)]
pub struct FileReceiver {
    format: Format,
    files: Option<Files>,
    made: Files,
}

/// Where the lines go.
#[derive(Debug, Clone)]
struct Files {
    folder: PathBuf,
    largest: u64,
    keep: u32,
    /// The number of the file that grows, and which file it is.
    growing: Option<(u64, (u64, u64))>,
}

/// The end of a file is looked at for a torn line; no line is longer.
const LONGEST_LINE: u64 = 1 << 20;

impl FileReceiver {
    /// Files in this folder, which is made for this user alone; of 64 MiB each, all of them kept.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for a format whose records are no lines.
    pub fn new(folder: impl Into<PathBuf>, format: Format) -> Result<Self> {
        if !format.is_lines() {
            let what = format!("a file sink writes lines, and `{format}` is not made of them");
            return Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
        }
        let made = Files { folder: folder.into(), largest: 64 << 20, keep: 0, growing: None };
        Ok(Self { format, files: Some(made.clone()), made })
    }

    /// A file is left for the next one before it gets larger than this, in bytes.
    #[must_use]
    pub fn rotate_at(mut self, bytes: u64) -> Self {
        self.made.largest = bytes;
        self.files = Some(self.made.clone());
        self
    }

    /// Only the newest so many files are kept; all of them for 0.
    #[must_use]
    pub fn keep(mut self, files: u32) -> Self {
        self.made.keep = files;
        self.files = Some(self.made.clone());
        self
    }
}

#[async_trait]
impl Receiver for FileReceiver {
    fn kind(&self) -> &'static str {
        "file"
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<()> {
        let text = batch.text(self.format);
        // Absent when a call was dropped or failed: begun afresh.
        let mut files = self.files.take().unwrap_or_else(|| self.made.clone());
        let files = blocking(move || {
            files.append(text.as_bytes()).map_err(|error| {
                let what = if is_full(&error) {
                    "the disk of the folder is full".to_owned()
                } else {
                    format!("the file can't be written: {}", error.kind())
                };
                Error::new(codes::SINK_FAILED).detail(what).source(error)
            })?;
            Ok(files)
        })
        .await?;
        self.files = Some(files);
        Ok(())
    }
}

impl Files {
    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        make_folder(&self.folder)?;
        let mut number = match self.growing {
            Some((number, _)) => number,
            None => self.numbers()?.last().copied().unwrap_or(1),
        };
        let mut file = self.open(number)?;
        let length = file.metadata()?.len();
        if length > 0 && length + text.len() as u64 > self.largest {
            number += 1;
            file = self.open(number)?;
            self.remove_old(number)?;
        }
        file.write_all(text)?;
        file.sync_data()?;
        Ok(())
    }

    /// Opens a file to append to it; what it ends with is a whole line.
    fn open(&mut self, number: u64) -> io::Result<File> {
        let path = self.path(number);
        let file =
            OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&path)?;
        let there = file.metadata()?;
        let identity = (there.dev(), there.ino());
        if self.growing != Some((number, identity)) {
            cut_torn_line(&file, there.len())?;
            sync_parent(&path)?;
            self.growing = Some((number, identity));
        }
        Ok(file)
    }

    fn remove_old(&self, newest: u64) -> io::Result<()> {
        if self.keep == 0 {
            return Ok(());
        }
        let old = self.numbers()?.into_iter();
        old.filter(|number| number + u64::from(self.keep) <= newest)
            .try_for_each(|number| std::fs::remove_file(self.path(number)))
    }

    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let digits = name.to_str().and_then(|n| n.strip_prefix("audit-")?.strip_suffix(".log"));
            numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn path(&self, number: u64) -> PathBuf {
        Path::new(&self.folder).join(format!("audit-{number:08}.log"))
    }
}

/// A line that was being written when the machine stopped comes again as a whole.
fn cut_torn_line(file: &File, length: u64) -> io::Result<()> {
    let start = length.saturating_sub(LONGEST_LINE);
    let mut end = vec![0; usize::try_from(length - start).unwrap_or_default()];
    file.read_exact_at(&mut end, start)?;
    if end.last().is_none_or(|last| *last == b'\n') {
        return Ok(());
    }
    let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    file.set_len(start + whole as u64)
}
