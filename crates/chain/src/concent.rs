//! The guarantee on the chain: `ConcentDeposit` read, and what one key does with it.

use crate::abi::{Artifact, concent, gnt, uint96, wei};
use crate::account::unnamed_id;
use crate::call::{Call, Estimate, TxReceipt};
use crate::client::{ChainClient, FundingRoute, answered, check_code, expect, present};
use crate::error::ChainError;
use crate::sender::TxSender;
use alloy::primitives::{B256, Bytes, U256};
use alloy::sol_types::SolCall;
use golem_protocol::signed::{CONCENT_DOMAIN, domain};
use golem_protocol::{
    Address, CompactSignature, ConcentAccount, ConcentClaim, ConcentRef, GuaranteeTerms, Promise, Signed, Wei,
};
use serde::{Deserialize, Serialize};

/// The contract's name, as errors give it.
const NAME: &str = "ConcentDeposit";

/// A `ConcentDeposit` that was checked to be the one this program knows. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConcentClient {
    client: ChainClient,
    at: ConcentRef,
    terms: GuaranteeTerms,
}

/// Concent's keys, in ascending order, and how many of them make a ruling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConcentKeys {
    /// Their addresses.
    pub keys: Vec<Address>,
    /// How many.
    pub threshold: u64,
}

/// Something that changes a `ConcentDeposit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConcentOperation {
    /// Deposit, or add to the deposit; it is locked then.
    Deposit {
        /// How much; not zero.
        amount: Wei,
    },
    /// Start the delay after which the deposit can be withdrawn.
    Unlock,
    /// Take out what is not at stake, after the delay.
    Withdraw {
        /// How much; not zero.
        amount: Wei,
    },
    /// As the provider: claim a promise, with a bond out of the own deposit.
    Claim {
        /// The promise with its requestor's signature.
        promised: Signed<Promise>,
        /// How much of it.
        amount: Wei,
        /// What must be free for it; the promise is used up even where a wei is left.
        reserved_min: Wei,
    },
    /// As the requestor: say that a claim is wrong, with a bond.
    Contest {
        /// The promise's digest.
        promise: B256,
    },
    /// End a claim whose time is over. Anybody may.
    Settle {
        /// Who promised.
        requestor: Address,
        /// What.
        promise: Promise,
    },
    /// Have done what Concent ruled. Anybody may.
    Rule {
        /// The promise with its requestor's signature.
        promised: Signed<Promise>,
        /// What the provider gets.
        amount: Wei,
        /// Digest of what the ruling rests on.
        evidence: B256,
        /// Concent's signatures, as [`golem_protocol::pack_signatures`] makes them.
        signatures: Bytes,
    },
    /// Show the provider's receipt, which voids a promise. Anybody may.
    Void {
        /// The promise with its requestor's signature.
        promised: Signed<Promise>,
        /// The provider's signature of the receipt.
        receipt: CompactSignature,
    },
}

impl ConcentClient {
    /// Checks that a contract of this chain is the `ConcentDeposit` this program knows, for the same token.
    ///
    /// Errors: `ContractAbsent`, `ContractDiffers`, or those of a read.
    pub async fn new(client: ChainClient, concent_deposit: Address) -> Result<ConcentClient, ChainError> {
        let rpc = client.rpc();
        let at = ConcentRef { chain_id: rpc.chain_id(), concent_deposit };
        let code = present(rpc, NAME, concent_deposit).await?;
        check_code(Artifact::ConcentDeposit, concent_deposit, &code)?;
        let terms = rpc.read(concent_deposit, concent::termsCall {}).await?;
        let terms: GuaranteeTerms = answered(NAME, concent_deposit, "terms", terms)?.into();
        if terms.token != client.deployment().gnt {
            return Err(ChainError::ContractDiffers {
                contract: NAME,
                address: concent_deposit,
                what: "token",
                got: terms.token.to_string(),
                expected: client.deployment().gnt.to_string(),
            });
        }
        // Without the same domain no promise of ours would be paid.
        let separator = rpc.read(concent_deposit, concent::DOMAIN_SEPARATORCall {}).await?;
        let expected = domain(CONCENT_DOMAIN, &at).separator();
        expect(NAME, concent_deposit, "EIP-712 domain separator", separator, expected)?;
        Ok(ConcentClient { client, at, terms })
    }

    /// What signatures are bound to.
    pub fn concent_ref(&self) -> ConcentRef {
        self.at
    }

    /// How it was set up.
    pub fn terms(&self) -> &GuaranteeTerms {
        &self.terms
    }

    /// The chain.
    pub fn client(&self) -> &ChainClient {
        &self.client
    }

    /// An account at the newest block; all zero where nothing was ever deposited.
    ///
    /// Errors: those of a read, as for all that follow.
    pub async fn account(&self, owner: Address) -> Result<ConcentAccount, ChainError> {
        Ok(self.read("account", concent::accountCall { owner }).await?.into())
    }

