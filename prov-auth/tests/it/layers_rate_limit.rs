//! The rate-limit layer before a real tower service.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use prov_auth::RateLimitLayer;
use prov_core::{ManualClock, codes};
use prov_http::{EdgeLayer, PeerAddr, Refusal};
use tower::{Layer, Service, ServiceBuilder, service_fn};

async fn hello(_: Request<Bytes>) -> Result<Response<Bytes>, Infallible> {
    Ok(Response::new(Bytes::from_static(b"hello")))
}

fn from(address: &str) -> Request<Bytes> {
    let mut request = Request::get("/").body(Bytes::new()).unwrap();
    if !address.is_empty() {
        let address = PeerAddr((address.parse::<std::net::IpAddr>().unwrap(), 4711).into());
        request.extensions_mut().insert(address);
    }
    request
}

fn limited(limit: &str) -> (ManualClock, RateLimitLayer) {
    let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
    let layer = RateLimitLayer::new(limit.parse().unwrap(), Arc::new(clock.clone()));
    (clock, layer)
}

async fn passes<S>(service: &mut S, address: &str) -> bool
where
    S: Service<Request<Bytes>, Response = Response<Bytes>, Error = Infallible>,
{
    service.call(from(address)).await.unwrap().status() == StatusCode::OK
}

#[tokio::test]
async fn the_hundred_and_first_request_of_a_minute_is_refused_with_a_time_to_wait() {
    let (clock, layer) = limited("100/min");
    let mut service = layer.layer(service_fn(hello));
    for _ in 0..100 {
        assert!(passes(&mut service, "127.0.0.1").await);
    }
    let refused = service.call(from("127.0.0.1")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert!(refused.extensions().get::<Refusal>().unwrap().error().is(codes::RATE_LIMITED));
    assert!(passes(&mut service, "127.0.0.2").await, "another address");
    clock.advance(Duration::from_secs(1));
    assert!(passes(&mut service, "127.0.0.1").await);
}

#[tokio::test]
async fn an_ipv6_network_counts_as_one_and_unknown_addresses_together() {
    let (_, layer) = limited("2/min");
    let mut service = layer.layer(service_fn(hello));
    assert!(passes(&mut service, "2001:db8::1").await);
    assert!(passes(&mut service, "2001:db8::2").await);
    assert!(!passes(&mut service, "2001:db8::3").await);
    assert!(passes(&mut service, "2001:db8:0:1::1").await);
    assert!(passes(&mut service, "").await);
    assert!(passes(&mut service, "").await);
    assert!(!passes(&mut service, "").await);
}

#[tokio::test]
async fn the_limit_can_be_changed_for_services_that_run() {
    let (_, layer) = limited("1/min");
    let mut service = layer.clone().layer(service_fn(hello));
    assert!(passes(&mut service, "192.0.2.1").await);
    assert!(!passes(&mut service, "192.0.2.1").await);
    layer.set_limit("1/min".parse().unwrap());
    assert!(!passes(&mut service, "192.0.2.1").await, "the same limit gives nothing back");
    layer.set_limit("3/min".parse().unwrap());
    for _ in 0..3 {
        assert!(passes(&mut service, "192.0.2.1").await);
    }
    assert!(!passes(&mut service, "192.0.2.1").await);
}

#[tokio::test]
async fn inside_an_edge_the_address_behind_the_trusted_proxy_counts() {
    let (clock, layer) = limited("1/min");
    let proxies = prov_http::TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let edge = EdgeLayer::new(Arc::new(clock)).trusting(proxies);
    let mut service = ServiceBuilder::new().layer(edge).layer(layer).service(service_fn(hello));
    let mut send = async |forwarded: &str| {
        let mut request = from("10.0.0.1");
        request.headers_mut().insert("x-forwarded-for", forwarded.parse().unwrap());
        service.call(request).await.unwrap().status()
    };
    assert_eq!(send("192.0.2.1").await, StatusCode::OK);
    assert_eq!(send("192.0.2.2").await, StatusCode::OK);
    assert_eq!(send("192.0.2.1").await, StatusCode::TOO_MANY_REQUESTS);
    // What the client itself claims stands further left and is not believed.
    assert_eq!(send("203.0.113.9, 192.0.2.1").await, StatusCode::TOO_MANY_REQUESTS);
}
