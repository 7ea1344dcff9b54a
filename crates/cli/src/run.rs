//! `golem run` and `golem map`: work for the machines of the network, or tried on this one.

pub mod failures;
pub mod quiet;
mod resume;
mod terms;
mod watch;

use crate::Answer;
use crate::apps::{Cut, Source};
use crate::context::{Context, chain_settings};
use crate::files::{self, Places};
use crate::local;
use crate::market::standings;
use crate::output::{self, at_most_gnt, count};
use crate::parameters::Parameters;
use crate::plan_report::{self, PlanReport};
use crate::preview::Watching;
use crate::process::StopSignals;
use crate::programs::Program;
use crate::progress::TaskScreen;
use crate::workbench::{Talk, Workbench};
use anyhow::{Context as _, bail};
use clap::Args;
use golem_node::config::ConfigFile;
use golem_node::folder::Folder;
use golem_node::{RequestorConfig, RequestorHandle, RequestorNode};
use golem_protocol::Wei;
use golem_sandbox::Isolation;
use golem_task::{CopyAddresses, MapTask, Price, Verification};
use resume::Asked;
use std::path::{Path, PathBuf};
use terms::TermArgs;
use watch::{Task, finish, follow};

/// What to run.
#[derive(Args)]
#[command(
    after_help = "Parameters of the app go after its name, as --NAME VALUE; `golem app info NAME` lists them.\n\n\
    Examples:\n  golem run render -o out --dry-run\n  golem run render --scene my.obj --width 1280 --height 720 --budget 5 -o out\n  \
    golem run task.toml --local -o out\n  golem run --resume -o out"
)]
pub struct RunArgs {
    /// An app that ships with golem (`golem app list`), or a manifest, such as task.toml
    #[arg(required_unless_present = "resume")]
    app: Option<String>,
    /// The folder for the results
    #[arg(short, long, value_name = "FOLDER", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    /// Take up a task of this data folder that is unfinished, try again what failed of one, or gather the results of one that
    /// has ended: the only one, or the one with this header. The results of one that is done are put together again, which
    /// costs nothing, with other parameters where only its merge reads them
    #[arg(long, value_name = "HEADER", num_args = 0..=1, default_missing_value = "", require_equals = true, conflicts_with = "dry_run")]
    resume: Option<String>,
    /// Give a parameter of the app a value; the same as --NAME VALUE, for names that are also flags of golem
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parameter)]
    set: Vec<(String, String)>,
    #[command(flatten)]
    terms: TermArgs,
}

