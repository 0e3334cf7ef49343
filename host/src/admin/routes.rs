//! What can be asked, and the answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::access::{self, Token};
use super::metrics;
use crate::plugin::{Host, Plugin, PluginInfo, PluginStatus, StartError};

type Hosted = State<Arc<Host>>;

pub(super) fn routes(host: Arc<Host>, token: Option<Token>) -> Router {
    let check = move |request: Request, next: Next| {
        let verdict = access::check(token.as_ref(), request.uri(), request.headers());
        async move {
            match verdict {
                Ok(()) => next.run(request).await,
                Err((status, reason)) => Refusal::new(status, reason).into_response(),
            }
        }
    };
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(prometheus))
        .route("/plugins", get(plugins))
        .route("/plugins/{name}", get(plugin))
        .route("/plugins/{name}/reload", post(reload))
        .route("/plugins/{name}/restart", post(restart))
        .route("/plugins/{name}/drain", post(drain))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "there is no such page"))
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this page does not take that method")
        })
        .layer(middleware::from_fn(check))
        .with_state(host)
}

/// An error, as JSON.
#[derive(Debug, Serialize)]
struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    error: String,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        let status = match error {
            StartError::HostGone => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.to_string())
    }
}

/// The process answers.
async fn healthz() -> impl IntoResponse {
    Json(json!({ "healthy": true }))
}

/// All plugins serve.
async fn readyz(State(host): Hosted) -> impl IntoResponse {
    let plugins = host.plugins();
    let serving = plugins.iter().filter(|plugin| plugin.status() == PluginStatus::Serving).count();
    let ready = !plugins.is_empty() && serving == plugins.len();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "plugins": plugins.len(), "serving": serving })))
}

async fn prometheus(State(host): Hosted) -> impl IntoResponse {
    let plugins: Vec<_> = host.plugins().iter().map(Plugin::info).collect();
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, metrics::text(&plugins))
}

async fn plugins(State(host): Hosted) -> Json<Vec<PluginInfo>> {
    Json(host.plugins().iter().map(Plugin::info).collect())
}

async fn plugin(
    State(host): Hosted,
    Path(name): Path<String>,
) -> Result<Json<PluginInfo>, Refusal> {
    Ok(Json(find(&host, &name)?.info()))
}

async fn reload(
    State(host): Hosted,
    Path(name): Path<String>,
) -> Result<Json<PluginInfo>, Refusal> {
    let plugin = find(&host, &name)?;
    plugin.reload().await?;
    Ok(Json(plugin.info()))
}

async fn restart(
    State(host): Hosted,
    Path(name): Path<String>,
) -> Result<Json<PluginInfo>, Refusal> {
    let plugin = find(&host, &name)?;
    plugin.restart().await?;
    Ok(Json(plugin.info()))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct DrainOptions {
    /// Bounds the drain.
    #[serde(default = "default_drain_timeout_ms")]
    timeout_ms: u64,
}

fn default_drain_timeout_ms() -> u64 {
    10_000
}

async fn drain(
    State(host): Hosted,
    Path(name): Path<String>,
    options: Result<Query<DrainOptions>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<PluginInfo>, Refusal> {
    let Query(options) =
        options.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let plugin = find(&host, &name)?;
    if plugin.drain(Duration::from_millis(options.timeout_ms)).await {
        return Ok(Json(plugin.info()));
    }
    let (limit, status) = (options.timeout_ms, plugin.status());
    let error =
        format!("not everything was handled within {limit} ms; {name} is {}", status.word());
    Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, error))
}

fn find(host: &Host, name: &str) -> Result<Plugin, Refusal> {
    host.plugin(name).ok_or_else(|| {
        let names: Vec<_> = host.plugins().iter().map(|one| one.name().to_owned()).collect();
        let error = format!("there is no plugin {name:?}; there are: {}", names.join(", "));
        Refusal::new(StatusCode::NOT_FOUND, error)
    })
}
