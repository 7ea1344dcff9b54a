//! `golem demo`: everything once, with ordinary `golem` processes, as a user would start them.
//!
//! ```text
//! golem devnet -> golem provide x3 -> golem run render -> channel claim x3 -> channel close x3 -> compare everything
//! ```

mod reconcile;

use crate::Answer;
use crate::channel::wei;
use crate::context::Context;
use crate::devnet::{first_address, start_provider};
use crate::output::{self, Table, short_gnt};
use crate::process::{Service, StopSignals, golem_json};
use anyhow::{Context as _, bail};
use clap::Args;
use golem_protocol::Address;
use reconcile::{Evidence, Finding, Reconciliation};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The machines that are rented: share of a processor in percent, minimal price in GNT an hour.
const PROVIDERS: [(u8, &str); 3] = [(100, "0.3"), (60, "0.2"), (35, "0.12")];

/// What to show.
#[derive(Args)]
pub struct DemoArgs {
    /// Where the picture, the summary and everything else goes
    #[arg(short, long, value_name = "FOLDER", default_value = "target/demo")]
    out: PathBuf,
    /// Into how many tiles the picture is cut
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    tiles: u32,
    /// The picture's width in pixels
    #[arg(long, default_value_t = 480, value_parser = clap::value_parser!(u32).range(1..=8192))]
    width: u32,
    /// The picture's height in pixels
    #[arg(long, default_value_t = 360, value_parser = clap::value_parser!(u32).range(1..=8192))]
    height: u32,
    /// Light paths for each pixel
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    samples: u32,
    /// Print the summary as JSON too
    #[arg(long)]
    json: bool,
}

/// What was started and has to be stopped.
#[derive(Default)]
struct Stage {
    devnet: Option<Service>,
    providers: Vec<Service>,
}

impl Stage {
    async fn stop_providers(&mut self) -> anyhow::Result<()> {
        let stops = std::mem::take(&mut self.providers).into_iter().map(Service::stop);
        let mut failed = futures::future::join_all(stops).await.into_iter().filter_map(Result::err);
        failed.next().map_or(Ok(()), Err)
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        let providers = self.stop_providers().await;
        let devnet = match self.devnet.take() {
            Some(devnet) => devnet.stop().await,
            None => Ok(()),
        };
        providers.and(devnet)
    }
}

/// Plays it, and stops everything whatever happens.
pub async fn run(_context: &Context, args: DemoArgs) -> anyhow::Result<Answer> {
    let mut signals = StopSignals::new()?;
    let mut stage = Stage::default();
    let played = tokio::select! {
        played = play(&mut stage, &args) => played,
        _ = signals.next() => {
            note!("Stopping: subtasks that run may end, which takes some seconds. Ctrl-C once more ends all at once.");
            Err(anyhow::anyhow!("stopped on request"))
        }
    };
    // Whatever is not stopped here ends with this process: each holds the other end of a pipe of ours.
    let stopped = tokio::select! {
        stopped = stage.stop() => stopped,
        _ = signals.next() => Ok(()),
    };
    let adds_up = played?;
    stopped.context("not everything ended as it should")?;
    note!("Everything that was started has ended.");
    Ok(if adds_up { Answer::Yes } else { Answer::No })
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("a text was expected, not {value}"))
}

/// One rented machine.
struct Rented {
    address: Address,
    dir: PathBuf,
}

