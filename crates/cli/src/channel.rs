//! `golem channel`: the money between this node and others.
//!
//! Where a node runs on the data folder, it is asked over its HTTP interface, since it holds the records; otherwise they
//! are opened here.

use crate::Answer;
use crate::api::{LiveNode, Role};
use crate::claim_plan;
use crate::context::{ChainArgs, Context, chain_client, chain_settings, gnt};
use crate::ledger::{Ledgers, funded_by_hand, note_funded};
use crate::output::{self, Table, count, short_gnt};
use crate::status::row_amount;
use crate::tx::{self, MoveArgs};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use golem_chain::{ChainClient, ClaimOutcome, Funding, Operation};
use golem_node::ChainSettings;
use golem_node::folder::Folder;
use golem_node::keystore::PublicWallet;
use golem_payments::ClaimPlan;
use golem_payments::claim_rule::{CLAIM_GAS_BASE, CLAIM_GAS_EACH};
use golem_protocol::{Address, ChannelId, ChannelState, Wei};
use serde_json::{Value, json};

/// What to do with channels.
#[derive(Subcommand)]
pub enum ChannelCommand {
    /// Open a channel to a payee and fund it
    Open(FundArgs),
    /// Put more into an open channel
    Topup(FundArgs),
    /// List the channels of this node, on either side
    List(ListArgs),
    /// As a payee: claim what all vouchers are worth, in one transaction
    Claim(MoveArgs),
    /// As a payee: pay out and refund all channels. As a payer, with the payee's address: ask to close that one, and
    /// after the delay get the rest back
    Close(CloseArgs),
    /// As a payee: print the best vouchers held. Whoever has them can claim for this node, so they are a backup
    Vouchers(ListArgs),
}

/// Whom to fund.
#[derive(Args)]
pub struct FundArgs {
    /// The payee's payment address
    payee: Address,
    /// How much, in GNT
    #[arg(value_parser = gnt, value_name = "GNT")]
    amount: Wei,
    #[command(flatten)]
    how: MoveArgs,
}

/// Which channels to close.
#[derive(Args)]
pub struct CloseArgs {
    /// The payee, where this node is the payer
    payee: Option<Address>,
    #[command(flatten)]
    how: MoveArgs,
}

/// How to list.
#[derive(Args)]
pub struct ListArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
pub async fn run(context: &Context, command: ChannelCommand) -> anyhow::Result<Answer> {
    let folder = context.folder()?;
    // A node without a key has no channels; this says so before anything else can fail.
    PublicWallet::read(&folder.keystore())?;
    let config = context.config(&folder)?;
    let settings = async |chain: &ChainArgs| chain_settings(&folder, &config, chain).await;
    match command {
        ChannelCommand::Open(args) => {
            fund(context, &folder, &settings(&args.how.chain).await?, args, Funded::First).await
        }
        ChannelCommand::Topup(args) => {
            fund(context, &folder, &settings(&args.how.chain).await?, args, Funded::Again).await
        }
        ChannelCommand::List(args) => list(context, &folder, &settings(&args.chain).await?, args.json).await,
        ChannelCommand::Claim(args) => claim(context, &folder, &settings(&args.chain).await?, &args).await,
        ChannelCommand::Close(args) => close(context, &folder, &settings(&args.how.chain).await?, &args).await,
        ChannelCommand::Vouchers(args) => vouchers(&folder, &settings(&args.chain).await?, args.json),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Funded {
    First,
    Again,
}

/// Whether the channel takes vouchers now: opened, and neither closed nor closing.
fn is_open(state: &ChannelState) -> bool {
    state.epoch > 0 && state.deposit > state.claimed && state.close_at.0 == 0
}

async fn fund(
    context: &Context,
    folder: &Folder,
    settings: &ChainSettings,
    args: FundArgs,
    funded: Funded,
) -> anyhow::Result<Answer> {
    if args.amount == Wei::ZERO {
        bail!("the amount is 0 GNT: a channel needs some money in it");
    }
    let id = ChannelId { payer: PublicWallet::read(&folder.keystore())?.address, payee: args.payee };
    if id.payee == id.payer {
        bail!("{} is this node's own address: a channel goes to somebody else", args.payee);
    }
    let client = chain_client(settings).await?;
    check_fundable(&client, id, funded).await?;
    tx::check_money(&client, id.payer, args.amount).await?;
    let account = tx::account(context, folder, settings, client).await?;
    check_fundable(account.client(), id, funded).await?;
    let operation = Operation::Fund { fundings: vec![Funding { payee: args.payee, amount: args.amount }] };
    if args.how.dry_run {
        return tx::dry_run(&account, &operation, args.how.json).await;
    }
    note_funded(folder, args.payee)?;
    let settled = account.open_or_topup(args.payee, args.amount).await?;
    let state = account.client().channel_state(id).await?;
    if args.how.json {
        output::json(&json!({
            "payer": id.payer, "payee": id.payee, "epoch": state.epoch, "deposit_wei": state.deposit,
            "claimed_wei": state.claimed, "gas_used": settled.gas_used(), "receipts": settled.receipts,
        }))?;
    } else {
        output::line(&format!(
            "The channel to {} holds {} now.",
            args.payee,
            state.deposit.saturating_sub(state.claimed)
        ))?;
        tx::print_receipts(&settled.receipts)?;
    }
    Ok(Answer::Yes)
}

/// Whether the channel is as who funds it thinks.
async fn check_fundable(client: &ChainClient, id: ChannelId, funded: Funded) -> anyhow::Result<()> {
    let state = client.channel_state(id).await?;
    match (funded, is_open(&state)) {
        (Funded::First, true) => bail!(
            "the channel to {} is open already, with {} in it: add to it with `golem channel topup`",
            id.payee,
            state.deposit.saturating_sub(state.claimed)
        ),
        (Funded::Again, false) if state.close_at.0 == 0 => {
            bail!("there is no open channel to {}: open one with `golem channel open`", id.payee)
        }
        _ => Ok(()),
    }
}

async fn list(context: &Context, folder: &Folder, settings: &ChainSettings, json: bool) -> anyhow::Result<Answer> {
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
        Err(error) => eprintln!("This is how the channels were last seen: {}", output::error_text(error)),
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
fn rule_line(rule: &Value) -> anyhow::Result<String> {
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

/// The running provider, where one runs on this folder.
async fn live_provider(folder: &Folder) -> anyhow::Result<Option<LiveNode>> {
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

async fn claim(
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

async fn close(
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

fn vouchers(folder: &Folder, settings: &ChainSettings, json: bool) -> anyhow::Result<Answer> {
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
