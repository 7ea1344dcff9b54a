//! Stage 7, the voucher: everything a payer owes a payee so far, in one signature that the contract pays on.

use crate::header::uint96;
use crate::ids::{ChainRef, ChannelId};
use crate::limits::{DocumentError, within};
use crate::signed::{Authentic, CHANNELS_DOMAIN, Document, typed_digest};
use crate::units::{WEI_MAX, Wei};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// A promise of `cumulative` wei in all to `payee`, out of its channel with the signer, in one epoch.
///
/// Signed by the payer's payment key under the domain of `PaymentChannels`. The payer is not in it: the contract and
/// we recover it from the signature. Source: `PaymentChannels.claimMany`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// Who may claim.
    pub payee: Address,
    /// The channel's epoch.
    pub epoch: u32,
    /// The sum of all payments in this epoch.
    pub cumulative: Wei,
}

mod typed {
    alloy_sol_types::sol! {
        struct Voucher {
            address payee;
            uint32 epoch;
            uint96 cumulative;
        }
    }
}

impl Document for Voucher {
    const NAME: &'static str = "voucher";
    type Binding = ChainRef;

    fn claimed_signer(&self) -> Option<Address> {
        None
    }

    fn digest(&self, chain: &ChainRef) -> B256 {
        let typed = typed::Voucher { payee: self.payee, epoch: self.epoch, cumulative: uint96(self.cumulative) };
        typed_digest(CHANNELS_DOMAIN, &typed, chain)
    }

    fn check(&self) -> Result<(), DocumentError> {
        within("epoch", self.epoch as u128, 1, u32::MAX as u128)?;
        within("cumulative", self.cumulative.0, 0, WEI_MAX)
    }
}

impl Authentic<Voucher> {
    /// The channel it draws on: the payer is whoever signed.
    pub fn channel(&self) -> ChannelId {
        ChannelId { payer: self.signer(), payee: self.document().payee }
    }
}
