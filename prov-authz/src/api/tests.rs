use std::collections::BTreeSet;

use prov_core::audit::MemoryRecorder;
use prov_core::{Clock, Principal, PrincipalKind, SystemClock};

use super::documents::ExplanationDocument;
use super::*;
use crate::{AccessRequest, CedarEngine, CedarOptions, Circumstances, ResourceEntity};

#[test]
fn the_route_table_and_the_openapi_document_name_the_same_routes() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let engine = CedarEngine::shipped(Arc::clone(&clock), CedarOptions::default()).unwrap();
    let service = DecisionService::new(Arc::new(engine), Arc::new(MemoryRecorder::new()), clock);
    assert_routes_match(router(Arc::new(service)), &routes());
}

/// Whether a router's OpenAPI document and a route table name the same routes, each once.
pub(crate) fn assert_routes_match(described: OpenApiRouter, table: &[Route]) {
    let (_, document) = described.split_for_parts();
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
    let named: BTreeSet<_> =
        table.iter().map(|r| (r.method.to_string(), r.path.to_string())).collect();
    assert_eq!(described, named);
    assert_eq!(named.len(), table.len());
}

/// Whoever asks without a server gets the answer that the API would give.
#[test]
fn an_explanation_has_one_shape() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let engine = CedarEngine::shipped(Arc::clone(&clock), CedarOptions::default()).unwrap();
    let ann =
        Principal::new(PrincipalKind::User, "user_ann", "ann").with_teams(["sre".parse().unwrap()]);
    let now = Circumstances::new(false, Some([10, 0, 0, 1].into()), clock.now());
    let production = ResourceEntity::new("Environment", "production");
    for action in ["deploy", "read", "rollback"] {
        let request = AccessRequest::by(&ann, now, action, &production);
        let told = engine.explain(&request).unwrap();
        let own = serde_json::to_value(&told).unwrap();
        let answered = serde_json::to_value(ExplanationDocument::from(told)).unwrap();
        assert_eq!(own, answered);
    }
}
