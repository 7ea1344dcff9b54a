//! What comes to a requestor from the network, the chain and its owner.

use crate::error::{RunTaskError, SettleError};
use crate::events::{NodeNotice, RequestorNotice};
use crate::lifecycle::local_now;
use crate::note::TaskShares;
use crate::progress::{Kept, Progress};
use crate::requestor_done::Done;
use crate::requestor_handle::{RequestorCommand, Running, TaskView};
use crate::requestor_loop::RequestorLoop;
use crate::trace::MarketTold;
use golem_chain::ChainEvent;
use golem_deal::{RequestorInput, Site, TaskOrder, TaskStatus};
use golem_net::{GossipVerdict, NetworkEvent};
use golem_protocol::{
    Address, B256, ChannelId, ChannelState, Document, HEADER_TOPIC, Header, Message, NodeId, PROOF_TOPIC, Signed,
};

impl RequestorLoop {
    pub(crate) async fn on_net(&mut self, event: NetworkEvent) {
        match event {
            NetworkEvent::Gossip { id, topic, source, via: _, bytes } => {
                // Not for us, yet others hear it through us.
                let verdict = if topic == HEADER_TOPIC {
                    self.gate.judge(source, &bytes, local_now(), self.now.chain).0
                } else if topic == PROOF_TOPIC {
                    let (verdict, notice) = self.proof_gate.judge(source, &bytes, local_now());
                    notice.iter().for_each(|notice| self.heard(source, notice));
                    verdict
                } else {
                    GossipVerdict::Ignore
                };
                self.net.report(id, verdict).await;
            }
            NetworkEvent::Message { from, bytes } => match Message::decode(&bytes) {
                Ok(message) if !self.questions.admits(from, &message, local_now()) => {
                    tracing::info!(peer = %from, "asks for vouchers too often");
                }
                Ok(message) => {
                    tracing::debug!(peer = %from, message = message.name(), "message taken");
                    self.step(RequestorInput::Message { from, message: Box::new(message) });
                }
                Err(error) => tracing::info!(peer = %from, %error, "message not understood"),
            },
            NetworkEvent::PeerConnected { node, ip } => {
                match ip.and_then(Site::of) {
                    Some(site) => self.step(RequestorInput::Seen { peer: node, site }),
                    None => tracing::debug!(peer = %node, ?ip, "its address does not tell owners apart"),
                }
                self.reachable(node, true);
            }
            NetworkEvent::PeerDisconnected { node } => self.reachable(node, false),
            NetworkEvent::PeerSubscribed { node, topic } => {
                tracing::debug!(peer = %node, topic, "peer subscribed");
                // It has heard nothing yet; waiting for the next announcement would cost seconds.
                let open: Vec<Signed<Header>> =
                    self.tasks.values().filter_map(|progress| progress.announced.clone()).collect();
                open.iter().for_each(|header| self.publish(header));
                if topic == PROOF_TOPIC {
                    self.proofs.told.somebody_new();
                }
            }
            NetworkEvent::PeerBanned { node, seconds } => tracing::info!(peer = %node, seconds, "peer banned"),
            NetworkEvent::ListenAddress { address } => tracing::info!(address, "listening"),
        }
    }

    fn reachable(&mut self, peer: NodeId, reachable: bool) {
        tracing::debug!(%peer, reachable, "peer");
        self.step(RequestorInput::Reachable { peer, reachable });
    }

    pub(crate) fn on_chain(&mut self, event: Option<ChainEvent>) {
        match event {
            Some(ChainEvent::Time { time, .. }) => self.now.chain = self.now.chain.max(time),
            Some(ChainEvent::Channel { id, state, confirmed, .. }) => {
                if confirmed {
                    self.channel_seen(id, state);
                }
            }
            Some(ChainEvent::Down { error, .. }) => {
                tracing::warn!(%error, "the chain cannot be followed");
                if self.chain_lost.is_none() {
                    self.say(RequestorNotice::Node(NodeNotice::ChainLost { detail: error.to_string() }));
                }
                self.chain_lost = Some(error.to_string());
            }
            Some(ChainEvent::Up) => {
                tracing::info!("the chain can be followed again");
                self.chain_lost = None;
                self.say(RequestorNotice::Node(NodeNotice::ChainFound));
            }
            None => {
                self.watcher = None;
                self.fatal = Some("the chain's follower stopped by itself; start the node again".to_owned());
            }
        }
    }

    /// How a channel stands. Answers come in any order: less than is known is looked at again before it is believed, since an
    /// older block may be told of after a funding's.
    pub(crate) fn channel_seen(&mut self, channel: ChannelId, state: ChannelState) {
        if !self.machine.takes_back(channel, &state) {
            return self.step(RequestorInput::Channel { channel, state });
        }
        // Whatever look is under way began before.
        if self.doubted.insert(channel) {
            let chain = self.chain.clone();
            self.work.spawn(async move { Done::ReadAgain { channel, state: chain.read(channel).await } });
        }
    }

