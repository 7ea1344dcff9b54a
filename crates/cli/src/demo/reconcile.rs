//! Whether everybody's books agree: what is gathered on the way, and compared at the end.

use crate::channel::wei;
use crate::status::row_amount;
use anyhow::Context as _;
use golem_chain::{ChainClient, Deployment, RpcConfig};
use golem_protocol::{Address, ChannelId, Wei};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most blocks whose gas is added up. Reason: a demo makes some twenty.
const BLOCKS_MAX: u64 = 10_000;

/// Something that does not add up, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding(pub String);

/// What was seen of one provider.
#[derive(Default)]
struct Seen {
    balance_before: Wei,
    claimed_on_chain: Wei,
    claim: Value,
    status: Value,
    closes: Value,
}

/// What was seen on the way.
pub struct Evidence {
    client: ChainClient,
    payer: Address,
    payer_before: Wei,
    first_block: u64,
    seen: BTreeMap<Address, Seen>,
}

/// What came of the comparison.
pub struct Reconciliation {
    /// One row a provider.
    pub providers: Vec<Value>,
    /// Gas of all transactions after the contracts were there.
    pub gas_used: u64,
    /// What does not add up.
    pub findings: Vec<Finding>,
}

impl Evidence {
    /// Looks at everybody's money before anything happens.
    pub async fn begin(
        ready: &Value,
        payer: Address,
        payees: impl Iterator<Item = Address>,
    ) -> anyhow::Result<Evidence> {
        let deployment: Deployment =
            serde_json::from_value(ready["deployment"].clone()).context("the devnet's deployment")?;
        let url = ready["rpc_url"].as_str().context("the devnet names no RPC")?;
        let client = ChainClient::connect(RpcConfig::new(url), deployment).await?;
        let payer_before = client.gnt_balance(payer).await?;
        let first_block = client.block_number().await? + 1;
        let mut seen = BTreeMap::new();
        for payee in payees {
            seen.insert(payee, Seen { balance_before: client.gnt_balance(payee).await?, ..Seen::default() });
        }
        Ok(Evidence { client, payer, payer_before, first_block, seen })
    }

    /// A provider has claimed: what the chain says of its channel now.
    pub async fn claimed(&mut self, payee: Address, claim: Value, status: Value) -> anyhow::Result<()> {
        let state = self.client.channel_state(ChannelId { payer: self.payer, payee }).await?;
        let seen = self.seen.entry(payee).or_default();
        (seen.claimed_on_chain, seen.claim, seen.status) = (state.claimed, claim, status);
        Ok(())
    }

    /// A provider has closed its channels.
    pub fn closed(&mut self, payee: Address, closes: Value) {
        self.seen.entry(payee).or_default().closes = closes;
    }

