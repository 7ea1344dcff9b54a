//! The one task that owns a provider: inputs in, effects out.

use crate::api::ApiServer;
use crate::audience::{Audience, Root};
use crate::chain_link::ChainLink;
use crate::content::Contents;
use crate::courier::Courier;
use crate::error::{NodeStopped, SettleError, StopError};
use crate::events::{EventLog, NodeNotice, ProviderNotice};
use crate::gossip::{HeaderGate, QuestionGate};
use crate::lifecycle::{local_now, wall_now};
use crate::owner::OwnerWatch;
use crate::pace::{Cause, Pace};
use crate::proofs::ProofGate;
use crate::provider_chain::Read;
use crate::provider_claims::{Asker, ClaimQuestion, RuleState, Settled};
use crate::provider_handle::ProviderCommand;
use crate::saver::Saver;
use crate::settings::{ClaimOnExit, ProviderConfig};
use crate::startup::Base;
use crate::status::ProviderCounters;
use crate::trace::{ProviderTold, Tracer};
use crate::worker::{Computed, JobStop, Runner, SubtaskBounds, compute, prefetch};
use golem_chain::{ChainEvent, Watcher};
use golem_deal::{ComputeJob, PersistId, Provider, ProviderEffect, ProviderEvent, ProviderInput};
use golem_market::ProviderMarketPolicy;
use golem_net::{GossipVerdict, NetworkEvent, NetworkHandle};
use golem_payments::ClaimPlan;
use golem_protocol::{
    B256, ChannelId, ChannelState, FailureKind, HEADER_TOPIC, Message, Now, PROOF_TOPIC, RefusalReason, SubtaskOutcome,
    Wei,
};
use golem_store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How long a stop lets running subtasks end.
const DRAIN: Duration = Duration::from_secs(30);
/// How long it waits for verdicts once nothing runs. Reason: a requestor that is there answers within a second; to one
/// that is not, the next start reports again.
const VERDICTS: Duration = Duration::from_secs(5);
/// How long a stop waits for the last saves and messages.
const FLUSH: Duration = Duration::from_secs(5);

/// Everything the loop is made of.
pub(crate) struct ProviderParts {
    pub(crate) machine: Provider,
    pub(crate) policy: ProviderMarketPolicy,
    pub(crate) config: ProviderConfig,
    pub(crate) base: Base,
    pub(crate) watcher: Watcher,
    pub(crate) saver: Saver,
    pub(crate) commands: mpsc::Receiver<ProviderCommand>,
    pub(crate) events: EventLog<ProviderNotice>,
    pub(crate) performance: u64,
    pub(crate) bounds: SubtaskBounds,
    pub(crate) now: Now,
    pub(crate) looked_first: Vec<(ChannelId, ChannelState)>,
    pub(crate) tracer: Tracer,
}

/// How the loop ended: what its owner is told, and why where nobody asked.
pub(crate) struct LoopEnd {
    pub(crate) result: Result<(), StopError>,
    pub(crate) reason: Option<String>,
}

/// Where the loop is in its life.
enum Phase {
    Running,
    /// Asked to stop; cut off at this time.
    Draining(tokio::time::Instant),
}

