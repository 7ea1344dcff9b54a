//! The node's HTTP interface, for its owner on this machine.
//!
//! It listens on loopback only. Everything but the page itself needs the token of `api.json`, which only the owner can
//! read; a request whose `Host` is not this address is refused, so that no web page reaches it by a name of its own.

use crate::error::{NodeStopped, SettleError, StartError};
use crate::event_json::stamped;
use crate::events::{ProviderNotice, RequestorNotice};
use crate::folder::{ApiFile, Folder};
use crate::metrics;
use crate::provider_handle::ProviderLink;
use crate::requestor_handle::RequestorLink;
use crate::settings::ApiSettings;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use golem_protocol::Address;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// The largest request. Reason: it carries an address at most.
const REQUEST_BYTES_MAX: usize = 4096;
/// Requests answered at once; others are told to come again. Reason: one owner with a few screens.
const REQUESTS_MAX: usize = 32;
/// How long a stop waits for answers under way.
const STOP_BOUND: Duration = Duration::from_secs(2);

const DASHBOARD: &str = include_str!("dashboard.html");
/// The page runs its own script, asks its own node, and loads nothing else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The node behind the interface.
#[derive(Clone)]
pub(crate) enum NodeLink {
    Provider(ProviderLink),
    Requestor(RequestorLink),
}

struct Shared {
    link: NodeLink,
    /// Compared as a digest, in constant time.
    token: blake3::Hash,
    address: SocketAddr,
    turns: Semaphore,
}

/// A running interface.
pub(crate) struct ApiServer {
    address: SocketAddr,
    folder: Folder,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What to do about an address that others can reach.
pub(crate) const LOOPBACK_STEP: &str =
    "set a loopback address such as 127.0.0.1:0; use a tunnel to reach it from elsewhere";

impl ApiServer {
    /// Listens, and writes address and a fresh token to `api.json`.
    pub(crate) async fn start(settings: &ApiSettings, folder: Folder, link: NodeLink) -> Result<ApiServer, StartError> {
        let listen = settings.listen;
        if !listen.ip().is_loopback() {
            let (got, step) = (listen.to_string(), LOOPBACK_STEP.to_owned());
            return Err(StartError::Setting { setting: "api.listen", got, step });
        }
        let refused = |source| StartError::Api { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let token = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let shared =
            Shared { link, token: blake3::hash(token.as_bytes()), address, turns: Semaphore::new(REQUESTS_MAX) };
        folder.write_api(&ApiFile { address, token, pid: std::process::id() })?;
        let (stop, stopped) = oneshot::channel::<()>();
        let app = router(Arc::new(shared));
        let task = tokio::spawn(async move {
            let server = axum::serve(listener, app).with_graceful_shutdown(async {
                let _ = stopped.await;
            });
            if let Err(error) = server.await {
                tracing::error!(%error, "the HTTP interface stopped");
            }
        });
        tracing::info!(%address, "HTTP interface");
        Ok(ApiServer { address, folder, stop, task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers what is under way, within a bound, and ends.
    pub(crate) async fn stop(self) {
        let ApiServer { folder, stop, mut task, .. } = self;
        let _ = stop.send(());
        if tokio::time::timeout(STOP_BOUND, &mut task).await.is_err() {
            task.abort();
            let _ = task.await;
        }
        if let Err(error) = folder.remove_api() {
            tracing::warn!(%error, "api.json is left over");
        }
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let with_token = Router::new()
        .route("/status", get(status))
        .route("/events", get(events))
        .route("/metrics", get(metrics_text))
        .route("/claim", post(claim))
        .route("/close", post(close))
        .route("/stop", post(stop))
        .route_layer(middleware::from_fn_with_state(shared.clone(), check_token));
    Router::new()
        .route("/", get(dashboard))
        .merge(with_token)
        .layer(middleware::from_fn_with_state(shared.clone(), check_host))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(shared)
}

fn refusal(status: StatusCode, error: impl ToString) -> Response {
    (status, Json(json!({ "error": error.to_string() }))).into_response()
}

/// Only requests meant for this address: a name that somebody else's page resolved to it is another `Host`.
async fn check_host(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if !host_is_ours(request.headers(), shared.address) {
        let ours = format!("this interface is http://{}, and the request was for another host", shared.address);
        return refusal(StatusCode::MISDIRECTED_REQUEST, ours);
    }
    let Ok(_turn) = shared.turns.try_acquire() else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once; try again in a second");
    };
    next.run(request).await
}

fn host_is_ours(headers: &HeaderMap, address: SocketAddr) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    host == address.to_string() || host == format!("localhost:{}", address.port())
}

async fn check_token(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = given.strip_prefix("Bearer ").unwrap_or_default();
    if blake3::hash(token.as_bytes()) != shared.token {
        let step = "send `Authorization: Bearer TOKEN` with the token of api.json in the node's data folder";
        return refusal(StatusCode::UNAUTHORIZED, step);
    }
    next.run(request).await
}

async fn dashboard() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, DASHBOARD).into_response()
}

fn answer<T: serde::Serialize, E: ToString>(result: Result<T, E>, failed: StatusCode) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => refusal(failed, error),
    }
}

