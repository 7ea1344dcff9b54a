//! What is passed on: headers whose author, bounds and time are right, and not too many of one author; and how often one
//! node may ask for vouchers.

use golem_net::GossipVerdict;
use golem_protocol::message::decode_header;
use golem_protocol::{Authentic, ChainRef, ChainTime, Header, LocalTime, Message, NodeId, WireError};
use std::collections::HashMap;

/// Headers taken of one author at once, and the time for one more, in milliseconds. Reason: a requestor with many tasks
/// repeats each every few seconds; a flood is still nothing to a node.
const BURST: u32 = 64;
const EVERY_MS: u64 = 60;
/// Questions for vouchers taken of one node at once, and the time for one more, in milliseconds. Reason: an author asks once
/// for each few hundred payers; an answer can be 50 KiB and a look through everything that is kept.
const QUESTIONS_BURST: u32 = 16;
const QUESTIONS_EVERY_MS: u64 = 1_000;
/// Nodes whose rate is remembered; beyond it the longest silent ones are forgotten.
const NODES_MAX: usize = 4096;

/// Decides on gossiped headers.
pub(crate) struct HeaderGate {
    chain: ChainRef,
    authors: Allowances,
}

/// Decides on questions for vouchers.
pub(crate) struct QuestionGate(Allowances);

impl QuestionGate {
    pub(crate) fn new() -> QuestionGate {
        QuestionGate(Allowances::new(QUESTIONS_BURST, QUESTIONS_EVERY_MS))
    }

    /// Whether a message is taken: everything but one question too many.
    pub(crate) fn admits(&mut self, from: NodeId, message: &Message, now: LocalTime) -> bool {
        !matches!(message, Message::AskVouchers { .. }) || self.0.take(from, now)
    }
}

/// How much each node may still send: it refills with time, up to a burst.
pub(crate) struct Allowances {
    burst: u32,
    every_ms: u64,
    nodes: HashMap<NodeId, Allowance>,
}

/// How much one may still send. Its time is what it counts in: one more costs as much as it takes to come back.
#[derive(Clone, Copy)]
pub(crate) struct Allowance {
    left_ms: u64,
    at: LocalTime,
}

impl Allowance {
    pub(crate) fn full(burst: u32, every_ms: u64) -> Allowance {
        Allowance { left_ms: u64::from(burst) * every_ms, at: LocalTime::default() }
    }

    /// Whether one more may be sent now, where so many are at once and one more comes in so long.
    pub(crate) fn take(&mut self, burst: u32, every_ms: u64, now: LocalTime) -> bool {
        let refilled = self.left_ms.saturating_add(now.saturating_sub(self.at));
        self.left_ms = refilled.min(u64::from(burst) * every_ms);
        self.at = now;
        let left = self.left_ms.checked_sub(every_ms);
        self.left_ms = left.unwrap_or(self.left_ms);
        left.is_some()
    }
}

impl HeaderGate {
    pub(crate) fn new(chain: ChainRef) -> HeaderGate {
        HeaderGate { chain, authors: Allowances::new(BURST, EVERY_MS) }
    }

    /// What the network is to do with these bytes of `source`, and the header where it is one.
    pub(crate) fn judge(
        &mut self,
        source: NodeId,
        bytes: &[u8],
        local: LocalTime,
        chain: ChainTime,
    ) -> (GossipVerdict, Option<Authentic<Header>>) {
        // The rate first: it is what a flood costs least by.
        if !self.authors.take(source, local) {
            return (GossipVerdict::Ignore, None);
        }
        let signed = match decode_header(bytes) {
            Ok(signed) => signed,
            // An older or newer neighbour passes on what it understands: no fault of anybody's.
            Err(WireError::Version { .. }) => return (GossipVerdict::Ignore, None),
            Err(_) => return (GossipVerdict::Reject, None),
        };
        if signed.document.requestor != source {
            return (GossipVerdict::Reject, None);
        }
        match signed.authenticate(&self.chain) {
            Ok(header) if header.deadline < chain => (GossipVerdict::Ignore, None),
            Ok(header) => (GossipVerdict::Accept, Some(header)),
            // Its author sent it, so it is no forgery: it is for other contracts or another chain.
            Err(golem_protocol::SignatureError::WrongSigner { .. }) => (GossipVerdict::Ignore, None),
            Err(_) => (GossipVerdict::Reject, None),
        }
    }
}

impl Allowances {
    pub(crate) fn new(burst: u32, every_ms: u64) -> Allowances {
        Allowances { burst, every_ms, nodes: HashMap::new() }
    }

