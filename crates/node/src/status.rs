//! How a node stands, as its screen, its HTTP interface and scripts see it.
//!
//! Amounts are decimal strings of wei in JSON; times say their unit in the field's name.

use crate::prepared::{CheckCost, ProviderShare};
use golem_deal::TaskStatus;
use golem_market::{Ratio, Standing};
use golem_payments::ClaimPlan;
use golem_protocol::{Address, B256, ContentHash, NodeId, Wei};
use serde::{Deserialize, Serialize};

/// A provider at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProviderStatus {
    /// Who it is.
    pub node: NodeId,
    /// What it does now.
    pub activity: Activity,
    /// The network.
    pub network: NetworkStatus,
    /// The chain.
    pub chain: ChainStatus,
    /// Where it is paid.
    pub payee: Address,
    /// No offer is below this, in wei per hour of one slot.
    pub min_price_wei: Wei,
    /// The price last offered, in wei per hour; absent where there was none yet.
    pub last_offer_wei: Option<Wei>,
    /// Fuel per second of one slot, as measured.
    pub performance: u64,
    /// What is asked above the minimal price, as a part of it: it follows what offers are taken.
    pub margin: Ratio,
    /// How fast programs were seen to run, where enough was seen: what is offered for them instead of `performance`.
    pub programs: Vec<ProgramSpeed>,
    /// The programs that nothing is offered for, since they cannot be run here.
    pub left_alone: Vec<LeftAlone>,
    /// Who left finished work unpaid, and what follows.
    pub unpaid: UnpaidStatus,
    /// What stands between requestors' programs and this node, in words.
    pub isolation: String,
    /// What its owner lets it do at most, in words.
    pub limits: Vec<String>,
    /// How many subtasks can run at once.
    pub slots: u16,
    /// How many run.
    pub slots_busy: u16,
    /// How many agreed batches are not settled yet.
    pub deals: usize,
    /// What fetched and made contents take on disk, in bytes.
    pub content_bytes: u64,
    /// Counters of this run.
    pub counters: ProviderCounters,
    /// What each payer owes and paid.
    pub payers: Vec<PayerAccount>,
    /// The sums over all payers.
    pub totals: Totals,
    /// What is kept for the authors of apps. None of it is this node's money, and none of it is in the sums.
    pub authors: Vec<AuthorAccount>,
    /// What the rule of when to claim says now.
    pub claim: ClaimPlan,
    /// What was lost since the start: held of channels that ended before it was claimed, in wei.
    pub lost_wei: Wei,
}

/// Who left finished work unpaid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnpaidStatus {
    /// How many requestors are late, and are offered nothing.
    pub late: usize,
    /// What those that were new left unpaid, less what others paid at first since, in wei.
    pub lost_wei: Wei,
    /// How long nobody new is worked for yet, in seconds, where that is so.
    pub closed_s: Option<u64>,
}

/// How fast one program was seen to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramSpeed {
    /// Its digest.
    pub program: ContentHash,
    /// Fuel per second of one slot.
    pub fuel_per_second: u64,
    /// How many subtasks it was seen in.
    pub subtasks: u32,
}

/// A program that a provider cannot run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftAlone {
    /// Its digest.
    pub program: ContentHash,
    /// Why, for people.
    pub detail: String,
    /// How long it is left alone yet, in seconds.
    pub left_s: u64,
}

/// What a provider does now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Activity {
    /// Takes new work.
    Open,
    /// Takes no new work, for these reasons; what is agreed goes on.
    Paused {
        /// Why, for people.
        reasons: Vec<String>,
    },
    /// Lets what runs end, then stops.
    Draining,
}

/// Where a node can be reached and whom it reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStatus {
    /// The peer id.
    pub peer_id: String,
    /// Addresses others can dial, peer id included.
    pub addresses: Vec<String>,
    /// How many peers are connected.
    pub peers: usize,
}

/// How the chain stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainStatus {
    /// The chain's id.
    pub chain_id: u64,
    /// The channels contract.
    pub channels: Address,
    /// The chain's time, in seconds since 1970; 0 before the first answer.
    pub time_s: u64,
    /// What the endpoint said when it last failed; absent while it answers.
    pub lost: Option<String>,
}

/// Counters since the node was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderCounters {
    /// Headers heard.
    pub headers: u64,
    /// Offers made.
    pub offers: u64,
    /// Batches agreed.
    pub agreements: u64,
    /// Subtasks with a result.
    pub completed: u64,
    /// Subtasks without one.
    pub failed: u64,
    /// Results the requestor did not accept.
    pub rejected: u64,
    /// Vouchers that raised what is held.
    pub vouchers: u64,
    /// Deals given up.
    pub abandoned: u64,
    /// Claim transactions.
    pub claims: u64,
}

