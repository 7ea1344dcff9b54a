//! `golem app`: what ships, what can be fetched, a start for an app of one's own, and what an app's author does: publish
//! it, set its fee, and collect what it is owed.

use crate::Answer;
use crate::catalogue::{self, FetchArgs, InfoArgs, ListArgs};
use crate::claim_plan::about;
use crate::context::{ChainArgs, Context, NetworkArgs, address, chain_client, chain_settings, gnt};
use crate::files;
use crate::output::{self, Table, count, short, short_gnt};
use crate::parameters::Parameters;
use crate::run::{self, RunArgs};
use crate::starter::{self, NewArgs};
use crate::tx::{self, MoveArgs};
use anyhow::bail;
use clap::{Args, Subcommand};
use golem_chain::{AppOperation, AppRegistryClient, ChainClient, Operation, RegisteredApp};
use golem_node::author::{AuthorSearch, FoundVouchers, find_author_vouchers};
use golem_node::config::ConfigFile;
use golem_node::folder::Folder;
use golem_node::keystore::PublicWallet;
use golem_node::{ChainSettings, ClaimSettings, EtherWorth, NetworkSettings};
use golem_payments::GasWorth;
use golem_payments::claim_rule::{CLAIM_GAS_BASE, CLAIM_GAS_EACH};
use golem_protocol::{Address, B256, ChainTime, ChannelId, ChannelState, Signed, Voucher, Wei};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Channels looked at at once. Reason: a public RPC limits requests.
const READS_MAX: usize = 8;

/// What to do with an app.
#[derive(Subcommand)]
pub enum AppCommand {
    /// List the apps that ship with golem
    List(ListArgs),
    /// Show what an app takes, its limits, its module's digest and an example
    Info(InfoArgs),
    /// Run an app: the same as `golem run`
    Run(Box<RunArgs>),
    /// Start an app of your own: a folder with a manifest, source, a build script and an example
    New(NewArgs),
    /// Fetch a program of others for `golem map`: an interpreter that scripts need, a compressor, a SQL engine
    Fetch(FetchArgs),
    /// What the app's author does
    #[command(flatten)]
    Author(AuthorCommand),
}

/// What the author of an app does with it.
#[derive(Subcommand)]
pub enum AuthorCommand {
    /// Publish a module as this key's, with a fee for each accepted subtask
    Publish(PublishArgs),
    /// Say that other metadata describes it
    Describe(DescribeArgs),
    /// Change the fee: at once where it is lower, after the registry's notice where it is higher
    SetFee(SetFeeArgs),
    /// Stand by it no more. What is agreed is paid all the same
    Retire(RetireArgs),
    /// Show what an author asks for a module
    Show(ShowArgs),
    /// Ask nodes for the vouchers that are good for this key, and claim what they are worth
    Collect(CollectArgs),
}

/// A module to publish.
#[derive(Args)]
pub struct PublishArgs {
    /// The module: a file, or its BLAKE3 digest as 0x and 64 digits
    #[arg(value_parser = digest)]
    module: B256,
    /// What each accepted subtask is to bring, in GNT; 0 for nothing
    #[arg(long, value_parser = gnt, value_name = "GNT")]
    fee: Wei,
    /// What describes it: a file, or its digest
    #[arg(long, value_parser = digest, value_name = "FILE")]
    metadata: B256,
    #[command(flatten)]
    how: MoveArgs,
}

/// Another description.
#[derive(Args)]
pub struct DescribeArgs {
    /// The module: a file, or its digest
    #[arg(value_parser = digest)]
    module: B256,
    /// What describes it: a file, or its digest
    #[arg(long, value_parser = digest, value_name = "FILE")]
    metadata: B256,
    #[command(flatten)]
    how: MoveArgs,
}

/// Another fee.
#[derive(Args)]
pub struct SetFeeArgs {
    /// The module: a file, or its digest
    #[arg(value_parser = digest)]
    module: B256,
    /// What each accepted subtask is to bring, in GNT
    #[arg(value_parser = gnt, value_name = "GNT")]
    fee: Wei,
    #[command(flatten)]
    how: MoveArgs,
}

