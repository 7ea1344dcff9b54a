//! `golem market`: prices and scores explained, by the code that the node runs.

use crate::Answer;
use crate::api::{LiveNode, Role};
use crate::bundled::program_name;
use crate::context::Context;
use crate::ledger;
use crate::output::{self, count, short_gnt};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use golem_market::Standing;
use golem_market::explain::{self, INPUT_BYTES_MAX, QuoteReport};
use golem_node::evidence;
use golem_node::folder::Folder;
use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What to explain.
#[derive(Subcommand)]
pub enum MarketCommand {
    /// Put offers in the order in which a requestor takes them
    #[command(after_long_help = RANK_HELP)]
    Rank {
        /// The offers, as --help shows them; - reads standard input
        offers: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what this data folder remembers of the providers it bought from: what they promised, and what they delivered
    #[command(after_long_help = PROVIDERS_HELP)]
    Providers {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the price that a provider asks
    #[command(after_long_help = QUOTE_HELP)]
    Quote {
        /// The provider's state, as --help shows it; - reads standard input
        state: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

const RANK_HELP: &str = r#"OFFERS.json:
  {
    "header": { "max_price_wei_per_hour": "100", "min_perf": 0, "subtask_timeout_s": 60 },
    "settings": { "rules": "golem", "choice": "greedy", "patience": 4, "quality_floor": 0 },
    "waited_s": 30, "reference": 0.6, "random": 7,
    "offers": [
      { "provider": "0x00000000000000000000000000000000000000a1", "price_wei_per_hour": "80", "performance": 1000,
        "history": { "efficiency": 1.5, "success": 3.2, "timed_out": 0, "failed": 1, "rejected": 0 } }
    ]
  }
Only max_price_wei_per_hour and, of an offer, provider and price_wei_per_hour are needed. The rules are "golem" or
"published"; reference is what was paid before, as a share of the maximal price. To choose by chance:
"choice": { "boltzmann": { "greed": 2 } }, and a random number. Ends with 1 if every offer is refused."#;

const QUOTE_HELP: &str = r#"STATE.json:
  {
    "settings": { "rules": "golem", "min_price_wei_per_hour": "100", "credit_hours": 3 },
    "factor": 0.2,
    "spent": { "idle_s": 3600 },
    "requestor": { "efficiency": 1.5, "assigned_wei": "400", "paid_wei": "300", "owed_wei": "100" },
    "header": { "max_price_wei_per_hour": "1000", "min_perf": 500, "subtask_timeout_s": 60 },
    "performance": 1000
  }
Only the two prices are needed. Ends with 1 if no offer is made."#;

const PROVIDERS_HELP: &str = "\
An offer promises a performance, in fuel per second. It is taken for no more than what was seen of that program here. Who \
repeats a promise that it could know to be wrong, and delivers less than half of it in nine results of ten, is refused for \
an hour or until it offers what it does; the agreements and reports that show it, with the provider's signature, are in the file named. How long a result \
took is what this node's clock said: others see the promise and the fuel, and have to believe the time. Ends with 1 if \
nobody is remembered.";

/// Explains it.
pub async fn run(context: &Context, command: MarketCommand) -> anyhow::Result<Answer> {
    match command {
        MarketCommand::Providers { json } => providers(context, json).await,
        MarketCommand::Rank { offers, json } => {
            let report = explain::rank_json(&read(&offers)?).with_context(|| offers.display().to_string())?;
            print(&report, json)?;
            Ok(if report.ranked.is_empty() { Answer::No } else { Answer::Yes })
        }
        MarketCommand::Quote { state, json } => {
            let report = explain::quote_json(&read(&state)?).with_context(|| state.display().to_string())?;
            print(&report, json)?;
            Ok(if matches!(report, QuoteReport::Offered(_)) { Answer::Yes } else { Answer::No })
        }
    }
}

/// What a folder remembers of providers: by its records, or by the node that runs on it.
pub async fn standings(folder: &Folder) -> anyhow::Result<Vec<Standing>> {
    match LiveNode::find(folder).await? {
        Some(node) if node.role()? == Role::Requestor => {
            serde_json::from_value(node.status()["providers"].clone()).context("the running node is of another version")
        }
        Some(_) => bail!("a provider runs on {}, which buys nothing meanwhile", folder.path().display()),
        None if !folder.store().exists() => Ok(Vec::new()),
        None => Ok(golem_market::standings_in(&ledger::records(folder)?)?),
    }
}

async fn providers(context: &Context, json: bool) -> anyhow::Result<Answer> {
    let folder = context.folder()?;
    let standings = standings(&folder).await?;
    let shown: Vec<Shown> = standings.into_iter().map(|standing| Shown::new(&folder, standing)).collect();
    if json {
        output::json(&shown)?;
    } else {
        shown.iter().try_for_each(|shown| output::line(shown.to_string().trim_end()))?;
    }
    Ok(if shown.is_empty() { Answer::No } else { Answer::Yes })
}

/// A provider's standing, and where the evidence against it is.
#[derive(serde::Serialize)]
struct Shown {
    #[serde(flatten)]
    standing: Standing,
    evidence: Option<PathBuf>,
    /// How many results are in it, once its signatures were checked.
    evidence_results: Option<usize>,
    evidence_fault: Option<String>,
}

impl Shown {
    fn new(folder: &Folder, standing: Standing) -> Shown {
        let file = evidence::file(folder.path(), standing.provider);
        let mut shown = Shown { standing, evidence: None, evidence_results: None, evidence_fault: None };
        if file.is_file() {
            match evidence::read(&file).and_then(|evidence| evidence.check().map(|()| evidence.results.len())) {
                Ok(results) => shown.evidence_results = Some(results),
                Err(error) => shown.evidence_fault = Some(error.to_string()),
            }
            shown.evidence = Some(file);
        }
        shown
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Standing { provider, chance, success, failure, paid_wei, proven_wrong, programs } = &self.standing;
        let (chance, success, failure) = (chance.to_f64(), success.to_f64(), failure.to_f64());
        let wrong = if *proven_wrong { "; a result of it was wrong" } else { "" };
        writeln!(
            f,
            "{provider}  chance of success {chance:.3}; of its last results (at most 10) {success:.1} accepted, {failure:.1} not; paid {}{wrong}",
            short_gnt(*paid_wei)
        )?;
        for program in programs {
            let Some(delivered) = program.delivered else { continue };
            let subtasks = count(program.results, "subtask");
            let promised = program.promised / 1_000_000;
            // How long a subtask waited at the other side is not known, and is in its favour: of short ones no more is.
            let delivered = match delivered / 1_000_000 {
                delivered if delivered < promised => format!("{delivered} million"),
                _ => "no less".to_owned(),
            };
            writeln!(
                f,
                "  {}: promised {promised} million fuel a second, delivered {delivered} over {subtasks}",
                program_name(&program.program)
            )?;
            if program.overstated {
                writeln!(f, "  {} broke it by more than half: refused", count(program.broken, "result"))?;
            }
        }
        match (&self.evidence, &self.evidence_fault, self.evidence_results) {
            (Some(file), Some(fault), _) => writeln!(f, "  evidence in {} that shows nothing: {fault}", file.display()),
            (Some(file), None, results) => {
                let signed = count(results.unwrap_or_default(), "result");
                writeln!(f, "  evidence in {}: {signed}, signatures checked", file.display())
            }
            (None, _, _) => Ok(()),
        }
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let bound = INPUT_BYTES_MAX as u64 + 1;
    let cannot = || format!("cannot read {}", path.display());
    if path == Path::new("-") {
        std::io::stdin().take(bound).read_to_end(&mut bytes).with_context(cannot)?;
    } else {
        std::fs::File::open(path).and_then(|file| file.take(bound).read_to_end(&mut bytes)).with_context(cannot)?;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => bail!("{} is not text in UTF-8: give a JSON file as --help shows it", path.display()),
    }
}

fn print<T: serde::Serialize + Display>(report: &T, json: bool) -> anyhow::Result<()> {
    if json { output::json(report) } else { output::line(report.to_string().trim_end()) }
}
