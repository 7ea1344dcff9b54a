//! Channels and vouchers as they are shown: out of a running node's status, or out of the records.

use crate::Answer;
use crate::api::{LiveNode, Role};
use crate::claim_plan;
use crate::context::{Context, chain_client};
use crate::ledger::{Ledgers, funded_by_hand};
use crate::output::{self, Table, short_gnt};
use crate::status::row_amount;
use anyhow::Context as _;
use golem_chain::ChainClient;
use golem_node::ChainSettings;
use golem_node::folder::Folder;
use golem_node::keystore::PublicWallet;
use golem_payments::ClaimPlan;
use golem_protocol::{ChannelId, Wei};
use serde_json::{Value, json};

pub(super) async fn list(
    context: &Context,
    folder: &Folder,
    settings: &ChainSettings,
    json: bool,
) -> anyhow::Result<Answer> {
    let client = chain_client(settings).await;
    let (as_payee, mut as_payer, rule) = match LiveNode::find(folder).await? {
        Some(node) => match node.role()? {
            Role::Provider => (node.status()["payers"].clone(), json!([]), node.status()["claim"].clone()),
            Role::Requestor => (json!([]), node.status()["channels"].clone(), Value::Null),
        },
        None => {
            let mut ledgers = Ledgers::open(folder, settings)?;
            let mut rule = Value::Null;
            if let Ok(client) = &client {
                ledgers.observe(client).await?;
                rule = json!(claim_plan::of_records(context, folder, &ledgers, client).await?);
            }
            (payee_json(&ledgers), payer_json(&ledgers), rule)
        }
    };
    match &client {
        Ok(client) => add_funded_by_hand(folder, client, &mut as_payer).await?,
        Err(error) => note!("This is how the channels were last seen: {}", output::error_text(error)),
    }
    if json {
        output::json(&json!({ "as_payee": as_payee, "as_payer": as_payer, "rule": rule }))?;
        return Ok(Answer::Yes);
    }
    print_channels(&as_payee, &as_payer)?;
    if as_payee.as_array().is_some_and(|rows| !rows.is_empty()) && !rule.is_null() {
        output::line(&rule_line(&rule)?)?;
    }
    Ok(Answer::Yes)
}

/// What the rule of when to claim says, out of a status.
pub(super) fn rule_line(rule: &Value) -> anyhow::Result<String> {
    let plan: ClaimPlan = serde_json::from_value(rule.clone()).context("the running node is of another version")?;
    Ok(claim_plan::sentence(&plan))
}

/// Channels that a command here opened and no task has used: the ledgers do not know them.
async fn add_funded_by_hand(folder: &Folder, client: &ChainClient, as_payer: &mut Value) -> anyhow::Result<()> {
    let payer = PublicWallet::read(&folder.keystore())?.address;
    for payee in funded_by_hand(folder)? {
        if row_amount(as_payer, "payee", &payee, "deposit_wei").is_some() {
            continue;
        }
        let state = client.channel_state(ChannelId { payer, payee }).await?;
        if let (Some(rows), true) = (as_payer.as_array_mut(), state.deposit > state.claimed) {
            rows.push(json!({
                "payee": payee, "epoch": state.epoch, "deposit_wei": state.deposit, "signed_wei": state.claimed,
                "reserved_wei": Wei::ZERO, "claimed_wei": state.claimed, "close_at_s": state.close_at.0,
            }));
        }
    }
    Ok(())
}

