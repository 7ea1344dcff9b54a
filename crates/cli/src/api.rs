//! The HTTP interface of a node that runs on this machine, as a client sees it.

use anyhow::{Context as _, bail};
use golem_node::folder::{ApiFile, Folder};
use serde_json::Value;
use std::time::Duration;

/// How long a node on this machine may take to say how it is.
const STATUS_MAX: Duration = Duration::from_secs(5);
/// How long it may take to settle on the chain: some blocks.
const SETTLE_MAX: Duration = Duration::from_secs(15 * 60);

/// A node that answers.
pub struct LiveNode {
    client: reqwest::Client,
    api: ApiFile,
    status: Value,
}

/// What a running node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It sells.
    Provider,
    /// It buys.
    Requestor,
}

impl LiveNode {
    /// The node that runs on this folder; `None` where none answers.
    ///
    /// A node that died leaves its address behind: then nobody listens there, or somebody who does not know the token.
    pub async fn find(folder: &Folder) -> anyhow::Result<Option<LiveNode>> {
        let Some(api) = folder.read_api()? else { return Ok(None) };
        // What is on this machine is not reached through a proxy.
        let client = reqwest::Client::builder().no_proxy().build().context("cannot prepare an HTTP request")?;
        let mut node = LiveNode { client, api, status: Value::Null };
        match node.request(reqwest::Method::GET, "/status", STATUS_MAX).await {
            Ok(status) => {
                node.status = status;
                Ok(Some(node))
            }
            Err(error) => {
                tracing::info!(address = %node.api.address, %error, "api.json names a node that does not answer");
                Ok(None)
            }
        }
    }

    /// Its status, as it said when it was found.
    pub fn status(&self) -> &Value {
        &self.status
    }

    /// Its address.
    pub fn address(&self) -> std::net::SocketAddr {
        self.api.address
    }

    /// Where its page is; with the token in it, it opens as it is.
    pub fn page(&self, with_token: bool) -> String {
        let token = if with_token { format!("#token={}", self.api.token) } else { String::new() };
        format!("http://{}/{token}", self.api.address)
    }

    /// What it is.
    pub fn role(&self) -> anyhow::Result<Role> {
        match self.status["role"].as_str() {
            Some("provider") => Ok(Role::Provider),
            Some("requestor") => Ok(Role::Requestor),
            other => bail!("the node at {} says it is {other:?}, which this version does not know", self.api.address),
        }
    }

    /// Asks it to do something on the chain and waits for that.
    pub async fn post(&self, path: &str) -> anyhow::Result<Value> {
        self.request(reqwest::Method::POST, path, SETTLE_MAX).await
    }

    async fn request(&self, method: reqwest::Method, path: &str, within: Duration) -> anyhow::Result<Value> {
        let url = format!("http://{}{path}", self.api.address);
        let sent = self.client.request(method, &url).bearer_auth(&self.api.token).timeout(within).send().await;
        let answer = sent.with_context(|| format!("the node at {} does not answer", self.api.address))?;
        let status = answer.status();
        let body: Value = answer.json().await.with_context(|| format!("the answer to {url} is not JSON"))?;
        if !status.is_success() {
            let reason = body["error"].as_str().map(str::to_owned).unwrap_or_else(|| format!("HTTP {status}"));
            bail!("the node at {} says: {reason}", self.api.address);
        }
        Ok(body)
    }
}
