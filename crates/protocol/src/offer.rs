//! Stage 2, the offer: a provider names its price; or either side refuses, with its reason.

use crate::header::uint96;
use crate::ids::{ChainRef, ContentHash, NodeId};
use crate::limits::{self, DocumentError, within};
use crate::signed::{DOCUMENT_DOMAIN, Document, typed_digest};
use crate::units::{ByteCount, ChainTime, WEI_MAX, Wei};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// What a provider offers for a header. Signed by the provider's identity key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The header's digest.
    pub header: B256,
    /// Who offers.
    pub provider: NodeId,
    /// Where it wants to be paid.
    pub payee: Address,
    /// Wei per hour of one slot.
    pub price: Wei,
    /// Fuel per second of one slot, from the provider's benchmark.
    pub performance: u64,
    /// How many subtasks it runs at once.
    pub slots: u16,
    /// The offer is void after this.
    pub expires: ChainTime,
}

mod typed {
    alloy_sol_types::sol! {
        struct Offer {
            bytes32 header;
            address provider;
            address payee;
            uint96 price;
            uint64 performance;
            uint16 slots;
            uint64 expires;
        }
    }
}

impl Document for Offer {
    const NAME: &'static str = "offer";
    type Binding = ChainRef;

    fn claimed_signer(&self) -> Option<Address> {
        Some(self.provider.0)
    }

    fn digest(&self, chain: &ChainRef) -> B256 {
        let typed = typed::Offer {
            header: self.header,
            provider: self.provider.0,
            payee: self.payee,
            price: uint96(self.price),
            performance: self.performance,
            slots: self.slots,
            expires: self.expires.0,
        };
        typed_digest(DOCUMENT_DOMAIN, &typed, chain)
    }

    fn check(&self) -> Result<(), DocumentError> {
        within("price", self.price.0, 0, WEI_MAX)?;
        within("performance", self.performance as u128, 1, u64::MAX as u128)?;
        within("slots", self.slots as u128, 1, limits::SLOTS_MAX as u128)
    }
}

/// Why an offer, an agreement or a request was not taken. It reaches the other side, to be read and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// The price is over the header's maximum.
    #[error("the price of {price} per hour is above the maximum of {max_price}")]
    PriceAboveMax {
        /// What was offered.
        price: Wei,
        /// What the header allows.
        max_price: Wei,
    },
    /// The machine is slower than the header asks.
    #[error("its {} million fuel a second are below the {} million that are asked for at least", performance / 1_000_000, min_perf.div_ceil(1_000_000))]
    BelowMinPerf {
        /// What was offered.
        performance: u64,
        /// What the header asks.
        min_perf: u64,
    },
    /// The offer or header is past its time.
    #[error("past its time by {} s of the chain's", now.saturating_sub(*expires))]
    Expired {
        /// The end of its life.
        expires: ChainTime,
        /// The chain's time when it was looked at.
        now: ChainTime,
    },
    /// The header named is not (or no longer) known here.
    #[error("no such task here: {0}")]
    UnknownHeader(B256),
    /// The sender is on the deny list.
    #[error("the lists of allowed and denied nodes keep the two apart")]
    Denied,
    /// The sender's record is below the floor set by the user.
    #[error("the quality of past work is below the floor set here")]
    BelowQualityFloor,
    /// Nothing is left to hand out.
    #[error("no subtask is left to hand out")]
    NothingLeft,
    /// The book of peers, offers or deals is full.
    #[error("no room: {0} is at its bound")]
    Full(String),
    /// An agreement differs from the offer it rests on.
    #[error("the agreement's {field} is not the offer's: {got} instead of {offered}")]
    NotAsOffered {
        /// Which field.
        field: String,
        /// The agreement's value.
        got: String,
        /// The offer's value.
        offered: String,
    },
    /// The payment channel would not pay for this.
    #[error("the payment channel does not cover this: {0}")]
    Channel(String),
    /// The requestor owes too much already.
    #[error("{owed} is owed already, more than the credit of {credit}")]
    CreditExceeded {
        /// What is owed.
        owed: Wei,
        /// The most that is lent.
        credit: Wei,
    },
    /// Accepted work is without the fee that its app's author was to get.
    #[error("{owed} is owed to the author {author} for accepted work, and no voucher here covers it")]
    FeeUnpaid {
        /// Who was to be paid.
        author: Address,
        /// How much.
        owed: Wei,
    },
    /// The provider runs other work now.
    #[error("all slots are busy")]
    Busy,
    /// The provider runs another determinism profile.
    #[error("this node runs profile {ours}, the task wants {theirs}")]
    OtherProfile {
        /// What runs here.
        ours: B256,
        /// What was asked.
        theirs: B256,
    },
    /// A subtask asks for more than this node gives.
    #[error("{} of {resource} for a subtask are more than the {} that this node gives", ByteCount(*asked), ByteCount(*limit))]
    TooLarge {
        /// Which resource: memory or output.
        resource: String,
        /// What was asked, in bytes.
        asked: u64,
        /// The most that is given, in bytes.
        limit: u64,
    },
    /// A message that breaks the protocol.
    #[error("not understood: {0}")]
    Malformed(String),
    /// The provider's owner wants the machine now.
    #[error("this node takes no work at present: {0}")]
    Resting(String),
    /// The work in the other side's key is less than what is asked of one here.
    #[error(
        "the identity has {bits} bits of work and {bits_min} are asked; make one with `golem wallet new --identity-bits {bits_min}`"
    )]
    IdentityTooCheap {
        /// What it has.
        bits: u32,
        /// What is asked.
        bits_min: u32,
    },
    /// The provider runs certain programs only.
    #[error("this node does not run the program {0}")]
    ProgramNotAllowed(ContentHash),
    /// The provider promised this performance for the program before, and delivered much less.
    #[error(
        "{} million fuel a second were promised for this program before, and {} million were seen in {results} results: offer what this machine does", promised / 1_000_000, seen / 1_000_000
    )]
    Overstated {
        /// What is offered.
        promised: u64,
        /// What was seen here.
        seen: u64,
        /// In how many results.
        results: u32,
    },
    /// The provider found that its machine cannot run the program, or not for now.
    #[error("this node cannot run the program {module}: {detail}")]
    ProgramUnfit {
        /// Which.
        module: ContentHash,
        /// What it found.
        detail: String,
    },
    /// The sender was late in this task, stepped back from it or failed in it, and is to wait.
    #[error("after what happened in this task its offers are not taken for another {seconds} s")]
    Paused {
        /// How long from now on.
        seconds: u64,
    },
    /// Of late those that had paid the provider little or nothing before left its work unpaid.
    #[error(
        "those that were new here left {lost} of work unpaid, so nobody new is worked for at present: try again later, or another provider"
    )]
    StrangersUnpaid {
        /// What they left unpaid, less what such paid since.
        lost: Wei,
    },
}

/// Tells the other side that something it sent was not taken, and why. Not signed: it binds nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The digest of what is refused.
    pub about: B256,
    /// Why.
    pub reason: RefusalReason,
}
