//! Stage 1, the header: a requestor tells everyone what it wants done.

use crate::app_fee::AppFee;
use crate::ids::{ChainRef, ContentHash, NodeId};
use crate::limits::{self, DocumentError, within};
use crate::signed::{DOCUMENT_DOMAIN, Document, typed_digest};
use crate::units::{ByteCount, ChainTime, Fuel, WEI_MAX, Wei};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// How the value of a subtask follows from the price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pricing {
    /// `ceil(price * subtask_timeout / 3600)`: what is sold is the subtask. Wire value 0.
    #[default]
    Tender,
    /// `min(ceil(price * fuel / fuel_rate / 3600), value)`: what is sold is the fuel burnt. Wire value 1.
    Metered,
}

/// A task as everybody hears of it. Signed by the requestor's identity key; its digest names the task.
///
/// Units: `max_price` in wei per hour of one slot, `min_perf` in fuel per second, `deadline` in chain time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Who asks.
    pub requestor: NodeId,
    /// Whose channel pays.
    pub payer: Address,
    /// Makes two headers of one requestor differ; chosen at random.
    pub nonce: u64,
    /// The module, by content.
    pub module: ContentHash,
    /// The module's length.
    pub module_bytes: ByteCount,
    /// How many subtasks there are in all.
    pub subtasks: u32,
    /// No offer above this is considered.
    pub max_price: Wei,
    /// How long a subtask may take, in seconds.
    pub subtask_timeout_s: u32,
    /// No offer of a slower machine is considered; 0 where any will do.
    pub min_perf: u64,
    /// What is paid for.
    pub pricing: Pricing,
    /// The most fuel a subtask may burn.
    pub fuel_max: Fuel,
    /// The most memory a subtask may use.
    pub memory_max: ByteCount,
    /// The most output, all files and streams together.
    pub output_max: ByteCount,
    /// Which share of results the requestor runs again, in parts per million.
    pub recheck_ppm: u32,
    /// The determinism profile that the subtasks run under: digest of engine version and settings.
    pub profile: B256,
    /// No agreement is made after this.
    pub deadline: ChainTime,
    /// The app's author, and what it asks for each accepted subtask.
    pub app: AppFee,
}

mod typed {
    alloy_sol_types::sol! {
        struct Header {
            address requestor;
            address payer;
            uint64 nonce;
            bytes32 module;
            uint64 moduleBytes;
            uint32 subtasks;
            uint96 maxPrice;
            uint32 subtaskTimeout;
            uint64 minPerf;
            uint8 pricing;
            uint64 fuelMax;
            uint64 memoryMax;
            uint64 outputMax;
            uint32 recheckPpm;
            bytes32 profile;
            uint64 deadline;
            address author;
            uint96 fee;
        }
    }
}

/// A `uint96` of the typed data; amounts are checked to fit before they are hashed.
pub(crate) fn uint96(amount: Wei) -> alloy_primitives::Uint<96, 2> {
    alloy_primitives::Uint::<96, 2>::saturating_from(amount.0)
}

impl Document for Header {
    const NAME: &'static str = "header";
    type Binding = ChainRef;

    fn claimed_signer(&self) -> Option<Address> {
        Some(self.requestor.0)
    }

    fn digest(&self, chain: &ChainRef) -> B256 {
        let typed = typed::Header {
            requestor: self.requestor.0,
            payer: self.payer,
            nonce: self.nonce,
            module: self.module.0,
            moduleBytes: self.module_bytes.0,
            subtasks: self.subtasks,
            maxPrice: uint96(self.max_price),
            subtaskTimeout: self.subtask_timeout_s,
            minPerf: self.min_perf,
            pricing: self.pricing as u8,
            fuelMax: self.fuel_max.0,
            memoryMax: self.memory_max.0,
            outputMax: self.output_max.0,
            recheckPpm: self.recheck_ppm,
            profile: self.profile,
            deadline: self.deadline.0,
            author: self.app.author,
            fee: uint96(self.app.fee),
        };
        typed_digest(DOCUMENT_DOMAIN, &typed, chain)
    }

    fn check(&self) -> Result<(), DocumentError> {
        within("subtasks", self.subtasks as u128, 1, limits::SUBTASKS_PER_TASK_MAX as u128)?;
        within("max_price", self.max_price.0, 1, WEI_MAX)?;
        within("subtask_timeout", self.subtask_timeout_s as u128, 1, limits::SUBTASK_TIMEOUT_S_MAX as u128)?;
        within("recheck_ppm", self.recheck_ppm as u128, 0, 1_000_000)?;
        self.app.check(self.payer, 1)
    }
}
