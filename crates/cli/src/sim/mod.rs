//! `golem sim`: the machines that nodes run, in simulated worlds; and the market, in experiments.

mod faults;
mod folder;
mod journal;
mod list;
mod measure;
mod parquet;
mod picture;
mod progress;
mod run;

use crate::Answer;
use clap::Subcommand;

/// What to simulate.
#[derive(Subcommand)]
pub enum SimCommand {
    /// Run an experiment on the market, and write its tables, plots and report
    Run(run::RunArgs),
    /// List the experiments that come with golem
    List(list::ListArgs),
    /// Print the file of an experiment, to start one of your own from
    Show(list::ShowArgs),
    /// Lose messages, split networks, undo blocks and crash nodes at any moment, and hold that no wei is lost by it
    Faults(faults::FaultsArgs),
}

/// Simulates; ends with 1 where something does not hold.
pub fn run(command: SimCommand) -> anyhow::Result<Answer> {
    match command {
        SimCommand::Run(args) => run::run(args),
        SimCommand::List(args) => list::list(args),
        SimCommand::Show(args) => list::show(args),
        SimCommand::Faults(args) => faults::run(args),
    }
}
