//! `golem deploy`: the contracts to a chain, at the addresses that they have on every chain.

use crate::Answer;
use crate::context::{Context, address, rpc_url};
use crate::deployments;
use crate::output::{self, Table};
use crate::tx;
use anyhow::{Context as _, bail};
use clap::Args;
use golem_chain::{
    BlockSource, ConcentTerms, DeployOptions, DeployPlan, DeployReport, DeployStep, Deployment, FaucetTerms, Presence,
    Rpc, RpcConfig, TxReceipt, Verification, deploy, plan_deploy, verifications,
};
use golem_protocol::Address;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// What to deploy, and where.
#[derive(Args)]
pub struct DeployArgs {
    /// The chain's RPC endpoint [default: that of golem.toml, else http://127.0.0.1:8545]
    #[arg(long, env = "GOLEM_RPC_URL", value_name = "URL")]
    rpc_url: Option<String>,
    /// Refuse any other chain than the one with this id
    #[arg(long, value_name = "ID")]
    chain_id: Option<u64>,
    /// A token that is there already, any ERC-20 of 18 decimals; without, GNT is deployed and its supply goes to this
    /// account
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    token: Option<Address>,
    /// How long a payee can still claim after a payer asked to close, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(1..=2_592_000))]
    close_delay: u32,
    /// Deploy a faucet too, for a test network: 1,000 GNT a day for each address; one that has run dry is filled again
    #[arg(long, conflicts_with = "token")]
    faucet: bool,
    /// A key of Concent, for a ConcentDeposit; repeat it for each
    #[arg(long, value_name = "ADDRESS", value_parser = address, requires_all = ["concent_threshold", "concent_treasury"], help_heading = "Concent")]
    concent_key: Vec<Address>,
    /// How many of Concent's keys make a ruling
    #[arg(long, value_name = "N", requires = "concent_key", help_heading = "Concent")]
    concent_threshold: Option<u32>,
    /// Whose account gets Concent's verification fees
    #[arg(long, value_name = "ADDRESS", value_parser = address, requires = "concent_key", help_heading = "Concent")]
    concent_treasury: Option<Address>,
    /// Blocks until a transaction counts as done, its own included
    #[arg(long, value_name = "BLOCKS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    confirmations: u64,
    /// Where the deployment file goes [default: contracts/deployments/CHAIN_ID.json of the checkout that the present
    /// folder is in, else deployments/CHAIN_ID.json in the data folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write there what a block explorer needs to verify each contract: standard JSON input, constructor arguments,
    /// compiler
    #[arg(long, value_name = "FOLDER")]
    verification_dir: Option<PathBuf>,
    /// Show what is there, what would be sent and what it would cost; send nothing and write nothing
    #[arg(long, conflicts_with = "verification_dir")]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl DeployArgs {
    fn options(&self, existing: Option<Deployment>) -> DeployOptions {
        let concent = match (self.concent_threshold, self.concent_treasury) {
            (Some(threshold), Some(treasury)) => Some(ConcentTerms::new(self.concent_key.clone(), threshold, treasury)),
            // clap takes all of them or none.
            _ => None,
        };
        let faucet = self.faucet.then(FaucetTerms::default);
        DeployOptions { token: self.token, close_delay_s: self.close_delay, faucet, concent, existing }
    }
}

