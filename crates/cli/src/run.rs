//! `golem run` and `golem map`: work for the machines of the network, or tried on this one.

use crate::Answer;
use crate::apps::{Cut, Source};
use crate::context::{ChainArgs, Context, NetworkArgs, bytes, chain_settings, gnt};
use crate::files::{self, Places};
use crate::local;
use crate::output::{self, Table, count, short_gnt};
use crate::parameters::Parameters;
use crate::plan_report::{self, PlanReport};
use crate::preview::Watching;
use crate::process::StopSignals;
use crate::programs::Program;
use crate::progress::TaskScreen;
use crate::workbench::Workbench;
use anyhow::{Context as _, bail};
use clap::Args;
use golem_deal::RequestorEvent;
use golem_node::config::ConfigFile;
use golem_node::folder::Folder;
use golem_node::{
    CollectError, Collected, RequestorConfig, RequestorHandle, RequestorNode, RequestorNotice, TaskError, TaskHandle,
    TaskProgress, TaskReport, TaskTerms, Watched,
};
use golem_protocol::{Address, AppFee, B256, ByteCount, Fuel, Wei};
use golem_sandbox::Isolation;
use golem_task::{AppTerms, Hedging, KNOWN_PPM_MAX, MapTask, Price, TaskPlan, Verification};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it is looked whether copies are still under way once all results are here.
const COPIES_LOOKED_AT_EVERY: Duration = Duration::from_millis(500);
/// How often it is said that nobody has offered anything yet.
const WAITING_SAID_EVERY: Duration = Duration::from_secs(10);

/// What may be spent, and how results are checked.
#[derive(Args)]
struct TermArgs {
    /// The most that is spent, fees included, in GNT; never passed
    #[arg(long, value_name = "GNT", value_parser = gnt)]
    budget: Option<Wei>,
    /// The most for an hour of one slot, in GNT
    #[arg(long, value_name = "GNT", value_parser = gnt)]
    max_price: Option<Wei>,
    /// Whose app it is, as AppRegistry has it: its author gets a fee for each accepted subtask
    #[arg(long, value_name = "ADDRESS")]
    author: Option<Address>,
    /// The most for the author, for each accepted subtask, in GNT; without, an app with a fee is not run
    #[arg(long, value_name = "GNT", value_parser = gnt)]
    max_fee: Option<Wei>,
    /// How results are checked: none, recheck:0.1 to compute a tenth of them again here, redundancy:2 to give each subtask
    /// to two providers and compare (redundancy:2+recheck:0.1 for both), or adaptive for as much as each provider's
    /// history makes it take
    #[arg(long, value_name = "HOW", value_parser = Verification::parse)]
    verify: Option<Verification>,
    /// Give subtasks whose result is known already to providers that cannot tell, as this share of all handed out
    #[arg(long, value_name = "SHARE", value_parser = known_answers)]
    known_answers: Option<u32>,
    /// Give what somebody is late with to another besides: off, cheap (one subtask in 20 at most), or on
    #[arg(long, value_name = "WHEN", value_parser = hedging)]
    hedge: Option<Hedging>,
    /// How long one subtask may take, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=i64::from(golem_protocol::limits::SUBTASK_TIMEOUT_S_MAX)))]
    timeout: Option<u32>,
    /// The most memory of one subtask, such as 512MiB
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    memory_max: Option<u64>,
    /// The most fuel of one subtask: what the sandbox counts, about a thousand million a second
    #[arg(long, value_name = "FUEL", value_parser = clap::value_parser!(u64).range(1..))]
    fuel_max: Option<u64>,
    /// Take no provider that does less fuel a second
    #[arg(long, value_name = "FUEL", default_value_t = 0)]
    min_perf: u64,
    /// How long offers are gathered before the first are taken, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1500)]
    offer_window: u64,
    /// Give the task up after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    deadline: Option<u32>,
    /// Show the plan, the prices and the most it can cost; announce and spend nothing
    #[arg(long)]
    dry_run: bool,
    /// Run all of it here, in the sandbox, without network, chain or key; costs nothing
    #[arg(long, conflicts_with = "dry_run")]
    local: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Stop when standard input ends: for a program that starts this one, and must not leave it behind
    #[arg(long)]
    until_stdin_ends: bool,
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

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
    /// Take up an unfinished task of this data folder: the only one, or the one with this header
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
    /// A WASI preview 1 program (.wasm), or a script in Python (.py) or Ruby (.rb)
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

fn known_answers(text: &str) -> Result<u32, String> {
    match Verification::parse_fraction(text) {
        Ok(ppm) if ppm <= KNOWN_PPM_MAX => Ok(ppm),
        Ok(_) => Err(format!("`{text}` is more than half of what is handed out; write 0.5 at most")),
        Err(error) => Err(error.to_string()),
    }
}

fn hedging(text: &str) -> Result<Hedging, String> {
    match text {
        "off" => Ok(Hedging::Off),
        "cheap" => Ok(Hedging::Cheap),
        "on" => Ok(Hedging::On),
        _ => Err(format!("`{text}` is none of off, cheap and on")),
    }
}

impl TermArgs {
    fn apply(&self, plan: &mut TaskPlan) {
        plan.price.budget = self.budget.unwrap_or(plan.price.budget);
        plan.price.max_per_hour = self.max_price.unwrap_or(plan.price.max_per_hour);
        plan.verification = self.verify.unwrap_or(plan.verification);
        plan.extras.known_ppm = self.known_answers.unwrap_or(plan.extras.known_ppm);
        plan.extras.hedging = self.hedge.unwrap_or(plan.extras.hedging);
        plan.deadline_s = self.deadline.unwrap_or(plan.deadline_s);
        if let Some(author) = self.author {
            // Whoever names an author itself says what it may cost itself.
            plan.app = Some(AppTerms { author, fee_max: Wei::ZERO });
        }
        if let (Some(app), Some(fee_max)) = (&mut plan.app, self.max_fee) {
            app.fee_max = fee_max;
        }
        for limits in [Some(&mut plan.limits), plan.merge.as_mut().map(|merge| &mut merge.limits)].into_iter().flatten()
        {
            limits.timeout_s = self.timeout.unwrap_or(limits.timeout_s);
            limits.subtask.memory_max = self.memory_max.map_or(limits.subtask.memory_max, ByteCount::from_bytes);
            limits.subtask.fuel_max = self.fuel_max.map_or(limits.subtask.fuel_max, Fuel::from_units);
        }
    }

