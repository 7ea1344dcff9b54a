//! `golem sim faults`: the machines that nodes run, in simulated worlds where everything goes wrong.

use super::progress::Progress;
use crate::Answer;
use crate::output::{self, at_most_gnt, count};
use clap::Args;
use golem_sim::faults::{Report, Scenario, run as play, run_seeds};
use std::sync::atomic::{AtomicU64, Ordering};

/// Which worlds.
#[derive(Args)]
pub struct FaultsArgs {
    /// How many seeds; each is a world of its own
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..1 << 62))]
    seeds: u64,
    /// The first of them
    #[arg(long, value_name = "SEED", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..1 << 62))]
    first: u64,
    /// Only this seed: plays a run again that failed, or shows what a world is made of
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Simulates; ends with 1 where something does not hold.
pub fn run(args: FaultsArgs) -> anyhow::Result<Answer> {
    let reports = match args.seed {
        Some(seed) => {
            let scenario = Scenario::of_seed(seed);
            if !args.json {
                output::line(&format!("{scenario:#?}"))?;
            }
            play(scenario).map(|report| vec![report])
        }
        None => {
            let progress = Progress::new("", args.seeds);
            let played = AtomicU64::new(0);
            let reports = run_seeds(args.first, args.seeds, |_| {
                let played = played.fetch_add(1, Ordering::Relaxed) + 1;
                progress.add(1, || format!("{played} of {} worlds", args.seeds));
            });
            progress.end();
            reports
        }
    };
    let reports = match reports {
        Ok(reports) => reports,
        Err(failure) => {
            note!("{failure}");
            return Ok(Answer::No);
        }
    };
    if args.json {
        output::json(&reports)?;
    } else {
        print(&reports)?;
    }
    Ok(Answer::Yes)
}

fn print(reports: &[Report]) -> anyhow::Result<()> {
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).fold(0, u64::saturating_add);
    let (messages, lost) = (sum(|report| report.messages), sum(|report| report.lost));
    output::line(&format!("{} held everything:", count(reports.len() as u64, "world")))?;
    output::line(&format!("  {} events, {messages} messages of which {lost} were lost", sum(|report| report.events)))?;
    let accepted = sum(|report| report.accepted).max(1);
    output::line(&format!(
        "  {:.1} messages and {} bytes for each accepted result, with all that was said twice or in vain",
        messages as f64 / accepted as f64,
        sum(|report| report.bytes) / accepted
    ))?;
    output::line(&format!(
        "  {} crashes, {} blocks undone",
        sum(|report| report.crashes),
        sum(|report| report.blocks_undone)
    ))?;
    output::line(&format!(
        "  {} results accepted, each once by its agreement, and paid to the wei; {} of them copies, {} found wrong",
        sum(|report| report.accepted),
        sum(|report| report.copies),
        sum(|report| report.wrong)
    ))?;
    output::line(&format!(
        "  {} cut off by owners who closed their channels and left honest providers unpaid",
        count(sum(|report| report.cut_off), "task")
    ))?;
    let never_paid = reports.iter().map(|report| report.never_paid_wei).max().unwrap_or_default();
    output::line(&format!(
        "  at most {} of work done by one provider for somebody who never paid, where fuel is paid",
        at_most_gnt(never_paid)
    ))
}