/// Deploys what is not there.
pub async fn run(context: &Context, args: DeployArgs) -> anyhow::Result<Answer> {
    let folder = context.folder()?;
    let chain_args = crate::context::ChainArgs { rpc_url: args.rpc_url.clone(), ..Default::default() };
    let mut config = RpcConfig::new(rpc_url(&chain_args, &context.config(&folder)?));
    config.chain_id = args.chain_id;
    config.confirmations = args.confirmations;
    let rpc = Rpc::connect(config).await?;
    let chain_id = rpc.chain_id();
    let out = args.out.clone().unwrap_or_else(|| deployments::place(&folder, chain_id));
    let existing = written_before(&out, chain_id)?;
    let options = args.options(existing.clone());
    let wallet = context.wallet(&folder)?;
    let sender = tx::sender(&folder, &wallet, rpc).await?;
    if args.dry_run {
        let plan = plan_deploy(&sender, &options).await?;
        let balance_wei = sender.rpc().eth_balance(sender.address()).await?;
        show_plan(&args, (sender.address(), balance_wei), &options, &plan)?;
        return Ok(Answer::Yes);
    }
    // Before anything is paid for that could then not be written down.
    for folder in out.parent().into_iter().chain(args.verification_dir.as_deref()) {
        make_folder(folder)?;
    }
    note!("Deploying to chain {chain_id} as {}.", sender.address());
    let report = deploy(&sender, &options, &mut tell).await?;
    report.deployment.save(&out).with_context(|| {
        format!(
            "the contracts are deployed ({}), and only the file is missing",
            serde_json::to_string(&report.deployment).unwrap_or_default()
        )
    })?;
    let verified = match &args.verification_dir {
        Some(into) => write_verifications(into, &verifications(sender.address(), chain_id, &options)?)?,
        None => Value::Null,
    };
    let replaced = existing.filter(|existing| *existing != report.deployment);
    if args.json {
        output::json(&json!({ "file": out, "report": report, "replaced": replaced, "verification": verified }))?;
    } else {
        show_report(&args, &options, &out, &report, replaced.as_ref())?;
    }
    Ok(Answer::Yes)
}

/// What is written down of this chain already.
fn written_before(out: &Path, chain_id: u64) -> anyhow::Result<Option<Deployment>> {
    if !out.exists() {
        return Ok(None);
    }
    let existing = Deployment::load(out).context("to deploy anew, move it away, or name another file with --out")?;
    if existing.chain_id != chain_id {
        bail!(
            "{} is of chain {}, and this is chain {chain_id}: name another file with --out",
            out.display(),
            existing.chain_id
        );
    }
    Ok(Some(existing))
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))
}

/// Says of each contract as soon as it is there; on a slow chain that takes a while.
fn tell(step: &DeployStep<TxReceipt>) {
    match &step.presence {
        Presence::Found => note!("  {}: found and verified at {}", step.name, step.address),
        Presence::Missing(receipt) => {
            note!("  {}: done at {} (transaction {})", step.name, step.address, receipt.tx);
        }
    }
}

fn show_plan(
    args: &DeployArgs,
    (from, balance_wei): (Address, u128),
    options: &DeployOptions,
    plan: &DeployPlan,
) -> anyhow::Result<()> {
    if args.json {
        return output::json(&json!({
            "from": from, "balance_wei": balance_wei.to_string(), "concent": options.concent, "plan": plan,
        }));
    }
    output::line(&format!("To chain {}, from {from}:", plan.deployment.chain_id))?;
    let mut table = Table::new(&["contract", "address", "state", ">gas", ">cost now", ">at most"]);
    for step in &plan.steps {
        let (name, address) = (step.name.to_owned(), step.address.to_string());
        match &step.presence {
            Presence::Found => table.row([name, address, "found".into(), "-".into(), "-".into(), "-".into()]),
            Presence::Missing(estimate) => table.row([
                name,
                address,
                "to do".into(),
                estimate.gas.to_string(),
                output::eth(estimate.cost_wei),
                output::eth(estimate.cost_max_wei),
            ]),
        }
    }
    output::line(table.render().trim_end())?;
    say_concent(options.concent.as_ref(), &plan.deployment)?;
    if plan.steps.iter().all(|step| step.presence == Presence::Found) {
        return output::line("All is there; nothing would be sent.");
    }
    let (cost, cost_max) = (output::eth(plan.cost_wei), output::eth(plan.cost_max_wei));
    let enough = match plan.cost_max_wei.checked_sub(balance_wei) {
        None | Some(0) => String::new(),
        Some(missing) => format!(": send it {} first", output::eth(missing)),
    };
    output::line(&format!("{cost} now, at most {cost_max}. The account has {}{enough}.", output::eth(balance_wei)))
}

