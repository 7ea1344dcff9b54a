//! What a requestor's machine is told, wants done, and says.

use super::site::{CopyAddresses, Near, Site};
use crate::outbox::PersistId;
use crate::record::Record;
use golem_protocol::*;
use serde::{Deserialize, Serialize};

/// A task to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskOrder {
    /// What will be announced. `requestor` and `payer` are this node's.
    pub header: Header,
    /// The input document of each subtask, by content; as many as the header says.
    pub inputs: Vec<ContentHash>,
    /// The most that is ever paid or promised for this task, to providers and the app's author together.
    pub budget: Wei,
    /// How long offers are gathered before the first are taken, in milliseconds.
    pub offer_window_ms: u64,
    /// How results are checked.
    pub checks: Checks,
}

/// How the results of a task are checked. It is nobody's business but the requestor's: the header tells the share alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// How many providers each subtask is given to, whose results are compared: 1, where nothing is compared, to
    /// [`Checks::COPIES_MAX`].
    pub copies: u8,
    /// Which results are run again here, besides those that nothing else decides.
    pub rechecks: Rechecks,
    /// How many of the subtasks handed out have a known result, in parts per million: they are given to a provider that
    /// cannot tell.
    pub known_ppm: u32,
    /// How many subtasks that somebody is late with may be given to another besides.
    pub hedges_max: u32,
}

impl Checks {
    /// The most copies that a task asks for at once. Reason: with three, one that lies is outvoted; more cost more and
    /// defend against more that collude, who can be found by running one of them again for less.
    pub const COPIES_MAX: u8 = 3;

    /// Whether anything is run here at all.
    pub fn run_here(&self) -> bool {
        self.copies > 1 || self.rechecks != Rechecks::Share { ppm: 0 }
    }

    /// A share of the results is run again, and that is all.
    pub fn recheck(ppm: u32) -> Checks {
        Checks { copies: 1, rechecks: Rechecks::Share { ppm }, known_ppm: 0, hedges_max: 0 }
    }
}

/// Which results are run again by the requestor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rechecks {
    /// This share of all, and more of newcomers.
    Share {
        /// The share, in parts per million.
        ppm: u32,
    },
    /// As many as it takes that a wrong result is expected to lose whoever gives it, by what the provider stands to lose.
    Adaptive {
        /// Never less, in parts per million.
        floor_ppm: u32,
    },
}

impl Rechecks {
    /// The least share, in parts per million: what the header tells.
    pub fn least_ppm(&self) -> u32 {
        match *self {
            Rechecks::Share { ppm } => ppm,
            Rechecks::Adaptive { floor_ppm } => floor_ppm,
        }
    }
}

/// Why a requestor runs a subtask itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnRunReason {
    /// The policy chose it.
    Chosen,
    /// The provider gave a wrong result before: nothing of it is paid unseen any more.
    Distrusted,
    /// Providers reported different results, and none has the majority.
    Disputed,
    /// The results of others, which it would be compared with, did not come in time.
    Alone,
    /// Providers say that the program fails, often enough to give the subtask up.
    Failing,
}

/// What a requestor's machine is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RequestorInput {
    /// Do this task. A task known already is taken up where it stood.
    Start(Box<TaskOrder>),
    /// Try what failed of this task again, where it has ended so and its deadline has not passed. `Start` takes it up then.
    Retry(B256),
    /// Agree nothing new for this task; what is agreed may end.
    Stop(B256),
    /// A message of a peer; the transport vouches for who sent it.
    Message {
        /// The sender.
        from: NodeId,
        /// The message.
        message: Box<Message>,
    },
    /// How a channel of ours stands on the chain, confirmed.
    Channel {
        /// Which.
        channel: ChannelId,
        /// Its state.
        state: ChannelState,
    },
    /// A `Fund` could not be done.
    FundFailed {
        /// Whose channel.
        payee: Address,
        /// Why, for people.
        detail: String,
    },
    /// The answer to `Fetch`.
    Fetched {
        /// The agreement's digest.
        agreement: B256,
        /// Which subtask.
        index: u32,
        /// Whether the output manifest and all its files are here and are what was reported.
        complete: Result<(), String>,
    },
    /// The answer to `Recheck`: what came out here. `Err` where it could not be run here.
    Rechecked {
        /// The agreement's digest.
        agreement: B256,
        /// Which subtask.
        index: u32,
        /// What came out here; a failure is an outcome too.
        outcome: Result<SubtaskOutcome, String>,
    },
    /// A connection of a peer comes from here.
    Seen {
        /// Who.
        peer: NodeId,
        /// From where.
        site: Site,
    },
    /// A peer is reachable (`true`) or was lost.
    Reachable {
        /// Who.
        peer: NodeId,
        /// Whether it can be reached.
        reachable: bool,
    },
    /// A save was done.
    Persisted(PersistId),
    /// Time went by.
    Tick,
}

