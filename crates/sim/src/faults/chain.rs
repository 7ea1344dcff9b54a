//! A chain made of the contract's twin: transactions wait for a block, and a reorg takes blocks back.

use crate::stream::Stream;
use golem_payments::contract::Channels;
use golem_protocol::{Address, ChainRef, ChainTime, ChannelId, ChannelState, Wei};
use std::collections::{BTreeMap, VecDeque};

/// Time between two blocks, in milliseconds.
pub const BLOCK_MS: u64 = 2_000;
/// Chain time of the first block.
pub const START: u64 = 1_000_000;
/// Blocks that a reorg can still reach, and more.
const BLOCKS_KEPT: usize = 16;
/// Seconds between a payer's request and the end of its channel.
pub const CLOSE_DELAY_S: u32 = 40;

/// What somebody sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// A payer puts `amount` into a channel, so that it reaches `deposit` in `epoch`.
    Fund { payer: Address, payee: Address, amount: Wei, deposit: Wei, epoch: u32 },
    /// Anybody claims vouchers of a payee.
    Claim { payee: Address, packed: Vec<u8> },
    /// A payer wants out.
    RequestClose { payer: Address, payee: Address },
    /// Anybody ends a channel whose delay is over.
    Finalize { id: ChannelId },
}

struct Block {
    /// The contract before it.
    before: Channels,
    transactions: Vec<Transaction>,
}

/// The chain.
pub struct Chain {
    head: Channels,
    height: u64,
    blocks: VecDeque<Block>,
    waiting: Vec<Transaction>,
    supply: u128,
}

impl Chain {
    /// The contract just deployed, with some money in some hands.
    pub fn new(chain: ChainRef, balances: BTreeMap<Address, u128>) -> Chain {
        let supply = balances.values().sum();
        let head = Channels::new(chain, CLOSE_DELAY_S, balances);
        Chain { head, height: 0, blocks: VecDeque::new(), waiting: Vec::new(), supply }
    }

    /// The time of the newest block.
    pub fn time(&self) -> ChainTime {
        ChainTime(START + self.height * (BLOCK_MS / 1_000))
    }

    /// Takes a transaction for the next block. One that waits already is not taken twice, as by its nonce.
    pub fn send(&mut self, transaction: Transaction) {
        if !self.waiting.contains(&transaction) {
            self.waiting.push(transaction);
        }
    }

    /// What is still missing of a funding, unless it waits for a block already. As a node's journal of transactions
    /// makes it: asked again, nothing is funded twice.
    pub fn missing(&self, id: &ChannelId, deposit: Wei, epoch: u32) -> Option<Wei> {
        let waits = self.waiting.iter().any(|transaction| match transaction {
            Transaction::Fund { payer, payee, deposit: to_reach, epoch: of, .. } => {
                (*payer, *payee, *to_reach, *of) == (id.payer, id.payee, deposit, epoch)
            }
            Transaction::Claim { .. } | Transaction::RequestClose { .. } | Transaction::Finalize { .. } => false,
        });
        let state = self.head.channel(id);
        let missing = match state.epoch.cmp(&epoch) {
            std::cmp::Ordering::Equal => deposit.saturating_sub(state.deposit),
            std::cmp::Ordering::Less => deposit,
            std::cmp::Ordering::Greater => Wei::ZERO,
        };
        (!waits && missing > Wei::ZERO).then_some(missing)
    }

    /// A channel as so many confirmations show it; 1 is the newest block.
    pub fn channel(&self, id: &ChannelId, confirmations: usize) -> ChannelState {
        let later = confirmations.saturating_sub(1);
        match later.checked_sub(1).and_then(|back| self.blocks.iter().rev().nth(back)) {
            // The state before the block that is not deep enough.
            Some(block) => block.before.channel(id),
            None if later == 0 => self.head.channel(id),
            None => self.blocks.front().map_or_else(|| self.head.channel(id), |block| block.before.channel(id)),
        }
    }

    /// What an address holds now.
    pub fn balance(&self, holder: &Address) -> u128 {
        self.head.balance(holder)
    }

    /// Makes the next block of all that waits.
    pub fn mine(&mut self) {
        self.height += 1;
        let transactions = std::mem::take(&mut self.waiting);
        let before = self.head.clone();
        let now = self.time();
        for transaction in &transactions {
            execute(&mut self.head, transaction, now);
        }
        self.blocks.push_back(Block { before, transactions });
        if self.blocks.len() > BLOCKS_KEPT {
            self.blocks.pop_front();
        }
    }

    /// Takes the newest blocks back and makes as many empty ones: what was in them waits again, in another order.
    pub fn reorg(&mut self, depth: usize, draw: &mut Stream) {
        let mut undone = Vec::new();
        for _ in 0..depth.min(self.blocks.len()) {
            let Some(block) = self.blocks.pop_back() else { break };
            self.head = block.before;
            undone.extend(block.transactions);
        }
        for transaction in undone {
            let place = draw.between(0, self.waiting.len() as u64) as usize;
            self.waiting.insert(place, transaction);
        }
        for _ in 0..depth {
            let before = self.head.clone();
            self.blocks.push_back(Block { before, transactions: Vec::new() });
        }
        while self.blocks.len() > BLOCKS_KEPT {
            self.blocks.pop_front();
        }
    }

    /// What must hold of the chain at any time: no wei comes or goes, and the contract holds what it owes.
    pub fn check(&self, holders: &[Address], contract: Address) -> Result<(), String> {
        if let Some(violation) = self.head.check_invariants().first() {
            return Err(violation.to_string());
        }
        let held: u128 = holders.iter().chain([&contract]).map(|holder| self.head.balance(holder)).sum();
        if held == self.supply { Ok(()) } else { Err(format!("{held} wei are held of {}", self.supply)) }
    }
}

/// What a contract refuses changes nothing, and costs its sender gas that is not counted here.
fn execute(contract: &mut Channels, transaction: &Transaction, now: ChainTime) {
    match transaction {
        Transaction::Fund { payer, payee, amount, .. } => drop(contract.fund(*payer, &[(*payee, *amount)])),
        Transaction::Claim { payee, packed } => drop(contract.claim_many(*payee, packed)),
        Transaction::RequestClose { payer, payee } => drop(contract.request_close(*payer, *payee, now)),
        Transaction::Finalize { id } => drop(contract.finalize(*id, now)),
    }
}
