//! Random calls of `PaymentChannels`: mostly sensible, often wrong in one way.

use super::chain::Party;
use golem_payments::contract::{Channels, pack_voucher};
use golem_protocol::{Address, ChainRef, ChainTime, ChannelId, CompactSignature, Document, Signer, Voucher, Wei};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// A call of the contract.
#[derive(Clone, Debug)]
pub enum Call {
    Fund {
        payer: Address,
        fundings: Vec<(Address, Wei)>,
        by_transfer: bool,
    },
    /// With all who may have signed something in it.
    ClaimMany {
        sender: Address,
        payee: Address,
        packed: Vec<u8>,
        payers: Vec<Address>,
    },
    Close {
        payee: Address,
        payer: Address,
        cumulative: Wei,
        epoch: u32,
        signature: CompactSignature,
    },
    RequestClose {
        payer: Address,
        payee: Address,
    },
    Finalize {
        sender: Address,
        channel: ChannelId,
    },
}

impl Call {
    /// The channels that it names.
    pub fn channels(&self) -> Vec<ChannelId> {
        match self {
            Call::Fund { payer, fundings, .. } => {
                fundings.iter().map(|(payee, _)| ChannelId { payer: *payer, payee: *payee }).collect()
            }
            Call::ClaimMany { payee, payers, .. } => {
                payers.iter().map(|payer| ChannelId { payer: *payer, payee: *payee }).collect()
            }
            Call::Close { payee, payer, .. } | Call::RequestClose { payer, payee } => {
                vec![ChannelId { payer: *payer, payee: *payee }]
            }
            Call::Finalize { channel, .. } => vec![*channel],
        }
    }

    /// Whose balance it could change.
    pub fn holders(&self, contract: Address) -> Vec<Address> {
        let mut holders = vec![contract];
        match self {
            Call::Fund { payer, fundings, .. } => {
                holders.push(*payer);
                holders.extend(fundings.iter().map(|(payee, _)| *payee));
            }
            Call::ClaimMany { sender, payee, .. } => holders.extend([*sender, *payee]),
            Call::Close { payee, payer, .. } | Call::RequestClose { payer, payee } => holders.extend([*payee, *payer]),
            Call::Finalize { sender, channel } => holders.extend([*sender, channel.payer, channel.payee]),
        }
        holders
    }
}

/// Draws calls from a seed.
pub struct Draw {
    random: StdRng,
    parties: Vec<Party>,
    chain: ChainRef,
    /// The channel for whose sake the time of the block was chosen.
    focus: Option<ChannelId>,
}

impl Draw {
    pub fn new(seed: u64, parties: Vec<Party>, chain: ChainRef) -> Draw {
        Draw { random: StdRng::seed_from_u64(seed), parties, chain, focus: None }
    }

    /// All channels there could be.
    pub fn channels(&self) -> Vec<ChannelId> {
        let all: Vec<Address> = self.parties.iter().map(|party| party.address).collect();
        all.iter().flat_map(|payer| all.iter().map(|payee| ChannelId { payer: *payer, payee: *payee })).collect()
    }

    /// All who play.
    pub fn addresses(&self) -> Vec<Address> {
        self.parties.iter().map(|party| party.address).collect()
    }

    /// When the next block is to be made: often at the very second on which finalizing turns, or the one before.
    pub fn time(&mut self, twin: &Channels, now: ChainTime) -> ChainTime {
        let later = now.saturating_add(self.random.random_range(1..40));
        let closing = self.closing(twin);
        self.focus = None;
        if closing.is_empty() {
            return later;
        }
        let channel = closing[self.random.random_range(0..closing.len())];
        let close_at = twin.channel(&channel).close_at;
        let time = match self.random.random_range(0..5) {
            0 | 1 if close_at > now => close_at,
            2 if close_at.0 > now.0 + 1 => ChainTime(close_at.0 - 1),
            _ => return later,
        };
        self.focus = Some(channel);
        time
    }

    pub fn call(&mut self, twin: &Channels) -> Call {
        if let Some(channel) = self.focus.take()
            && self.chance(80)
        {
            let sender = self.party();
            return Call::Finalize { sender: self.parties[sender].address, channel };
        }
        let ChannelId { payer, payee } = self.channel(twin);
        match self.random.random_range(0..100) {
            0..30 => self.fund(payer, twin),
            30..60 => self.claim_many(payee, twin),
            60..75 => self.close(payee, payer, twin),
            75..85 => Call::RequestClose { payer, payee },
            _ => {
                let closing = self.closing(twin);
                if closing.is_empty() && self.chance(80) {
                    return Call::RequestClose { payer, payee };
                }
                let any = closing.is_empty() || self.chance(10);
                let channel =
                    if any { ChannelId { payer, payee } } else { closing[self.random.random_range(0..closing.len())] };
                let sender = self.party();
                Call::Finalize { sender: self.parties[sender].address, channel }
            }
        }
    }