pub(crate) struct ProviderLoop {
    pub(crate) machine: Provider,
    pub(crate) policy: ProviderMarketPolicy,
    pub(crate) config: ProviderConfig,
    pub(crate) performance: u64,
    pub(crate) counters: ProviderCounters,
    /// What was last asked, in wei per hour.
    pub(crate) last_offer: Option<Wei>,
    pub(crate) net: NetworkHandle,
    pub(crate) chain_lost: Option<String>,
    pub(crate) now: Now,
    pub(crate) drained: bool,
    pub(crate) saver: Saver,
    pub(crate) running: BTreeMap<(B256, u32), JobStop>,
    store: Arc<dyn Store>,
    bounds: SubtaskBounds,
    pub(crate) runner: Arc<Runner>,
    pub(crate) contents: Contents,
    audience: Audience,
    pub(crate) chain: ChainLink,
    net_events: mpsc::Receiver<NetworkEvent>,
    pub(crate) watcher: Option<Watcher>,
    commands: mpsc::Receiver<ProviderCommand>,
    events: EventLog<ProviderNotice>,
    courier: Courier,
    gate: HeaderGate,
    questions: QuestionGate,
    proofs: ProofGate,
    jobs: JoinSet<(B256, u32, Computed)>,
    /// Inputs being fetched ahead of their runs, at most as many as there are slots; and which were.
    prefetches: JoinSet<()>,
    prefetched: BTreeSet<(B256, u32)>,
    pub(crate) reads: JoinSet<Read>,
    pub(crate) reading: BTreeSet<ChannelId>,
    pub(crate) settlements: JoinSet<Settled>,
    pub(crate) rule: RuleState,
    /// Held of channels that ended before it was claimed, since the start.
    pub(crate) lost: Wei,
    owner: OwnerWatch,
    /// Why nothing is begun now, where the owner wants the machine.
    pub(crate) resting: Option<String>,
    tracer: Tracer,
    /// Why nothing is offered for now, where that is so.
    closed: Option<RefusalReason>,
    /// How channels stood when this node looked first.
    looked_first: Vec<(ChannelId, ChannelState)>,
    pace: Pace,
    phase: Phase,
    /// When something last ran, or the node was not asked to stop yet.
    busy_at: tokio::time::Instant,
    disk_was_full: bool,
    pub(crate) fatal: Option<String>,
}

impl ProviderLoop {
    pub(crate) fn new(parts: ProviderParts) -> ProviderLoop {
        let ProviderParts {
            machine,
            policy,
            config,
            base,
            watcher,
            saver,
            commands,
            events,
            performance,
            bounds,
            now,
            looked_first,
            tracer,
        } = parts;
        ProviderLoop {
            machine,
            policy,
            performance,
            counters: ProviderCounters::default(),
            last_offer: None,
            courier: Courier::new(base.net.clone()),
            net: base.net,
            chain_lost: None,
            now,
            drained: false,
            saver,
            running: BTreeMap::new(),
            store: base.store,
            bounds,
            runner: base.runner,
            contents: base.contents,
            audience: base.audience,
            chain: base.chain,
            net_events: base.net_events,
            watcher: Some(watcher),
            commands,
            events,
            gate: HeaderGate::new(config.chain.chain_ref()),
            questions: QuestionGate::new(),
            proofs: ProofGate::new(),
            owner: OwnerWatch::new(config.owner.clone()),
            resting: None,
            config,
            jobs: JoinSet::new(),
            prefetches: JoinSet::new(),
            prefetched: BTreeSet::new(),
            reads: JoinSet::new(),
            reading: BTreeSet::new(),
            settlements: JoinSet::new(),
            rule: RuleState::default(),
            lost: Wei::ZERO,
            tracer,
            closed: None,
            looked_first,
            pace: Pace::new(),
            phase: Phase::Running,
            busy_at: tokio::time::Instant::now(),
            disk_was_full: false,
            fatal: None,
        }
    }

