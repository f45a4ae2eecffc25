//! The route table and the document name the same endpoints.

use std::collections::BTreeSet;

use prov_auth::api;
use prov_http::RouteTable;

use crate::user_fixture::House;

#[tokio::test]
async fn the_table_and_the_document_agree_and_every_endpoint_is_described() {
    let house = House::new().await;
    let document = serde_json::to_value(api::router(house.service.clone()).into_openapi()).unwrap();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            documented.insert(format!("{} {path}", method.to_uppercase()));
            assert!(!operation["description"].as_str().unwrap().is_empty(), "{method} {path}");
            for status in ["400", "401", "403", "429", "503"] {
                assert!(operation["responses"][status].is_object(), "{status} of {method} {path}");
            }
        }
    }
    let table: BTreeSet<String> =
        api::routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(documented, table);
    RouteTable::new(api::routes()).unwrap();
}