    pub(crate) async fn on_command(&mut self, command: RequestorCommand) {
        match command {
            RequestorCommand::Run { order, note, begun, input_max, pins, reply } => {
                let header = order.header.digest(&self.config.chain.chain_ref());
                self.room.hold(header, pins);
                self.policy.weigh(header, input_max);
                self.note_market::<()>(MarketTold::Weigh { header, input_max }, &[]);
                let kept = Kept { note, begun, shares: TaskShares::default(), gathered: None };
                let _ = reply.send(self.run_task(*order, kept));
            }
            RequestorCommand::Resume { header, reply } => {
                let resumed = self.resume_task(header);
                let _ = reply.send(resumed);
            }
            RequestorCommand::StopTask(header) => {
                if let Some(progress) = self.tasks.get_mut(&header) {
                    progress.halt();
                }
                self.step(RequestorInput::Stop(header));
            }
            RequestorCommand::Gathered { header, gathered } => {
                if let Some(progress) = self.tasks.get_mut(&header) {
                    progress.gathered = Some(gathered);
                }
            }
            RequestorCommand::View { header, reply } => drop(reply.send(self.view(header).map(Box::new))),
            RequestorCommand::Status(reply) => {
                let status = self.status().await;
                let _ = reply.send(status);
            }
            RequestorCommand::RequestClose { payee, reply } if self.has_channel(payee) => {
                let chain = self.chain.clone();
                self.work.spawn(async move {
                    Done::CloseRequested { payee, result: chain.request_close(payee).await, reply }
                });
            }
            RequestorCommand::RequestClose { payee, reply } => {
                let _ = reply.send(Err(SettleError::NoChannel { peer: payee }));
            }
            RequestorCommand::Finalize { payee, reply } if self.has_channel(payee) => {
                let chain = self.chain.clone();
                self.work.spawn(async move { Done::Finalized { payee, result: chain.finalize(payee).await, reply } });
            }
            RequestorCommand::Finalize { payee, reply } => {
                let _ = reply.send(Err(SettleError::NoChannel { peer: payee }));
            }
            RequestorCommand::Stop => self.stop(),
        }
    }

    fn has_channel(&self, payee: Address) -> bool {
        self.machine.ledgers().iter().any(|ledger| ledger.channel().payee == payee)
    }

    fn run_task(&mut self, order: TaskOrder, kept: Kept) -> Result<Running, RunTaskError> {
        let header = order.header.digest(&self.config.chain.chain_ref());
        let now = local_now();
        self.policy.watch(header, order.checks);
        self.note_market::<()>(MarketTold::Watch { header, checks: order.checks }, &[]);
        self.tasks.entry(header).or_insert_with(|| Progress::new(kept, now));
        self.step(RequestorInput::Start(Box::new(order)));
        if self.machine.order(header).is_none() {
            self.tasks.remove(&header);
            let detail = "too many tasks are open here; wait for one to end, or stop one".to_owned();
            return Err(RunTaskError::Refused { detail });
        }
        let progress = self.tasks.get_mut(&header).ok_or(RunTaskError::Unknown { header })?;
        Ok(Running { header, finished: progress.wait(now) })
    }

    /// Takes up a task that is known here. What failed of one that has ended is tried again.
    fn resume_task(&mut self, header: B256) -> Result<Running, RunTaskError> {
        let kept = |task: &Progress| Kept {
            note: task.note.clone(),
            begun: task.begun,
            shares: TaskShares::default(),
            gathered: task.gathered,
        };
        let known = self.machine.order(header).cloned().zip(self.tasks.get(&header).map(kept));
        let Some((order, kept)) = known else { return Err(RunTaskError::Unknown { header }) };
        let failed = |task: &TaskStatus| task.header == header && task.finished && task.failed > 0;
        if self.machine.tasks().iter().any(failed) {
            let (deadline, now) = (order.header.deadline, self.now.chain);
            if deadline < now {
                return Err(RunTaskError::TooLate { header, late_s: now.0.saturating_sub(deadline.0) });
            }
            self.step(RequestorInput::Retry(header));
            if let Some(progress) = self.tasks.get_mut(&header) {
                progress.reopened();
            }
        }
        self.run_task(order, kept)
    }

    fn view(&self, header: B256) -> Option<TaskView> {
        let status = self.machine.tasks().into_iter().find(|task| task.header == header)?;
        let module = self.machine.order(header)?.header.module;
        let progress = self.tasks.get(&header)?;
        let (note, gathered) = (progress.note.clone(), progress.gathered);
        let (outputs, failures) = (self.machine.outputs(header), self.machine.failures(header));
        Some(TaskView { status, module, note, gathered, outputs, failures })
    }
}