    /// The claim of a promise at the newest block.
    pub async fn claim_of(&self, requestor: Address, promise: B256) -> Result<ConcentClaim, ChainError> {
        let call = concent::claimOfCall { requestor, promiseDigest: promise };
        Ok(self.read("claimOf", call).await?.into())
    }

    /// Whether a promise of this number was claimed, ruled on or voided.
    pub async fn is_used_up(&self, requestor: Address, provider: Address, nonce: U256) -> Result<bool, ChainError> {
        self.read("isUsedUp", concent::isUsedUpCall { requestor, provider, nonce }).await
    }

    /// Who Concent is now.
    pub async fn concent(&self) -> Result<ConcentKeys, ChainError> {
        let concent = self.read("concent", concent::concentCall {}).await?;
        Ok(ConcentKeys { keys: concent.keys, threshold: concent.threshold.saturating_to::<u64>() })
    }

    /// What rulings moved today.
    pub async fn moved_today(&self) -> Result<Wei, ChainError> {
        Ok(wei(self.read("movedToday", concent::movedTodayCall {}).await?))
    }

    async fn read<C: SolCall>(&self, what: &'static str, call: C) -> Result<C::Return, ChainError> {
        let address = self.at.concent_deposit;
        answered(NAME, address, what, self.client.rpc().read(address, call).await?)
    }

    /// One transaction after the other, each with a name that is the same after a restart.
    async fn steps(
        &self,
        sender: &TxSender,
        prefix: &str,
        operation: &ConcentOperation,
    ) -> Result<Vec<(&'static str, Call)>, ChainError> {
        let contract = self.at.concent_deposit;
        let to_contract = |label: String, input: Vec<u8>| vec![("only", Call::contract(label, contract, input))];
        Ok(match operation {
            ConcentOperation::Deposit { amount } => return self.deposit_steps(sender, prefix, *amount).await,
            ConcentOperation::Unlock => to_contract("unlock the deposit".into(), concent::unlockCall {}.abi_encode()),
            ConcentOperation::Withdraw { amount } => {
                let withdraw = concent::withdrawCall { amount: uint96(*amount) };
                to_contract(format!("withdraw {amount} of the deposit"), withdraw.abi_encode())
            }
            ConcentOperation::Claim { promised, amount, reserved_min } => {
                let (r, vs) = halves(&promised.signature);
                let (promised, reserved_min) = ((&promised.document).into(), uint96(*reserved_min));
                let claim = concent::claimCall { promised, r, vs, amount: uint96(*amount), reservedMin: reserved_min };
                to_contract(format!("claim {amount} of a promise"), claim.abi_encode())
            }
            ConcentOperation::Contest { promise } => {
                let contest = concent::contestCall { promiseDigest: *promise };
                to_contract(format!("contest the claim of promise {promise}"), contest.abi_encode())
            }
            ConcentOperation::Settle { requestor, promise } => {
                let settle = concent::settleCall { requestor: *requestor, promised: promise.into() };
                to_contract(format!("settle a claim against {requestor}"), settle.abi_encode())
            }
            ConcentOperation::Rule { promised, amount, evidence, signatures } => {
                let (r, vs) = halves(&promised.signature);
                let rule = concent::ruleCall {
                    promised: (&promised.document).into(),
                    r,
                    vs,
                    amount: uint96(*amount),
                    evidence: *evidence,
                    signatures: signatures.clone(),
                };
                let provider = promised.document.provider;
                to_contract(format!("carry out a ruling of {amount} for {provider}"), rule.abi_encode())
            }
            ConcentOperation::Void { promised, receipt } => {
                let ((r, vs), (receipt_r, receipt_vs)) = (halves(&promised.signature), halves(receipt));
                let promise = (&promised.document).into();
                let void = concent::voidCall { promised: promise, r, vs, receiptR: receipt_r, receiptVs: receipt_vs };
                to_contract(format!("void a promise to {}", promised.document.provider), void.abi_encode())
            }
        })
    }

    async fn deposit_steps(
        &self,
        sender: &TxSender,
        prefix: &str,
        amount: Wei,
    ) -> Result<Vec<(&'static str, Call)>, ChainError> {
        let (contract, token) = (self.at.concent_deposit, self.terms.token);
        let label = format!("deposit {amount}");
        if self.client.route() == FundingRoute::TransferAndCall {
            let value = U256::from(amount.0);
            let transfer = gnt::transferAndCallCall { to: contract, value, data: Bytes::new() };
            return Ok(vec![("deposit", Call::contract(label, token, transfer.abi_encode()))]);
        }
        let mut steps = Vec::new();
        let recorded = sender.recorded(&format!("{prefix}approve")).is_some();
        let allowance = gnt::allowanceCall { owner: sender.address(), spender: contract };
        let allowance = self.client.rpc().read(token, allowance).await?;
        if recorded || wei(answered("GNT", token, "allowance", allowance)?) < amount {
            let approve = gnt::approveCall { spender: contract, value: U256::from(amount.0) };
            let label = format!("allow {NAME} to take {amount}");
            steps.push(("approve", Call::contract(label, token, approve.abi_encode())));
        }
        let deposit = concent::depositCall { amount: uint96(amount) };
        steps.push(("deposit", Call::contract(label, contract, deposit.abi_encode())));
        Ok(steps)
    }
}

