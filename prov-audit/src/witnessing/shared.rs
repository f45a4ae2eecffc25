//! What is known of the witnesses of a log.

use jiff::Timestamp;
use parking_lot::Mutex;
use prov_core::audit::RetentionClass;
use prov_core::{Error, Result};

use super::peer::Cosignature;
use crate::codes;
use crate::log::{CLASSES, api_name, place};
use crate::note::Checkpoint;
use crate::witness::{CosignedLog, WitnessPolicy, WitnessState, WitnessStatus, WitnessingStatus};

/// What whoever asks the witnesses, and whoever looks at it, share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) policy: WitnessPolicy,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    logs: [Gathered; 2],
    witnesses: Vec<Known>,
}

/// The cosignatures of one log.
#[derive(Debug, Default)]
struct Gathered {
    /// What is being cosigned, and the line of each witness that has.
    now: Option<(Checkpoint, Vec<Option<String>>)>,
    /// What enough of them have cosigned.
    size: u64,
    time: Option<Timestamp>,
}

/// What is known of a witness.
#[derive(Debug, Clone, Default)]
struct Known {
    sizes: [u64; 2],
    failures: u64,
    last_cosigned: Option<Timestamp>,
    last_error: Option<String>,
    refuses: bool,
    told: bool,
}

impl Shared {
    pub(super) fn new(policy: WitnessPolicy) -> Self {
        let witnesses = vec![Known::default(); policy.witnesses().len()];
        let state = Mutex::new(State { logs: Default::default(), witnesses });
        Self { policy, state }
    }

    /// Takes up what was kept.
    pub(super) fn resume(&self, class: RetentionClass, kept: &Checkpoint) {
        let Ok((by, is_met)) = self.policy.cosigned(kept) else { return };
        let mut state = self.state.lock();
        for one in &by {
            let at = self.policy.witnesses().iter().position(|w| w.name == one.witness);
            let known = at.and_then(|at| state.witnesses.get_mut(at));
            if let Some(size) = known.and_then(|known| known.sizes.get_mut(place(class))) {
                *size = kept.size;
            }
        }
        if let Some(gathered) = state.logs.get_mut(place(class)).filter(|_| is_met) {
            gathered.size = kept.size;
            gathered.time = by.iter().map(|one| one.time).max();
        }
    }

    /// How many events of a log this witness has cosigned.
    pub(super) fn seen(&self, at: usize) -> [u64; 2] {
        self.state.lock().witnesses.get(at).map_or([0; 2], |known| known.sizes)
    }

    /// A round begins: all are asked about one checkpoint, or their signatures would never come
    /// together.
    pub(super) fn begin(&self, class: RetentionClass, newest: Checkpoint) {
        let count = self.policy.witnesses().len();
        let mut state = self.state.lock();
        let Some(gathered) = state.logs.get_mut(place(class)) else { return };
        if gathered.now.as_ref().is_none_or(|(now, _)| now.size < newest.size) {
            gathered.now = Some((newest, vec![None; count]));
        }
    }

    /// What a witness is to be asked about, unless it cosigned that already.
    pub(super) fn wanted(&self, class: RetentionClass, at: usize) -> Option<Checkpoint> {
        let state = self.state.lock();
        let (now, lines) = state.logs.get(place(class))?.now.as_ref()?;
        lines.get(at)?.is_none().then(|| now.clone())
    }

    /// A witness cosigned.
    pub(super) fn cosigned(
        &self,
        class: RetentionClass,
        at: usize,
        checkpoint: &Checkpoint,
        by: Cosignature,
    ) {
        let mut state = self.state.lock();
        if let Some(known) = state.witnesses.get_mut(at) {
            known.last_cosigned = Some(by.time);
            if let Some(size) = known.sizes.get_mut(place(class)) {
                *size = checkpoint.size;
            }
        }
        let gathered = state.logs.get_mut(place(class)).and_then(|one| one.now.as_mut());
        if let Some((_, lines)) = gathered.filter(|(now, _)| now == checkpoint)
            && let Some(line) = lines.get_mut(at)
        {
            *line = Some(by.line);
        }
    }

    /// The checkpoint with what was gathered so far, if that is enough.
    pub(super) fn enough(&self, class: RetentionClass) -> Option<(Checkpoint, Option<Timestamp>)> {
        let mut checkpoint = {
            let state = self.state.lock();
            let (now, lines) = state.logs.get(place(class))?.now.as_ref()?;
            let mut checkpoint = now.clone();
            checkpoint.note.extend(lines.iter().flatten().map(String::as_str));
            checkpoint
        };
        let (by, is_met) = self.policy.cosigned(&checkpoint).ok()?;
        checkpoint.note.shrink_to_fit();
        is_met.then(|| (checkpoint, by.iter().map(|one| one.time).max()))
    }

    /// A checkpoint was kept.
    pub(super) fn kept(&self, class: RetentionClass, size: u64, time: Option<Timestamp>) {
        if let Some(gathered) = self.state.lock().logs.get_mut(place(class)) {
            (gathered.size, gathered.time) = (size, time);
        }
    }

    /// A witness was asked about every log; whether somebody is to be told of it, once.
    pub(super) fn asked(&self, at: usize, outcome: &Result<()>) -> Option<Told> {
        const PATIENCE: u64 = 3;
        let mut state = self.state.lock();
        let known = state.witnesses.get_mut(at)?;
        match outcome {
            Ok(()) => {
                (known.failures, known.last_error, known.refuses) = (0, None, false);
                std::mem::take(&mut known.told).then_some(Told::Resumed)
            }
            Err(error) => {
                known.failures += 1;
                known.refuses = error.is(codes::NOT_CONSISTENT);
                known.last_error = Some(said(error));
                let late = known.refuses || known.failures >= PATIENCE;
                (late && !std::mem::replace(&mut known.told, late)).then_some(Told::Failing)
            }
        }
    }

    /// It could not be told after all.
    pub(super) fn untold(&self, at: usize) {
        if let Some(known) = self.state.lock().witnesses.get_mut(at) {
            known.told = false;
        }
    }

    /// How they are.
    pub(crate) fn status(&self, sizes: [u64; 2]) -> WitnessingStatus {
        let state = self.state.lock();
        let logs = CLASSES.iter().zip(&state.logs).zip(sizes).map(|((class, log), size)| {
            let behind = size.saturating_sub(log.size);
            CosignedLog { log: api_name(*class).to_owned(), size: log.size, behind, time: log.time }
        });
        let witnesses =
            self.policy.witnesses().iter().zip(&state.witnesses).map(|(of, known)| WitnessStatus {
                name: of.name.clone(),
                key: of.key.to_string(),
                state: match (&of.url, known.failures) {
                    (None, _) => WitnessState::NotAsked,
                    (_, 0) => WitnessState::Up,
                    _ if known.refuses => WitnessState::Refusing,
                    _ => WitnessState::Failing,
                },
                sizes: known.sizes,
                failures: known.failures,
                last_cosigned: known.last_cosigned,
                last_error: known.last_error.clone(),
            });
        WitnessingStatus { logs: logs.collect(), witnesses: witnesses.collect() }
    }
}

/// Why a witness failed, for people.
pub(super) fn said(error: &Error) -> String {
    error.public_detail().to_owned()
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It has failed for a while, or refuses.
    Failing,
    /// It cosigns again.
    Resumed,
}
