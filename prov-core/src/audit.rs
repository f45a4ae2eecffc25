//! What happened: events, the catalogue of actions, and the port that makes them durable.

mod action;
mod decision;
mod event;
mod recorder;

pub use action::{Action, ActionInfo, CATALOGUE};
pub use decision::{Asked, AskedPrincipal, DecisionRecord};
pub use event::{Actor, Event, Outcome, Personal, Resource, RetentionClass};
pub use recorder::{MemoryRecorder, Receipt, Recorder, RecorderExt};
