//! The one task that owns a requestor: inputs in, effects out.

use crate::api::ApiServer;
use crate::audience::{Audience, LargeFetch, Root};
use crate::chain_link::ChainLink;
use crate::content::Contents;
use crate::courier::Courier;
use crate::error::{NodeStopped, StopError};
use crate::events::{EventLog, NodeNotice, RequestorNotice};
use crate::gossip::{HeaderGate, QuestionGate};
use crate::lifecycle::{local_now, wall_now};
use crate::pace::{Cause, Pace};
use crate::progress::Progress;
use crate::proofs::{ProofDesk, ProofGate};
use crate::provider_loop::{LoopEnd, next_chain_event};
use crate::requestor_done::Done;
use crate::requestor_handle::RequestorCommand;
use crate::requestor_room::RoomDesk;
use crate::room::RoomWanted;
use crate::saver::Saver;
use crate::settings::RequestorConfig;
use crate::startup::Base;
use crate::status::RequestorCounters;
use crate::trace::{MarketTold, RequestorTold, Tracer};
use crate::transfer::fetch_output;
use crate::worker::{JobStop, Runner, recheck};
use golem_chain::Watcher;
use golem_deal::{FetchJob, PersistId, Requestor, RequestorEffect, RequestorInput, TaskStatus};
use golem_market::RequestorMarketPolicy;
use golem_net::{NetworkEvent, NetworkHandle};
use golem_protocol::message::encode_header;
use golem_protocol::{
    Address, Agreement, B256, ChannelId, Document, HEADER_TOPIC, Header, LocalTime, Message, NodeId, Now, Signed, Wei,
};
use golem_store::{Store, StoreError};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

/// How long a stop waits for the last saves and messages.
const FLUSH: Duration = Duration::from_secs(5);
/// Outputs fetched at once. Reason: each holds some pieces in memory; the others wait their turn.
const FETCHES_MAX: usize = 16;
/// Headers on their way to the network. Reason: they are announced again every few seconds.
const ANNOUNCEMENTS_MAX: usize = 512;

/// Everything the loop is made of.
pub(crate) struct RequestorParts {
    pub(crate) machine: Requestor,
    pub(crate) policy: RequestorMarketPolicy,
    pub(crate) config: RequestorConfig,
    pub(crate) base: Base,
    pub(crate) watcher: Watcher,
    pub(crate) saver: Saver,
    pub(crate) commands: mpsc::Receiver<RequestorCommand>,
    pub(crate) room_wanted: mpsc::Receiver<RoomWanted>,
    pub(crate) fetches: mpsc::Receiver<LargeFetch>,
    pub(crate) events: EventLog<RequestorNotice>,
    pub(crate) tasks: BTreeMap<B256, Progress>,
    pub(crate) now: Now,
    /// For what is fetched to look at others' proofs.
    pub(crate) proof_contents: Contents,
    pub(crate) tracer: Tracer,
}

/// A result that is run again here.
pub(crate) struct Rerun {
    /// Of which task.
    pub(crate) header: B256,
    stop: JobStop,
}

/// Where the loop is in its life.
enum Phase {
    Running,
    /// Asked to stop: the last vouchers may arrive until then.
    Lingering(tokio::time::Instant),
}

