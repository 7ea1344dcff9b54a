//! `golem deploy`: the contracts to a chain.

use crate::Answer;
use crate::context::{Context, rpc_url};
use crate::output;
use crate::tx;
use anyhow::Context as _;
use clap::Args;
use golem_chain::{DeployOptions, Deployment, FaucetTerms, Rpc, RpcConfig, deploy, plan_deploy};
use golem_protocol::Address;
use serde_json::json;
use std::path::PathBuf;

/// What to deploy, and where.
#[derive(Args)]
pub struct DeployArgs {
    /// The chain's RPC endpoint [default: that of golem.toml, else http://127.0.0.1:8545]
    #[arg(long, env = "GOLEM_RPC_URL", value_name = "URL")]
    rpc_url: Option<String>,
    /// Refuse any other chain than the one with this id
    #[arg(long, value_name = "ID")]
    chain_id: Option<u64>,
    /// A token that is there already; without, GNT is deployed and its supply goes to this account
    #[arg(long, value_name = "ADDRESS")]
    token: Option<Address>,
    /// How long a payee can still claim after a payer asked to close, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(1..=2_592_000))]
    close_delay: u32,
    /// Deploy a faucet too: 1,000 GNT a day for each address, for a test network
    #[arg(long, conflicts_with = "token")]
    faucet: bool,
    /// Blocks until a transaction counts as done, its own included
    #[arg(long, value_name = "BLOCKS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    confirmations: u64,
    /// Where the deployment file goes [default: deployment.json in the data folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show what would be sent and what it would cost; send nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Deploys, or finds that all is there.
pub async fn run(context: &Context, args: DeployArgs) -> anyhow::Result<Answer> {
    let folder = context.folder()?;
    let out = args.out.clone().unwrap_or_else(|| folder.deployment_file());
    let existing = if out.exists() {
        Some(Deployment::load(&out).context("to deploy anew, move it away, or name another file with --out")?)
    } else {
        None
    };
    let chain_args = crate::context::ChainArgs { rpc_url: args.rpc_url.clone(), ..Default::default() };
    let mut config = RpcConfig::new(rpc_url(&chain_args, &context.config(&folder)?));
    config.chain_id = args.chain_id;
    config.confirmations = args.confirmations;
    let rpc = Rpc::connect(config).await?;
    let wallet = context.wallet(&folder)?;
    let sender = tx::sender(&folder, &wallet, rpc).await?;
    let options = DeployOptions {
        token: args.token,
        close_delay_s: args.close_delay,
        faucet: args.faucet.then(FaucetTerms::default),
        existing,
    };
    if args.dry_run {
        let plan = plan_deploy(&sender, &options).await?;
        if args.json {
            output::json(
                &json!({ "chain_id": sender.rpc().chain_id(), "from": sender.address(), "transactions": plan }),
            )?;
        } else if plan.is_empty() {
            output::line(&format!("All is deployed already, as {} says; nothing would be sent.", out.display()))?;
        } else {
            output::line(&format!("To chain {}, from {}:", sender.rpc().chain_id(), sender.address()))?;
            tx::print_estimates(&plan)?;
        }
        return Ok(Answer::Yes);
    }
    if let Some(parent) = out.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        // Before anything is paid for that could then not be written down.
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create the folder {}", parent.display()))?;
    }
    eprintln!("Deploying to chain {} as {}.", sender.rpc().chain_id(), sender.address());
    let report = deploy(&sender, &options).await?;
    report.deployment.save(&out).with_context(|| {
        format!(
            "the contracts are deployed ({}), and only the file is missing",
            serde_json::to_string(&report.deployment).unwrap_or_default()
        )
    })?;
    if args.json {
        output::json(&json!({ "file": out, "report": report }))?;
    } else {
        print_deployment(&report.deployment)?;
        tx::print_receipts(&report.receipts)?;
        let spent = output::eth(report.cost_wei);
        output::line(&if report.reused {
            format!("All was there already, as {} says; nothing was sent.", out.display())
        } else {
            format!("{} gas, {spent}. Give nodes the file {}.", report.gas_used, out.display())
        })?;
    }
    Ok(Answer::Yes)
}

/// Shows where the contracts are.
pub fn print_deployment(deployment: &Deployment) -> anyhow::Result<()> {
    output::line(&format!("chain            {}", deployment.chain_id))?;
    output::line(&format!("GNT              {}", deployment.gnt))?;
    output::line(&format!("PaymentChannels  {}", deployment.channels))?;
    if let Some(faucet) = deployment.faucet {
        output::line(&format!("Faucet           {faucet}"))?;
    }
    output::line(&format!("close delay      {}", output::span(deployment.close_delay_s.into())))
}
