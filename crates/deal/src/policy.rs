//! The questions that have no one right answer, asked of the market: prices, choices, credit, how much to check.

use crate::record::Record;
use golem_protocol::{B256, ContentHash, Fuel, Header, NodeId, Now, Offer, RefusalReason, Wei};

/// What a provider asks for a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Wei per hour of one slot.
    pub price: Wei,
    /// Fuel per second of one slot.
    pub performance: u64,
    /// How many subtasks run at once.
    pub slots: u16,
}

/// The provider's side of the market.
pub trait ProviderPolicy {
    /// A price for this header, or why there is none.
    fn quote(&mut self, header: &Header, now: Now) -> Result<Quote, RefusalReason>;
    /// What an hour of a slot at work on this header is expected to bring beyond its cost, at the price that would be
    /// offered now. Where slots are scarce, what brings more is taken.
    fn profit(&self, header: &Header, now: Now) -> Wei;
    /// How much finished work this requestor may leave unpaid before no more is done for it.
    fn credit(&self, requestor: NodeId) -> Wei;
    /// Takes note of what happened.
    fn note(&mut self, fact: &ProviderFact, now: Now);
    /// What has changed since the last call and has to be saved with this step.
    fn records(&mut self) -> Vec<Record>;
}

/// What a provider learns about a requestor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderFact {
    /// Work of this value was agreed.
    Assigned {
        /// By whom.
        requestor: NodeId,
        /// Its value.
        value: Wei,
    },
    /// A subtask was computed.
    Completed {
        /// For whom.
        requestor: NodeId,
        /// Which program.
        module: ContentHash,
        /// How long it might have taken.
        subtask_timeout_s: u32,
        /// How long it took.
        computation_ms: u64,
        /// The work it was.
        fuel: Fuel,
    },
    /// Assigned work will not be paid, by the rules: failed, late or cancelled.
    Released {
        /// For whom.
        requestor: NodeId,
        /// Its value.
        value: Wei,
    },
    /// A finished result was rejected, or left out of a verdict: it will not be paid.
    Rejected {
        /// By whom.
        requestor: NodeId,
        /// Its value.
        value: Wei,
    },
    /// An accepted result costs this much less than was agreed as the most: metered work that burnt less.
    Unused {
        /// For whom.
        requestor: NodeId,
        /// What is not to be paid.
        value: Wei,
    },
    /// A voucher brought this much more.
    Paid {
        /// By whom.
        requestor: NodeId,
        /// How much.
        value: Wei,
    },
    /// Finished work is unpaid long after it was reported, or was accepted and no voucher covers it.
    Overdue {
        /// By whom.
        requestor: NodeId,
    },
    /// An offer was taken by an agreement, or expired in vain while a slot was free.
    Answered {
        /// Which of the two.
        taken: bool,
    },
    /// The first slot is in use, or the last one is free again.
    Busy(bool),
}

/// The requestor's side of the market.
pub trait RequestorPolicy {
    /// Whether an offer is looked at, or why not.
    fn admit(&mut self, header: &Header, offer: &Offer, now: Now) -> Result<(), RefusalReason>;
    /// The offers in the order in which they are taken, best first, as positions in `offers`. An offer left out is not
    /// taken.
    fn rank(&mut self, header: &Header, offers: &[&Offer], now: Now) -> Vec<usize>;
    /// Whether a provider has done anything for us before.
    fn knows(&self, provider: NodeId) -> bool;
    /// Whether this result is run again here. Asking again and again gives no other answer by chance.
    fn rechecks(&self, result: &Reported) -> bool;
    /// A number that nobody can foresee, another one each time.
    fn draw(&mut self) -> u64;
    /// Whether the next subtask handed out for a task is one whose result is known: then a number to choose it by that
    /// nobody can foresee.
    fn mixes_in(&mut self, header: B256) -> Option<u64>;
    /// Whether a subtask that one provider is late with is given to another besides.
    fn hedges(&self, header: &Header, straggler: &Straggler, offer: &Offer) -> bool;
    /// Takes note of how long an accepted result took. Where nobody looks, the provider's own word counts.
    fn timed(&mut self, _delivery: &Delivery, _now: Now) -> Timed {
        Timed::default()
    }
    /// Takes note of what happened.
    fn note(&mut self, fact: &RequestorFact, now: Now);
    /// What has changed since the last call and has to be saved with this step.
    fn records(&mut self) -> Vec<Record>;
}

/// A result that was reported, is here, and is not judged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    /// Of which task.
    pub header: B256,
    /// Which subtask.
    pub index: u32,
    /// Whose.
    pub provider: NodeId,
    /// What it is paid for at most.
    pub value: Wei,
}

/// A subtask that is under way and keeps a task from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Straggler {
    /// Who has it.
    pub provider: NodeId,
    /// How long ago that provider last did anything, in milliseconds.
    pub silent_ms: u64,
    /// What a second copy costs at most, fee included.
    pub cost: Wei,
}

/// An accepted result, as this node's clock saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Of which task.
    pub header: B256,
    /// Which subtask.
    pub index: u32,
    /// Whose.
    pub provider: NodeId,
    /// Of which program.
    pub module: ContentHash,
    /// Fuel per second, as agreed.
    pub promised: u64,
    /// What it burnt: as seen here, where it was run again, else as reported.
    pub fuel: Fuel,
    /// From when it could be begun to when its report came, in milliseconds. It holds whatever was transferred.
    pub took_ms: u64,
}

/// What a policy makes of the time that a result took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timed {
    /// It was computed for so long at least, in milliseconds.
    pub least_ms: u64,
    /// It took much longer than promised, and that is worth keeping the documents.
    pub breaks_promise: bool,
}

/// What a requestor learns about a provider: that it has work, and the outcome of each subtask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestorFact {
    /// Subtasks were handed out.
    Assigned {
        /// To whom.
        provider: NodeId,
        /// How many.
        subtasks: u64,
    },
    /// A result came. It may still be wrong.
    Reported {
        /// Of which task.
        header: B256,
        /// Which subtask.
        index: u32,
        /// Whose.
        provider: NodeId,
        /// Of which program.
        module: ContentHash,
        /// How long it took, as this node's clock saw it, in milliseconds.
        took_ms: u64,
    },
    /// A result was accepted.
    Succeeded {
        /// Whose.
        provider: NodeId,
        /// How long it might have taken.
        subtask_timeout_s: u32,
        /// How long it took, as reported.
        computation_ms: u64,
        /// The price of an hour that it was agreed at; the provider may have offered another one since.
        price: Wei,
        /// What it was paid.
        paid: Wei,
    },
    /// No result in time.
    TimedOut {
        /// Whose.
        provider: NodeId,
    },
    /// The provider said that it failed.
    Failed {
        /// Whose.
        provider: NodeId,
    },
    /// The result was wrong, or could not be fetched.
    Rejected {
        /// Whose.
        provider: NodeId,
    },
    /// A result was computed again here and is wrong: one that was bought here, which is told of as rejected as well, or
    /// one that somebody else bought and published.
    Proven {
        /// Whose.
        provider: NodeId,
    },
}