/// One key's dealings with a `ConcentDeposit`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConcentSender {
    concent: ConcentClient,
    sender: TxSender,
}

impl ConcentSender {
    /// Joins a key with the contract that it works with. Both have to be of one chain.
    ///
    /// Errors: `WrongChain`.
    pub fn new(concent: ConcentClient, sender: TxSender) -> Result<ConcentSender, ChainError> {
        let (got, expected) = (sender.rpc().chain_id(), concent.at.chain_id);
        if got != expected {
            return Err(ChainError::WrongChain { url: sender.rpc().url().to_owned(), got, expected });
        }
        Ok(ConcentSender { concent, sender })
    }

    /// The key's address.
    pub fn address(&self) -> Address {
        self.sender.address()
    }

    /// The contract.
    pub fn concent(&self) -> &ConcentClient {
        &self.concent
    }

    /// What an operation would send and cost now, transaction by transaction; sends nothing.
    ///
    /// Errors: those that [`ConcentSender::submit`] gives before anything leaves.
    pub async fn estimate(&self, operation: &ConcentOperation) -> Result<Vec<Estimate>, ChainError> {
        self.check(operation).await?;
        let steps = self.concent.steps(&self.sender, "", operation).await?;
        let calls: Vec<Call> = steps.into_iter().map(|(_, call)| call).collect();
        match calls.as_slice() {
            [only] => Ok(vec![self.sender.estimate(only).await?]),
            all => self.sender.estimate_sequence(all).await,
        }
    }

    /// Does an operation, and waits until it is confirmed. `id` names it across restarts, as for
    /// [`crate::Account::submit`].
    ///
    /// Errors: `BadRequest`, `NotEnoughGnt`, `Reverted` with what the contract said, and those of [`TxSender::send`].
    pub async fn submit(&self, id: &str, operation: &ConcentOperation) -> Result<Vec<TxReceipt>, ChainError> {
        let prefix = format!("{id}/");
        // What was sent before changed the balance that the check looks at.
        if !self.sender.pending().iter().any(|pending| pending.id.starts_with(&prefix)) {
            self.check(operation).await?;
        }
        let mut receipts = Vec::new();
        for (name, call) in self.concent.steps(&self.sender, &prefix, operation).await? {
            receipts.push(self.sender.send(&format!("{prefix}{name}"), call).await?);
        }
        Ok(receipts)
    }

    /// Forgets an operation whose result is safe with the caller.
    ///
    /// Errors: `Journal`.
    pub async fn acknowledge(&self, id: &str) -> Result<(), ChainError> {
        let prefix = format!("{id}/");
        for pending in self.sender.pending().iter().filter(|pending| pending.id.starts_with(&prefix)) {
            self.sender.acknowledge(&pending.id).await?;
        }
        Ok(())
    }

    /// Does an operation whose result is taken here and now.
    ///
    /// Errors: those of [`ConcentSender::submit`].
    pub async fn once(&self, operation: &ConcentOperation) -> Result<Vec<TxReceipt>, ChainError> {
        let id = unnamed_id();
        let receipts = self.submit(&id, operation).await?;
        self.acknowledge(&id).await?;
        Ok(receipts)
    }

    /// Looks for what would fail, to say so in better words than a revert has.
    async fn check(&self, operation: &ConcentOperation) -> Result<(), ChainError> {
        let amount = match operation {
            ConcentOperation::Deposit { amount }
            | ConcentOperation::Withdraw { amount }
            | ConcentOperation::Claim { amount, .. } => *amount,
            ConcentOperation::Unlock
            | ConcentOperation::Contest { .. }
            | ConcentOperation::Settle { .. }
            | ConcentOperation::Rule { .. }
            | ConcentOperation::Void { .. } => return Ok(()),
        };
        if amount == Wei::ZERO {
            return Err(ChainError::BadRequest("an amount of nothing cannot be moved; give one above zero"));
        }
        if !matches!(operation, ConcentOperation::Deposit { .. }) {
            return Ok(());
        }
        let balance = self.concent.client.gnt_balance(self.address()).await?;
        if balance < amount {
            return Err(ChainError::NotEnoughGnt { address: self.address(), balance, needed: amount });
        }
        Ok(())
    }
}

fn halves(signature: &CompactSignature) -> (B256, B256) {
    let (r, vs) = signature.0.split_at(32);
    (B256::from_slice(r), B256::from_slice(vs))
}