    /// Whether one more is taken of this node now.
    pub(crate) fn take(&mut self, node: NodeId, now: LocalTime) -> bool {
        if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&node) {
            // Whoever was silent this long has a full allowance again, so nothing is forgotten by it.
            let refill_ms = u64::from(self.burst) * self.every_ms;
            self.nodes.retain(|_, allowance| now.saturating_sub(allowance.at) < refill_ms);
            if self.nodes.len() >= NODES_MAX {
                return false;
            }
        }
        let (burst, every_ms) = (self.burst, self.every_ms);
        self.nodes.entry(node).or_insert(Allowance::full(burst, every_ms)).take(burst, every_ms, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::message::encode_header;
    use golem_protocol::{
        Address, AppFee, B256, ByteCount, ContentHash, Fuel, KeySigner, Pricing, Signer, WIRE_VERSION, Wei, sign,
    };

    const CHAIN: ChainRef = ChainRef { chain_id: 31337, channels: Address::repeat_byte(5) };

    fn gossip(chain: &ChainRef, deadline: u64) -> (NodeId, Vec<u8>) {
        let key = KeySigner::from_bytes(&[3; 32]).unwrap();
        let requestor = NodeId(key.address());
        let header = Header {
            requestor,
            payer: key.address(),
            nonce: 1,
            module: ContentHash(B256::ZERO),
            module_bytes: ByteCount(1),
            subtasks: 1,
            max_price: Wei(1),
            subtask_timeout_s: 1,
            min_perf: 0,
            pricing: Pricing::Tender,
            fuel_max: Fuel(1),
            memory_max: ByteCount(1),
            output_max: ByteCount(1),
            recheck_ppm: 0,
            profile: B256::ZERO,
            deadline: ChainTime(deadline),
            app: AppFee::NONE,
        };
        let signed = sign(header, chain, &key).unwrap().into_signed();
        (requestor, encode_header(&signed).unwrap())
    }

    fn judge(source: NodeId, bytes: &[u8]) -> (GossipVerdict, bool) {
        let (verdict, header) = HeaderGate::new(CHAIN).judge(source, bytes, LocalTime(0), ChainTime(100));
        (verdict, header.is_some())
    }

    #[test]
    fn passes_on_a_header_of_its_author_in_time() {
        let (author, bytes) = gossip(&CHAIN, 100);
        assert_eq!(judge(author, &bytes), (GossipVerdict::Accept, true));
    }

    #[test]
    fn holds_it_against_whoever_passes_on_what_is_no_header_or_anothers() {
        let (author, bytes) = gossip(&CHAIN, 100);
        assert_eq!(judge(author, &[&[WIRE_VERSION], &b"no header"[..]].concat()), (GossipVerdict::Reject, false));
        assert_eq!(judge(NodeId(Address::repeat_byte(9)), &bytes), (GossipVerdict::Reject, false));
    }

    #[test]
    fn drops_without_blame_what_is_late_of_another_chain_or_version() {
        let (author, late) = gossip(&CHAIN, 99);
        assert_eq!(judge(author, &late), (GossipVerdict::Ignore, false));
        let (author, foreign) = gossip(&ChainRef { chain_id: 1, ..CHAIN }, 100);
        assert_eq!(judge(author, &foreign), (GossipVerdict::Ignore, false));
        assert_eq!(judge(author, &[9, 9, 9]), (GossipVerdict::Ignore, false));
    }

    #[test]
    fn drops_what_is_over_the_rate_of_one_author() {
        let (author, bytes) = gossip(&CHAIN, 100);
        let mut gate = HeaderGate::new(CHAIN);
        let taken = |gate: &mut HeaderGate, at| gate.judge(author, &bytes, LocalTime(at), ChainTime(0)).1.is_some();
        assert_eq!((0..100).filter(|_| taken(&mut gate, 0)).count(), BURST as usize);
        assert!(!taken(&mut gate, 10));
        assert!(taken(&mut gate, 1_000));
    }

    #[test]
    fn takes_so_many_questions_of_a_node_and_every_other_message() {
        let (mut gate, node) = (QuestionGate::new(), NodeId(Address::repeat_byte(1)));
        let question = Message::AskVouchers { payee: Address::ZERO, after: Address::ZERO };
        let answer = Message::Vouchers { payee: Address::ZERO, vouchers: vec![] };
        let taken = (0..100).filter(|_| gate.admits(node, &question, LocalTime(0))).count();
        assert_eq!(taken, QUESTIONS_BURST as usize);
        assert!((0..100).all(|_| gate.admits(node, &answer, LocalTime(0))));
        assert!(gate.admits(NodeId(Address::repeat_byte(2)), &question, LocalTime(0)), "each has its own");
        assert!(gate.admits(node, &question, LocalTime(1_000)));
    }
}
