//! `golem replay`: the machines of a node, told again what its trace says they were told.

use crate::Answer;
use crate::output::{self, count};
use clap::Args;
use golem_node::sandbox_profile;
use golem_node::trace::{Difference, Replay, TraceEnd, replay};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What to replay.
#[derive(Args)]
pub struct ReplayArgs {
    /// A file that `golem provide --trace`, `golem run --trace` or `golem map --trace` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Replays; ends with 1 where a step does not come out the same.
pub fn run(args: &ReplayArgs) -> anyhow::Result<Answer> {
    let replayed = replay(&args.file)?;
    let same = replayed.difference.is_none();
    if args.json {
        let mut answer = serde_json::to_value(&replayed)?;
        answer["same"] = same.into();
        output::json(&answer)?;
    } else {
        print(&replayed)?;
    }
    Ok(if same { Answer::Yes } else { Answer::No })
}

fn print(replayed: &Replay) -> anyhow::Result<()> {
    let past = match replayed.records {
        0 => "without a past".to_owned(),
        records => format!("from {}", count(records, "record")),
    };
    output::line(&format!("The {} {} of golem {}, {past}.", replayed.role, replayed.node, replayed.version))?;
    if (replayed.version.as_str(), replayed.profile) != (env!("CARGO_PKG_VERSION"), sandbox_profile()) {
        note!("Note: this is golem {}; another version may well decide otherwise.", env!("CARGO_PKG_VERSION"));
    }
    for (kind, times) in &replayed.decisions.counts {
        output::line(&format!("  {times:>8}  {}", kind.replace('_', " ")))?;
    }
    for (reason, times) in &replayed.decisions.refusals {
        output::line(&format!("  {times:>8}  refused: {}", reason.replace('_', " ")))?;
    }
    let steps = count(replayed.steps, "step");
    match &replayed.difference {
        None => output::line(&format!("{steps} came out the same, byte for byte.")),
        Some(difference) => {
            output::line(&format!("{steps} came out the same, and step {} differently.", difference.step))?;
            show(difference)
        }
    }?;
    match replayed.end {
        // Nothing was read after the difference.
        _ if replayed.difference.is_some() => {}
        TraceEnd::Stopped => {}
        TraceEnd::Bound => note!("The trace has reached its bound there; the node went on."),
        TraceEnd::Open => {
            note!("The trace just ends there: the node runs still, was killed, or had no room on its disk.")
        }
    }
    if replayed.cut_off_bytes > 0 {
        note!("Its last line is cut off after {} and was left out.", count(replayed.cut_off_bytes, "byte"));
    }
    Ok(())
}

fn show(difference: &Difference) -> anyhow::Result<()> {
    let Difference { step: _, now, told, recorded, replayed, asked } = difference;
    output::line(&format!("told at {} ms, chain time {} s: {told}", now.local.0, now.chain.0))?;
    // What both begin with is no news.
    let alike = recorded.iter().zip(replayed).take_while(|(recorded, replayed)| recorded == replayed).count();
    if alike > 0 {
        output::line(&format!("the first {} of both are the same", count(alike, "effect")))?;
    }
    for (name, effects) in [("in the trace", recorded), ("now", replayed)] {
        let rest: Vec<&Value> = effects.iter().skip(alike).collect();
        output::line(&format!("{name}: {}", json!(rest)))?;
    }
    match asked {
        Some(asked) => output::line(asked),
        None => Ok(()),
    }
}
