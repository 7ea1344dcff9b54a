//! Stage 3, the agreement: both sign for one batch of subtasks; and the cancellation that may follow.

use crate::app_fee::AppFee;
use crate::header::uint96;
use crate::ids::{ChainRef, ChannelId, ContentHash, NodeId};
use crate::limits::{self, DocumentError, distinct, within};
use crate::signed::{CompactSignature, DOCUMENT_DOMAIN, Document, typed_digest};
use crate::units::{ChainTime, WEI_MAX, Wei};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// One subtask of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreedSubtask {
    /// Its number in the task, from 0.
    pub index: u32,
    /// Everything that goes into it, by content: arguments, files, seed, limits.
    pub input: ContentHash,
    /// What is paid for it: exactly in tender mode, at most in metered mode.
    pub value: Wei,
}

/// A deal about one batch. The requestor signs first; it binds once the provider has countersigned the same digest.
///
/// Shape: 1 to 256 subtasks, each index once. Units: `price` in wei per hour, `fuel_rate` in fuel per second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// The header's digest.
    pub header: B256,
    /// The offer's digest.
    pub offer: B256,
    /// Who pays for the work.
    pub requestor: NodeId,
    /// Who does it.
    pub provider: NodeId,
    /// The channel's payer.
    pub payer: Address,
    /// The channel's payee.
    pub payee: Address,
    /// The channel's epoch: vouchers will be for this one.
    pub epoch: u32,
    /// Counts the batches agreed between the two for this header, from 0.
    pub batch: u32,
    /// The price agreed, as offered.
    pub price: Wei,
    /// How much fuel counts as one second, in metered mode.
    pub fuel_rate: u64,
    /// How long each subtask may take.
    pub subtask_timeout_s: u32,
    /// Reports that come after this need not be paid.
    pub deadline: ChainTime,
    /// What the app's author gets for each accepted subtask: fixed here, whatever the registry says later.
    pub app: AppFee,
    /// The subtasks.
    pub subtasks: Vec<AgreedSubtask>,
}

mod typed {
    alloy_sol_types::sol! {
        struct Subtask {
            uint32 index;
            bytes32 input;
            uint96 value;
        }
        struct Agreement {
            bytes32 header;
            bytes32 offer;
            address requestor;
            address provider;
            address payer;
            address payee;
            uint32 epoch;
            uint32 batch;
            uint96 price;
            uint64 fuelRate;
            uint32 subtaskTimeout;
            uint64 deadline;
            address author;
            uint96 fee;
            Subtask[] subtasks;
        }
        struct Cancel {
            bytes32 agreement;
            address provider;
        }
    }
}

impl Agreement {
    /// The channel that pays.
    pub fn channel(&self) -> ChannelId {
        ChannelId { payer: self.payer, payee: self.payee }
    }

    /// The channel that pays the app's author, where one is paid.
    pub fn author_channel(&self) -> Option<ChannelId> {
        self.app.payee().map(|author| ChannelId { payer: self.payer, payee: author })
    }

    /// The sum of all subtasks' values; `None` above 96 bits.
    pub fn value(&self) -> Option<Wei> {
        self.subtasks.iter().try_fold(Wei::ZERO, |sum, subtask| sum.checked_add(subtask.value))
    }

    /// The subtask of that number.
    pub fn subtask(&self, index: u32) -> Option<&AgreedSubtask> {
        self.subtasks.iter().find(|subtask| subtask.index == index)
    }
}

impl Document for Agreement {
    const NAME: &'static str = "agreement";
    type Binding = ChainRef;

    fn claimed_signer(&self) -> Option<Address> {
        Some(self.requestor.0)
    }

    fn digest(&self, chain: &ChainRef) -> B256 {
        let typed = typed::Agreement {
            header: self.header,
            offer: self.offer,
            requestor: self.requestor.0,
            provider: self.provider.0,
            payer: self.payer,
            payee: self.payee,
            epoch: self.epoch,
            batch: self.batch,
            price: uint96(self.price),
            fuelRate: self.fuel_rate,
            subtaskTimeout: self.subtask_timeout_s,
            deadline: self.deadline.0,
            author: self.app.author,
            fee: uint96(self.app.fee),
            subtasks: self
                .subtasks
                .iter()
                .map(|subtask| typed::Subtask {
                    index: subtask.index,
                    input: subtask.input.0,
                    value: uint96(subtask.value),
                })
                .collect(),
        };
        typed_digest(DOCUMENT_DOMAIN, &typed, chain)
    }

    fn check(&self) -> Result<(), DocumentError> {
        within("subtasks", self.subtasks.len() as u128, 1, limits::SUBTASKS_PER_AGREEMENT_MAX as u128)?;
        within("price", self.price.0, 0, WEI_MAX)?;
        within("fuel_rate", self.fuel_rate as u128, 1, u64::MAX as u128)?;
        within("subtask_timeout", self.subtask_timeout_s as u128, 1, limits::SUBTASK_TIMEOUT_S_MAX as u128)?;
        let value = self.subtasks.iter().fold(0u128, |sum, subtask| sum.saturating_add(subtask.value.0));
        within("value", value, 0, WEI_MAX)?;
        self.app.check(self.payer, self.subtasks.len())?;
        distinct(self.subtasks.iter().map(|subtask| subtask.index))
    }
}

/// The provider's signature under an agreement that the requestor has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Countersignature {
    /// The agreement's digest.
    pub agreement: B256,
    /// The provider's signature over it.
    pub signature: CompactSignature,
}

/// The provider steps back from an agreement before it has reported anything. Signed by the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// The agreement's digest.
    pub agreement: B256,
    /// Who steps back.
    pub provider: NodeId,
}

impl Document for Cancel {
    const NAME: &'static str = "cancel";
    type Binding = ChainRef;

    fn claimed_signer(&self) -> Option<Address> {
        Some(self.provider.0)
    }

    fn digest(&self, chain: &ChainRef) -> B256 {
        let typed = typed::Cancel { agreement: self.agreement, provider: self.provider.0 };
        typed_digest(DOCUMENT_DOMAIN, &typed, chain)
    }

    fn check(&self) -> Result<(), DocumentError> {
        Ok(())
    }
}