/// What to run for each file.
#[derive(Args)]
#[command(
    after_help = "In --args, {file} is the input's path in the sandbox, {name} its name, {index} its number, {count} how many\n\
    there are. Results are OUT/NAME/: standard output as `stdout`, and what the program left in /out.\n\n\
    A script needs its interpreter once: `golem app fetch python`, or ruby. It finds its input at {file}, its first\n\
    argument, and writes to standard output or to its current folder.\n\n\
    Examples:\n  golem map wc.wasm texts/*.txt --args \"-w {file}\" --budget 1 -o out\n  \
    golem map count.py texts/*.txt --with tables/ --budget 1 -o out\n  golem map count.py texts/*.txt --local -o out"
)]
pub struct MapArgs {
    /// A WASI preview 1 program (.wasm), a script in Python (.py) or Ruby (.rb), or the name of a tool that was fetched
    program: PathBuf,
    /// One subtask for each of these files
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The folder for the results
    #[arg(short, long, value_name = "FOLDER", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    /// The program's arguments, separated by spaces; "..." keeps spaces together [default: the input's path]
    #[arg(long, value_name = "TEMPLATE", allow_hyphen_values = true)]
    args: Option<String>,
    /// A file, or a folder with all that is in it, that every subtask finds: beside the script, or in /in for a module;
    /// may be repeated
    #[arg(long, value_name = "PATH")]
    with: Vec<PathBuf>,
    /// The module that runs the script, in place of one that was fetched
    #[arg(long, value_name = "FILE.wasm")]
    interpreter: Option<PathBuf>,
    /// Give the input as standard input instead of as a file
    #[arg(long)]
    stdin: bool,
    #[command(flatten)]
    terms: TermArgs,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs an app or a manifest.
pub async fn run(context: &Context, args: RunArgs, mut parameters: Parameters) -> anyhow::Result<Answer> {
    parameters.extend(args.set.iter().cloned());
    let folder = context.folder_or_new()?;
    if let Some(header) = &args.resume {
        let out = args.out.as_deref().context("-o FOLDER says where the results go")?;
        let asked = Asked { header, app: args.app.as_deref(), parameters: &parameters };
        return resume::resume(context, &folder, asked, out, &args.terms).await;
    }
    let app = args.app.as_deref().context("name an app, such as render, or a manifest")?;
    let source = Source::open(app, &parameters)?;
    let cutting = folder.clone();
    let talk = Talk::beside(args.terms.json);
    // It may compile and run a module.
    let mut cut = tokio::task::spawn_blocking(move || source.cut(&cutting, talk)).await??;
    args.terms.apply(&mut cut.plan);
    start(context, &folder, cut, args.out.as_deref(), &args.terms).await
}

/// Runs a program once for each file.
pub async fn map(context: &Context, args: MapArgs) -> anyhow::Result<Answer> {
    let folder = context.folder_or_new()?;
    let mut places = Places::new();
    let program = Program::open(&args.program, args.interpreter.as_deref(), &args.with, &folder, &mut places)?;
    let names = files::names(&args.inputs)?;
    let budget = match args.terms.budget {
        Some(budget) => budget,
        None if args.terms.local => Wei::ZERO,
        None if args.terms.dry_run => Wei::MAX,
        None => bail!("--budget GNT says the most that may be spent; there is no default for it"),
    };
    let mut listed = Vec::with_capacity(args.inputs.len());
    for (input, name) in args.inputs.iter().zip(names) {
        listed.push(files::listed(input, name, &mut places)?);
    }
    let max_per_hour = args.terms.max_price.unwrap_or(Wei::from_gnt(1).unwrap_or(Wei::MAX));
    let mut task = MapTask::new(&program.name, Price { max_per_hour, budget });
    let own = args.args.as_deref().map(words).transpose()?;
    let usual = if args.stdin { Vec::new() } else { vec!["{file}".to_owned()] };
    // What comes before is no template: a brace in a script's name stands for itself.
    task.args = program.args.iter().map(|arg| arg.replace('{', "{{").replace('}', "}}")).collect();
    task.args.extend(own.unwrap_or(usual));
    task.shared = program.shared;
    task.stdin = args.stdin;
    let mut plan = task.plan(listed)?;
    args.terms.apply(&mut plan);
    if budget == Wei::MAX {
        plan.price.budget = plan_report::cost(&plan, Wei::ZERO)?.total_max;
        note!(
            "No --budget was given: this is with one that pays for everything at the highest price. A run has to name one."
        );
    }
    start(context, &folder, Cut::without_source(plan, program.module, places), args.out.as_deref(), &args.terms).await
}

/// Cuts a text at its spaces, except between double quotes.
fn words(text: &str) -> anyhow::Result<Vec<String>> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    if quoted {
        bail!("--args `{text}` has a double quote without its other half");
    }
    words.extend(word);
    Ok(words)
}

