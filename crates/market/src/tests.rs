//! Tests of both sides of the tender, refusals first.

mod checking;
mod explain;
mod golem;
mod proof;
mod provider;
mod ratio;
mod requestor;
mod usage;

use crate::HeaderTerms;
use golem_protocol::{Address, LocalTime, NodeId, Pricing, Wei};

fn node(n: u64) -> NodeId {
    let mut bytes = [0u8; 20];
    bytes[12..].copy_from_slice(&n.to_be_bytes());
    NodeId(Address::from(bytes))
}

fn header(max_price: u128) -> HeaderTerms {
    HeaderTerms { max_price: Wei(max_price), min_perf: 0, subtask_timeout_s: 100, pricing: Pricing::Tender }
}

fn seconds(s: u64) -> LocalTime {
    LocalTime::from_millis(s * 1000)
}