    /// Runs until it is asked to stop, or must. Everything it started has ended when it returns.
    pub(crate) async fn run(mut self, api: Option<ApiServer>) -> LoopEnd {
        // Before anything else: a payer may have asked to close while this node was away.
        for (channel, state) in std::mem::take(&mut self.looked_first) {
            self.step(ProviderInput::Channel { channel, state });
        }
        self.claim_by_rule();
        self.step(ProviderInput::Tick);
        while self.goes_on() {
            self.turn().await;
        }
        // Whoever asks from now on is told that it has stopped; nobody waits for an answer that does not come.
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            drop(command);
        }
        let result = self.wind_down().await;
        if let Some(api) = api {
            api.stop().await;
        }
        let reason = self.fatal.clone();
        self.events.close();
        let result = match (reason.clone(), result) {
            (Some(reason), _) => Err(StopError::Stopped(NodeStopped { reason: Some(reason) })),
            (None, result) => result,
        };
        self.finish().await;
        LoopEnd { result, reason }
    }

    fn goes_on(&self) -> bool {
        if self.fatal.is_some() {
            return false;
        }
        match self.phase {
            Phase::Running => true,
            Phase::Draining(until) => {
                let now = tokio::time::Instant::now();
                let runs = !self.jobs.is_empty() || !self.saver.is_idle();
                let unanswered = !self.machine.is_idle() && now.duration_since(self.busy_at) < VERDICTS;
                // What finds no room does not end by being waited for: the next start does it.
                let is_full = self.saver.full().is_some();
                (runs || unanswered) && !is_full && now < until
            }
        }
    }

    /// Waits for one thing and deals with it.
    async fn turn(&mut self) {
        if !self.jobs.is_empty() || matches!(self.phase, Phase::Running) {
            self.busy_at = tokio::time::Instant::now();
        }
        let until_wake = self.until_wake();
        let takes_more = !self.saver.is_behind();
        tokio::select! {
            // What is durable first: other effects wait for it.
            biased;
            durable = self.saver.durable(), if !self.saver.is_idle() => self.on_durable(durable),
            Some(command) = self.commands.recv() => self.on_command(command).await,
            Some(done) = self.jobs.join_next() => match done {
                Ok((agreement, index, computed)) => self.on_computed(agreement, index, computed),
                Err(error) => self.fatal = Some(format!("a worker failed: {error}")),
            },
            Some(read) = self.reads.join_next() => if let Ok(read) = read {
                self.on_read(read);
            },
            Some(answer) = self.rule.asked.join_next() => if let Ok(answer) = answer {
                self.on_asked(answer);
            },
            Some(settled) = self.settlements.join_next() => match settled {
                Ok(settled) => self.on_settled(settled),
                Err(error) => tracing::error!(%error, "a settlement failed"),
            },
            event = next_chain_event(&mut self.watcher) => self.on_chain(event),
            event = self.net_events.recv(), if takes_more => match event {
                Some(event) => self.on_net(event).await,
                None => self.fatal = Some("the network stopped by itself; start the node again".to_owned()),
            },
            _ = tokio::time::sleep(until_wake) => self.step(ProviderInput::Tick),
        }
        self.after_turn();
    }

    fn until_wake(&self) -> Duration {
        let until = self.pace.until_wake();
        match self.phase {
            Phase::Running => until,
            Phase::Draining(at) => {
                let next = at.min(self.busy_at + VERDICTS);
                until.min(next.saturating_duration_since(tokio::time::Instant::now()).max(Duration::from_millis(1)))
            }
        }
    }

    /// What follows from whatever has changed.
    fn after_turn(&mut self) {
        let full = self.saver.full().map(str::to_owned);
        if full.is_some() != self.disk_was_full {
            self.disk_was_full = full.is_some();
            self.say(ProviderNotice::Node(match full {
                Some(detail) => NodeNotice::DiskFull { detail },
                None => NodeNotice::DiskFreed,
            }));
        }
        let closed = if self.disk_was_full {
            Some(RefusalReason::Full("the disk".to_owned()))
        } else {
            self.chain_lost.as_ref().map(|_| RefusalReason::Channel("the chain cannot be read at present".to_owned()))
        };
        if closed != self.closed {
            let told = self.tracer.told(|| ProviderTold::Close(closed.clone()));
            self.closed = closed.clone();
            self.policy.close(closed);
            let ended = self.tracer.provider(told, self.now, &[]);
            self.say_trace_ended(ended);
        }
        self.look_for_owner();
        self.claim_by_rule();
    }

    /// Gives the machine to its owner, or takes work again.
    fn look_for_owner(&mut self) {
        let Some(why) = self.owner.look(std::time::Instant::now()) else { return };
        if why == self.resting {
            return;
        }
        self.say(ProviderNotice::Node(match &why {
            Some(reason) => NodeNotice::Resting { reason: reason.clone() },
            None => NodeNotice::Rested,
        }));
        self.resting = why.clone();
        self.step(ProviderInput::Rest(why));
    }

    /// One step of the machine, and its effects.
    pub(crate) fn step(&mut self, input: ProviderInput) {
        self.now.local = local_now();
        self.pace.begin(match input {
            ProviderInput::Persisted(_) => Cause::Persisted,
            ProviderInput::Tick => Cause::Tick,
            _ => Cause::Other,
        });
        tracing::debug!(input = input.name(), chain_s = self.now.chain.0, "step");
        let is_tick = matches!(input, ProviderInput::Tick);
        let told = self.tracer.told(|| ProviderTold::from(&input));
        let effects = self.machine.apply(&mut self.policy, input, self.now);
        let trace_ended = self.tracer.provider(told, self.now, &effects);
        self.say_trace_ended(trace_ended);
        for effect in effects {
            self.perform(effect);
        }
        if is_tick {
            self.audience.keep(|agreement| self.machine.is_open(agreement));
        }
        if let Some(broken) = self.pace.broken_rule(|| self.machine.check_invariants()) {
            self.fatal = Some(broken);
        }
    }

    fn perform(&mut self, effect: ProviderEffect) {
        match effect {
            ProviderEffect::Persist { id, records } => {
                tracing::debug!(effect = "persist", id = id.0, records = records.len());
                self.saver.save(id, records);
            }
            ProviderEffect::Send { to, message } => {
                tracing::debug!(effect = "send", peer = %to, message = message.name());
                if let Message::Report(report) = &message {
                    let outputs = report.document.results.iter().filter_map(|result| match &result.outcome {
                        SubtaskOutcome::Completed { output, .. } => Some(Root::Output(*output)),
                        SubtaskOutcome::Failed { .. } => None,
                    });
                    self.audience.allow(report.document.agreement, to, outputs);
                }
                self.courier.send(to, message);
            }
            ProviderEffect::ReadChannel(channel) => self.read(channel),
            ProviderEffect::Compute(job) => self.compute(job),
            ProviderEffect::StopComputing { agreement } => {
                tracing::debug!(effect = "stop_computing", %agreement);
                let range = (agreement, 0)..=(agreement, u32::MAX);
                self.running.range(range).for_each(|(_, stop)| stop.stop());
            }
            ProviderEffect::Claim { payer } => {
                tracing::debug!(effect = "claim", %payer);
                self.claim_soon(payer);
            }
            ProviderEffect::WakeAt(at) => self.pace.wake_at(at),
            ProviderEffect::Happened(event) => self.happened(event),
        }
    }

    fn compute(&mut self, job: ComputeJob) {
        tracing::debug!(effect = "compute", agreement = %job.agreement, index = job.index);
        let key = (job.agreement, job.index);
        // Asked again while it runs: it is answered once it is done.
        if self.running.contains_key(&key) {
            return;
        }
        self.say(ProviderNotice::ComputeStarted { agreement: job.agreement, index: job.index });
        let stop = JobStop::new();
        self.running.insert(key, stop.clone());
        let (runner, contents, bounds) = (self.runner.clone(), self.contents.clone(), self.bounds);
        self.jobs.spawn(async move {
            let (agreement, index) = (job.agreement, job.index);
            (agreement, index, compute(runner, contents, bounds, job, stop).await)
        });
        self.prefetch();
    }

    /// Has the inputs of the next subtasks fetched while the slots are busy.
    fn prefetch(&mut self) {
        while self.prefetches.try_join_next().is_some() {}
        let slots = self.config.slots as usize;
        let upcoming = self.machine.upcoming(slots);
        self.prefetched.retain(|key| upcoming.iter().any(|job| (job.agreement, job.index) == *key));
        for job in upcoming {
            if self.prefetches.len() < slots && self.prefetched.insert((job.agreement, job.index)) {
                self.prefetches.spawn(prefetch(self.contents.clone(), self.bounds, job));
            }
        }
    }

    fn on_computed(&mut self, agreement: B256, index: u32, Computed { outcome, unfit }: Computed) {
        self.running.remove(&(agreement, index));
        match &outcome {
            SubtaskOutcome::Completed { fuel, time_ms, .. } => {
                self.counters.completed += 1;
                tracing::info!(%agreement, index, fuel = fuel.0, time_ms, "subtask computed");
            }
            SubtaskOutcome::Failed { kind, message } => {
                self.counters.failed += 1;
                if *kind == FailureKind::Provider {
                    tracing::warn!(%agreement, index, ?kind, message, "subtask failed here");
                } else {
                    tracing::info!(%agreement, index, ?kind, message, "subtask failed");
                }
            }
        }
        // First, or the machine would begin the next of the same program.
        if let Some(program) = unfit {
            self.step(ProviderInput::Unfit(program));
        }
        self.step(ProviderInput::Computed { agreement, index, outcome });
    }

    fn on_durable(&mut self, durable: Result<Vec<PersistId>, StoreError>) {
        match durable {
            Ok(ids) => ids.into_iter().for_each(|id| self.step(ProviderInput::Persisted(id))),
            Err(error) => self.fatal = Some(format!("records cannot be saved any more: {error}")),
        }
    }

    async fn on_net(&mut self, event: NetworkEvent) {
        match event {
            NetworkEvent::Gossip { id, topic, source, via: _, bytes } => {
                let (verdict, header) = if topic == HEADER_TOPIC {
                    self.gate.judge(source, &bytes, local_now(), self.now.chain)
                } else if topic == PROOF_TOPIC {
                    // Not for us, yet requestors hear it through us.
                    (self.proofs.judge(source, &bytes, local_now()).0, None)
                } else {
                    (GossipVerdict::Ignore, None)
                };
                self.net.report(id, verdict).await;
                if let Some(header) = header {
                    self.counters.headers += 1;
                    self.step(ProviderInput::Header(Box::new(header)));
                }
            }
            NetworkEvent::Message { from, bytes } => match Message::decode(&bytes) {
                Ok(message) if !self.questions.admits(from, &message, local_now()) => {
                    tracing::info!(peer = %from, "asks for vouchers too often");
                }
                Ok(message) => {
                    tracing::debug!(peer = %from, message = message.name(), "message taken");
                    self.step(ProviderInput::Message { from, message: Box::new(message) });
                }
                Err(error) => tracing::info!(peer = %from, %error, "message not understood"),
            },
            NetworkEvent::PeerConnected { node, .. } => tracing::debug!(peer = %node, "peer connected"),
            NetworkEvent::PeerDisconnected { node } => tracing::debug!(peer = %node, "peer disconnected"),
            NetworkEvent::PeerSubscribed { node, topic } => tracing::debug!(peer = %node, topic, "peer subscribed"),
            NetworkEvent::PeerBanned { node, seconds } => tracing::info!(peer = %node, seconds, "peer banned"),
            NetworkEvent::ListenAddress { address } => tracing::info!(address, "listening"),
        }
    }

    async fn on_command(&mut self, command: ProviderCommand) {
        match command {
            ProviderCommand::Status(reply) => {
                let status = self.status().await;
                let _ = reply.send(status);
            }
            ProviderCommand::Claim(reply) if self.settlements.is_empty() => {
                self.claim(self.claimable_payers(), Asker::Claim(reply));
            }
            ProviderCommand::Claim(reply) => drop(reply.send(Err(SettleError::UnderWay))),
            ProviderCommand::Close(reply) if self.settlements.is_empty() => {
                let (chain, held) = (self.chain.clone(), self.held(&self.all_payers()));
                self.settlements.spawn(async move { Settled::Close(reply, chain.close(held).await) });
            }
            ProviderCommand::Close(reply) => drop(reply.send(Err(SettleError::UnderWay))),
            ProviderCommand::Drain => self.drain(),
            ProviderCommand::Stop => {
                self.drain();
                // A second wish to stop does not wait any longer.
                let bound = if matches!(self.phase, Phase::Running) { DRAIN } else { Duration::ZERO };
                self.phase = Phase::Draining(tokio::time::Instant::now() + bound);
            }
        }
    }

    fn drain(&mut self) {
        if !self.drained {
            self.drained = true;
            self.say(ProviderNotice::Node(NodeNotice::Stopping { reason: "the owner asked for it".to_owned() }));
            self.step(ProviderInput::Drain);
        }
    }

    fn happened(&mut self, event: ProviderEvent) {
        tracing::debug!(?event, "happened");
        match &event {
            ProviderEvent::Offered { price, .. } => {
                self.counters.offers += 1;
                self.last_offer = Some(*price);
            }
            ProviderEvent::Agreed { .. } => self.counters.agreements += 1,
            ProviderEvent::Rejected { .. } => self.counters.rejected += 1,
            ProviderEvent::Paid { .. } => {
                self.counters.vouchers += 1;
                self.rule_is_due();
            }
            ProviderEvent::Abandoned { .. } => self.counters.abandoned += 1,
            ProviderEvent::Refused { .. }
            | ProviderEvent::RefusedByPeer { .. }
            | ProviderEvent::Computed { .. }
            | ProviderEvent::Unpaid { .. }
            | ProviderEvent::FeePaid { .. }
            | ProviderEvent::FeeUnpaid { .. }
            | ProviderEvent::CreditExceeded { .. }
            | ProviderEvent::Uncovered { .. } => {}
            ProviderEvent::LeftAlone { module, detail, for_ms } => {
                tracing::warn!(program = %module, for_ms, detail, "program left alone: it cannot be run here");
            }
            ProviderEvent::Ended { payer, epoch, claimed, unclaimed } => {
                self.look_at_end(*payer, *epoch, claimed.saturating_add(*unclaimed));
            }
            ProviderEvent::DepositUndone { payer, deposit, claimable } => {
                tracing::warn!(%payer, %deposit, %claimable, "a reorg took back a deposit");
            }
            ProviderEvent::ClaimUndone { payer, amount } => {
                tracing::warn!(%payer, %amount, "a reorg took back a claim");
            }
        }
        self.say(ProviderNotice::Deal(event));
    }

    pub(crate) fn say(&self, notice: ProviderNotice) {
        self.events.post(notice, wall_now().0);
    }

    /// Takes down what the rule of when to claim was asked, where it says to claim.
    pub(crate) fn note_claim(&mut self, question: ClaimQuestion, plan: &ClaimPlan) {
        let told = self.tracer.told(|| ProviderTold::Claim(question));
        let ended = self.tracer.policy(told, self.now, std::slice::from_ref(plan));
        self.say_trace_ended(ended);
    }

    fn say_trace_ended(&self, why: Option<String>) {
        why.into_iter().for_each(|detail| self.say(ProviderNotice::Node(NodeNotice::TraceEnded { detail })));
    }

    /// Ends what runs, saves what is signed, claims where the rule says so.
    async fn wind_down(&mut self) -> Result<(), StopError> {
        let cut_off = self.running.len();
        self.running.values().for_each(JobStop::stop);
        self.prefetches.shutdown().await;
        while let Some(done) = self.jobs.join_next().await {
            if let Ok((agreement, index, computed)) = done
                && self.fatal.is_none()
                && matches!(computed.outcome, SubtaskOutcome::Completed { .. })
            {
                self.on_computed(agreement, index, computed);
            }
        }
        let flushed = self.flush().await;
        // A claim or close that is under way is waited for: its transaction is recorded, but its asker is not.
        while let Ok(Some(Ok(settled))) = tokio::time::timeout(DRAIN, self.settlements.join_next()).await {
            self.on_settled(settled);
        }
        if self.fatal.is_none() && self.config.claim.on_exit == ClaimOnExit::Claim {
            let held = self.held(&self.claimable_payers());
            self.chain.claim(self.config.payee, held).await?;
        }
        // Why they were cut off, where there was no time for them because there was no room.
        if let Err(error @ StopError::Unsaved { .. }) = flushed {
            return Err(error);
        }
        let waited_ms = DRAIN.as_millis() as u64;
        if cut_off > 0 {
            return Err(StopError::CutOff { what: format!("{cut_off} running subtasks"), waited_ms });
        }
        flushed
    }

    /// Waits for the last saves, as long as there is room for them. Errors: `Unsaved`, `CutOff`.
    async fn flush(&mut self) -> Result<(), StopError> {
        let all = async {
            while !self.saver.is_idle() && self.fatal.is_none() {
                if let Some(detail) = self.saver.full() {
                    return Err(StopError::Unsaved { detail: detail.to_owned() });
                }
                let durable = self.saver.durable().await;
                self.on_durable(durable);
            }
            Ok(())
        };
        tokio::time::timeout(FLUSH, all).await.unwrap_or_else(|_| Err(StopError::unflushed(FLUSH)))
    }

    /// Joins everything that is left.
    async fn finish(mut self) {
        self.tracer.end();
        self.reads.shutdown().await;
        self.rule.asked.shutdown().await;
        self.settlements.shutdown().await;
        self.courier.stop(FLUSH).await;
        if let Some(watcher) = self.watcher.take() {
            watcher.stop().await;
        }
        self.net.shutdown().await;
        self.saver.stop().await;
        drop(self.store);
    }
}

/// The next event of the chain; waits for ever once it has ended.
pub(crate) async fn next_chain_event(watcher: &mut Option<Watcher>) -> Option<ChainEvent> {
    match watcher {
        Some(watcher) => watcher.next().await,
        None => std::future::pending().await,
    }
}