/// One payer's channel, seen by the payee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayerAccount {
    /// Whose channel.
    pub payer: Address,
    /// The channel's epoch.
    pub epoch: u32,
    /// What is in it, in wei.
    pub deposit_wei: Wei,
    /// What its vouchers came to, in wei.
    pub earned_wei: Wei,
    /// What a claim would pay now, in wei.
    pub claimable_wei: Wei,
    /// What was claimed, in wei.
    pub claimed_wei: Wei,
    /// When a requested close can be final, in seconds of chain time; 0 where none is requested.
    pub close_at_s: u64,
}

/// One payer's channel towards an app's author, seen by a provider that keeps the author's vouchers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorAccount {
    /// Whose money it is.
    pub author: Address,
    /// Whose channel.
    pub payer: Address,
    /// The channel's epoch, when it was last looked at.
    pub epoch: u32,
    /// What is in it, in wei.
    pub deposit_wei: Wei,
    /// What the voucher kept for the author stands at, in wei.
    pub held_wei: Wei,
    /// What was claimed on it, in wei.
    pub claimed_wei: Wei,
    /// The author's fees of work that was accepted here without a voucher that covers them, in wei.
    pub owed_wei: Wei,
}

/// Sums over all payers, in wei.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// What vouchers came to.
    pub earned_wei: Wei,
    /// What a claim would pay now.
    pub claimable_wei: Wei,
    /// What was claimed.
    pub claimed_wei: Wei,
}

/// A requestor at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestorStatus {
    /// Who it is.
    pub node: NodeId,
    /// The network.
    pub network: NetworkStatus,
    /// The chain.
    pub chain: ChainStatus,
    /// What stands between programs and this node, in words.
    pub isolation: String,
    /// Whose channels pay.
    pub payer: Address,
    /// Its tasks, newest last.
    pub tasks: Vec<NamedTask>,
    /// Its channels.
    pub channels: Vec<PayeeAccount>,
    /// What it remembers of providers, those dealt with last first.
    pub providers: Vec<Standing>,
    /// Counters of this run.
    pub counters: RequestorCounters,
}

/// A task with the name its owner gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedTask {
    /// The name.
    pub name: String,
    /// When it was begun here, by this machine's clock, in milliseconds since 1970.
    pub begun_ms: u64,
    /// Until when subtasks of it can be agreed, in seconds of chain time.
    pub deadline_s: u64,
    /// Whether it has ended, and all the results that it has were gathered into a folder since.
    pub gathered: bool,
    /// What each provider did for it.
    pub providers: Vec<ProviderShare>,
    /// What it cost to check its results so far.
    pub checks: CheckCost,
    /// Where it stands.
    #[serde(flatten)]
    pub task: TaskStatus,
}

/// One payee's channel, seen by the payer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayeeAccount {
    /// Whose channel.
    pub payee: Address,
    /// The channel's epoch.
    pub epoch: u32,
    /// What is in it, in wei.
    pub deposit_wei: Wei,
    /// What was signed away, in wei.
    pub signed_wei: Wei,
    /// What open agreements hold back, in wei.
    pub reserved_wei: Wei,
    /// What the payee has claimed, in wei.
    pub claimed_wei: Wei,
    /// When a requested close can be final, in seconds of chain time; 0 where none is requested.
    pub close_at_s: u64,
}

/// Counters since the node was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestorCounters {
    /// Offers that came.
    pub offers: u64,
    /// Batches agreed.
    pub agreements: u64,
    /// Results accepted.
    pub accepted: u64,
    /// Results not accepted.
    pub rejected: u64,
    /// Results run again here.
    pub rechecked: u64,
    /// Funding transactions.
    pub fundings: u64,
}

/// What a claim of many channels came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimSummary {
    /// The transactions, as few as gas and size allow; none where nothing was claimable.
    pub transactions: Vec<B256>,
    /// The gas they took.
    pub gas_used: u64,
    /// What came of each payer's voucher.
    pub payers: Vec<PayerClaim>,
    /// What was paid in all, in wei.
    pub paid_wei: Wei,
}

/// What a claim brought from one payer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayerClaim {
    /// Who paid.
    pub payer: Address,
    /// What was paid by this claim, in wei; 0 where the contract skipped the voucher.
    pub paid_wei: Wei,
    /// What was paid out in all in the channel's epoch, in wei.
    pub claimed_wei: Wei,
}

/// What a close of one channel by its payee came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelClose {
    /// Whose channel.
    pub payer: Address,
    /// What came of it.
    #[serde(flatten)]
    pub result: CloseResult,
}

/// What came of one close.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum CloseResult {
    /// Paid and refunded.
    Closed {
        /// The transaction.
        transaction: B256,
        /// The gas it took.
        gas_used: u64,
        /// What the payee got in it, in wei.
        paid_wei: Wei,
        /// What went back to the payer, in wei.
        refunded_wei: Wei,
    },
    /// Nothing to close with: no voucher of this epoch is held.
    NoVoucher,
    /// It did not go through; the voucher is kept.
    Failed {
        /// Why, with the next step.
        detail: String,
    },
}