impl RequestorInput {
    /// The input's word, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            RequestorInput::Start(_) => "start",
            RequestorInput::Retry(_) => "retry",
            RequestorInput::Stop(_) => "stop",
            RequestorInput::Message { message, .. } => message.name(),
            RequestorInput::Channel { .. } => "channel",
            RequestorInput::FundFailed { .. } => "fund_failed",
            RequestorInput::Fetched { .. } => "fetched",
            RequestorInput::Rechecked { .. } => "rechecked",
            RequestorInput::Seen { .. } => "seen",
            RequestorInput::Reachable { .. } => "reachable",
            RequestorInput::Persisted(_) => "persisted",
            RequestorInput::Tick => "tick",
        }
    }
}

/// An output to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FetchJob {
    /// The agreement's digest.
    pub agreement: B256,
    /// Which subtask.
    pub index: u32,
    /// Who has it.
    pub provider: NodeId,
    /// The output manifest, by content.
    pub output: ContentHash,
    /// The manifest's length.
    pub output_bytes: ByteCount,
    /// The most that manifest and files may have together.
    pub bytes_max: ByteCount,
}

/// What a provider signed of a result, and what was seen here of how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SlowResult {
    /// The agreement, with the fuel per second that was promised, and the report, with the fuel that was burnt, signed by
    /// the provider under the agreement's digest. The result is right.
    pub documents: WrongResultProof,
    /// How long it took by this node's clock, in milliseconds. Nobody else can know that.
    pub took_ms: u64,
}

/// What a requestor's machine wants done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum RequestorEffect {
    /// Save these, all or none; then answer `Persisted`.
    Persist {
        /// Its name.
        id: PersistId,
        /// What to save.
        records: Vec<Record>,
    },
    /// Gossip a header.
    Announce(Signed<Header>),
    /// Send a message. It may be lost: what matters is sent again.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Look up a channel on the chain and answer `Channel`.
    ReadChannel(ChannelId),
    /// Put this much more into the channel to `payee`, opening it where needed; answer `Channel` or `FundFailed`.
    Fund {
        /// Whose channel.
        payee: Address,
        /// How much more.
        amount: Wei,
        /// The deposit to reach: a repeated effect does not fund twice.
        deposit: Wei,
        /// The epoch the deposit is meant for; one more than the last where the channel has to be opened.
        epoch: u32,
    },
    /// Fetch an output and answer `Fetched`, whatever happens.
    Fetch(FetchJob),
    /// Run a subtask here and answer `Rechecked`, whatever happens.
    Recheck {
        /// The agreement's digest.
        agreement: B256,
        /// Which subtask.
        index: u32,
        /// Its input.
        input: ContentHash,
        /// The task's header.
        header: Box<Header>,
    },
    /// A result took much longer than its provider promised: worth keeping.
    KeepSlow(Box<SlowResult>),
    /// A result that was run again here is wrong, and this proves it: worth telling others.
    Publish(Box<WrongResultProof>),
    /// Send a `Tick` at this time, or before.
    WakeAt(LocalTime),
    /// Something a person or a log wants to know.
    Happened(RequestorEvent),
}

