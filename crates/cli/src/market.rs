//! `golem market`: prices and scores explained, by the code that the node runs.

use crate::Answer;
use crate::output;
use anyhow::{Context as _, bail};
use clap::Subcommand;
use golem_market::explain::{self, INPUT_BYTES_MAX, QuoteReport};
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

/// Explains it.
pub fn run(command: MarketCommand) -> anyhow::Result<Answer> {
    match command {
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