pub(crate) struct RequestorLoop {
    pub(crate) machine: Requestor,
    pub(crate) config: RequestorConfig,
    pub(crate) counters: RequestorCounters,
    pub(crate) net: NetworkHandle,
    pub(crate) chain_lost: Option<String>,
    pub(crate) now: Now,
    pub(crate) tasks: BTreeMap<B256, Progress>,
    pub(crate) policy: RequestorMarketPolicy,
    saver: Saver,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) runner: Arc<Runner>,
    pub(crate) contents: Contents,
    pub(crate) audience: Audience,
    pub(crate) chain: ChainLink,
    net_events: mpsc::Receiver<NetworkEvent>,
    pub(crate) watcher: Option<Watcher>,
    commands: mpsc::Receiver<RequestorCommand>,
    room_wanted: mpsc::Receiver<RoomWanted>,
    fetches: mpsc::Receiver<LargeFetch>,
    pub(crate) room: RoomDesk,
    events: EventLog<RequestorNotice>,
    courier: Courier,
    delivered: watch::Receiver<()>,
    pub(crate) gate: HeaderGate,
    pub(crate) questions: QuestionGate,
    pub(crate) proof_gate: ProofGate,
    pub(crate) proofs: ProofDesk,
    /// Proofs that are being looked at; the market bounds how many.
    pub(crate) looks: BTreeMap<B256, JobStop>,
    /// Held while a file of evidence is written: one after the other.
    pub(crate) evidence: Arc<Mutex<()>>,
    pub(crate) work: JoinSet<Done>,
    /// Outputs being fetched, rechecks being run: asked again, they are not begun again.
    pub(crate) fetching: BTreeSet<(B256, u32)>,
    pub(crate) rechecking: BTreeMap<(B256, u32), Rerun>,
    fetch_turns: Arc<Semaphore>,
    pub(crate) reading: BTreeSet<ChannelId>,
    /// Channels that are looked at a second time: there was less on them than was known.
    pub(crate) doubted: BTreeSet<ChannelId>,
    /// Payees whose channel is being funded, and what is to be done after that.
    pub(crate) funding: BTreeMap<Address, Option<(Wei, u32)>>,
    pub(crate) announcing: usize,
    pub(crate) shares_saved: LocalTime,
    tracer: Tracer,
    pace: Pace,
    phase: Phase,
    disk_was_full: bool,
    pub(crate) fatal: Option<String>,
}

impl RequestorLoop {
    pub(crate) fn new(parts: RequestorParts) -> RequestorLoop {
        let RequestorParts {
            machine,
            policy,
            config,
            base,
            watcher,
            saver,
            commands,
            room_wanted,
            fetches,
            events,
            tasks,
            now,
            proof_contents,
            tracer,
        } = parts;
        let courier = Courier::new(base.net.clone());
        let proofs = ProofDesk::new(config.chain.chain_ref(), proof_contents, base.runner.clone());
        RequestorLoop {
            machine,
            counters: RequestorCounters::default(),
            chain_lost: None,
            now,
            tasks,
            policy,
            saver,
            store: base.store,
            runner: base.runner,
            contents: base.contents,
            audience: base.audience,
            chain: base.chain,
            net_events: base.net_events,
            watcher: Some(watcher),
            commands,
            room_wanted,
            fetches,
            room: RoomDesk::default(),
            events,
            delivered: courier.changes(),
            courier,
            gate: HeaderGate::new(config.chain.chain_ref()),
            questions: QuestionGate::new(),
            proof_gate: ProofGate::new(),
            proofs,
            looks: BTreeMap::new(),
            config,
            net: base.net,
            evidence: Arc::default(),
            work: JoinSet::new(),
            fetching: BTreeSet::new(),
            rechecking: BTreeMap::new(),
            fetch_turns: Arc::new(Semaphore::new(FETCHES_MAX)),
            reading: BTreeSet::new(),
            doubted: BTreeSet::new(),
            funding: BTreeMap::new(),
            announcing: 0,
            shares_saved: LocalTime::default(),
            tracer,
            pace: Pace::new(),
            phase: Phase::Running,
            disk_was_full: false,
            fatal: None,
        }
    }

