//! What the chain tells a provider, and what it looks up there.

use crate::events::{NodeNotice, ProviderNotice};
use crate::provider_loop::ProviderLoop;
use golem_chain::ChainEvent;
use golem_deal::ProviderInput;
use golem_protocol::{ChannelId, ChannelState};

/// Channels being looked at. Reason: the machine keeps at most 256 agreements waiting, and asks again.
const READS_MAX: usize = 512;

/// How a channel stands: as deep as confirmations ask, or in the newest block.
pub(crate) enum Read {
    Confirmed(ChannelId, ChannelState),
    Newest(ChannelId, ChannelState),
}

impl ProviderLoop {
    pub(crate) fn read(&mut self, channel: ChannelId) {
        tracing::debug!(effect = "read_channel", payer = %channel.payer);
        if self.reading.len() >= READS_MAX {
            tracing::warn!(payer = %channel.payer, "too many channels are being looked at");
            return;
        }
        if self.reading.insert(channel) {
            let chain = self.chain.clone();
            self.reads.spawn(async move { Read::Confirmed(channel, chain.read(channel).await) });
        }
    }

    /// Looks at the newest block: something there takes back what was relied on, and that is not waited for.
    fn read_newest(&mut self, channel: ChannelId) {
        if self.reads.len() < READS_MAX {
            let chain = self.chain.clone();
            self.reads.spawn(async move { Read::Newest(channel, chain.read_newest(channel).await) });
        }
    }

    pub(crate) fn on_read(&mut self, read: Read) {
        match read {
            Read::Confirmed(channel, state) => {
                self.reading.remove(&channel);
                self.step(ProviderInput::Channel { channel, state });
            }
            // Good news waits until it is deep enough.
            Read::Newest(channel, state) if self.machine.takes_back(channel, &state) => {
                self.step(ProviderInput::Channel { channel, state });
            }
            Read::Newest(..) => {}
        }
    }

    pub(crate) fn on_chain(&mut self, event: Option<ChainEvent>) {
        match event {
            Some(ChainEvent::Time { time, .. }) => {
                // A reorg can turn the clock back; money that was safe stays safe.
                self.now.chain = self.now.chain.max(time);
            }
            Some(ChainEvent::Channel { id, state, confirmed, .. }) => {
                // A requested close is acted on at once: the delay has begun.
                if confirmed || state.close_at.0 != 0 {
                    self.step(ProviderInput::Channel { channel: id, state });
                } else if self.machine.takes_back(id, &state) {
                    // An older block may be told late; the newest one decides.
                    self.read_newest(id);
                }
            }
            Some(ChainEvent::Down { error, .. }) => {
                tracing::warn!(%error, "the chain cannot be followed");
                if self.chain_lost.is_none() {
                    self.say(ProviderNotice::Node(NodeNotice::ChainLost { detail: error.to_string() }));
                }
                self.chain_lost = Some(error.to_string());
            }
            Some(ChainEvent::Up) => {
                tracing::info!("the chain can be followed again");
                self.chain_lost = None;
                self.say(ProviderNotice::Node(NodeNotice::ChainFound));
            }
            None => {
                self.watcher = None;
                self.fatal = Some("the chain's follower stopped by itself; start the node again".to_owned());
            }
        }
    }
}
