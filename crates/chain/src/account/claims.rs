//! How a claim of many vouchers becomes transactions.

use super::{Account, Step};
use crate::abi::channels;
use crate::call::Call;
use crate::claim::{self, ENTRY_BYTES, Fitting, GAS_FILLED_PERCENT};
use crate::error::ChainError;
use crate::rpc::Simulated;
use alloy::primitives::{U256, keccak256};
use alloy::sol_types::SolCall;
use golem_protocol::{Address, Signed, Voucher};

impl Account {
    /// Claims in the fewest transactions that gas and size allow, and none of vouchers that pay nothing.
    ///
    /// What was sent under this id stays as it is, however the rest is divided now.
    pub(super) async fn claim_steps(
        &self,
        prefix: &str,
        payee: Address,
        vouchers: &[Signed<Voucher>],
    ) -> Result<Vec<Step>, ChainError> {
        let entries: Vec<Vec<u8>> = vouchers.iter().map(packed).collect();
        let sent = self.claims_sent(prefix, payee);
        let is_sent =
            |entry: &Vec<u8>| sent.iter().any(|call| call.vouchers.chunks_exact(ENTRY_BYTES).any(|e| e == entry));
        let open: Vec<Vec<u8>> = if sent.is_empty() {
            entries.clone()
        } else {
            entries.iter().filter(|entry| !is_sent(entry)).cloned().collect()
        };
        let gas = self.sender.gas_max().await?.saturating_mul(GAS_FILLED_PERCENT) / 100;
        let mut calls = sent.clone();
        let mut rest = open.as_slice();
        while !rest.is_empty() {
            let (count, call) = self.claim_that_fits(payee, rest, gas).await?;
            rest = rest.get(count..).unwrap_or_default();
            calls.extend(call);
        }
        // In the order of the vouchers, which is how the report reads what was paid.
        calls.sort_by_key(|call| entries.iter().position(|entry| call.vouchers.starts_with(entry)));
        Ok(calls.into_iter().map(|call| self.claim_step(payee, &call)).collect())
    }

    fn claim_step(&self, payee: Address, call: &channels::claimManyCall) -> Step {
        let count = call.vouchers.len() / ENTRY_BYTES;
        // Named by what is in it, so that a claim of other vouchers under the same id is not taken for this one.
        let name = format!("claim-{}", keccak256(&call.vouchers));
        let label = format!("claim {count} vouchers for {payee}");
        Step { name, call: Call::contract(label, self.client.deployment().channels, call.abi_encode()) }
    }

    /// Claims that are recorded under an id.
    fn claims_sent(&self, prefix: &str, payee: Address) -> Vec<channels::claimManyCall> {
        let recorded = self.sender.pending().into_iter().filter(|pending| pending.id.starts_with(prefix));
        let calls = recorded.filter_map(|pending| channels::claimManyCall::abi_decode(&pending.input).ok());
        calls.filter(|call| call.payee == payee).collect()
    }

    /// How many of these vouchers one transaction can claim, and the call; no call where they pay nothing.
    ///
    /// Errors: what stops a claim of one voucher; a larger one that is stopped is taken to be too large.
    async fn claim_that_fits(
        &self,
        payee: Address,
        entries: &[Vec<u8>],
        gas: u64,
    ) -> Result<(usize, Option<channels::claimManyCall>), ChainError> {
        let mut fitting = Fitting::new(entries.len(), gas);
        let mut found = (entries.len(), None);
        let mut trial = 0;
        while let Some(count) = fitting.next(trial) {
            trial += 1;
            let vouchers = entries.iter().take(count).flatten().copied().collect::<Vec<u8>>().into();
            let call = channels::claimManyCall { payee, vouchers };
            match self.paid_by(&call, gas).await {
                Ok(paid) => {
                    fitting.tried(count, true);
                    found = (count, (!paid.is_zero()).then_some(call));
                }
                // Out of gas has as many names as there are nodes.
                Err(ChainError::RpcRefused { .. } | ChainError::Reverted { .. }) if count > 1 => {
                    fitting.tried(count, false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// What a claim would pay now, in a trial run that may use so much gas.
    async fn paid_by(&self, call: &channels::claimManyCall, gas: u64) -> Result<U256, ChainError> {
        match self.client.rpc().read_within(self.client.deployment().channels, call.clone(), gas).await? {
            Simulated::Done(paid) => Ok(paid),
            Simulated::Reverted(reason) => {
                Err(ChainError::Reverted { label: "a claim of vouchers".into(), tx: None, reason })
            }
        }
    }
}

fn packed(voucher: &Signed<Voucher>) -> Vec<u8> {
    let mut entry = Vec::with_capacity(ENTRY_BYTES);
    claim::pack(voucher, &mut entry);
    entry
}
