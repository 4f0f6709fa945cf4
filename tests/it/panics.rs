//! A defect of ours costs one request.
//!
//! The gateway runs inside this process with a bound that no gateway file can say, an upstream that may take for ever: adding it
//! to the time of day panics in the midst of a request, after its route was found and its token checked.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use scopegate::clock::Clock;
use scopegate::config;
use scopegate::gateway::{self, Shared, Snapshot, WorkerStart};
use scopegate::net::{Drain, Worker};
use scopegate::telemetry::{Log, LogSettings, Metrics};
use scopegate::verify::Issuers;
use serde_json::{Value, json};

use crate::support::{Capture, Client, Signer, Upstream, eventually};

const ROUTES: &str = "scopes: {items: {}}
routes:
  - {path: /good, upstream: good, methods: {GET: items}}
  - {path: /bad, upstream: bad, methods: {GET: items}}
";

/// A worker of this process.
struct Running {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    log: Capture,
    shared: Arc<Shared>,
    signer: Signer,
    drain: Drain,
    worker: Worker,
}

impl Running {
    fn start(upstream: &Upstream) -> Self {
        let (signer, folder) = (Signer::new("key-1"), tempfile::tempdir().unwrap());
        let file = format!(
            "listeners: [{{address: '127.0.0.1:0'}}]\nadmin: {{address: '127.0.0.1:0'}}\nissuers: [{{issuer: 'https://idp.test/', \
             audience: ['https://api.test'], keys: {{file: jwks.json}}}}]\nupstreams: {{good: {{endpoints: ['http://{0}']}}, bad: \
             {{endpoints: ['http://{0}']}}}}\npolicy: [routes.yaml]\n",
            upstream.address
        );
        for (name, text) in [("routes.yaml", ROUTES), ("jwks.json", &*signer.jwks()), ("scopegate.yaml", &*file)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let gateway = config::load_gateway(&folder.path().join("scopegate.yaml")).unwrap();
        let (clock, metrics, log) = (Clock::system(), Arc::new(Metrics::new()), Capture::default());
        let snapshot = snapshot(gateway, &clock, &metrics);
        let records = Log::to(log.clone(), LogSettings::default(), Arc::clone(&metrics), clock.clone());
        let shared = Arc::new(Shared::new(snapshot, Arc::clone(&metrics), records, clock));
        let (listener, drain) = (TcpListener::bind("127.0.0.1:0").unwrap(), Drain::new());
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let start = WorkerStart {
            shared: Arc::clone(&shared),
            listeners: vec![(0, scopegate::net::Listening::Tcp(listener))],
            drained: drain.listen(),
            workers: 1,
            seed: 7,
        };
        let worker =
            Worker::start("worker".into(), || async { gateway::stand(start).unwrap().serve().await.unwrap() }).unwrap();
        Self { address, metrics, log, shared, signer, drain, worker }
    }

    fn metric(&self, sample: &str) -> Option<f64> {
        let text = self.metrics.render(Duration::ZERO);
        text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
    }

    /// Asserts that so many requests were recorded and counted as this defect's.
    fn assert_recorded(&self, requests: usize) {
        self.shared.log.flush();
        let records: Vec<Value> = self.log.lines().into_iter().filter(|line| line["reason"] == "internal").collect();
        assert_eq!(records.len(), requests);
        assert!(records.iter().all(|record| record["status"] == 500 && record["route"] == "/bad"), "{records:?}");
        let counted = self.metrics.render(Duration::ZERO);
        let (code, end) = ("code=\"500\"", format!(" {requests}"));
        assert!(counted.lines().any(|line| line.contains(code) && line.ends_with(&end)), "{counted}");
    }

    /// Ends the worker; whether it ended well.
    fn end(self) -> bool {
        self.drain.begin();
        self.worker.join()
    }
}

fn snapshot(gateway: config::Gateway, clock: &Clock, metrics: &Arc<Metrics>) -> Snapshot {
    let issuers = Issuers::start(gateway.issuers, None, clock.clone(), Arc::clone(metrics)).unwrap();
    let upstreams = gateway.upstreams.into_iter().map(|mut settings| {
        if &*settings.name == "bad" {
            settings.response = Duration::MAX;
        }
        gateway::Upstream::new(settings, metrics)
    });
    Snapshot {
        drain_timeout: Duration::from_secs(5),
        handover_timeout: Duration::from_secs(5),
        routes: metrics.table(&gateway.table, clock.now()),
        route_ids: gateway.table.routes().iter().map(|_| HeaderValue::from_static("-")).collect(),
        upstreams: upstreams.collect(),
        table: gateway.table,
        roles: None,
        issuers: Arc::new(issuers),
        listeners: gateway.listeners,
        limits: gateway.limits,
        realm: gateway.realm,
        reveal_routes: gateway.reveal_routes,
        traces: None,
    }
}

#[test]
fn a_panic_in_one_request_answers_500_counts_and_hurts_nothing_else() {
    let upstream = Upstream::echo();
    let running = Running::start(&upstream);
    let token = running.signer.token("items", &json!({}));
    let mut other = Client::connect(running.address);
    assert_eq!(other.get("/good", &token).status, 200);

    for _ in 0..3 {
        let mut client = Client::connect(running.address);
        let response = client.get("/bad", &token);
        assert_eq!((response.status, response.reason()), (500, "internal".into()));
        assert_eq!(response.field("cache-control"), Some("no-store"));
        assert_eq!(client.get("/good", &token).status, 200, "the connection goes on");
    }
    assert_eq!(other.get("/good", &token).status, 200, "another connection of the same worker too");
    let panics = "scopegate_connection_errors_total{kind=\"panic\"}";
    assert_eq!(running.metric(panics), Some(3.0));
    eventually("nothing is left under way", || (running.shared.requests_in_flight() == 0).then_some(()));
    assert_eq!(upstream.taken().len(), 5, "what panicked was not sent");

    running.assert_recorded(3);
    assert!(running.end(), "the worker ends well");
}
