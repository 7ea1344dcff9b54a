//! A running provider, as its owner holds it.

use crate::error::{NodeStopped, SettleError, StopError};
use crate::events::{EventLog, EventStream, ProviderNotice, Stamped};
use crate::lifecycle::Ended;
use crate::status::{ChannelClose, ClaimSummary, ProviderStatus};
use golem_protocol::NodeId;
use std::net::SocketAddr;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// How many questions of the owner may wait for the loop. Reason: each holds its asker, so more are not useful.
pub(crate) const COMMANDS_MAX: usize = 64;

/// What the owner, or the HTTP interface, asks of the loop.
pub(crate) enum ProviderCommand {
    Status(oneshot::Sender<ProviderStatus>),
    Claim(oneshot::Sender<Result<ClaimSummary, SettleError>>),
    Close(oneshot::Sender<Result<Vec<ChannelClose>, SettleError>>),
    Drain,
    Stop,
}

/// The part of a handle that can be shared.
#[derive(Clone)]
pub(crate) struct ProviderLink {
    pub(crate) commands: mpsc::Sender<ProviderCommand>,
    pub(crate) events: EventLog<ProviderNotice>,
    pub(crate) ended: Ended,
}

impl ProviderLink {
    /// Asks the loop and waits for the answer.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> ProviderCommand) -> Result<T, NodeStopped> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| self.ended.now())?;
        answer.await.map_err(|_| self.ended.now())
    }

    pub(crate) async fn status(&self) -> Result<ProviderStatus, NodeStopped> {
        self.ask(ProviderCommand::Status).await
    }

    pub(crate) async fn claim_all(&self) -> Result<ClaimSummary, SettleError> {
        self.ask(ProviderCommand::Claim).await?
    }

    pub(crate) async fn close_channels(&self) -> Result<Vec<ChannelClose>, SettleError> {
        self.ask(ProviderCommand::Close).await?
    }

    pub(crate) async fn stop(&self) -> Result<(), NodeStopped> {
        self.commands.send(ProviderCommand::Stop).await.map_err(|_| self.ended.now())
    }
}

/// A running provider. Call [`ProviderHandle::shutdown`] before dropping it: a drop cuts off what runs, and loses no
/// record.
pub struct ProviderHandle {
    pub(crate) link: ProviderLink,
    pub(crate) node: NodeId,
    pub(crate) api: Option<SocketAddr>,
    pub(crate) main: Option<JoinHandle<Result<(), StopError>>>,
}

impl ProviderHandle {
    /// Who it is.
    pub fn node_id(&self) -> NodeId {
        self.node
    }

    /// Where its HTTP interface listens.
    pub fn api(&self) -> Option<SocketAddr> {
        self.api
    }

    /// How it stands.
    pub async fn status(&self) -> Result<ProviderStatus, NodeStopped> {
        self.link.status().await
    }

    /// The events to come.
    pub fn events(&self) -> EventStream<ProviderNotice> {
        self.link.events.stream()
    }

    /// The latest events with a number above `seq`, oldest first, at most [`crate::events::EVENTS_KEPT_MAX`].
    pub fn events_since(&self, seq: u64) -> Vec<Stamped<ProviderNotice>> {
        self.link.events.since(seq)
    }

    /// Claims what all payers' vouchers are worth, in one transaction for up to a thousand payers, and waits until it is mined.
    ///
    /// Errors: `UnderWay`, `Chain`; the vouchers are kept then, and a retry pays nothing twice.
    pub async fn claim_all(&self) -> Result<ClaimSummary, SettleError> {
        self.link.claim_all().await
    }

    /// Closes every channel that a voucher of its epoch is held of: pays out and refunds the rest to the payer.
    ///
    /// Errors: `UnderWay`; what failed for one channel is in its own result.
    pub async fn close_channels(&self) -> Result<Vec<ChannelClose>, SettleError> {
        self.link.close_channels().await
    }

    /// Takes no new work from now on; what runs and waits may end.
    pub async fn drain(&self) -> Result<(), NodeStopped> {
        self.link.commands.send(ProviderCommand::Drain).await.map_err(|_| self.link.ended.now())
    }

    /// Waits until the node has stopped, by itself or because it was asked over HTTP.
    pub async fn stopped(&self) -> NodeStopped {
        self.link.ended.wait().await
    }

    /// Drains within a bound, claims where the claim rule says so, stops and joins everything.
    ///
    /// Errors: what was cut off, or what was not claimed; records are durable all the same.
    pub async fn shutdown(mut self) -> Result<(), StopError> {
        // A node that has stopped already still has to be joined.
        let _ = self.link.stop().await;
        let Some(main) = self.main.take() else { return Ok(()) };
        main.await.unwrap_or_else(|error| {
            Err(StopError::Stopped(NodeStopped { reason: Some(format!("its loop failed: {error}")) }))
        })
    }
}

impl Drop for ProviderHandle {
    fn drop(&mut self) {
        if let Some(main) = self.main.take() {
            main.abort();
        }
    }
}