const GONE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    match status_json(&shared.link).await {
        Ok(value) => Json(value).into_response(),
        Err(stopped) => refusal(GONE, stopped),
    }
}

async fn status_json(link: &NodeLink) -> Result<Value, NodeStopped> {
    let with_role = |role: &str, status: serde_json::Result<Value>| {
        let mut status = status.unwrap_or_default();
        if let Some(fields) = status.as_object_mut() {
            fields.insert("role".to_owned(), json!(role));
        }
        status
    };
    Ok(match link {
        NodeLink::Provider(provider) => with_role("provider", serde_json::to_value(provider.status().await?)),
        NodeLink::Requestor(requestor) => with_role("requestor", serde_json::to_value(requestor.status().await?)),
    })
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn events(State(shared): State<Arc<Shared>>, Query(Since { since }): Query<Since>) -> Response {
    let events: Vec<Value> = match &shared.link {
        NodeLink::Provider(provider) => {
            provider.events.since(since).iter().map(|event| stamped(event, ProviderNotice::to_json)).collect()
        }
        NodeLink::Requestor(requestor) => {
            requestor.events.since(since).iter().map(|event| stamped(event, RequestorNotice::to_json)).collect()
        }
    };
    Json(events).into_response()
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> Response {
    let text = match &shared.link {
        NodeLink::Provider(provider) => provider.status().await.map(|status| metrics::provider(&status)),
        NodeLink::Requestor(requestor) => requestor.status().await.map(|status| metrics::requestor(&status)),
    };
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(stopped) => refusal(GONE, stopped),
    }
}

async fn claim(State(shared): State<Arc<Shared>>) -> Response {
    match &shared.link {
        NodeLink::Provider(provider) => settled(provider.claim_all().await),
        NodeLink::Requestor(_) => refusal(StatusCode::CONFLICT, "a requestor has no vouchers to claim"),
    }
}

fn settled<T: serde::Serialize>(result: Result<T, SettleError>) -> Response {
    let failed = match &result {
        Ok(_) | Err(SettleError::Chain { .. }) => StatusCode::BAD_GATEWAY,
        Err(SettleError::UnderWay) => StatusCode::CONFLICT,
        Err(SettleError::NoChannel { .. }) => StatusCode::NOT_FOUND,
        Err(SettleError::Stopped(_)) => GONE,
    };
    answer(result, failed)
}

#[derive(Deserialize)]
struct Payee {
    payee: Option<Address>,
}

async fn close(State(shared): State<Arc<Shared>>, Query(Payee { payee }): Query<Payee>) -> Response {
    match (&shared.link, payee) {
        (NodeLink::Provider(provider), _) => settled(provider.close_channels().await),
        (NodeLink::Requestor(requestor), Some(payee)) => {
            let close_at = requestor.request_close(payee).await;
            settled(close_at.map(|close_at| json!({ "payee": payee, "close_at_s": close_at.0 })))
        }
        (NodeLink::Requestor(_), None) => refusal(StatusCode::BAD_REQUEST, "name the channel: POST /close?payee=0x..."),
    }
}

async fn stop(State(shared): State<Arc<Shared>>) -> Response {
    let asked = match &shared.link {
        NodeLink::Provider(provider) => provider.stop().await,
        NodeLink::Requestor(requestor) => requestor.stop().await,
    };
    answer(asked.map(|()| json!({ "stopping": true })), GONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        headers
    }

    #[test]
    fn refuses_a_host_that_is_another_name_for_this_machine() {
        let address: SocketAddr = "127.0.0.1:4321".parse().unwrap();
        assert!(host_is_ours(&headers("127.0.0.1:4321"), address));
        assert!(host_is_ours(&headers("localhost:4321"), address));
        for host in ["attacker.example:4321", "127.0.0.1", "127.0.0.1:1", "localhost"] {
            assert!(!host_is_ours(&headers(host), address), "{host}");
        }
        assert!(!host_is_ours(&HeaderMap::new(), address));
    }
}
