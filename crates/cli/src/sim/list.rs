//! `golem sim list` and `golem sim show`.

use crate::Answer;
use crate::output::{self, Table};
use anyhow::Context as _;
use clap::Args;
use golem_sim::experiment::{LIBRARY, library, listed};
use std::io::Write as _;

/// How.
#[derive(Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which.
#[derive(Args)]
pub struct ShowArgs {
    /// The id of an experiment, as `golem sim list` shows it
    id: String,
}

/// Lists the experiments in the binary.
pub fn list(args: ListArgs) -> anyhow::Result<Answer> {
    let all = library().context("an experiment that comes with golem cannot be read")?;
    if args.json {
        output::json(&all)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(&["id", "title", "varied", ">cells", ">checks"]);
    for one in all {
        let varied = one.varied.join(", ");
        table.row([one.id.into(), one.title, varied, one.cells.to_string(), one.expectations.to_string()]);
    }
    output::line(table.render().trim_end())?;
    Ok(Answer::Yes)
}

/// Prints the file of an experiment as it is.
pub fn show(args: ShowArgs) -> anyhow::Result<Answer> {
    let text = find(&args.id)?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("cannot write to stdout")?;
    Ok(Answer::Yes)
}

/// The file of an experiment in the binary.
pub fn find(id: &str) -> anyhow::Result<&'static str> {
    listed(id).with_context(|| {
        let known: Vec<&str> = LIBRARY.iter().map(|(id, _)| *id).collect();
        format!("there is no experiment `{id}`: give a file that ends with .toml, or one of {}", known.join(", "))
    })
}