/// The end of it.
#[derive(Args)]
pub struct RetireArgs {
    /// The module: a file, or its digest
    #[arg(value_parser = digest)]
    module: B256,
    #[command(flatten)]
    how: MoveArgs,
}

/// What to look at.
#[derive(Args)]
pub struct ShowArgs {
    /// The module: a file, or its digest
    #[arg(value_parser = digest)]
    module: B256,
    /// Whose app; without, this key's
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    author: Option<Address>,
    #[command(flatten)]
    chain: ChainArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Whom to ask.
#[derive(Args)]
pub struct CollectArgs {
    /// Collect for this author; without, for this key. The money goes to the author, the gas is this key's
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    author: Option<Address>,
    /// How long nodes are waited for, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
    /// So many nodes that have answered are enough [default: as many as --bootstrap names]
    #[arg(long, value_name = "NODES", value_parser = clap::value_parser!(u16).range(1..))]
    nodes: Option<u16>,
    /// A node to ask, such as /ip4/192.0.2.7/tcp/4001/p2p/16Uiu2...; may be repeated. Those that it knows are asked too
    #[arg(long, value_name = "MULTIADDR")]
    bootstrap: Vec<String>,
    /// Do not look for nodes on the local network
    #[arg(long)]
    no_mdns: bool,
    #[command(flatten)]
    how: MoveArgs,
}

/// Reads a digest, or takes that of a file.
fn digest(text: &str) -> Result<B256, String> {
    if let Some(digits) = text.strip_prefix("0x")
        && digits.len() == 64
    {
        return text.parse().map_err(|_| format!("`{text}` is no digest: 0x and 64 hexadecimal digits"));
    }
    files::hash(Path::new(text)).map(|(digest, _)| digest.0).map_err(|error| format!("{error:#}"))
}

/// Does it.
pub async fn run(context: &Context, command: AppCommand, parameters: Parameters) -> anyhow::Result<Answer> {
    match command {
        AppCommand::List(args) => catalogue::list(&args),
        AppCommand::Info(args) => catalogue::info(&args),
        AppCommand::Run(args) => run::run(context, *args, parameters).await,
        AppCommand::New(args) => starter::run(&args),
        AppCommand::Fetch(args) => catalogue::fetch(context, &args).await,
        AppCommand::Author(command) => author(context, command).await,
    }
}

async fn author(context: &Context, command: AuthorCommand) -> anyhow::Result<Answer> {
    let folder = context.folder()?;
    let config = context.config(&folder)?;
    let (operation, how) = match command {
        AuthorCommand::Show(args) => return show(&folder, &config, &args).await,
        AuthorCommand::Collect(args) => return collect(context, &folder, &config, &args).await,
        AuthorCommand::Publish(PublishArgs { module, fee, metadata, how }) => {
            (AppOperation::Publish { module, metadata, fee }, how)
        }
        AuthorCommand::Describe(DescribeArgs { module, metadata, how }) => {
            (AppOperation::Describe { module, metadata }, how)
        }
        AuthorCommand::SetFee(SetFeeArgs { module, fee, how }) => (AppOperation::SetFee { module, fee }, how),
        AuthorCommand::Retire(RetireArgs { module, how }) => (AppOperation::Retire { module }, how),
    };
    let settings = chain_settings(&folder, &config, &how.chain).await?;
    let at = registry(&settings)?;
    let client = chain_client(&settings).await?;
    let registry = AppRegistryClient::new(client.clone(), at).await?;
    let author = PublicWallet::read(&folder.keystore())?.address;
    tx::check_ether(&client, author).await?;
    let is_published = registry.app(author, operation.module()).await?.published;
    if !is_published && !matches!(operation, AppOperation::Publish { .. }) {
        bail!(
            "{author} has no app of the module {} in the registry: publish it with `golem app publish`",
            operation.module()
        );
    }
    let account = tx::account(context, &folder, &settings, client).await?;
    if how.dry_run {
        let estimates = [registry.estimate(account.sender(), &operation).await?];
        if how.json {
            output::json(&json!({ "from": account.address(), "transactions": estimates }))?;
        } else {
            tx::print_estimates(&estimates)?;
        }
        return Ok(Answer::Yes);
    }
    let receipt = registry.once(account.sender(), &operation).await?;
    let (author, module) = (account.address(), operation.module());
    let app = registry.app(author, module).await?;
    if how.json {
        output::json(&json!({ "app": shown(author, module, &app), "receipts": [receipt] }))?;
    } else {
        print(author, module, &app)?;
        tx::print_receipts(&[receipt])?;
    }
    Ok(Answer::Yes)
}

fn registry(settings: &ChainSettings) -> anyhow::Result<Address> {
    match settings.deployment.app_registry {
        Some(address) => Ok(address),
        None => bail!(
            "no AppRegistry is known on chain {}: apps run without one; `golem deploy` deploys it",
            settings.deployment.chain_id
        ),
    }
}

fn author_named(folder: &Folder, named: Option<Address>) -> anyhow::Result<Address> {
    match named {
        Some(author) => Ok(author),
        None => Ok(PublicWallet::read(&folder.keystore())?.address),
    }
}

async fn show(folder: &Folder, config: &ConfigFile, args: &ShowArgs) -> anyhow::Result<Answer> {
    let author = author_named(folder, args.author)?;
    let settings = chain_settings(folder, config, &args.chain).await?;
    let registry = AppRegistryClient::new(chain_client(&settings).await?, registry(&settings)?).await?;
    let app = registry.app(author, args.module).await?;
    if args.json {
        output::json(&shown(author, args.module, &app))?;
    } else {
        print(author, args.module, &app)?;
        output::line(&format!("A rise takes {} to come.", output::span(registry.fee_notice_s().await?.into())))?;
    }
    Ok(if app.published { Answer::Yes } else { Answer::No })
}

fn shown(author: Address, module: B256, app: &RegisteredApp) -> Value {
    json!({
        "author": author, "module": module, "metadata": app.metadata, "published": app.published,
        "fee_wei": app.fee, "next_fee_wei": app.next_fee, "next_fee_at_s": app.next_fee_at.0,
    })
}

fn print(author: Address, module: B256, app: &RegisteredApp) -> anyhow::Result<()> {
    output::line(&format!("module {module} of {author}"))?;
    if !app.published {
        let text = if app.metadata == B256::ZERO { "never published" } else { "retired: nobody can start it anew" };
        return output::line(text);
    }
    output::line(&format!("published, described by {}", app.metadata))?;
    output::line(&format!("{} for each accepted subtask", app.fee))?;
    match app.next_fee_at {
        ChainTime(0) => Ok(()),
        ChainTime(at) => {
            output::line(&format!("{} from chain time {at} on; what is agreed by then keeps its fee", app.next_fee))
        }
    }
}

/// A voucher for the author, and where its channel stands.
struct Held {
    payer: Address,
    voucher: Signed<Voucher>,
    state: ChannelState,
    claimable: Wei,
}

async fn collect(
    context: &Context,
    folder: &Folder,
    config: &ConfigFile,
    args: &CollectArgs,
) -> anyhow::Result<Answer> {
    let author = author_named(folder, args.author)?;
    let settings = chain_settings(folder, config, &args.how.chain).await?;
    let client = chain_client(&settings).await?;
    let mut network = NetworkSettings::default();
    config.apply_to_network(&mut network);
    let given = NetworkArgs { bootstrap: args.bootstrap.clone(), no_mdns: args.no_mdns, ..NetworkArgs::default() };
    given.apply(&mut network, &mut None);
    let nodes_enough = args.nodes.map_or(network.bootstrap.len().max(1), usize::from);
    let chain = settings.chain_ref();
    let search = AuthorSearch { author, chain, network, wait: Duration::from_secs(args.wait), nodes_enough };
    let found = find_author_vouchers(&search).await?;
    if found.answered == 0 {
        bail!(
            "no node has answered within {} s: name some with --bootstrap, such as those that run the app, or give them \
             longer with --wait",
            args.wait
        );
    }
    let held = on_chain(&client, author, &found).await?;
    let mut claim = ClaimSettings::default();
    config.apply_to_claim(&mut claim)?;
    let gas = match claim.ether {
        EtherWorth::Unknown => GasWorth::Unknown,
        EtherWorth::Gnt(_) => claim.gas_worth(client.gas_price().await?),
    };
    let (worth, left) = worth_claiming(held, gas);
    report_found(args, author, &found, &worth, &left, gas)?;
    let total = sum(&worth);
    if total == Wei::ZERO {
        if args.how.json {
            output::json(&collected(
                author,
                &found,
                &worth,
                &left,
                json!({ "transactions": [], "gas_used": 0, "paid_wei": Wei::ZERO }),
            ))?;
        }
        return Ok(Answer::No);
    }
    let account = tx::account(context, folder, &settings, client).await?;
    let vouchers: Vec<Signed<Voucher>> = worth.iter().map(|held| held.voucher.clone()).collect();
    if args.how.dry_run {
        let estimates = account.estimate(&Operation::ClaimMany { payee: author, vouchers }).await?;
        if args.how.json {
            let plan = json!({ "from": account.address(), "transactions": estimates });
            output::json(&collected(author, &found, &worth, &left, plan))?;
        } else {
            tx::print_estimates(&estimates)?;
        }
        return Ok(Answer::Yes);
    }
    let report = account.claim_many(author, &vouchers).await?;
    if args.how.json {
        let done = json!({
            "transactions": report.receipts.iter().map(|receipt| receipt.tx).collect::<Vec<_>>(),
            "gas_used": report.receipts.iter().map(|receipt| receipt.gas_used).sum::<u64>(),
            "paid_wei": report.paid,
        });
        output::json(&collected(author, &found, &worth, &left, done))?;
    } else {
        output::line(&format!("{} paid to {author}.", report.paid))?;
        tx::print_receipts(&report.receipts)?;
    }
    Ok(if report.paid > Wei::ZERO { Answer::Yes } else { Answer::No })
}

/// Holds what was found against the chain: a voucher is worth what its channel would pay on it now.
async fn on_chain(client: &ChainClient, author: Address, found: &FoundVouchers) -> anyhow::Result<Vec<Held>> {
    let turns = Arc::new(Semaphore::new(READS_MAX));
    let mut looks = JoinSet::new();
    let mut payers: Vec<Address> = found.best.keys().map(|(payer, _)| *payer).collect();
    payers.dedup();
    for payer in payers {
        let (client, turns) = (client.clone(), turns.clone());
        looks.spawn(async move {
            let _turn = turns.acquire().await?;
            anyhow::Ok((payer, client.channel_state(ChannelId { payer, payee: author }).await?))
        });
    }
    let mut held = Vec::new();
    while let Some(look) = looks.join_next().await {
        let (payer, state) = look??;
        let Some(voucher) = found.best.get(&(payer, state.epoch)) else { continue };
        let claimable = voucher.document.cumulative.min(state.deposit).saturating_sub(state.claimed);
        held.push(Held { payer, voucher: voucher.clone(), state, claimable });
    }
    held.sort_by_key(|held| held.payer);
    Ok(held)
}

/// What is claimed, and what is not: nothing is claimed on, or it would cost more gas than it brings.
fn worth_claiming(held: Vec<Held>, gas: GasWorth) -> (Vec<Held>, Vec<Held>) {
    let cost = |gas_used: u64| match gas {
        GasWorth::Unknown => Wei::ZERO,
        GasWorth::PerGas { wei } => wei.checked_mul(gas_used).unwrap_or(Wei::MAX),
    };
    let (worth, mut left): (Vec<Held>, Vec<Held>) =
        held.into_iter().partition(|held| held.claimable > cost(CLAIM_GAS_EACH));
    if sum(&worth) > cost(CLAIM_GAS_BASE + CLAIM_GAS_EACH * worth.len() as u64) {
        return (worth, left);
    }
    left.extend(worth);
    (Vec::new(), left)
}

fn sum(held: &[Held]) -> Wei {
    held.iter().fold(Wei::ZERO, |sum, held| sum.saturating_add(held.claimable))
}

fn collected(author: Address, found: &FoundVouchers, worth: &[Held], left: &[Held], more: Value) -> Value {
    let row = |held: &Held, is_claimed: bool| {
        json!({
            "payer": held.payer, "epoch": held.state.epoch, "cumulative_wei": held.voucher.document.cumulative,
            "deposit_wei": held.state.deposit, "claimed_before_wei": held.state.claimed,
            "claimable_wei": held.claimable, "close_at_s": held.state.close_at.0, "is_claimed": is_claimed,
        })
    };
    let rows = worth.iter().map(|held| row(held, true)).chain(left.iter().map(|held| row(held, false)));
    let mut all = json!({
        "author": author, "answered": found.answered, "unanswered": found.unanswered, "refused": found.refused,
        "vouchers": rows.collect::<Vec<_>>(), "claimable_wei": sum(worth),
    });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

fn report_found(
    args: &CollectArgs,
    author: Address,
    found: &FoundVouchers,
    worth: &[Held],
    left: &[Held],
    gas: GasWorth,
) -> anyhow::Result<()> {
    if found.unanswered > 0 {
        note!("{} did not answer in time: --wait gives them longer.", count(found.unanswered as u64, "node"));
    }
    if args.how.json {
        return Ok(());
    }
    output::line(&format!("{} answered for {author}.", count(found.answered as u64, "node")))?;
    let mut table = Table::new(&["payer", ">signed", ">in the channel", ">claimed before", ">claimable", ""]);
    for held in worth.iter().chain(left) {
        let note = match held.state.close_at {
            ChainTime(0) => String::new(),
            ChainTime(at) => format!("its payer can end it from chain time {at} on"),
        };
        table.row([
            short(&held.payer),
            short_gnt(held.voucher.document.cumulative),
            short_gnt(held.state.deposit),
            short_gnt(held.state.claimed),
            short_gnt(held.claimable),
            note,
        ]);
    }
    if table.len() > 0 {
        output::line(table.render().trim_end())?;
    }
    let total = sum(worth);
    if total == Wei::ZERO {
        let kept = sum(left);
        return output::line(&match kept {
            Wei::ZERO => "There is nothing to claim.".to_owned(),
            kept => format!("{kept} could be claimed, and the gas would cost more: it stays good."),
        });
    }
    output::line(&match gas {
        GasWorth::Unknown => {
            format!("{total} can be claimed; what gas costs in GNT is not known, since gnt_per_ether is not set.")
        }
        GasWorth::PerGas { wei } => {
            let gas_used = CLAIM_GAS_BASE + CLAIM_GAS_EACH * worth.len() as u64;
            let cost = wei.checked_mul(gas_used).unwrap_or(Wei::MAX);
            format!(
                "{total} can be claimed; gas for it costs about {}, which leaves {}.",
                about(cost),
                about(total.saturating_sub(cost))
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::CompactSignature;

    fn held(claimable: u128) -> Held {
        let document = Voucher { payee: Address::ZERO, epoch: 1, cumulative: Wei(claimable) };
        let voucher = Signed { document, signature: CompactSignature([0; 64]) };
        Held { payer: Address::ZERO, voucher, state: ChannelState::default(), claimable: Wei(claimable) }
    }

    #[test]
    fn claims_what_brings_more_than_its_gas() {
        let gas = GasWorth::PerGas { wei: Wei(1) };
        let (base, each) = (u128::from(CLAIM_GAS_BASE), u128::from(CLAIM_GAS_EACH));
        let amounts = |held: &[Held]| held.iter().map(|held| held.claimable.0).collect::<Vec<_>>();
        let (worth, left) = worth_claiming(vec![held(each), held(base + each + 1), held(0)], gas);
        assert_eq!((amounts(&worth), amounts(&left)), (vec![base + each + 1], vec![each, 0]));
        let (worth, left) = worth_claiming(vec![held(base + each)], gas);
        assert_eq!((amounts(&worth), amounts(&left)), (vec![], vec![base + each]), "the transaction costs too");
        let (worth, _) = worth_claiming(vec![held(1)], GasWorth::Unknown);
        assert_eq!(amounts(&worth), vec![1]);
    }

    #[test]
    fn reads_a_digest_and_refuses_what_is_neither_that_nor_a_file() {
        let text = format!("0x{}", "ab".repeat(32));
        assert_eq!(digest(&text), Ok(B256::repeat_byte(0xab)));
        assert!(digest(&format!("0x{}", "zz".repeat(32))).is_err());
        assert!(digest("/there/is/no/such/file").is_err());
    }
}
