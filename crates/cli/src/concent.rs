//! `golem concent`: the deposit that stands behind a requestor's deals, or a provider's bonds.

use crate::Answer;
use crate::context::{ChainArgs, Context, chain_client, chain_settings, gnt};
use crate::output;
use crate::tx::{self, MoveArgs};
use anyhow::bail;
use clap::{Args, Subcommand};
use golem_chain::{ConcentClient, ConcentOperation, ConcentSender};
use golem_node::ChainSettings;
use golem_node::folder::Folder;
use golem_node::keystore::PublicWallet;
use golem_protocol::{Address, ChainTime, ConcentAccount, Wei};
use serde_json::json;

/// What to do with the deposit.
#[derive(Subcommand)]
pub enum ConcentCommand {
    /// Show a deposit, the terms, and who Concent is
    Status(StatusArgs),
    /// Deposit, or add to the deposit. It is locked then
    Deposit(AmountArgs),
    /// Start the delay after which the deposit can be withdrawn
    Unlock(MoveArgs),
    /// Take out what is not at stake in a claim, after the delay
    Withdraw(AmountArgs),
}

/// Whose deposit.
#[derive(Args)]
pub struct StatusArgs {
    /// Whose; without, this node's
    #[arg(value_parser = crate::context::address)]
    owner: Option<Address>,
    #[command(flatten)]
    chain: ChainArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How much.
#[derive(Args)]
pub struct AmountArgs {
    /// How much, in GNT
    #[arg(value_parser = gnt, value_name = "GNT")]
    amount: Wei,
    #[command(flatten)]
    how: MoveArgs,
}

/// Does it.
pub async fn run(context: &Context, command: ConcentCommand) -> anyhow::Result<Answer> {
    let folder = context.folder()?;
    let config = context.config(&folder)?;
    let settings = async |chain: &ChainArgs| chain_settings(&folder, &config, chain).await;
    let (operation, how) = match command {
        ConcentCommand::Status(args) => return status(&folder, &settings(&args.chain).await?, &args).await,
        ConcentCommand::Deposit(args) => (ConcentOperation::Deposit { amount: args.amount }, args.how),
        ConcentCommand::Unlock(how) => (ConcentOperation::Unlock, how),
        ConcentCommand::Withdraw(args) => (ConcentOperation::Withdraw { amount: args.amount }, args.how),
    };
    let settings = settings(&how.chain).await?;
    let at = address(&settings)?;
    let client = chain_client(&settings).await?;
    let concent = ConcentClient::new(client.clone(), at).await?;
    check(&concent, PublicWallet::read(&folder.keystore())?.address, &operation).await?;
    let account = tx::account(context, &folder, &settings, client).await?;
    let sender = ConcentSender::new(concent, account.sender().clone())?;
    if how.dry_run {
        let estimates = sender.estimate(&operation).await?;
        if how.json {
            output::json(&json!({ "from": sender.address(), "transactions": estimates }))?;
        } else {
            tx::print_estimates(&estimates)?;
        }
        return Ok(Answer::Yes);
    }
    let receipts = sender.once(&operation).await?;
    let account = sender.concent().account(sender.address()).await?;
    if how.json {
        output::json(&json!({ "account": shown(sender.address(), &account), "receipts": receipts }))?;
    } else {
        print(&account)?;
        tx::print_receipts(&receipts)?;
    }
    Ok(Answer::Yes)
}

/// What the deposit and the account say of an operation: nobody types a password in vain.
async fn check(concent: &ConcentClient, owner: Address, operation: &ConcentOperation) -> anyhow::Result<()> {
    let (client, account) = (concent.client(), concent.account(owner).await?);
    match operation {
        ConcentOperation::Deposit { amount: Wei::ZERO } | ConcentOperation::Withdraw { amount: Wei::ZERO } => {
            bail!("the amount is 0 GNT: give one above zero")
        }
        ConcentOperation::Deposit { amount } => return tx::check_money(client, owner, *amount).await,
        _ if account.deposit == Wei::ZERO => {
            bail!("{owner} has no deposit: `golem concent deposit` makes one")
        }
        ConcentOperation::Withdraw { amount } if *amount > account.free() => {
            bail!(
                "{} of the deposit of {} are free, less than {amount}: withdraw that at most",
                account.free(),
                account.deposit
            )
        }
        ConcentOperation::Withdraw { .. } => {
            let now = client.chain_time().await?;
            match account.unlock_at {
                ChainTime(0) => {
                    bail!(
                        "the deposit is locked: unlock it first with `golem concent unlock`, and withdraw it after the delay"
                    )
                }
                ChainTime(at) if at > now.0 => bail!(
                    "the deposit can be withdrawn from chain time {at} on, in {}: give the same command again then",
                    output::span(at.saturating_sub(now.0))
                ),
                _ => {}
            }
        }
        _ => {}
    }
    tx::check_ether(client, owner).await
}

fn address(settings: &ChainSettings) -> anyhow::Result<Address> {
    match settings.deployment.concent_deposit {
        Some(address) => Ok(address),
        None => bail!(
            "no ConcentDeposit is known on chain {}: deals work without it; whoever deploys can add it (`golem deploy \
             --concent-key`)",
            settings.deployment.chain_id
        ),
    }
}

async fn status(folder: &Folder, settings: &ChainSettings, args: &StatusArgs) -> anyhow::Result<Answer> {
    let owner = match args.owner {
        Some(owner) => owner,
        None => PublicWallet::read(&folder.keystore())?.address,
    };
    let concent = ConcentClient::new(chain_client(settings).await?, address(settings)?).await?;
    let (account, who, moved) = (concent.account(owner).await?, concent.concent().await?, concent.moved_today().await?);
    let terms = concent.terms();
    if args.json {
        output::json(&json!({
            "account": shown(owner, &account), "terms": terms, "concent": who, "moved_today_wei": moved,
        }))?;
        return Ok(Answer::Yes);
    }
    output::line(&format!("deposit of {owner}"))?;
    print(&account)?;
    let keys = output::count(who.keys.len() as u64, "key");
    output::line(&format!(
        "Concent: {} of {keys} make a ruling; {moved} of {} moved today",
        who.threshold, terms.daily_limit
    ))?;
    output::line(&format!(
        "A bond is {}. It takes {} to withdraw, {} to contest, {} to rule.",
        terms.bond(),
        output::span(terms.withdraw_delay_s.into()),
        output::span(terms.contest_window_s.into()),
        output::span(terms.ruling_window_s.into())
    ))?;
    Ok(Answer::Yes)
}

fn shown(owner: Address, account: &ConcentAccount) -> serde_json::Value {
    json!({
        "owner": owner, "deposit_wei": account.deposit, "reserved_wei": account.reserved, "free_wei": account.free(),
        "unlock_at": account.unlock_at,
    })
}

fn print(account: &ConcentAccount) -> anyhow::Result<()> {
    output::line(&format!("{}, of which {} at stake and {} free", account.deposit, account.reserved, account.free()))?;
    output::line(&match account.unlock_at {
        ChainTime(0) => "locked: `golem concent unlock` starts the delay after which it can be withdrawn".to_owned(),
        ChainTime(at) => format!("unlocked: it can be withdrawn from chain time {at} on"),
    })
}
