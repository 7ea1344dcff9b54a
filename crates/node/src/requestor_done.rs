//! What comes back from what a requestor's loop began.

use crate::chain_link::Funded;
use crate::content::Pins;
use crate::error::SettleError;
use crate::events::RequestorNotice;
use crate::proofs::Seen;
use crate::requestor_loop::RequestorLoop;
use crate::told::Shown;
use golem_deal::RequestorInput;
use golem_market::Claim;
use golem_protocol::{Address, B256, ChainTime, ChannelId, ChannelState, NodeId, SubtaskOutcome};
use std::path::PathBuf;
use tokio::sync::oneshot;

/// The end of something that took its time.
pub(crate) enum Done {
    Fetched {
        agreement: B256,
        index: u32,
        complete: Result<(), String>,
        pins: Pins,
    },
    Rechecked {
        header: B256,
        agreement: B256,
        index: u32,
        outcome: Result<SubtaskOutcome, String>,
        /// From the order to the outcome, what it waited for a slot included.
        took_ms: u64,
        pins: Pins,
    },
    Read {
        channel: ChannelId,
        state: ChannelState,
    },
    /// A second look, which is believed.
    ReadAgain {
        channel: ChannelId,
        state: ChannelState,
    },
    Funded {
        payee: Address,
        result: Result<Funded, String>,
    },
    CloseRequested {
        payee: Address,
        result: Result<ChainTime, SettleError>,
        reply: oneshot::Sender<Result<ChainTime, SettleError>>,
    },
    Finalized {
        payee: Address,
        result: Result<B256, SettleError>,
        reply: oneshot::Sender<Result<B256, SettleError>>,
    },
    /// A proof of a wrong result that was seen to be wrong here is kept, to be served.
    ProofKept(Option<Box<Shown>>),
    /// A proof of somebody else's was looked at.
    Looked {
        claim: Claim,
        seen: Seen,
    },
    /// A header or a notice was given to the network.
    Announced,
    /// Documents of a result that broke a promise were kept.
    SlowKept {
        provider: NodeId,
        kept: Result<PathBuf, String>,
    },
    /// It was seen what of the contents may go.
    RoomSeen,
    /// Who did how much was saved.
    Noted,
}

impl RequestorLoop {
    pub(crate) fn on_done(&mut self, done: Done) {
        match done {
            Done::Fetched { agreement, index, complete, pins } => {
                self.fetching.remove(&(agreement, index));
                self.room.hold(agreement, pins);
                if let Err(error) = &complete {
                    tracing::info!(%agreement, index, %error, "output not fetched");
                }
                self.step(RequestorInput::Fetched { agreement, index, complete });
            }
            Done::Rechecked { header, agreement, index, outcome, took_ms, pins } => {
                self.rechecking.remove(&(agreement, index));
                self.room.hold(agreement, pins);
                self.counters.rechecked += 1;
                if let (Ok(outcome), Some(progress)) = (&outcome, self.tasks.get_mut(&header)) {
                    // Of a run that fails no fuel is told.
                    let (run_ms, fuel) = match outcome {
                        SubtaskOutcome::Completed { time_ms, fuel, .. } => (*time_ms, fuel.0),
                        SubtaskOutcome::Failed { .. } => (took_ms, 0),
                    };
                    progress.own_run(run_ms, fuel);
                }
                self.step(RequestorInput::Rechecked { agreement, index, outcome });
            }
            Done::Read { channel, state } => {
                self.reading.remove(&channel);
                self.channel_seen(channel, state);
            }
            Done::ReadAgain { channel, state } => {
                self.doubted.remove(&channel);
                self.step(RequestorInput::Channel { channel, state });
            }
            Done::Funded { payee, result } => self.on_funded(payee, result),
            Done::CloseRequested { payee, result, reply } => {
                self.read(ChannelId { payer: self.config.keys.payment_address(), payee });
                let _ = reply.send(result);
            }
            Done::Finalized { payee, result, reply } => {
                self.read(ChannelId { payer: self.config.keys.payment_address(), payee });
                let _ = reply.send(result);
            }
            Done::ProofKept(shown) => self.proof_kept(shown),
            Done::Looked { claim, seen } => self.looked(&claim, seen),
            Done::SlowKept { provider, kept } => self.slow_kept(provider, kept),
            Done::RoomSeen => self.room.seen(),
            Done::Announced => self.announcing = self.announcing.saturating_sub(1),
            Done::Noted => {}
        }
    }

    fn on_funded(&mut self, payee: Address, result: Result<Funded, String>) {
        let next = self.funding.remove(&payee).flatten();
        match result {
            Ok(Funded { state, amount, transaction }) => {
                if transaction.is_some() {
                    self.counters.fundings += 1;
                    tracing::info!(%payee, %amount, ?transaction, "channel funded");
                }
                self.say(RequestorNotice::Funded { payee, amount, transaction });
                let channel = ChannelId { payer: self.config.keys.payment_address(), payee };
                self.step(RequestorInput::Channel { channel, state });
            }
            Err(detail) => {
                tracing::warn!(%payee, detail, "channel not funded");
                self.step(RequestorInput::FundFailed { payee, detail });
            }
        }
        if let Some((deposit, epoch)) = next {
            self.fund(payee, deposit, epoch);
        }
    }
}