/// What happened, for log, metrics and screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum RequestorEvent {
    /// An offer is in the book.
    Offered {
        /// For which task.
        header: B256,
        /// From whom.
        provider: NodeId,
        /// Wei per hour.
        price: Wei,
        /// Fuel per second.
        performance: u64,
    },
    /// An offer or message was refused.
    Refused {
        /// Whose.
        provider: NodeId,
        /// The digest of what was refused.
        about: B256,
        /// Why.
        reason: RefusalReason,
    },
    /// The other side refused something of ours.
    RefusedByPeer {
        /// Who.
        provider: NodeId,
        /// The digest of what was refused.
        about: B256,
        /// Why.
        reason: RefusalReason,
    },
    /// A batch was agreed by both.
    Agreed {
        /// For which task.
        header: B256,
        /// The agreement's digest.
        agreement: B256,
        /// With whom.
        provider: NodeId,
        /// Which subtasks.
        subtasks: Vec<u32>,
        /// Their value.
        value: Wei,
        /// What the app's author gets if all are accepted.
        fees: Wei,
    },
    /// A result was accepted, and a voucher for it is on its way.
    Accepted {
        /// For which task.
        header: B256,
        /// Whose.
        provider: NodeId,
        /// Which subtask.
        index: u32,
        /// The output manifest.
        output: ContentHash,
        /// The length of the manifest.
        output_bytes: ByteCount,
        /// What the provider was paid.
        paid: Wei,
        /// What the app's author was paid.
        fee: Wei,
        /// Whether it was run again here first.
        rechecked: bool,
        /// By which agreement.
        agreement: B256,
        /// Whether the subtask had an accepted result already: this is another copy.
        again: bool,
    },
    /// A result is run again here.
    OwnRun {
        /// For which task.
        header: B256,
        /// Whose result.
        provider: NodeId,
        /// Which subtask.
        index: u32,
        /// Why.
        reason: OwnRunReason,
    },
    /// A subtask that somebody is late with was given to another besides.
    Hedged {
        /// For which task.
        header: B256,
        /// Which subtask.
        index: u32,
        /// Who is late.
        late: NodeId,
        /// Who has it too.
        provider: NodeId,
    },
    /// A subtask whose result is known was given to a provider that cannot tell.
    KnownGiven {
        /// For which task.
        header: B256,
        /// Which subtask.
        index: u32,
        /// To whom.
        provider: NodeId,
    },
    /// Subtasks wait for a provider that has no copy of them; where none comes in time they are run here.
    CopiesWait {
        /// For which task.
        header: B256,
        /// How many subtasks.
        subtasks: u32,
        /// How many different providers each is to have.
        copies: u8,
        /// An offer that is not taken for its address alone, where there is one.
        near: Option<Near>,
    },
    /// A result was not accepted, or there was none.
    Rejected {
        /// For which task.
        header: B256,
        /// Whose.
        provider: NodeId,
        /// Which subtask.
        index: u32,
        /// The decision.
        decision: Decision,
        /// What the provider or the check said.
        detail: String,
    },
    /// A result that was accepted and paid turned out to be wrong, when it was run here; or a failure that was reported.
    FoundWrong {
        /// For which task.
        header: B256,
        /// Whose.
        provider: NodeId,
        /// Which subtask.
        index: u32,
        /// What was paid for it: nothing for a failure.
        paid: Wei,
        /// What was reported, and what is right.
        detail: String,
    },
    /// A batch ran out of time, was cancelled or refused; its open subtasks are free again.
    Freed {
        /// For which task.
        header: B256,
        /// Whose.
        provider: NodeId,
        /// Which subtasks.
        subtasks: Vec<u32>,
        /// Why.
        detail: String,
    },
    /// A reorg took a deposit back, or a part of it. What is promised from it is put in again.
    DepositUndone {
        /// Whose channel.
        payee: Address,
        /// What is left in it.
        deposit: Wei,
        /// What vouchers and agreements promise beyond that.
        uncovered: Wei,
    },
    /// A reorg took back the wish to close a channel: it is open, and has to be asked again.
    CloseUndone {
        /// Whose channel.
        payee: Address,
    },
    /// A channel could not be funded.
    FundFailed {
        /// Whose.
        payee: Address,
        /// Why.
        detail: String,
    },
    /// Nothing is under way, and none of the offers that stand is taken yet: the policy waits for better ones.
    OffersWait {
        /// For which task.
        header: B256,
        /// How many offers stand.
        offers: u32,
    },
    /// No provider can be paid out of what is left of the budget.
    BudgetReached {
        /// For which task.
        header: B256,
        /// How many subtasks are not done.
        open: u32,
    },
    /// Every subtask has a result or has failed for good.
    Finished {
        /// Which task.
        header: B256,
        /// How many failed for good.
        failed: u32,
    },
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// The header's digest.
    pub header: B256,
    /// How many subtasks there are.
    pub subtasks: u32,
    /// How many have an accepted result.
    pub done: u32,
    /// How many are agreed and not decided.
    pub agreed: u32,
    /// How many failed for good.
    pub failed: u32,
    /// What was signed away to providers for it.
    #[serde(rename = "spent_wei")]
    pub spent: Wei,
    /// What was signed away to the app's author for it.
    #[serde(rename = "fees_wei")]
    pub fees: Wei,
    /// How many results were accepted and paid of subtasks that had one already: copies, hedges, known answers.
    pub copies: u32,
    /// What those cost, fees included; part of what was signed away.
    #[serde(rename = "copies_wei")]
    pub copies_cost: Wei,
    /// What open agreements may still cost, fees included.
    #[serde(rename = "reserved_wei")]
    pub reserved: Wei,
    /// The most it may cost, fees included.
    #[serde(rename = "budget_wei")]
    pub budget: Wei,
    /// How many offers are in the book.
    pub offers: u32,
    /// Whether nothing is left to do.
    pub finished: bool,
}

/// A requestor's fixed settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestorSettings {
    /// Which chain and contract.
    pub chain: ChainRef,
    /// How long a batch may be late, in milliseconds, before its subtasks are given to others.
    pub grace_ms: u64,
    /// How long a lost peer is waited for, in milliseconds.
    pub lost_ms: u64,
    /// Whether copies of one subtask may go to providers at one address.
    pub copy_addresses: CopyAddresses,
}
