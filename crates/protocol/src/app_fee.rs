//! What an app's author is paid for each accepted subtask: a leg of the agreement of its own.

use crate::limits::{DocumentError, within};
use crate::units::{WEI_MAX, Wei};
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

/// The author of an app and its fee for one subtask, as the header announces it and the agreement fixes it.
///
/// Shape: in typed data the two fields `address author,uint96 fee`. The zero address stands for "no author"; then the fee
/// is zero. Units: wei for each accepted subtask, on top of its value. Source: `AppRegistry.app`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppFee {
    /// Who is paid; the zero address where there is nobody.
    pub author: Address,
    /// For each accepted subtask.
    #[serde(rename = "fee_wei")]
    pub fee: Wei,
}

impl AppFee {
    /// No author and no fee.
    pub const NONE: AppFee = AppFee { author: Address::ZERO, fee: Wei::ZERO };

    /// Who is paid, where somebody is.
    pub fn payee(&self) -> Option<Address> {
        (self.fee > Wei::ZERO).then_some(self.author)
    }

    /// The fees of so many subtasks, held at [`Wei::MAX`]. A checked agreement's fees are always below.
    pub fn of(&self, subtasks: usize) -> Wei {
        u64::try_from(subtasks).ok().and_then(|count| self.fee.checked_mul(count)).unwrap_or(Wei::MAX)
    }

    /// Errors: a fee for nobody, an author that would pay itself, fees of more than 96 bits.
    pub(crate) fn check(&self, payer: Address, subtasks: usize) -> Result<(), DocumentError> {
        if self.author == Address::ZERO {
            return within("fee", self.fee.0, 0, 0);
        }
        if self.author == payer {
            return Err(DocumentError::PaysItself("author"));
        }
        within("fees", self.fee.0.saturating_mul(subtasks as u128), 0, WEI_MAX)
    }
}
