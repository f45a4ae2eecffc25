//! What happened: events, the catalogue of actions, and the port that makes them durable.

mod action;
mod event;
mod recorder;

pub use action::{Action, ActionInfo, CATALOGUE};
pub use event::{Actor, DecisionRecord, Event, Outcome, Personal, Resource, RetentionClass};
pub use recorder::{MemoryRecorder, Receipt, Recorder, RecorderExt};
