use std::collections::BTreeSet;

use prov_core::audit::MemoryRecorder;
use prov_core::{Clock, SystemClock};

use super::*;
use crate::{CedarEngine, CedarOptions};

#[test]
fn the_route_table_and_the_openapi_document_name_the_same_routes() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let engine = CedarEngine::shipped(Arc::clone(&clock), CedarOptions::default()).unwrap();
    let service = DecisionService::new(Arc::new(engine), Arc::new(MemoryRecorder::new()), clock);
    let (_, document) = router(Arc::new(service)).split_for_parts();
    let json = serde_json::to_value(&document.paths).unwrap();
    let described: BTreeSet<_> = json
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .keys()
                .map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let table: BTreeSet<_> =
        routes().iter().map(|r| (r.method.to_string(), r.path.to_string())).collect();
    assert_eq!(described, table);
    assert_eq!(table.len(), routes().len());
}
