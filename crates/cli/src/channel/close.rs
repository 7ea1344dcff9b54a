//! The end of channels: at once by the payee, and after a delay by the payer.

use super::CloseArgs;
use super::claim::live_provider;
use super::show::{print_channels, wei};
use crate::Answer;
use crate::context::{Context, chain_client};
use crate::ledger::Ledgers;
use crate::output::{self, Table, short_gnt};
use crate::tx::{self, MoveArgs};
use anyhow::bail;
use golem_chain::{ChainClient, Operation};
use golem_node::ChainSettings;
use golem_node::folder::Folder;
use golem_node::keystore::PublicWallet;
use golem_protocol::{Address, ChannelId, Wei};
use serde_json::{Value, json};

pub(super) async fn close(
    context: &Context,
    folder: &Folder,
    settings: &ChainSettings,
    args: &CloseArgs,
) -> anyhow::Result<Answer> {
    match args.payee {
        Some(payee) => close_as_payer(context, folder, settings, payee, &args.how).await,
        None => close_as_payee(context, folder, settings, &args.how).await,
    }
}

/// Asks to close, or ends what was asked for long enough ago.
async fn close_as_payer(
    context: &Context,
    folder: &Folder,
    settings: &ChainSettings,
    payee: Address,
    how: &MoveArgs,
) -> anyhow::Result<Answer> {
    let id = ChannelId { payer: PublicWallet::read(&folder.keystore())?.address, payee };
    let client = chain_client(settings).await?;
    if still_waits(&client, id, how.json).await? {
        return Ok(Answer::No);
    }
    tx::check_ether(&client, id.payer).await?;
    let account = tx::account(context, folder, settings, client).await?;
    if still_waits(account.client(), id, how.json).await? {
        return Ok(Answer::No);
    }
    let state = account.client().channel_state(id).await?;
    let rest = state.deposit.saturating_sub(state.claimed);
    let asked = state.close_at.0 != 0;
    let operation = match asked {
        true => Operation::Finalize { payer: id.payer, payee },
        false => Operation::RequestClose { payee },
    };
    if how.dry_run {
        return tx::dry_run(&account, &operation, how.json).await;
    }
    let settled = match asked {
        true => account.finalize(id.payer, payee).await?,
        false => account.request_close(payee).await?,
    };
    let after = account.client().channel_state(id).await?;
    if how.json {
        let result = if asked { "closed" } else { "requested" };
        output::json(&json!({
            "payee": payee, "result": result, "close_at_s": after.close_at.0, "gas_used": settled.gas_used(),
            "receipts": settled.receipts,
        }))?;
    } else {
        let wait = output::span(u64::from(settings.deployment.close_delay_s));
        output::line(&match asked {
            true => format!("Closed; {rest} came back."),
            false => format!(
                "Asked to close. {payee} can still claim for {wait}; then give the same command again to get the rest back."
            ),
        })?;
        tx::print_receipts(&settled.receipts)?;
    }
    Ok(Answer::Yes)
}

/// Whether the close of a channel was asked for and is not due yet, which it says then. Errors: there is nothing to close.
async fn still_waits(client: &ChainClient, id: ChannelId, json: bool) -> anyhow::Result<bool> {
    let state = client.channel_state(id).await?;
    let now = client.chain_time().await?;
    let rest = state.deposit.saturating_sub(state.claimed);
    if state.epoch == 0 || rest == Wei::ZERO {
        let ChannelId { payer, payee } = id;
        bail!("there is no open channel from {payer} to {payee}: nothing is in it; see `golem channel list`");
    }
    if state.close_at.0 <= now.0 {
        return Ok(false);
    }
    let wait = output::span(state.close_at.0.saturating_sub(now.0));
    if json {
        output::json(&json!({ "payee": id.payee, "result": "waiting", "close_at_s": state.close_at.0 }))?;
    } else {
        output::line(&format!("The close was asked for; give the same command again in {wait} to get {rest} back."))?;
    }
    Ok(true)
}

async fn close_as_payee(
    context: &Context,
    folder: &Folder,
    settings: &ChainSettings,
    how: &MoveArgs,
) -> anyhow::Result<Answer> {
    if let Some(node) = live_provider(folder).await? {
        if how.dry_run {
            print_channels(&node.status()["payers"], &json!([]))?;
            output::line("The running node would close each that it holds a voucher of, at about 58,000 gas.")?;
            return Ok(Answer::Yes);
        }
        return print_closes(&node.post("/close").await?, how.json);
    }
    let mut ledgers = Ledgers::open(folder, settings)?;
    let client = chain_client(settings).await?;
    ledgers.observe(&client).await?;
    if !ledgers.has_to_close() {
        return print_closes(&json!([]), how.json);
    }
    tx::check_ether(&client, ledgers.address).await?;
    let account = tx::account(context, folder, settings, client).await?;
    ledgers.observe(account.client()).await?;
    let mut closes = Vec::new();
    let mut estimates = Vec::new();
    for (ledger, (payer, voucher)) in ledgers.payee.iter().flat_map(|ledger| {
        ledgers.vouchers.iter().filter(|(payer, _)| *payer == ledger.channel().payer).map(move |held| (ledger, held))
    }) {
        let state = ledger.state();
        if state.deposit == state.claimed {
            continue;
        }
        if how.dry_run {
            estimates.extend(account.estimate(&Operation::Close { voucher: voucher.clone() }).await?);
            continue;
        }
        closes.push(match account.close(voucher).await {
            Ok(settled) => {
                let paid = ledger.claimable();
                let refunded = state.deposit.saturating_sub(state.claimed).saturating_sub(paid);
                json!({
                    "payer": payer, "result": "closed", "transaction": settled.receipts.last().map(|receipt| receipt.tx),
                    "gas_used": settled.gas_used(), "paid_wei": paid, "refunded_wei": refunded,
                })
            }
            Err(error) => json!({ "payer": payer, "result": "failed", "detail": error.to_string() }),
        });
    }
    if how.dry_run {
        if how.json {
            output::json(&json!({ "from": account.address(), "transactions": estimates }))?;
        } else {
            tx::print_estimates(&estimates)?;
        }
        return Ok(if estimates.is_empty() { Answer::No } else { Answer::Yes });
    }
    print_closes(&Value::from(closes), how.json)
}

fn print_closes(closes: &Value, json: bool) -> anyhow::Result<Answer> {
    let rows = closes.as_array().map(Vec::as_slice).unwrap_or_default();
    if json {
        output::json(closes)?;
    } else if rows.is_empty() {
        output::line("There is no channel to close.")?;
    } else {
        let mut table = Table::new(&["payer", "result", ">paid now", ">refunded", ">gas"]);
        for row in rows {
            let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
            let result = match row["result"].as_str() {
                Some("failed") => format!("failed: {}", text("detail")),
                Some("no_voucher") => "no voucher of this epoch is held".to_owned(),
                _ => text("result"),
            };
            table.row([
                text("payer"),
                result,
                short_gnt(wei(&row["paid_wei"])),
                short_gnt(wei(&row["refunded_wei"])),
                row["gas_used"].as_u64().unwrap_or(0).to_string(),
            ]);
        }
        output::line(table.render().trim_end())?;
    }
    if rows.iter().any(|row| row["result"] == "failed") {
        bail!("not every channel could be closed; the vouchers are kept, and the command can be given again");
    }
    Ok(if rows.is_empty() { Answer::No } else { Answer::Yes })
}