async fn play(stage: &mut Stage, args: &DemoArgs) -> anyhow::Result<bool> {
    let began = Instant::now();
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot create the folder {}", args.out.display()))?;
    let out = std::fs::canonicalize(&args.out)?;
    for stale in ["render.png", "summary.json"] {
        let _ = std::fs::remove_file(out.join(stale));
    }
    step("Starting a chain with the contracts (golem devnet)");
    let net = out.join("net");
    let count = PROVIDERS.len() + 1;
    let devnet_args = words(&[
        "devnet",
        "--json",
        "--until-stdin-ends",
        "--port",
        "0",
        "--accounts",
        &count.to_string(),
        "--out",
        &net.display().to_string(),
    ]);
    let devnet = stage.devnet.insert(Service::start("the devnet", &devnet_args, &out.join("devnet.log")).await?);
    let ready = devnet.ready.clone();
    let password = PathBuf::from(text(&ready["password_file"])?);
    let accounts = accounts(&ready)?;
    let Some((requestor, rented)) = accounts.split_first() else { bail!("the devnet has no accounts") };
    let mut evidence = Evidence::begin(&ready, requestor.address, rented.iter().map(|rented| rented.address)).await?;

    step("Starting three providers, of different speed and price (golem provide)");
    let mut bootstrap: Option<String> = None;
    for (machine, (percent, price)) in rented.iter().zip(PROVIDERS) {
        let mut more =
            words(&["--slots", "1", "--cpu-percent", &percent.to_string(), "--min-price", price, "--no-mdns"]);
        more.extend(bootstrap.iter().flat_map(|address| words(&["--bootstrap", address])));
        let provider = start_provider(&machine.dir, &password, &more).await?;
        bootstrap = bootstrap.or(first_address(&provider.ready));
        let speed = provider.ready["status"]["performance"].as_u64().unwrap_or(0) / 1_000_000;
        note!(
            "   {}  {percent:>3} % of a core, {speed} million fuel a second, from {price} GNT an hour",
            machine.address
        );
        stage.providers.push(provider);
    }
    let bootstrap = bootstrap.context("the first provider has no address to be reached at")?;

    step("Rendering a picture on them (golem run render)");
    let as_user =
        |dir: &Path| words(&["--dir", &dir.display().to_string(), "--password-file", &password.display().to_string()]);
    let mut run = as_user(&requestor.dir);
    run.extend(words(&[
        "run",
        "render",
        "--json",
        "--until-stdin-ends",
        "--no-mdns",
        "--bootstrap",
        &bootstrap,
        "-o",
        &out.display().to_string(),
    ]));
    for (name, value) in
        [("tiles", args.tiles), ("width", args.width), ("height", args.height), ("samples", args.samples)]
    {
        run.extend([format!("--{name}"), value.to_string()]);
    }
    let report = golem_json(&run).await?;
    if report["finished"] != true {
        bail!("the picture was not finished: {}; the logs are in {}", report["error"], net.display());
    }

    step("Claiming what each provider earned, in one transaction each (golem channel claim)");
    for machine in rented {
        let claim = golem_json(&[as_user(&machine.dir), words(&["channel", "claim", "--json"])].concat()).await?;
        note!("   {}  {}, {} gas", machine.address, short_gnt(wei(&claim["paid_wei"])), claim["gas_used"]);
        let status = golem_json(&[as_user(&machine.dir), words(&["status", "--json"])].concat()).await?;
        evidence.claimed(machine.address, claim, status).await?;
    }
    step("Closing the channels; what is left goes back to the requestor (golem channel close)");
    for machine in rented {
        let closes = golem_json(&[as_user(&machine.dir), words(&["channel", "close", "--json"])].concat()).await?;
        evidence.closed(machine.address, closes);
    }
    step("Stopping the providers");
    stage.stop_providers().await?;

    step("Comparing the chain, both sides' ledgers and the signed vouchers, to the wei");
    let payer_status = golem_json(&[as_user(&requestor.dir), words(&["status", "--json"])].concat()).await?;
    let mut vouchers = Vec::new();
    for machine in rented {
        let held = golem_json(&[as_user(&machine.dir), words(&["channel", "vouchers", "--json"])].concat()).await?;
        vouchers.push((machine.address, held));
    }
    let result = evidence.reconcile(&report, &payer_status, &vouchers).await?;
    finish(args, &out, &report, &result, began)
}

/// Prints and writes what came of it.
fn finish(
    args: &DemoArgs,
    out: &Path,
    report: &Value,
    result: &Reconciliation,
    began: Instant,
) -> anyhow::Result<bool> {
    let picture = out.join("render.png");
    let mut findings = result.findings.clone();
    if !picture.is_file() {
        findings.push(Finding(format!("there is no picture {}", picture.display())));
    }
    let total_ms = began.elapsed().as_millis() as u64;
    let summary = json!({
        "providers": result.providers, "subtasks": report["done"], "wall_ms": report["wall_ms"], "total_ms": total_ms,
        "gas_used": result.gas_used, "spent_wei": report["spent_wei"], "budget_wei": report["budget_wei"],
        "reconciled": findings.is_empty(), "findings": findings.iter().map(|finding| &finding.0).collect::<Vec<_>>(),
        "picture": picture,
    });
    let file = out.join("summary.json");
    std::fs::write(&file, format!("{summary:#}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    if args.json {
        output::json(&summary)?;
    } else {
        let mut table = Table::new(&[
            "provider",
            ">last offer an hour",
            ">score",
            ">subtasks",
            ">paid",
            ">claimed on chain",
            ">gas",
        ]);
        for row in &result.providers {
            table.row([
                text(&row["node"])?,
                short_gnt(wei(&row["offered_price_wei_per_hour"])),
                row["score"].to_string(),
                row["subtasks"].to_string(),
                wei(&row["paid_wei"]).to_string(),
                wei(&row["claimed_wei"]).to_string(),
                row["gas_used"].to_string(),
            ]);
        }
        output::line(&format!("\n{}", table.render().trim_end()))?;
        output::line(&format!(
            "{} tiles in {:.1} s, {} of {} spent, {} gas in all.",
            report["done"],
            report["wall_ms"].as_f64().unwrap_or(0.0) / 1000.0,
            wei(&report["spent_wei"]),
            wei(&report["budget_wei"]),
            result.gas_used
        ))?;
        if findings.is_empty() {
            output::line("The chain, both sides' ledgers and the signed vouchers agree to the wei.")?;
        }
        output::line(&format!("The picture is {}, the summary {}.", picture.display(), file.display()))?;
    }
    for finding in &findings {
        note!("does not add up: {}", finding.0);
    }
    Ok(findings.is_empty())
}

fn step(text: &str) {
    note!("== {text}");
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

fn accounts(ready: &Value) -> anyhow::Result<Vec<Rented>> {
    let accounts = ready["accounts"].as_array().context("the devnet names no accounts")?;
    accounts
        .iter()
        .map(|account| {
            let address = text(&account["address"])?.parse().context("an account's address")?;
            Ok(Rented { address, dir: PathBuf::from(text(&account["dir"])?) })
        })
        .collect()
}
