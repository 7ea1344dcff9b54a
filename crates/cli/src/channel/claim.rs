//! A payee's claim of what all its vouchers are worth.

use super::show::{rule_line, wei};
use crate::Answer;
use crate::api::{LiveNode, Role};
use crate::claim_plan;
use crate::context::{Context, chain_client};
use crate::ledger::Ledgers;
use crate::output::{self, count};
use crate::tx::{self, MoveArgs};
use anyhow::bail;
use golem_chain::{ClaimOutcome, Operation};
use golem_node::ChainSettings;
use golem_node::folder::Folder;
use golem_payments::claim_rule::{CLAIM_GAS_BASE, CLAIM_GAS_EACH};
use golem_protocol::Wei;
use serde_json::{Value, json};

/// The running provider, where one runs on this folder.
pub(super) async fn live_provider(folder: &Folder) -> anyhow::Result<Option<LiveNode>> {
    let Some(node) = LiveNode::find(folder).await? else { return Ok(None) };
    if node.role()? == Role::Requestor {
        bail!(
            "a requestor runs on {} ({}): it holds no vouchers; stop it first to claim what this folder earned as a provider",
            folder.path().display(),
            node.address()
        );
    }
    Ok(Some(node))
}

pub(super) async fn claim(
    context: &Context,
    folder: &Folder,
    settings: &ChainSettings,
    args: &MoveArgs,
) -> anyhow::Result<Answer> {
    if let Some(node) = live_provider(folder).await? {
        let claimable = wei(&node.status()["totals"]["claimable_wei"]);
        if args.dry_run {
            let payers = node.status()["payers"].as_array().map_or(0, Vec::len);
            if args.json {
                let plan = &node.status()["claim"];
                output::json(&json!({ "claimable_wei": claimable, "payers": payers, "rule": plan }))?;
            } else {
                output::line(&rule_line(&node.status()["claim"])?)?;
                output::line(&format!(
                    "Without --dry-run the running node claims from {} now: about {CLAIM_GAS_BASE} gas and {CLAIM_GAS_EACH} \
                     for each channel.",
                    count(payers, "channel")
                ))?;
            }
            return Ok(if claimable == Wei::ZERO { Answer::No } else { Answer::Yes });
        }
        let summary = node.post("/claim").await?;
        return print_claim(&summary, args.json);
    }
    let mut ledgers = Ledgers::open(folder, settings)?;
    let client = chain_client(settings).await?;
    ledgers.observe(&client).await?;
    if ledgers.claimable() == Wei::ZERO {
        return nothing_to_claim(args.json);
    }
    tx::check_ether(&client, ledgers.address).await?;
    let account = tx::account(context, folder, settings, client).await?;
    ledgers.observe(account.client()).await?;
    if ledgers.claimable() == Wei::ZERO {
        return nothing_to_claim(args.json);
    }
    let vouchers: Vec<_> = ledgers.vouchers.iter().map(|(_, voucher)| voucher.clone()).collect();
    if args.dry_run {
        let plan = claim_plan::of_records(context, folder, &ledgers, account.client()).await?;
        let estimates = account.estimate(&Operation::ClaimMany { payee: ledgers.address, vouchers }).await?;
        if args.json {
            output::json(&json!({ "from": account.address(), "transactions": estimates, "rule": plan }))?;
        } else {
            output::line(&claim_plan::sentence(&plan))?;
            tx::print_estimates(&estimates)?;
        }
        return Ok(Answer::Yes);
    }
    let report = account.claim_many(ledgers.address, &vouchers).await?;
    let payers: Vec<Value> = report
        .entries
        .iter()
        .map(|entry| {
            let claimed = match &entry.outcome {
                ClaimOutcome::Paid { claimed } => *claimed,
                ClaimOutcome::Skipped(_) => Wei::ZERO,
            };
            json!({ "payer": entry.payer, "claimed_wei": claimed })
        })
        .collect();
    let summary = json!({
        "transactions": report.receipts.iter().map(|receipt| receipt.tx).collect::<Vec<_>>(),
        "gas_used": report.receipts.iter().map(|receipt| receipt.gas_used).sum::<u64>(),
        "payers": payers, "paid_wei": report.paid,
    });
    print_claim(&summary, args.json)
}

fn nothing_to_claim(json: bool) -> anyhow::Result<Answer> {
    print_claim(&json!({ "transactions": [], "gas_used": 0, "payers": [], "paid_wei": Wei::ZERO }), json)
}

fn print_claim(summary: &Value, json: bool) -> anyhow::Result<Answer> {
    let sent = summary["transactions"].as_array().map_or(0, Vec::len);
    if json {
        output::json(summary)?;
    } else if sent == 0 {
        output::line("There is nothing to claim.")?;
    } else {
        let payers = summary["payers"].as_array().map_or(0, Vec::len);
        output::line(&format!(
            "{} claimed from {} in {}, {} gas.",
            wei(&summary["paid_wei"]),
            count(payers, "channel"),
            count(sent, "transaction"),
            summary["gas_used"]
        ))?;
    }
    Ok(if sent == 0 { Answer::No } else { Answer::Yes })
}
