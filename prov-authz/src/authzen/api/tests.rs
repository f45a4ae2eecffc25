use prov_core::audit::MemoryRecorder;
use prov_core::{Clock, SystemClock};

use super::*;
use crate::authzen::AuthzenOptions;
use crate::{CedarEngine, CedarOptions, DecisionService};

#[test]
fn the_route_table_and_the_openapi_document_name_the_same_routes() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let engine = CedarEngine::shipped(Arc::clone(&clock), CedarOptions::default()).unwrap();
    let decisions = DecisionService::new(Arc::new(engine), Arc::new(MemoryRecorder::new()), clock);
    let service = AuthzenService::new(Arc::new(decisions), AuthzenOptions::default());
    crate::api::assert_routes_match(router(Arc::new(service)), &routes());
}