    /// Runs until it is asked to stop, or must. Everything it started has ended when it returns.
    pub(crate) async fn run(mut self, api: Option<ApiServer>) -> LoopEnd {
        // Nobody is connected yet; who was agreed with before counts as lost until it is.
        let before: BTreeSet<NodeId> = self.tasks.values().flat_map(|task| task.shares.keys().copied()).collect();
        for peer in before {
            self.step(RequestorInput::Reachable { peer, reachable: false });
        }
        // What an earlier run left open spends nothing more until its owner resumes it.
        for task in self.machine.tasks().into_iter().filter(|task| !task.finished) {
            self.step(RequestorInput::Stop(task.header));
        }
        // What was agreed before may be fetched still.
        let open: Vec<Agreement> = self.machine.open_agreements().map(|agreement| (**agreement).clone()).collect();
        open.iter().for_each(|agreement| self.admit(agreement));
        self.recall_proofs().await;
        self.step(RequestorInput::Tick);
        while self.goes_on() {
            self.turn().await;
        }
        // Whoever asks from now on is told that it has stopped; nobody waits for an answer that does not come.
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            drop(command);
        }
        self.room_wanted.close();
        while let Ok(wanted) = self.room_wanted.try_recv() {
            drop(wanted);
        }
        self.save_shares(true);
        let flushed = self.flush().await;
        if let Some(api) = api {
            api.stop().await;
        }
        let undelivered = self.courier.undelivered();
        let reason = self.fatal.clone();
        let result = match (&reason, flushed) {
            (Some(reason), _) => Err(StopError::Stopped(NodeStopped { reason: Some(reason.clone()) })),
            (None, Err(error)) => Err(error),
            (None, Ok(())) if !undelivered.is_empty() => Err(StopError::Undelivered { undelivered }),
            (None, Ok(())) => Ok(()),
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
            Phase::Lingering(until) => {
                let busy = !self.fetching.is_empty() || !self.rechecking.is_empty();
                // Copies of what is done already are agreed and owed.
                let owed = |task: &TaskStatus| task.finished && task.reserved > Wei::ZERO;
                let owes = self.machine.tasks().iter().any(owed);
                // What finds no room does not end by being waited for: the next start does it.
                let ended = !busy && !owes && self.saver.is_idle() || self.disk_was_full;
                let done = ended && self.courier.is_settled();
                !done && tokio::time::Instant::now() < until
            }
        }
    }

    /// Waits for one thing and deals with it.
    async fn turn(&mut self) {
        let until_wake = self.until_wake();
        let takes_more = !self.saver.is_behind();
        tokio::select! {
            // What is durable first: other effects wait for it.
            biased;
            durable = self.saver.durable(), if !self.saver.is_idle() => self.on_durable(durable),
            Some(command) = self.commands.recv() => self.on_command(command).await,
            Some(wanted) = self.room_wanted.recv() => self.make_room(wanted),
            Some(fetch) = self.fetches.recv() => self.large_fetch(fetch),
            Some(done) = self.work.join_next() => match done {
                Ok(done) => self.on_done(done),
                Err(error) => self.fatal = Some(format!("a worker failed: {error}")),
            },
            event = next_chain_event(&mut self.watcher) => self.on_chain(event),
            event = self.net_events.recv(), if takes_more => match event {
                Some(event) => self.on_net(event).await,
                None => self.fatal = Some("the network stopped by itself; start the node again".to_owned()),
            },
            // Only its coming matters: a stop may be waiting for it.
            _ = self.delivered.changed() => {}
            _ = tokio::time::sleep(until_wake) => self.step(RequestorInput::Tick),
        }
        self.after_turn();
    }

    fn until_wake(&self) -> Duration {
        let until = self.pace.until_wake();
        match self.phase {
            Phase::Running => until,
            Phase::Lingering(at) => until.min(at.saturating_duration_since(tokio::time::Instant::now())),
        }
    }

    /// Why records or results cannot be saved here, while that is so.
    pub(crate) fn unsaved(&self) -> Option<String> {
        self.saver.full().map(str::to_owned).or_else(|| self.contents.trouble())
    }

    /// What follows from whatever has changed.
    fn after_turn(&mut self) {
        let full = self.unsaved();
        if full.is_some() != self.disk_was_full {
            self.disk_was_full = full.is_some();
            self.say(RequestorNotice::Node(match full {
                Some(detail) => NodeNotice::DiskFull { detail },
                None => NodeNotice::DiskFreed,
            }));
        }
        self.conclude_tasks();
        self.save_shares(false);
        self.look_at_proofs();
        self.say_proofs();
    }

    /// One step of the machine, and its effects.
    pub(crate) fn step(&mut self, input: RequestorInput) {
        self.now.local = local_now();
        self.pace.begin(match input {
            RequestorInput::Persisted(_) => Cause::Persisted,
            RequestorInput::Tick => Cause::Tick,
            _ => Cause::Other,
        });
        tracing::debug!(input = input.name(), chain_s = self.now.chain.0, "step");
        let is_tick = matches!(input, RequestorInput::Tick);
        let told = self.tracer.told(|| RequestorTold::Input(input.clone()));
        let effects = self.machine.apply(&mut self.policy, input, self.now);
        let trace_ended = self.tracer.requestor(told, self.now, &effects);
        self.say_trace_ended(trace_ended);
        for effect in effects {
            self.perform(effect);
        }
        if is_tick {
            self.audience.keep(|agreement| self.machine.is_open(agreement));
            self.room.keep(|agreement| self.machine.is_open(agreement));
        }
        if let Some(broken) = self.pace.broken_rule(|| self.machine.check_invariants()) {
            self.fatal = Some(broken);
        }
    }

    fn perform(&mut self, effect: RequestorEffect) {
        match effect {
            RequestorEffect::Persist { id, records } => {
                tracing::debug!(effect = "persist", id = id.0, records = records.len());
                self.saver.save(id, records);
            }
            RequestorEffect::Announce(header) => self.announce(header),
            RequestorEffect::Send { to, message } => {
                tracing::debug!(effect = "send", peer = %to, message = message.name());
                if let Message::Agreement(agreement) = &message {
                    let agreement = &agreement.document;
                    // Before it leaves: who has it may ask at once.
                    self.admit(agreement);
                    if let Some(progress) = self.tasks.get_mut(&agreement.header) {
                        progress.agreed(agreement.provider, agreement.payee);
                    }
                }
                self.courier.send(to, message);
            }
            RequestorEffect::ReadChannel(channel) => self.read(channel),
            RequestorEffect::Fund { payee, amount, deposit, epoch } => {
                tracing::debug!(effect = "fund", %payee, %amount, %deposit, epoch);
                self.fund(payee, deposit, epoch);
            }
            RequestorEffect::Fetch(job) => self.fetch(job),
            RequestorEffect::Recheck { agreement, index, input, header } => {
                tracing::debug!(effect = "recheck", %agreement, index);
                if self.rechecking.contains_key(&(agreement, index)) {
                    return;
                }
                let stop = JobStop::new();
                let task = header.digest(&self.config.chain.chain_ref());
                self.rechecking.insert((agreement, index), Rerun { header: task, stop: stop.clone() });
                let (runner, contents) = (self.runner.clone(), self.contents.clone());
                self.work.spawn(async move {
                    let mut pins = contents.pins();
                    let began = Instant::now();
                    let outcome = recheck(runner, contents, input, *header, stop, &mut pins).await;
                    let took_ms = began.elapsed().as_millis() as u64;
                    Done::Rechecked { header: task, agreement, index, outcome, took_ms, pins }
                });
            }
            RequestorEffect::Publish(proof) => self.keep_proof(*proof),
            RequestorEffect::KeepSlow(slow) => self.keep_slow(*slow),
            RequestorEffect::WakeAt(at) => self.pace.wake_at(at),
            RequestorEffect::Happened(event) => self.happened(event),
        }
    }

    /// A provider may fetch what a batch takes, and nothing else that is here.
    fn admit(&self, agreement: &Agreement) {
        let Some(order) = self.machine.order(agreement.header) else { return };
        let inputs = agreement.subtasks.iter().map(|subtask| Root::Input(subtask.input));
        let roots = inputs.chain([Root::Content(order.header.module)]);
        self.audience.allow(agreement.digest(&self.config.chain.chain_ref()), agreement.provider, roots);
    }

    fn announce(&mut self, header: Signed<Header>) {
        let digest = header.document.digest(&self.config.chain.chain_ref());
        tracing::debug!(effect = "announce", header = %digest);
        self.publish(&header);
        if let Some(progress) = self.tasks.get_mut(&digest) {
            progress.announced = Some(header);
        }
    }

    pub(crate) fn publish(&mut self, header: &Signed<Header>) {
        let bytes = match encode_header(header) {
            Ok(bytes) if self.announcing < ANNOUNCEMENTS_MAX => bytes,
            Ok(_) => return tracing::warn!("too many headers are on their way, this one goes later"),
            Err(error) => return tracing::error!(%error, "header cannot be announced"),
        };
        self.announcing += 1;
        let net = self.net.clone();
        self.work.spawn(async move {
            if let Err(error) = net.publish(HEADER_TOPIC, bytes).await {
                tracing::info!(%error, "header not announced now, it is announced again");
            }
            Done::Announced
        });
    }

    pub(crate) fn read(&mut self, channel: ChannelId) {
        tracing::debug!(effect = "read_channel", payee = %channel.payee);
        if self.reading.insert(channel) {
            let chain = self.chain.clone();
            self.work.spawn(async move { Done::Read { channel, state: chain.read(channel).await } });
        }
    }

    /// One funding of a channel at a time: the next one looks at what the last one did.
    pub(crate) fn fund(&mut self, payee: Address, deposit: Wei, epoch: u32) {
        if let Some(next) = self.funding.get_mut(&payee) {
            *next = Some((deposit, epoch));
            return;
        }
        self.funding.insert(payee, None);
        let chain = self.chain.clone();
        self.work.spawn(async move {
            let result = chain.fund(payee, deposit, epoch).await.map_err(|error| error.to_string());
            Done::Funded { payee, result }
        });
    }

    fn fetch(&mut self, job: FetchJob) {
        tracing::debug!(effect = "fetch", agreement = %job.agreement, index = job.index);
        let (agreement, index) = (job.agreement, job.index);
        if self.fetching.insert((agreement, index)) {
            let (contents, turns) = (self.contents.clone(), self.fetch_turns.clone());
            self.work.spawn(async move {
                let _turn = turns.acquire().await;
                let mut pins = contents.pins();
                let complete = fetch_output(contents, job, &mut pins).await;
                Done::Fetched { agreement, index, complete, pins }
            });
        }
    }

    fn on_durable(&mut self, durable: Result<Vec<PersistId>, StoreError>) {
        match durable {
            Ok(ids) => ids.into_iter().for_each(|id| self.step(RequestorInput::Persisted(id))),
            Err(error) => self.fatal = Some(format!("records cannot be saved any more: {error}")),
        }
    }

    pub(crate) fn say(&self, notice: RequestorNotice) {
        self.events.post(notice, wall_now().0);
    }

    /// Takes down what the policy was told by others than its machine, and what it answered.
    pub(crate) fn note_market<T: Serialize>(&mut self, told: MarketTold, answers: &[T]) {
        let told = self.tracer.told(|| RequestorTold::Market(told));
        let ended = self.tracer.policy(told, self.now, answers);
        self.say_trace_ended(ended);
    }

    fn say_trace_ended(&self, why: Option<String>) {
        why.into_iter().for_each(|detail| self.say(RequestorNotice::Node(NodeNotice::TraceEnded { detail })));
    }

    pub(crate) fn stop(&mut self) {
        // A second wish to stop does not wait any longer.
        let linger = match self.phase {
            Phase::Running => Duration::from_millis(self.config.linger_ms),
            Phase::Lingering(_) => Duration::ZERO,
        };
        self.phase = Phase::Lingering(tokio::time::Instant::now() + linger);
        self.say(RequestorNotice::Node(NodeNotice::Stopping { reason: "the owner asked for it".to_owned() }));
        for task in self.machine.tasks().into_iter().filter(|task| !task.finished) {
            self.step(RequestorInput::Stop(task.header));
        }
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
        self.events.close();
        self.rechecking.values().map(|rerun| &rerun.stop).chain(self.looks.values()).for_each(JobStop::stop);
        // What is interrupted here is made again on the next start; a transaction is in the journal.
        self.work.shutdown().await;
        self.courier.stop(FLUSH).await;
        if let Some(watcher) = self.watcher.take() {
            watcher.stop().await;
        }
        self.net.shutdown().await;
        self.saver.stop().await;
    }
}