/// Shows channels as a status gives them.
pub fn print_channels(as_payee: &Value, as_payer: &Value) -> anyhow::Result<()> {
    let amount = |row: &Value, field: &str| short_gnt(wei(&row[field]));
    let closing = |row: &Value| match row["close_at_s"].as_u64() {
        Some(0) | None if row["epoch"] != 0 && wei(&row["deposit_wei"]) == Wei::ZERO => "closed".to_owned(),
        Some(0) | None => String::new(),
        Some(at) => format!("closing, final at chain time {at}"),
    };
    let mut table = Table::new(&["payer", ">deposit", ">earned", ">claimable", ">claimed", ""]);
    for row in as_payee.as_array().into_iter().flatten() {
        let payer = row["payer"].as_str().unwrap_or_default().to_owned();
        let money = |field| amount(row, field);
        table.row([
            payer,
            money("deposit_wei"),
            money("earned_wei"),
            money("claimable_wei"),
            money("claimed_wei"),
            closing(row),
        ]);
    }
    if table.len() > 0 {
        output::line("Channels that pay this node:")?;
        output::line(table.render().trim_end())?;
    }
    let mut own = Table::new(&["payee", ">deposit", ">signed away", ">held back", ">claimed", ""]);
    for row in as_payer.as_array().into_iter().flatten() {
        let payee = row["payee"].as_str().unwrap_or_default().to_owned();
        let money = |field| amount(row, field);
        own.row([
            payee,
            money("deposit_wei"),
            money("signed_wei"),
            money("reserved_wei"),
            money("claimed_wei"),
            closing(row),
        ]);
    }
    if own.len() > 0 {
        output::line("Channels that this node pays from:")?;
        output::line(own.render().trim_end())?;
    }
    if table.len() + own.len() == 0 {
        output::line("No channels.")?;
    }
    Ok(())
}

/// An amount out of a status.
pub fn wei(value: &Value) -> Wei {
    value.as_str().and_then(|text| text.parse().ok()).map_or(Wei::ZERO, Wei)
}

/// The payee's side, as a provider's status has it.
pub fn payee_json(ledgers: &Ledgers) -> Value {
    let rows = ledgers.payee.iter().map(|ledger| {
        let state = ledger.state();
        json!({
            "payer": ledger.channel().payer, "epoch": state.epoch, "deposit_wei": state.deposit,
            "earned_wei": ledger.earned(), "claimable_wei": ledger.claimable(), "claimed_wei": state.claimed,
            "close_at_s": state.close_at.0,
        })
    });
    rows.collect()
}

/// The payer's side, as a requestor's status has it.
pub fn payer_json(ledgers: &Ledgers) -> Value {
    let rows = ledgers.payer.iter().map(|ledger| {
        let state = ledger.state();
        json!({
            "payee": ledger.channel().payee, "epoch": state.epoch, "deposit_wei": state.deposit,
            "signed_wei": ledger.signed(), "reserved_wei": ledger.reserved(), "claimed_wei": state.claimed,
            "close_at_s": state.close_at.0,
        })
    });
    rows.collect()
}

pub(super) fn vouchers(folder: &Folder, settings: &ChainSettings, json: bool) -> anyhow::Result<Answer> {
    let ledgers = Ledgers::open(folder, settings).context("stop the node on this folder first, if one runs")?;
    let rows: Vec<Value> = ledgers
        .vouchers
        .iter()
        .map(|(payer, signed)| {
            // The signature is checked here, so that what is printed is what the contract will accept.
            let valid =
                signed.clone().authenticate(&settings.chain_ref()).is_ok_and(|voucher| voucher.signer() == *payer);
            json!({
                "chain_id": settings.deployment.chain_id, "contract": settings.deployment.channels, "payer": payer,
                "payee": signed.document.payee, "epoch": signed.document.epoch,
                "cumulative_wei": signed.document.cumulative,
                "signature": signed.signature, "valid": valid,
            })
        })
        .collect();
    if json {
        output::json(&rows)?;
    } else {
        let mut table = Table::new(&["payer", ">epoch", ">cumulative", "signature"]);
        for (row, (payer, signed)) in rows.iter().zip(&ledgers.vouchers) {
            let state = if row["valid"] == true { "valid" } else { "NOT VALID" };
            table.row([
                payer.to_string(),
                signed.document.epoch.to_string(),
                signed.document.cumulative.to_string(),
                state.to_owned(),
            ]);
        }
        output::line(table.render().trim_end())?;
    }
    Ok(if rows.is_empty() { Answer::No } else { Answer::Yes })
}
