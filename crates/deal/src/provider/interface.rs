//! What a provider's machine is told, wants done, and says.

use crate::outbox::PersistId;
use crate::record::Record;
use golem_protocol::*;
use serde::{Deserialize, Serialize};

/// What a provider's machine is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ProviderInput {
    /// A header that gossip brought and whose signature was checked. It has no encoding: what is read back is not checked.
    #[serde(skip)]
    Header(Box<Authentic<Header>>),
    /// A message of a peer; the transport vouches for who sent it.
    Message {
        /// The sender.
        from: NodeId,
        /// The message.
        message: Box<Message>,
    },
    /// How a channel stands on the chain, confirmed; the answer to `ReadChannel`, and whenever it changes.
    Channel {
        /// Which.
        channel: ChannelId,
        /// Its state.
        state: ChannelState,
    },
    /// What came of a `Compute`.
    Computed {
        /// The agreement's digest.
        agreement: B256,
        /// Which subtask.
        index: u32,
        /// What came of it.
        outcome: SubtaskOutcome,
    },
    /// A save was done.
    Persisted(PersistId),
    /// Time went by.
    Tick,
    /// The owner wants the machine for now, and why; `None` gives it back. What runs may end, nothing else is begun,
    /// and what waits is given back to its requestors.
    Rest(Option<String>),
    /// A program turned out to be one that this machine cannot run: nothing of it is offered or begun for a while.
    Unfit(UnfitProgram),
    /// The owner wants to stop: no new work; what runs may end.
    Drain,
}

impl ProviderInput {
    /// The input's word, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            ProviderInput::Header(_) => "header",
            ProviderInput::Message { message, .. } => message.name(),
            ProviderInput::Channel { .. } => "channel",
            ProviderInput::Computed { .. } => "computed",
            ProviderInput::Persisted(_) => "persisted",
            ProviderInput::Tick => "tick",
            ProviderInput::Rest(Some(_)) => "rest",
            ProviderInput::Rest(None) => "rested",
            ProviderInput::Unfit(_) => "unfit",
            ProviderInput::Drain => "drain",
        }
    }
}

/// A program that this machine cannot run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfitProgram {
    /// Which.
    pub module: ContentHash,
    /// What is wrong with it, for people.
    pub detail: String,
    /// How long it is left alone, in milliseconds.
    pub for_ms: u64,
}

/// A subtask to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComputeJob {
    /// The agreement's digest.
    pub agreement: B256,
    /// Which subtask.
    pub index: u32,
    /// Its input document, by content.
    pub input: ContentHash,
    /// Who has the input, the files and the module.
    pub requestor: NodeId,
    /// The task's header: module, limits, profile.
    pub header: Header,
    /// How long it may take, fetching included.
    pub timeout_s: u32,
}

/// What a provider's machine wants done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ProviderEffect {
    /// Save these, all or none; then answer `Persisted`.
    Persist {
        /// Its name.
        id: PersistId,
        /// What to save.
        records: Vec<Record>,
    },
    /// Send a message. It may be lost: what matters is sent again.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Look up a channel on the chain and answer `Channel`.
    ReadChannel(ChannelId),
    /// Run a subtask and answer `Computed`, whatever happens.
    Compute(ComputeJob),
    /// Stop running what belongs to this agreement; no answer is needed.
    StopComputing {
        /// The agreement's digest.
        agreement: B256,
    },
    /// Claim the best voucher of this payer now: waiting is a risk.
    Claim {
        /// Whose.
        payer: Address,
    },
    /// Send a `Tick` at this time, or before.
    WakeAt(LocalTime),
    /// Something a person or a log wants to know.
    Happened(ProviderEvent),
}

