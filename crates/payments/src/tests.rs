//! Tests of both ledgers and the twin, refusals first.

mod claim_rule;
mod concent;
mod contract;
mod payee;
mod payer;
mod registry;
mod together;

use golem_protocol::{
    Address, Authentic, ChainRef, ChainTime, ChannelId, ChannelState, KeySigner, Signer, Voucher, Wei, sign,
};

fn chain() -> ChainRef {
    ChainRef { chain_id: 31337, channels: Address::repeat_byte(0xcc) }
}

fn key(n: u8) -> KeySigner {
    KeySigner::from_bytes(&[n; 32]).unwrap()
}

fn payee() -> Address {
    Address::repeat_byte(0xbb)
}

fn channel() -> ChannelId {
    ChannelId { payer: key(1).address(), payee: payee() }
}

fn open(epoch: u32, deposit: u128) -> ChannelState {
    ChannelState { epoch, deposit: Wei(deposit), ..ChannelState::default() }
}

fn closing(epoch: u32, deposit: u128, close_at: u64) -> ChannelState {
    ChannelState { close_at: ChainTime(close_at), ..open(epoch, deposit) }
}

fn voucher(epoch: u32, cumulative: u128) -> Voucher {
    Voucher { payee: payee(), epoch, cumulative: Wei(cumulative) }
}

fn signed_by(signer: &KeySigner, voucher: Voucher) -> Authentic<Voucher> {
    sign(voucher, &chain(), signer).unwrap()
}