/// What Concent is here, or why there is none.
fn say_concent(terms: Option<&ConcentTerms>, deployment: &Deployment) -> anyhow::Result<()> {
    let Some(terms) = terms else {
        return output::line(&match deployment.concent_deposit {
            Some(address) => format!("ConcentDeposit at {address}, which was written down before, is kept."),
            None => {
                "No ConcentDeposit: it guards deals by the rulings of those whose keys it has, and none were given \
                     (--concent-key). Deals work without it; it can be added any time."
                    .to_owned()
            }
        });
    };
    output::line(&format!(
        "ConcentDeposit: {} of {} make a ruling; fees go to {}.",
        terms.threshold,
        output::count(terms.keys.len() as u64, "key"),
        terms.treasury
    ))?;
    output::line(&format!(
        "  {} to withdraw, {} to contest, {} to rule, {} to change keys; fee {}, cover {}; rulings move at most {} a \
         day, and {} is the largest deposit.",
        output::span(terms.withdraw_delay_s.into()),
        output::span(terms.contest_window_s.into()),
        output::span(terms.ruling_window_s.into()),
        output::span(terms.rotation_delay_s.into()),
        terms.fee_wei,
        terms.cover_wei,
        terms.daily_limit_wei,
        terms.deposit_max_wei,
    ))
}

fn show_report(
    args: &DeployArgs,
    options: &DeployOptions,
    out: &Path,
    report: &DeployReport,
    replaced: Option<&Deployment>,
) -> anyhow::Result<()> {
    let mut table = Table::new(&["contract", "address", "state", ">gas"]);
    for step in &report.steps {
        let (name, address) = (step.name.to_owned(), step.address.to_string());
        match &step.presence {
            Presence::Found => table.row([name, address, "found and verified".into(), "-".into()]),
            Presence::Missing(receipt) => table.row([name, address, "done".into(), receipt.gas_used.to_string()]),
        }
    }
    output::line(table.render().trim_end())?;
    say_concent(options.concent.as_ref(), &report.deployment)?;
    if let BlockSource::Unknown { reason } = &report.block_source {
        output::line(&format!(
            "In which block is not known, since the RPC keeps no history ({reason}); 0 is written, and nodes take longer \
             to start. With an RPC that keeps it (an archive), run this again."
        ))?;
    }
    if let Some(replaced) = replaced {
        output::line(&format!("{} said before: {}", out.display(), serde_json::to_string(replaced)?))?;
    }
    if let Some(into) = &args.verification_dir {
        output::line(&format!("What an explorer needs to verify them is in {}.", into.display()))?;
    }
    let given = format!("Nodes find them by {}; give it to others.", out.display());
    output::line(&if report.reused() {
        format!("All was there already; nothing was sent. {given}")
    } else {
        format!("{} gas, {}. {given}", report.gas_used, output::eth(report.cost_wei))
    })
}

/// Writes what an explorer needs: a file of JSON for each contract to upload, and one that says the rest.
fn write_verifications(into: &Path, all: &[Verification]) -> anyhow::Result<Value> {
    let mut listed = Vec::new();
    for one in all {
        let input = format!("{}.standard-input.json", one.contract);
        let file = into.join(&input);
        fs::write(&file, format!("{:#}\n", one.standard_input))
            .with_context(|| format!("cannot write {}", file.display()))?;
        // As explorers want it: without 0x.
        let arguments = one.constructor_arguments.to_string();
        listed.push(json!({
            "contract": one.target, "address": one.address, "compiler_version": one.compiler_version,
            "constructor_arguments": arguments.trim_start_matches("0x"), "standard_input": input,
        }));
    }
    let listed = Value::Array(listed);
    let file = into.join("contracts.json");
    fs::write(&file, format!("{listed:#}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(listed)
}

/// Shows where the contracts are.
pub fn print_deployment(deployment: &Deployment) -> anyhow::Result<()> {
    output::line(&format!("chain            {}", deployment.chain_id))?;
    output::line(&format!("GNT              {}", deployment.gnt))?;
    output::line(&format!("PaymentChannels  {}", deployment.channels))?;
    let others = [
        ("Faucet", deployment.faucet),
        ("ConcentDeposit", deployment.concent_deposit),
        ("AppRegistry", deployment.app_registry),
    ];
    for (name, address) in others {
        if let Some(address) = address {
            output::line(&format!("{name:<16} {address}"))?;
        }
    }
    output::line(&format!("close delay      {}", output::span(deployment.close_delay_s.into())))
}
