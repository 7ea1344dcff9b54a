//! `golem channel`: the money between this node and others.
//!
//! Where a node runs on the data folder, it is asked over its HTTP interface, since it holds the records; otherwise they
//! are opened here.

mod claim;
mod close;
mod show;

pub use show::{payee_json, payer_json, print_channels, wei};

use crate::Answer;
use crate::context::{ChainArgs, Context, address, chain_client, chain_settings, gnt};
use crate::ledger::note_funded;
use crate::output;
use crate::tx::{self, MoveArgs};
use anyhow::bail;
use clap::{Args, Subcommand};
use golem_chain::{ChainClient, Funding, Operation};
use golem_node::ChainSettings;
use golem_node::folder::Folder;
use golem_node::keystore::PublicWallet;
use golem_protocol::{Address, ChannelId, ChannelState, Wei};
use serde_json::json;

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
    #[arg(value_parser = address)]
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
    #[arg(value_parser = address)]
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
        ChannelCommand::List(args) => show::list(context, &folder, &settings(&args.chain).await?, args.json).await,
        ChannelCommand::Claim(args) => claim::claim(context, &folder, &settings(&args.chain).await?, &args).await,
        ChannelCommand::Close(args) => close::close(context, &folder, &settings(&args.how.chain).await?, &args).await,
        ChannelCommand::Vouchers(args) => show::vouchers(&folder, &settings(&args.chain).await?, args.json),
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