    fn signals(&self) -> anyhow::Result<StopSignals> {
        let mut signals = StopSignals::new()?;
        if self.until_stdin_ends {
            signals.and_end_of_stdin();
        }
        Ok(signals)
    }

    fn terms(&self, app: AppFee) -> TaskTerms {
        TaskTerms { min_perf: self.min_perf, offer_window_ms: self.offer_window, app, ..TaskTerms::default() }
    }
}

/// Runs an app or a manifest.
pub async fn run(context: &Context, args: RunArgs, mut parameters: Parameters) -> anyhow::Result<Answer> {
    parameters.extend(args.set.iter().cloned());
    let folder = context.folder_or_new()?;
    if let Some(header) = &args.resume {
        let out = args.out.as_deref().context("-o FOLDER says where the results go")?;
        return resume(context, &folder, header, out, &args.terms).await;
    }
    let app = args.app.as_deref().context("name an app, such as render, or a manifest")?;
    let source = Source::open(app, &parameters)?;
    let cutting = folder.clone();
    // It may compile and run a module.
    let mut cut = tokio::task::spawn_blocking(move || source.cut(&cutting)).await??;
    args.terms.apply(&mut cut.plan);
    start(context, &folder, cut, args.out.as_deref(), &args.terms).await
}

/// Runs a program once for each file.
pub async fn map(context: &Context, args: MapArgs) -> anyhow::Result<Answer> {
    let folder = context.folder_or_new()?;
    let mut places = Places::new();
    let program = Program::open(&args.program, args.interpreter.as_deref(), &args.with, &folder, &mut places)?;
    let mut listed = Vec::with_capacity(args.inputs.len());
    for input in &args.inputs {
        listed.push(files::listed(input, files::name(input)?, &mut places)?);
    }
    let budget = match args.terms.budget {
        Some(budget) => budget,
        None if args.terms.local => Wei::ZERO,
        None => bail!("--budget GNT says the most that may be spent; there is no default for it"),
    };
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
    usable(folder, &cut.module).await?;
    if args.dry_run {
        let report = PlanReport::new(folder, &file, &args.chain, &cut.plan, &cut.module).await?;
        if args.json {
            output::json(&report.to_json())?;
        } else {
            report.print()?;
        }
        return Ok(if report.obstacles().is_empty() { Answer::Yes } else { Answer::No });
    }
    let out = out.context("-o FOLDER says where the results go")?;
    writable(out)?;
    // Before anything is announced: what is fixed here is what every agreement says.
    let app = plan_report::app_fee(folder, &file, &args.chain, &cut.plan, &cut.module).await?;
    let cost = plan_report::cost(&cut.plan, app.fee)?;
    if cost.affordable() == 0 {
        bail!(
            "the budget of {} does not pay for one subtask, which can cost {}: raise --budget, or lower --max-price or --timeout",
            cost.budget,
            cost.subtask_max.saturating_add(cost.fee)
        );
    }
    let spent_max = cost.total_max.min(cost.budget);
    eprintln!("{}: {}, at most {} in all.", cut.plan.name, count(cost.subtasks, "subtask"), spent_max);
    eprintln!("Verification: {}.", plan_report::verification(&cut.plan, &cost).join("; "));
    if app.fee > Wei::ZERO {
        eprintln!(
            "Of that {} for each accepted subtask to the author {}, {} at most.",
            app.fee,
            app.author,
            cost.fees_max()
        );
    }
    let mut signals = args.signals()?;
    let node = started(context, folder, &file, args, &mut signals).await?;
    let ran = async {
        payable(&node, PlanReport::new(folder, &file, &args.chain, &cut.plan, &cut.module).await?).await?;
        let terms = args.terms(app);
        let mut prepared = node.prepare(&cut.plan, &cut.module, &cut.places, terms).await?;
        prepared.preview = cut.preview.as_ref().map(|preview| preview.note(cut.plan.limits));
        let screen = TaskScreen::new(&cut.plan.name, cost.subtasks, cost.budget);
        let watching = Watching::new(folder, &cut, out)?;
        let task = node.run_task(prepared).await?;
        follow(&node, task, screen, watching, &mut signals, out).await
    };
    finish(ran.await, node, args, &mut signals).await
}

/// Whether the sandbox can run the module at all: found out here, before strangers do. It is compiled for the rechecks.
async fn usable(folder: &Folder, module: &Path) -> anyhow::Result<()> {
    let (path, folder) = (module.to_path_buf(), folder.clone());
    let checked = tokio::task::spawn_blocking(move || Workbench::open(&folder, &path)?.prepare());
    checked.await?.with_context(|| format!("the module {} cannot run", module.display()))
}

/// Whether a provider can be paid: out of a channel that is open, or one that the account can open.
async fn payable(node: &RequestorHandle, report: PlanReport<'_>) -> anyhow::Result<()> {
    let channels = node.status().await?.channels;
    let funded = channels.iter().any(|channel| channel.close_at_s == 0 && channel.deposit_wei > channel.signed_wei);
    let obstacles = report.obstacles();
    if !funded && report.cannot_open() {
        bail!("nobody could be paid: {}", obstacles.join("; "));
    }
    obstacles.iter().for_each(|obstacle| eprintln!("Note: {obstacle}."));
    Ok(())
}

/// Takes up a task of an earlier run.
async fn resume(
    context: &Context,
    folder: &Folder,
    header: &str,
    out: &Path,
    args: &TermArgs,
) -> anyhow::Result<Answer> {
    let file = context.config(folder)?;
    writable(out)?;
    let mut signals = args.signals()?;
    let node = started(context, folder, &file, args, &mut signals).await?;
    let ran = async {
        let status = node.status().await?;
        let unfinished = status.tasks.iter().filter(|task| !task.task.finished);
        let matching: Vec<_> =
            unfinished.filter(|task| task.task.header.to_string().starts_with(header) || header.is_empty()).collect();
        let [task] = matching.as_slice() else {
            let names: Vec<String> =
                matching.iter().map(|task| format!("{} ({})", task.task.header, task.name)).collect();
            match names.is_empty() {
                true if header.is_empty() => bail!("there is no unfinished task in {}", folder.path().display()),
                true => bail!(
                    "there is no unfinished task {header} in {}; `golem status` lists the tasks",
                    folder.path().display()
                ),
                false => {
                    bail!("there are several unfinished tasks: name one with --resume=HEADER: {}", names.join(", "))
                }
            }
        };
        let mut screen = TaskScreen::new(&task.name, task.task.subtasks, task.task.budget);
        screen.done_before(task.task.done, task.task.spent.saturating_add(task.task.fees));
        let shown = node.shown(task.task.header).await?;
        let mut watching = shown.map(|shown| Watching::resumed(folder, shown, out)).transpose()?;
        let handle = node.resume(task.task.header).await?;
        if let Some(watching) = watching.as_mut().filter(|_| task.task.done > 0) {
            look(watching, &node, task.task.header, &screen).await;
        }
        follow(&node, handle, screen, watching, &mut signals, out).await
    };
    finish(ran.await, node, args, &mut signals).await
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
    signals: &mut StopSignals,
) -> anyhow::Result<RequestorHandle> {
    let chain = chain_settings(folder, file, &args.chain).await?;
    let keys = context.keys(folder)?;
    let mut config = RequestorConfig::new(folder.clone(), keys, chain);
    config.isolation = Isolation::this_program();
    file.apply_to_requestor(&mut config)?;
    args.network.apply(&mut config.network, &mut config.api);
    tokio::select! {
        started = RequestorNode::start(config) => Ok(started?),
        _ = signals.next() => bail!("stopped before anything was announced"),
    }
}

/// What came of a task.
struct Ran {
    header: B256,
    report: Option<TaskReport>,
    error: Option<TaskError>,
    collected: Collected,
}

/// Watches a task to its end, and gathers what it made.
async fn follow(
    node: &RequestorHandle,
    mut task: TaskHandle,
    mut screen: TaskScreen,
    mut watching: Option<Watching>,
    signals: &mut StopSignals,
    out: &Path,
) -> anyhow::Result<Ran> {
    let header = task.header();
    let mut asked = false;
    let mut waiting = tokio::time::interval(WAITING_SAID_EVERY);
    waiting.tick().await;
    let ended = loop {
        tokio::select! {
            progress = task.next() => match progress {
                TaskProgress::Watched(Watched::Event(event)) => {
                    screen.event(&event.event);
                    let news = matches!(event.event, RequestorNotice::Deal(RequestorEvent::Accepted { .. }));
                    if let (true, Some(watching)) = (news, &mut watching) {
                        look(watching, node, header, &screen).await;
                    }
                }
                TaskProgress::Watched(Watched::Missed(missed)) => screen.say(&format!("{missed} events were too fast to show")),
                TaskProgress::Finished(ended) => break ended,
            },
            _ = waiting.tick() => if screen.waits_for_offers() {
                let peers = node.status().await?.network.peers;
                screen.say(&format!("no offers yet; {}. {}", count(peers, "peer"), match peers {
                    0 => "Name a node to start from with --bootstrap, or wait for one on this network.",
                    _ => "Providers may ask for more than --max-price, or be busy.",
                }));
            },
            _ = signals.next() => {
                if asked {
                    screen.end();
                    bail!("stopped at once; take the task up again with `golem run --resume={header} -o {}`", out.display());
                }
                asked = true;
                screen.say("Stopping: what is agreed may end and is paid. Ctrl-C once more stops at once.");
                task.stop().await?;
            }
        }
    };
    screen.end();
    if let Some(watching) = &mut watching {
        watching.end().await;
    }
    match ended {
        Ok(report) => {
            let collected = node
                .merge(header, out)
                .await
                .context("all results are here and paid for, and could not be put together")?;
            if let Some(watching) = &watching {
                watching.clear(&collected);
            }
            Ok(Ran { header, report: Some(report), error: None, collected })
        }
        Err(error) => {
            // A task that would be put together leaves its pieces apart from where the whole will be.
            let collected = match node.merge(header, out).await {
                Err(CollectError::Unfinished { .. }) => node.collect(header, &out.join("partial")).await?,
                collected => collected?,
            };
            Ok(Ran { header, report: None, error: Some(error), collected })
        }
    }
}

/// Draws what there is. A task goes on where that cannot be done.
async fn look(watching: &mut Watching, node: &RequestorHandle, header: B256, screen: &TaskScreen) {
    if let Err(error) = watching.look(node, header).await {
        screen.say(&format!("no preview: {}", output::error_text(&error)));
    }
}

/// Waits until every copy that is agreed has ended: somebody works on it, and is paid for it as agreed.
async fn wait_for_copies(node: &RequestorHandle, header: B256, signals: &mut StopSignals) {
    let mut said = false;
    let mut look = tokio::time::interval(COPIES_LOOKED_AT_EVERY);
    loop {
        look.tick().await;
        let Ok(status) = node.status().await else { return };
        let task = status.tasks.iter().find(|task| task.task.header == header);
        let Some(reserved) = task.map(|task| task.task.reserved).filter(|reserved| *reserved > Wei::ZERO) else {
            return;
        };
        if !said {
            said = true;
            eprintln!(
                "The results are here. Further copies that are agreed are still under way, {reserved} at most, and are \
                 waited for; Ctrl-C leaves, and they are paid when this data folder is used next."
            );
        }
        tokio::select! {
            _ = signals.next() => return,
            () = tokio::time::sleep(COPIES_LOOKED_AT_EVERY) => {}
        }
    }
}

/// Delivers the last vouchers, stops the node, and prints what came of it.
async fn finish(
    ran: anyhow::Result<Ran>,
    node: RequestorHandle,
    args: &TermArgs,
    signals: &mut StopSignals,
) -> anyhow::Result<Answer> {
    if let Ok(Ran { header, error: None, .. }) = &ran {
        wait_for_copies(&node, *header, signals).await;
    }
    let status = node.status().await.ok();
    let stopped = node.shutdown().await;
    let ran = ran?;
    if let Err(error) = &stopped {
        eprintln!("{error}");
    }
    let task = status.and_then(|status| status.tasks.into_iter().find(|task| task.task.header == ran.header));
    let spent = task.as_ref().map_or(Wei::ZERO, |task| task.task.spent);
    let fees = task.as_ref().map_or(Wei::ZERO, |task| task.task.fees);
    let providers = task.as_ref().map(|task| task.providers.clone()).unwrap_or_default();
    if args.json {
        output::json(&json!({
            "header": ran.header,
            "finished": ran.error.is_none(),
            "error": ran.error.as_ref().map(ToString::to_string),
            "subtasks": task.as_ref().map(|task| task.task.subtasks),
            "done": task.as_ref().map(|task| task.task.done),
            "failed": task.as_ref().map(|task| task.task.failed),
            "spent_wei": spent,
            "fees_wei": fees,
            "budget_wei": task.as_ref().map(|task| task.task.budget),
            "checks": task.as_ref().map(|task| task.checks),
            "wall_ms": ran.report.as_ref().map(|report| report.wall_ms),
            "providers": providers,
            "files": ran.collected.files,
            "missing": ran.collected.missing,
        }))?;
    } else {
        let mut table =
            Table::new(&["provider", ">offered an hour", ">score", ">subtasks", ">not accepted", ">paid", ">checked"]);
        for share in &providers {
            table.row([
                share.provider.to_string(),
                short_gnt(share.offered_price_wei_per_hour),
                format!("{:.4}", share.score_ppm as f64 / 1e6),
                share.subtasks.to_string(),
                share.rejected.to_string(),
                short_gnt(share.paid_wei),
                share.check.map_or_else(|| "-".to_owned(), |rate| format!("{:.2} %", f64::from(rate.check_ppm) / 1e4)),
            ]);
        }
        if table.len() > 0 {
            output::line(table.render().trim_end())?;
        }
        let wall = ran
            .report
            .as_ref()
            .map(|report| format!(" in {:.1} s", report.wall_ms as f64 / 1000.0))
            .unwrap_or_default();
        let to_author = if fees == Wei::ZERO { String::new() } else { format!(", and {fees} for the app's author") };
        output::line(&format!("{spent} spent{to_author}{wall}."))?;
        if let Some(text) = task.as_ref().and_then(|task| plan_report::check_cost(&task.checks)) {
            output::line(&text)?;
        }
        print_files(&ran.collected)?;
    }
    match ran.error {
        None => Ok(Answer::Yes),
        Some(error) => {
            eprintln!("golem: {}", output::tame(&error.to_string()));
            if !matches!(error, TaskError::Failed { .. }) {
                eprintln!("What is done is paid for and kept: `golem run --resume={} -o FOLDER` goes on.", ran.header);
            }
            Ok(Answer::No)
        }
    }
}

fn print_files(collected: &Collected) -> anyhow::Result<()> {
    output::files(collected.files.iter().map(|file| (file.path.as_path(), file.bytes)))?;
    if !collected.missing.is_empty() {
        eprintln!("{} without a result.", count(collected.missing.len(), "subtask"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn reads_how_results_are_checked() {
        assert_eq!(known_answers("0.02"), Ok(20_000));
        assert!(known_answers("0.6").is_err() && known_answers("x").is_err());
        assert_eq!(hedging("cheap"), Ok(Hedging::Cheap));
        assert!(hedging("sometimes").is_err());
        let line = "golem map m.wasm a --verify redundancy:2 --hedge on --budget 1 -o out";
        let matches = crate::Cli::command().try_get_matches_from(line.split(' ')).unwrap();
        let (_, map) = matches.subcommand().unwrap();
        let twice = Verification::Redundancy { copies: 2, fraction_ppm: 0 };
        assert_eq!(map.get_one::<Verification>("verify"), Some(&twice));
    }

    #[test]
    fn keeps_what_is_quoted_together() {
        assert_eq!(words("-w  \"a b\" {file} \"\"").unwrap(), ["-w", "a b", "{file}", ""]);
        assert!(words("\"a").is_err());
    }
}