    fn closing(&self, twin: &Channels) -> Vec<ChannelId> {
        self.channels().into_iter().filter(|id| twin.channel(id).close_at.0 != 0).collect()
    }

    /// Mostly one that is open.
    fn channel(&mut self, twin: &Channels) -> ChannelId {
        let all = self.channels();
        let open: Vec<ChannelId> = all.iter().copied().filter(|id| twin.channel(id).deposit > Wei::ZERO).collect();
        let from = if open.is_empty() || self.chance(15) { all } else { open };
        from[self.random.random_range(0..from.len())]
    }

    fn party(&mut self) -> usize {
        self.random.random_range(0..self.parties.len())
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn fund(&mut self, payer: Address, twin: &Channels) -> Call {
        let count = self.random.random_range(1..4);
        let mut fundings = Vec::new();
        for _ in 0..count {
            let party = self.party();
            let mut payee = self.parties[party].address;
            if payee == payer && self.chance(80) {
                payee = self.parties[(party + 1) % self.parties.len()].address;
            }
            if self.chance(4) {
                payee = if self.chance(50) { Address::ZERO } else { self.chain.channels };
            }
            let mut amount = self.random.random_range(1..1000u128) << self.random.random_range(0..40);
            if self.chance(4) {
                amount = 0;
            }
            if self.chance(4) {
                amount = twin.balance(&payer) + self.random.random_range(0..2);
            }
            fundings.push((payee, Wei(amount)));
        }
        Call::Fund { payer, fundings, by_transfer: self.chance(50) }
    }

    fn claim_many(&mut self, payee: Address, twin: &Channels) -> Call {
        let mut packed = Vec::new();
        for _ in 0..self.random.random_range(0..5) {
            let payer = self.party();
            let (voucher, signature) = self.voucher(payer, payee, twin);
            packed.extend(pack_voucher(&voucher, &signature));
        }
        if self.chance(10) {
            let cut = self.random.random_range(0..80);
            packed.truncate(packed.len().saturating_sub(cut));
        }
        let sender = self.party();
        let payers = self.parties.iter().map(|party| party.address).collect();
        Call::ClaimMany { sender: self.parties[sender].address, payee, packed, payers }
    }

    fn close(&mut self, payee: Address, payer: Address, twin: &Channels) -> Call {
        let party = self.parties.iter().position(|party| party.address == payer).unwrap_or_default();
        let (mut voucher, mut signature) = self.voucher(party, payee, twin);
        if self.chance(10) {
            voucher.cumulative = twin.channel(&ChannelId { payer, payee }).claimed;
            signature = CompactSignature([0; 64]);
        }
        Call::Close { payee, payer, cumulative: voucher.cumulative, epoch: voucher.epoch, signature }
    }

    /// A voucher of `payer` for `payee`, four times of five a good one.
    fn voucher(&mut self, payer: usize, payee: Address, twin: &Channels) -> (Voucher, CompactSignature) {
        let state = twin.channel(&ChannelId { payer: self.parties[payer].address, payee });
        let most = state.deposit.0.saturating_mul(5) / 4 + 2;
        let mut voucher = Voucher { payee, epoch: state.epoch, cumulative: Wei(self.random.random_range(0..most)) };
        let mut chain = self.chain;
        let mut signer = payer;
        match self.random.random_range(0..20) {
            0 => voucher.epoch = voucher.epoch.wrapping_sub(1),
            1 => voucher.epoch = voucher.epoch.wrapping_add(1),
            2 => signer = self.party(),
            3 => chain.chain_id += 1,
            4 => voucher.cumulative = Wei::MAX,
            _ => {}
        }
        let key = &self.parties[signer].key;
        let mut signature = key.sign_digest(&voucher.digest(&chain)).expect("a key signs any digest");
        if self.chance(5) {
            let bit = self.random.random_range(0..512);
            signature.0[bit / 8] ^= 1 << (bit % 8);
        }
        if self.chance(2) {
            self.random.fill_bytes(&mut signature.0);
        }
        (voucher, signature)
    }
}