/// What happened, for log, metrics and screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ProviderEvent {
    /// A price was offered.
    Offered {
        /// To whom.
        requestor: NodeId,
        /// For which header.
        header: B256,
        /// The price per hour.
        price: Wei,
    },
    /// No offer was made, or an agreement was not signed.
    Refused {
        /// To whom.
        requestor: NodeId,
        /// The digest of what was refused.
        about: B256,
        /// Why.
        reason: RefusalReason,
    },
    /// The other side refused something of ours.
    RefusedByPeer {
        /// Who.
        requestor: NodeId,
        /// The digest of what was refused.
        about: B256,
        /// Why.
        reason: RefusalReason,
    },
    /// A batch was agreed.
    Agreed {
        /// With whom.
        requestor: NodeId,
        /// The agreement's digest.
        agreement: B256,
        /// How many subtasks.
        subtasks: usize,
        /// Their value.
        value: Wei,
    },
    /// A subtask ended.
    Computed {
        /// The agreement's digest.
        agreement: B256,
        /// Which.
        index: u32,
        /// Whether there is a result.
        completed: bool,
    },
    /// A decision of the requestor other than `Accepted`.
    Rejected {
        /// The agreement's digest.
        agreement: B256,
        /// Which subtask.
        index: u32,
        /// The decision.
        decision: Decision,
    },
    /// A voucher raised what is held.
    Paid {
        /// By whom.
        requestor: NodeId,
        /// How much more.
        amount: Wei,
        /// What the best voucher stands at.
        cumulative: Wei,
    },
    /// A voucher or verdict was not taken.
    Unpaid {
        /// By whom.
        requestor: NodeId,
        /// Why.
        detail: String,
    },
    /// A voucher raised what is held for an author. It is the author's money, not ours.
    FeePaid {
        /// By whom.
        payer: Address,
        /// For whom.
        author: Address,
        /// How much more.
        amount: Wei,
        /// What the best voucher stands at.
        cumulative: Wei,
    },
    /// An author is owed for work accepted here, and no voucher covers it: no more is done for this requestor's task.
    FeeUnpaid {
        /// Who owes.
        requestor: NodeId,
        /// Whom.
        author: Address,
        /// How much.
        owed: Wei,
    },
    /// Work for a requestor that owes too much is held back.
    CreditExceeded {
        /// Who owes.
        requestor: NodeId,
        /// How much.
        owed: Wei,
        /// The most that is lent.
        credit: Wei,
    },
    /// Work waits: the channel does not pay for it any more. A reorg took its deposit, or it was closed.
    Uncovered {
        /// For whom the work is.
        requestor: NodeId,
        /// Whose channel.
        payer: Address,
        /// What is missing.
        detail: String,
    },
    /// A channel is over, and not all of what was held had been seen claimed. Only the chain knows what was paid at the end.
    Ended {
        /// Whose channel.
        payer: Address,
        /// The epoch that is over.
        epoch: u32,
        /// What was claimed in it when it was last seen.
        claimed: Wei,
        /// What could be claimed by then.
        unclaimed: Wei,
    },
    /// A reorg took a deposit back, or a part of it.
    DepositUndone {
        /// Whose channel.
        payer: Address,
        /// What is left.
        deposit: Wei,
        /// What could be claimed before. The voucher is kept: if the deposit comes back, it is good again.
        claimable: Wei,
    },
    /// A reorg took a claim back; it is made again.
    ClaimUndone {
        /// Whose channel.
        payer: Address,
        /// How much.
        amount: Wei,
    },
    /// A program is left alone: this machine cannot run it.
    LeftAlone {
        /// Which.
        module: ContentHash,
        /// Why.
        detail: String,
        /// How long, in milliseconds.
        for_ms: u64,
    },
    /// A deal was given up: nothing was heard of it for too long.
    Abandoned {
        /// The agreement's digest.
        agreement: B256,
        /// What stays unpaid.
        owed: Wei,
    },
}

/// How long a report stays without a verdict before a node claims what it holds, in milliseconds. Reason: a requestor checks
/// and pays within seconds; half an hour outlasts its restart.
pub const OVERDUE_MS: u64 = 30 * 60 * 1000;

/// After how many milliseconds without a verdict a requestor counts as late. Reason: it may run the subtask again before it
/// answers, which costs nothing but time.
pub fn late_after_ms(overdue_ms: u64, subtask_timeout_s: u32) -> u64 {
    overdue_ms.saturating_add(u64::from(subtask_timeout_s) * 1_000)
}

/// A provider's fixed settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProviderSettings {
    /// Which chain and contract.
    pub chain: ChainRef,
    /// Where to be paid.
    pub payee: Address,
    /// How many subtasks run at once.
    pub slots: u16,
    /// The determinism profile that runs here.
    pub profile: B256,
    /// The most memory a subtask gets.
    pub memory_max: ByteCount,
    /// The most memory that all subtasks which run may have together.
    pub memory_total: ByteCount,
    /// The most output a subtask may make.
    pub output_max: ByteCount,
    /// How long an offer stands, in seconds of chain time.
    pub offer_life_s: u64,
    /// A voucher has to be claimable for at least this long, in seconds of chain time: how long a claim may need.
    pub claim_margin_s: u64,
    /// How long a report may stay without a verdict, in milliseconds, before what is held is claimed.
    pub overdue_ms: u64,
}