    /// Compares everything, when all channels are closed.
    pub async fn reconcile(
        &self,
        report: &Value,
        payer_status: &Value,
        vouchers: &[(Address, Value)],
    ) -> anyhow::Result<Reconciliation> {
        let mut findings = Vec::new();
        let mut providers = Vec::new();
        let mut sum = Wei::ZERO;
        for (payee, seen) in &self.seen {
            let share = share(report, payee);
            let voucher = vouchers.iter().find(|(address, _)| address == payee).map_or(&Value::Null, |(_, held)| held);
            let paid = wei(&share["paid_wei"]);
            sum = sum.saturating_add(paid);
            let books = self.books(payee, seen, payer_status, voucher).await?;
            findings.extend(compare(payee, paid, &books));
            findings.extend(one_claim(payee, paid, &seen.claim));
            let state = self.client.channel_state(ChannelId { payer: self.payer, payee: *payee }).await?;
            if state.deposit != state.claimed {
                let left = state.deposit.saturating_sub(state.claimed);
                findings.push(Finding(format!("{left} are left in the channel to {payee} after it was closed")));
            }
            if voucher.as_array().into_iter().flatten().any(|held| held["valid"] != true) {
                findings.push(Finding(format!("{payee} holds a voucher whose signature is not its payer's")));
            }
            let gas = seen.claim["gas_used"].as_u64().unwrap_or(0)
                + seen
                    .closes
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|close| close["gas_used"].as_u64())
                    .sum::<u64>();
            providers.push(json!({
                "node": payee.to_string(), "offered_price_wei_per_hour": share["offered_price_wei_per_hour"],
                "score": share["score_ppm"].as_f64().unwrap_or(0.0) / 1e6, "subtasks": share["subtasks"].as_u64().unwrap_or(0),
                "paid_wei": paid, "claimed_wei": seen.claimed_on_chain, "gas_used": gas,
            }));
        }
        findings.extend(self.totals(report, sum).await?);
        Ok(Reconciliation { providers, gas_used: self.gas().await?, findings })
    }

    /// The same amount as each book has it.
    async fn books(
        &self,
        payee: &Address,
        seen: &Seen,
        payer_status: &Value,
        voucher: &Value,
    ) -> anyhow::Result<Vec<(&'static str, Wei)>> {
        let gained = self.client.gnt_balance(*payee).await?.saturating_sub(seen.balance_before);
        let zero = |amount: Option<Wei>| amount.unwrap_or(Wei::ZERO);
        let held = row_amount(voucher, "payer", &self.payer, "cumulative_wei");
        Ok(vec![
            ("the chain after the claim", seen.claimed_on_chain),
            ("the claim transaction", wei(&seen.claim["paid_wei"])),
            ("the provider's token balance", gained),
            ("the provider's ledger", zero(row_amount(&seen.status["payers"], "payer", &self.payer, "earned_wei"))),
            ("the voucher it holds", zero(held)),
            ("the requestor's ledger", zero(row_amount(&payer_status["channels"], "payee", payee, "signed_wei"))),
        ])
    }

    /// What must hold of all together.
    async fn totals(&self, report: &Value, sum: Wei) -> anyhow::Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let (spent, budget) = (wei(&report["spent_wei"]), wei(&report["budget_wei"]));
        if spent != sum {
            findings.push(Finding(format!("the requestor's task cost {spent}, and the providers were paid {sum}")));
        }
        if spent > budget {
            findings.push(Finding(format!("{spent} were spent, more than the budget of {budget}")));
        }
        let lost = self.payer_before.saturating_sub(self.client.gnt_balance(self.payer).await?);
        if lost != sum {
            findings
                .push(Finding(format!("the requestor's balance fell by {lost}, and the providers were paid {sum}")));
        }
        let left = self.client.gnt_balance(self.client.deployment().channels).await?;
        if left != Wei::ZERO {
            findings.push(Finding(format!("{left} are left in the contract after all channels were closed")));
        }
        if sum == Wei::ZERO {
            findings.push(Finding("nobody was paid anything".to_owned()));
        }
        Ok(findings)
    }

    /// The gas of all blocks since the beginning.
    async fn gas(&self) -> anyhow::Result<u64> {
        let mut gas = 0u64;
        let last = self.client.block_number().await?.min(self.first_block + BLOCKS_MAX);
        for number in self.first_block..=last {
            let block: Value =
                self.client.rpc().request("eth_getBlockByNumber", (format!("{number:#x}"), false)).await?;
            let used =
                block["gasUsed"].as_str().and_then(|hex| u64::from_str_radix(hex.trim_start_matches("0x"), 16).ok());
            gas += used.with_context(|| format!("block {number} does not say how much gas it used"))?;
        }
        Ok(gas)
    }
}

/// What the requestor says that it did with one provider.
fn share(report: &Value, provider: &Address) -> Value {
    let wanted = provider.to_string().to_lowercase();
    let rows = report["providers"].as_array().into_iter().flatten();
    let mut found = rows.filter(|row| row["provider"].as_str().unwrap_or_default().to_lowercase() == wanted);
    found.next().cloned().unwrap_or_else(|| json!({ "offered_price_wei_per_hour": "0", "paid_wei": "0" }))
}

fn compare(payee: &Address, paid: Wei, books: &[(&str, Wei)]) -> Vec<Finding> {
    let differs = books.iter().filter(|(_, amount)| *amount != paid);
    differs
        .map(|(book, amount)| {
            Finding(format!("{payee} was paid {} wei for its subtasks, and by {book} it is {} wei", paid.0, amount.0))
        })
        .collect()
}

fn one_claim(payee: &Address, paid: Wei, claim: &Value) -> Option<Finding> {
    let sent = claim["transactions"].as_array().map_or(0, Vec::len);
    let wanted = usize::from(paid != Wei::ZERO);
    (sent != wanted).then(|| Finding(format!("{payee} claimed in {sent} transactions, not {wanted}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_book_that_is_one_wei_off() {
        let payee = Address::repeat_byte(7);
        assert_eq!(compare(&payee, Wei(5), &[("a", Wei(5)), ("b", Wei(5))]), []);
        let found = compare(&payee, Wei(5), &[("the chain", Wei(5)), ("the voucher", Wei(4))]);
        assert!(found[0].0.contains("the voucher") && found[0].0.contains("4 wei"), "{found:?}");
    }

    #[test]
    fn wants_one_claim_of_who_was_paid_and_none_of_who_was_not() {
        let payee = Address::repeat_byte(7);
        let claims = |count: usize| json!({ "transactions": vec!["0x"; count] });
        assert_eq!(one_claim(&payee, Wei(1), &claims(1)), None);
        assert_eq!(one_claim(&payee, Wei(0), &claims(0)), None);
        assert!(one_claim(&payee, Wei(1), &claims(2)).is_some() && one_claim(&payee, Wei(1), &claims(0)).is_some());
    }
}