async fn start(
    context: &Context,
    folder: &Folder,
    cut: Cut,
    out: Option<&Path>,
    args: &TermArgs,
) -> anyhow::Result<Answer> {
    if args.local {
        let out = out.context("-o FOLDER says where the results go")?;
        writable(out)?;
        return local::run(folder, cut, out, args.json, args.signals()?).await;
    }
    let file = context.config(folder)?;
    usable(folder, &cut.module, Talk::beside(args.json)).await?;
    if args.dry_run {
        let mut report = PlanReport::new(folder, &file, &args.chain, &cut.plan, &cut.module).await?;
        if let Verification::Adaptive { .. } = cut.plan.verification {
            report = report.knowing(standings(folder).await);
        }
        if args.json {
            output::json(&report.to_json())?;
        } else {
            report.print()?;
        }
        return Ok(if report.obstacles().is_empty() { Answer::Yes } else { Answer::No });
    }
    let out = out.context("-o FOLDER says where the results go")?;
    writable(out)?;
    if cut.plan.price.max_per_hour == Wei::ZERO {
        bail!("the highest price is 0 GNT an hour, and nobody works for nothing: set --max-price to more, such as 1");
    }
    let there = std::fs::read_dir(out).map_or(0, |entries| entries.count());
    if there > 0 {
        let entries = if there == 1 { "an entry".to_owned() } else { format!("{there} entries") };
        note!("Note: {} has {entries} already; results of the same names replace them.", out.display());
    }
    // Before anything is announced: what is fixed here is what every agreement says.
    let app = plan_report::app_fee(folder, &file, &args.chain, &cut.plan, &cut.module).await?;
    let cost = plan_report::cost(&cut.plan, app.fee)?;
    if cost.affordable() == 0 {
        bail!(
            "the budget of {} does not pay for one subtask, which can cost {}: raise --budget, or lower --max-price or --timeout",
            cost.budget,
            at_most_gnt(cost.subtask_max.saturating_add(cost.fee))
        );
    }
    let spent_max = cost.total_max.min(cost.budget);
    note!("{}: {}, at most {} in all.", cut.plan.name, count(cost.subtasks, "subtask"), at_most_gnt(spent_max));
    note!("Verification: {}.", plan_report::verification(&cut.plan, &cost).join("; "));
    if app.fee > Wei::ZERO {
        note!(
            "Of that {} for each accepted subtask to the author {}, {} at most.",
            app.fee,
            app.author,
            at_most_gnt(cost.fees_max())
        );
    }
    let mut signals = args.signals()?;
    let copies = cut.plan.extras.copy_addresses;
    let node = started(context, folder, &file, args, copies, &mut signals).await?;
    let ran = async {
        payable(&node, PlanReport::new(folder, &file, &args.chain, &cut.plan, &cut.module).await?).await?;
        let terms = args.terms(app);
        let mut prepared = node.prepare(&cut.plan, &cut.module, &cut.places, terms).await?;
        prepared.preview = cut.preview.as_ref().map(|preview| preview.note(cut.plan.limits));
        prepared.source = cut.note()?;
        let watching = Watching::new(folder, &cut, out)?;
        let handle = node.run_task(prepared).await?;
        let names = cut.plan.subtasks.iter().map(|subtask| subtask.name.clone()).collect();
        let screen = TaskScreen::new(handle.header(), &cut.plan.name, names, cost.budget);
        follow(Task { node: &node, header: handle.header(), out, by: None }, handle, screen, watching, &mut signals)
            .await
    };
    finish(ran.await, node, args, out, &mut signals).await
}

/// Whether the sandbox can run the module at all: found out here, before strangers do. It is compiled for the rechecks.
async fn usable(folder: &Folder, module: &Path, talk: Talk) -> anyhow::Result<()> {
    let (path, folder) = (module.to_path_buf(), folder.clone());
    let checked = tokio::task::spawn_blocking(move || Workbench::open(&folder, &path, talk)?.prepare());
    checked.await?.with_context(|| module.display().to_string())
}

/// Whether a provider can be paid: out of a channel that is open, or one that the account can open.
async fn payable(node: &RequestorHandle, report: PlanReport<'_>) -> anyhow::Result<()> {
    let channels = node.status().await?.channels;
    let funded = channels.iter().any(|channel| channel.close_at_s == 0 && channel.deposit_wei > channel.signed_wei);
    let obstacles = report.obstacles();
    if !funded && report.cannot_open() {
        bail!("nobody could be paid: {}", obstacles.join("; "));
    }
    obstacles.iter().for_each(|obstacle| note!("Note: {obstacle}."));
    Ok(())
}

/// Before anything is spent on results that then have no place.
fn writable(out: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(out)
        .with_context(|| format!("cannot create the folder {} for the results", out.display()))?;
    tempfile::tempfile_in(out).with_context(|| format!("cannot write to {}, where the results go", out.display()))?;
    Ok(())
}

async fn started(
    context: &Context,
    folder: &Folder,
    file: &ConfigFile,
    args: &TermArgs,
    copies: Option<CopyAddresses>,
    signals: &mut StopSignals,
) -> anyhow::Result<RequestorHandle> {
    let chain = chain_settings(folder, file, &args.chain).await?;
    let keys = context.keys(folder, &chain).await?;
    let mut config = RequestorConfig::new(folder.clone(), keys, chain);
    config.isolation = Isolation::this_program();
    file.apply_to_requestor(&mut config)?;
    args.network.apply(&mut config.network, &mut config.api);
    config.trace = args.trace.clone().or(config.trace);
    config.copy_addresses = match copies {
        None => config.copy_addresses,
        Some(CopyAddresses::Distinct) => golem_deal::CopyAddresses::Distinct,
        Some(CopyAddresses::Any) => golem_deal::CopyAddresses::Any,
    };
    tokio::select! {
        started = RequestorNode::start(config) => Ok(started?),
        _ = signals.next() => bail!("stopped before anything was announced"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_quoted_together() {
        assert_eq!(words("-w  \"a b\" {file} \"\"").unwrap(), ["-w", "a b", "{file}", ""]);
        assert!(words("\"a").is_err());
    }
}
