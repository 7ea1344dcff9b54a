//! `golem sim run`: experiments on the market.

use super::folder::{Files, Folder, MARK, checked_name, write_file};
use super::journal::{self, Header, Journal};
use super::list::find;
use super::measure::{Measure, Took};
use super::progress::Progress as Shown;
use super::{parquet, picture};
use crate::Answer;
use crate::output::{self, Table, count};
use anyhow::{Context as _, bail};
use clap::Args;
use golem_sim::experiment::charts::charts;
use golem_sim::experiment::plot::{Ink, svg};
use golem_sim::experiment::table;
use golem_sim::experiment::{
    ALIKE, ALIKE_MEANS, Checked, Expected, Experiment, IndexEntry, Keep, LIBRARY, Options, Progress, REPEAT_MAX,
    Results, RunFacts, Verdict, import, index_page, page, play,
};
use golem_sim::market::Measured;
use serde_json::json;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// In how many parts the progress of one run is shown.
const PARTS: u64 = 1_000;
/// Metrics in the table on the screen. Reason: a line must stay one.
const SCREEN_METRICS_MAX: usize = 4;
/// What a shell makes of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;
/// The file with the results in short.
const SUMMARY: &str = "summary.json";

/// Which experiment, how much of it, and where to.
#[derive(Args)]
pub struct RunArgs {
    /// An experiment file that ends with .toml, the id of one that comes with golem, or a scenario of golem-des that ends
    /// with .json
    #[arg(value_name = "FILE|ID", required_unless_present = "all")]
    experiment: Option<String>,
    /// Every experiment that comes with golem, and an index of the reports
    #[arg(long, conflicts_with_all = ["experiment", "set", "cell"])]
    all: bool,
    /// The small size, as the file's table `quick` has it: seconds instead of minutes
    #[arg(long)]
    quick: bool,
    /// The folder for the results; sim-results/ID where nothing is said
    #[arg(short, long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write over the results of another run, and drop the runs of one that was stopped
    #[arg(long)]
    force: bool,
    /// Keep results that this same program has made of the same file and flags before, and run the rest
    #[arg(long)]
    resume: bool,
    /// The seed of the first repetition
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// So many repetitions of each cell, whatever the intervals say
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=REPEAT_MAX))]
    repeat: Option<u64>,
    /// Change the scenario: a path below `scenario` and what is put there, as in --set days=7
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Only the cells there, as in --cell load=0.3,policy=published
    #[arg(long, value_name = "AXIS=POINT,..")]
    cell: Option<String>,
    /// How many threads; as many as there are cores where nothing is said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An experiment to run.
struct Job {
    experiment: Experiment,
    text: String,
    folder: Folder,
    header: Header,
    /// Where its runs are until it is whole.
    part: PathBuf,
    /// Runs of a stop before are dropped.
    anew: bool,
    kept: Option<Kept>,
}

/// What was made of it before, and need not be made again.
struct Kept {
    /// As it was written.
    summary: String,
    checked: Vec<Checked>,
    runs: usize,
}

/// Runs; ends with 1 where results say the opposite of what a file records.
pub fn run(args: RunArgs) -> anyhow::Result<Answer> {
    let jobs = jobs(&args)?;
    let threads = match args.threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    say_what_a_stop_leaves(args.all);
    let painter = picture::Painter::new();
    let (mut summaries, mut entries) = (Vec::new(), Vec::new());
    let mut answer = Answer::Yes;
    let total = jobs.len();
    for (number, job) in jobs.iter().enumerate() {
        if let Some(kept) = &job.kept {
            // Left where a stop came after the results were written.
            journal::remove(&job.part)?;
            if kept.checked.iter().any(Checked::is_contradicted) {
                answer = Answer::No;
            }
            if !args.json {
                print_kept(&job.experiment, &kept.checked)?;
            }
            note!("{}: kept, see {}", job.experiment.id, job.folder.path().join("report.html").display());
            entries.push(entry(&job.experiment, &kept.checked, kept.runs));
            summaries.push(kept.summary.clone());
            continue;
        }
        let journal = job.journal()?;
        let measure = Measure::begin();
        let name = if total == 1 {
            job.experiment.id.clone()
        } else {
            format!("{} ({} of {total})", job.experiment.id, number + 1)
        };
        let runs = match simulate(&job.experiment, threads, &name, &journal) {
            Ok(runs) => runs,
            Err(failure) => {
                note!("{failure}");
                answer = Answer::No;
                // The others are played all the same.
                continue;
            }
        };
        let results = Results::new(job.experiment.clone(), runs);
        let took = Took { runs_kept: journal.runs_kept(), ..measure.took() };
        job.folder.write(&files(job, &results, &took, threads, &painter)?)?;
        journal.end()?;
        if results.contradictions().next().is_some() {
            answer = Answer::No;
        }
        if !args.json {
            print(&results)?;
        }
        note!("{}: see {}", job.experiment.id, job.folder.path().join("report.html").display());
        entries.push(entry(&job.experiment, &results.checked, results.runs()));
        summaries.push(serde_json::to_string_pretty(&results.summary())?);
    }
    if args.all {
        let root = root(&args);
        let path = root.join("index.html");
        write_file(&path, index_page("The market of Golem, in experiments", &entries).as_bytes())?;
        note!("all of them: see {}", path.display());
    }
    match (args.json, args.all, summaries.first()) {
        (true, true, _) => output::line(&format!("[\n{}\n]", summaries.join(",\n")))?,
        (true, false, Some(summary)) => output::line(summary)?,
        _ => {}
    }
    Ok(answer)
}

/// On Ctrl-C says how it goes on, and ends as a shell expects. Nothing is to be saved: what ended is on disk.
fn say_what_a_stop_leaves(all: bool) {
    // Tests have no runtime.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            let how = if all { "with --resume goes on after them" } else { "goes on after them" };
            note!("\nstopped: the runs that ended are kept, and the same command {how}");
            std::process::exit(INTERRUPTED);
        }
    });
}

impl Job {
    /// The runs of it that a stop left, and where others go.
    fn journal(&self) -> anyhow::Result<Journal> {
        if self.anew {
            journal::remove(&self.part)?;
        }
        let journal = Journal::open(self.part.clone(), &self.header)?;
        if journal.runs_kept() > 0 {
            let runs = count(journal.runs_kept(), "run");
            note!("{}: goes on after {runs} that ended before it was stopped", self.experiment.id);
        }
        Ok(journal)
    }
}

/// Reads and checks all files and all folders, before anything runs.
fn jobs(args: &RunArgs) -> anyhow::Result<Vec<Job>> {
    let mut named: Vec<(String, String)> = Vec::new();
    match &args.experiment {
        Some(name) => named.push((name.clone(), text_of(name)?)),
        None => named.extend(LIBRARY.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned()))),
    }
    let options = Options {
        quick: args.quick,
        set: args.set.clone(),
        cell: args.cell.clone(),
        seed: args.seed,
        repeat: args.repeat,
    };
    let program = program_digest()?;
    let read = named.into_iter().map(|(name, text)| {
        let mut experiment = Experiment::read(&text, &options).with_context(|| name.clone())?;
        experiment.source = name;
        let id = checked_name(&experiment.id)?;
        let path = match &args.out {
            Some(out) if !args.all => out.clone(),
            _ => root(args).join(id),
        };
        let header =
            Header { program: program.clone(), experiment: digest(text.as_bytes()), command: command(&experiment) };
        let kept = if args.resume { kept(&path, &header)? } else { None };
        let part = journal::path_beside(&path);
        if !args.force {
            journal::check(&part, &header)?;
        }
        // What is kept is not written over.
        let folder = Folder::new(path, args.force || kept.is_some())?;
        Ok(Job { folder, experiment, text, header, part, anew: args.force, kept })
    });
    read.collect()
}

/// The results in a folder, if they are what this program would make of the experiment.
fn kept(path: &Path, header: &Header) -> anyhow::Result<Option<Kept>> {
    let read = |name: &str| match std::fs::read(path.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.join(name).display())),
    };
    let (Some(manifest), Some(summary)) = (read(MARK)?, read(SUMMARY)?) else { return Ok(None) };
    let Ok(manifest) = serde_json::from_slice::<serde_json::Value>(&manifest) else { return Ok(None) };
    let same = |key: &str, value: &str| manifest.get(key).and_then(serde_json::Value::as_str) == Some(value);
    let files = manifest.get("files").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
    if !files.iter().any(|file| file["name"] == SUMMARY)
        || !same("program_digest", &header.program)
        || !same("experiment_digest", &header.experiment)
        || !same("command", &header.command)
    {
        return Ok(None);
    }
    for (name, was) in files.iter().filter_map(|file| Some((file["name"].as_str()?, file["digest"].as_str()?))) {
        if read(name)?.is_none_or(|bytes| digest(&bytes) != was) {
            let (file, folder) = (path.join(name), path.display());
            bail!("{} is not as it was written: remove {folder}, and the same command plays it again", file.display());
        }
    }
    let readable = || -> Option<Kept> {
        let read: serde_json::Value = serde_json::from_slice(&summary).ok()?;
        let checked = serde_json::from_value(read.get("expectations")?.clone()).ok()?;
        // Numbers that are read and written again may differ in the last place.
        let summary = String::from_utf8(summary.clone()).ok()?;
        let runs = usize::try_from(manifest.get("runs")?.as_u64()?).ok()?;
        Some(Kept { summary, checked, runs })
    };
    Ok(readable())
}

/// Of the program that runs: another one may simulate otherwise, whatever its version says.
fn program_digest() -> anyhow::Result<String> {
    let path = std::env::current_exe().context("cannot tell which program this is")?;
    let mut hasher = blake3::Hasher::new();
    let file = std::fs::File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    hasher.update_reader(file).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(format!("blake3:{}", hasher.finalize().to_hex()))
}

fn root(args: &RunArgs) -> PathBuf {
    args.out.clone().unwrap_or_else(|| PathBuf::from("sim-results"))
}

fn text_of(name: &str) -> anyhow::Result<String> {
    let path = Path::new(name);
    if name.ends_with(".json") {
        return imported(path).with_context(|| name.to_owned());
    }
    if name.ends_with(".toml") || path.is_file() {
        return std::fs::read_to_string(path).with_context(|| {
            format!("cannot read the experiment file {name}; `golem sim show ID` prints one to start from")
        });
    }
    find(name).map(str::to_owned)
}

/// A scenario of golem-des as an experiment file; says what of it is otherwise here.
fn imported(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)?;
    let id: String = path.file_stem().map_or_else(String::new, |stem| {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
        stem.to_string_lossy().chars().map(plain).collect()
    });
    let imported = import(&text, &id)?;
    for note in &imported.notes {
        note!("{id}: {note}");
    }
    Ok(imported.toml)
}

fn simulate(
    experiment: &Experiment,
    threads: usize,
    name: &str,
    keep: &impl Keep,
) -> Result<Vec<golem_sim::experiment::CellRuns>, Box<golem_sim::experiment::RunFailure>> {
    let bar = Shown::new(name, PARTS);
    let runs_done = std::sync::Mutex::new(String::new());
    let progress = |now: Progress| {
        bar.planned(now.planned as u64 * PARTS, now.kept as u64 * PARTS);
        let text = format!("{} of {} runs", now.done, now.planned);
        runs_done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone_from(&text);
        bar.add(0, || text.clone());
    };
    let measured = Measured::default();
    let one = |scenario: &golem_sim::market::Scenario, seed: u64| {
        let shown = std::cell::Cell::new(0u64);
        let tell = |share: f64| {
            let parts = (share.clamp(0.0, 1.0) * PARTS as f64) as u64;
            let runs = || runs_done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
            bar.add(parts.saturating_sub(shown.get()), runs);
            shown.set(parts.max(shown.get()));
        };
        let outcome = measured.run(scenario, seed, &tell);
        tell(1.0);
        Ok(outcome)
    };
    let runs = play(experiment, threads, one, keep, progress);
    bar.end();
    runs
}

fn entry(experiment: &Experiment, checked: &[Checked], runs: usize) -> IndexEntry {
    IndexEntry {
        id: experiment.id.clone(),
        title: experiment.title.clone(),
        claim: experiment.claim.clone(),
        link: format!("{}/report.html", experiment.id),
        checked: checked.to_vec(),
        runs,
    }
}

/// All files of a run, the manifest last.
fn files(
    job: &Job,
    results: &Results,
    took: &Took,
    threads: usize,
    painter: &picture::Painter,
) -> anyhow::Result<Files> {
    let mut files = Files::new();
    let tables = [
        ("runs", results.runs_table()),
        ("series", results.series_table()),
        ("agents", results.agents_table()),
        ("events", results.events_table()),
    ];
    for (name, table) in &tables {
        if table.rows() > 0 {
            files.extend(table_files(name, table)?);
        }
    }
    files.push((SUMMARY.into(), serde_json::to_vec_pretty(&results.summary())?));
    for chart in charts(results) {
        let picture = svg(&chart.plot, Ink::Paper);
        files.push((format!("plots/{}.png", chart.file), painter.png(&picture)?));
        files.push((format!("plots/{}.svg", chart.file), picture.into_bytes()));
    }
    files.push(("experiment.toml".into(), job.text.clone().into_bytes()));
    files.push(("report.html".into(), page(results, &facts(job, took, threads)).into_bytes()));
    let manifest = manifest(job, results, took, threads, &files)?;
    files.push((MARK.into(), serde_json::to_vec_pretty(&manifest)?));
    Ok(files)
}

fn table_files(name: &str, table: &table::Table) -> anyhow::Result<[(String, Vec<u8>); 2]> {
    let csv = table.csv().with_context(|| format!("cannot make {name}.csv"))?;
    let parquet = parquet::bytes(table).with_context(|| format!("cannot make {name}.parquet"))?;
    Ok([(format!("{name}.csv"), csv), (format!("{name}.parquet"), parquet)])
}

fn digest(bytes: &[u8]) -> String {
    format!("blake3:{}", blake3::hash(bytes).to_hex())
}

/// The command that makes the same results.
fn command(experiment: &Experiment) -> String {
    let mut command = experiment.command();
    if let Some(seed) = experiment.options.seed {
        command.push_str(&format!(" --seed {seed}"));
    }
    if let Some(repeat) = experiment.options.repeat {
        command.push_str(&format!(" --repeat {repeat}"));
    }
    command
}

fn facts(job: &Job, took: &Took, threads: usize) -> RunFacts {
    let mut facts = vec![
        ("golem".into(), env!("CARGO_PKG_VERSION").into()),
        ("experiment file".into(), digest(job.text.as_bytes())),
        ("time".into(), format!("{:.1} s on {}", took.wall_s, count(threads, "thread"))),
    ];
    if took.runs_kept > 0 {
        let runs = count(took.runs_kept, "run");
        facts.push(("not in that time".into(), format!("{runs}, played before a stop")));
    }
    if let Some(cpu_s) = took.cpu_s {
        facts.push(("processor time".into(), format!("{cpu_s:.1} s")));
    }
    if let Some(bytes) = took.peak_memory_bytes {
        facts.push(("most memory".into(), format!("{} MB", bytes.div_ceil(1_000_000))));
    }
    RunFacts { facts, command: command(&job.experiment), file: job.text.clone() }
}

fn manifest(
    job: &Job,
    results: &Results,
    took: &Took,
    threads: usize,
    files: &Files,
) -> anyhow::Result<serde_json::Value> {
    let experiment = &job.experiment;
    let cells: Vec<serde_json::Value> = experiment
        .cells
        .iter()
        .zip(&results.cells)
        .map(|(cell, runs)| json!({"name": cell.name, "seeds": runs.seeds, "scenario": cell.scenario}))
        .collect();
    let listed: Vec<serde_json::Value> = files
        .iter()
        .map(|(name, bytes)| json!({"name": name, "bytes": bytes.len(), "digest": digest(bytes)}))
        .collect();
    Ok(json!({
        "golem_version": env!("CARGO_PKG_VERSION"),
        "program_digest": program_digest()?,
        "experiment": experiment.id,
        "experiment_digest": digest(job.text.as_bytes()),
        "command": command(experiment),
        "quick": experiment.options.quick,
        "set": experiment.options.set,
        "cell": experiment.options.cell,
        "repeat": experiment.repeat,
        "threads": threads,
        "took": took,
        "runs": results.runs(),
        "cells": cells,
        "files": listed,
    }))
}

fn print(results: &Results) -> anyhow::Result<()> {
    let experiment = &results.experiment;
    output::line(&format!("{}: {}", experiment.id, experiment.title))?;
    let metrics: Vec<&str> = experiment.shown().into_iter().take(SCREEN_METRICS_MAX).collect();
    let mut headings: Vec<String> = experiment.axes.iter().map(|axis| axis.name.clone()).collect();
    headings.push(">n".into());
    headings.extend(metrics.iter().map(|metric| format!(">{metric}")));
    let mut table = Table::new(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    for (number, (cell, runs)) in experiment.cells.iter().zip(&results.cells).enumerate() {
        let points = experiment.axes.iter().zip(&cell.points);
        let mut row: Vec<String> = points
            .map(|(axis, point)| axis.points.get(*point).map(|point| point.name.clone()).unwrap_or_default())
            .collect();
        row.push(runs.seeds.len().to_string());
        row.extend(metrics.iter().map(|metric| results.told(number, metric)));
        table.row_of(row);
    }
    let shown = table.render();
    output::line(shown.trim_end())?;
    if shown.contains(ALIKE) {
        output::line(&format!("({ALIKE} {ALIKE_MEANS})"))?;
    }
    if experiment.shown().len() > metrics.len() {
        output::line("(more metrics are in summary.json and report.html)")?;
    }
    for checked in &results.checked {
        output::line(&verdict_line(checked))?;
    }
    if experiment.left_out > 0 {
        let left_out = count(experiment.left_out, "expectation");
        output::line(&format!("(left out, as the small size cannot tell: {left_out} of the file)"))?;
    }
    if experiment.not_played > 0 {
        let not_played = count(experiment.not_played, "expectation");
        output::line(&format!("(left out, as their cells were not played: {not_played})"))?;
    }
    output::line("")
}

/// What there is to say of results that were kept: their table is in their report.
fn print_kept(experiment: &Experiment, checked: &[Checked]) -> anyhow::Result<()> {
    output::line(&format!("{}: {}", experiment.id, experiment.title))?;
    for checked in checked {
        output::line(&verdict_line(checked))?;
    }
    output::line("")
}

fn verdict_line(checked: &Checked) -> String {
    let note = match (checked.is_contradicted(), checked.expected, checked.verdict) {
        (true, Expected::Fail, _) => " (recorded as FAIL)",
        (true, Expected::Pass, _) => " (recorded as PASS)",
        (false, Expected::Fail, Verdict::Fail) => " (a known finding)",
        (false, ..) => "",
    };
    let part = if checked.in_part { " (in the cells played)" } else { "" };
    format!("{:<12}  {}{note}{part}", checked.verdict.word(), checked.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RunArgs,
    }

    fn args_of(line: &[&str]) -> RunArgs {
        Line::try_parse_from([&["run"], line].concat()).unwrap().args
    }

    fn jobs_of(line: &[&str]) -> anyhow::Result<Vec<Job>> {
        jobs(&args_of(line))
    }

    #[test]
    fn says_what_there_is_where_an_experiment_is_unknown() {
        let error = output::error_text(&jobs_of(&["S99"]).err().unwrap());
        assert!(error.contains("no experiment `S99`"), "{error}");
        let error = output::error_text(&jobs_of(&["none.toml"]).err().unwrap());
        assert!(error.contains("golem sim show ID"), "{error}");
    }

    /// Written as a run writes them, but played for one short day.
    fn results_of(job: &Job) -> Results {
        let mut experiment = job.experiment.clone();
        for cell in &mut experiment.cells {
            (cell.scenario.days, cell.scenario.warmup_days) = (1.0, golem_sim::market::Warmup::Days(0.0));
        }
        Results::new(experiment.clone(), simulate(&experiment, 1, "S01", &()).unwrap())
    }

    #[test]
    fn keeps_what_the_same_program_made_of_the_same_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("S11").display().to_string();
        let line = ["S11", "--quick", "--repeat", "2", "--resume", "--out", &out];
        let job = jobs_of(&line).unwrap().remove(0);
        assert!(job.kept.is_none());
        let results = results_of(&job);
        let took = Measure::begin().took();
        let files = files(&job, &results, &took, 1, &picture::Painter::new()).unwrap();
        job.folder.write(&files).unwrap();
        let kept = jobs_of(&line).unwrap().remove(0).kept.unwrap();
        assert_eq!((kept.runs, kept.checked.len()), (results.runs(), results.checked.len()));
        assert_eq!(kept.summary, serde_json::to_string_pretty(&results.summary()).unwrap());
        let others = [
            ["S11", "--quick", "--repeat", "3", "--resume", "--out", &out],
            ["S12", "--quick", "--repeat", "2", "--resume", "--out", &out],
        ];
        for other in others {
            let error = jobs_of(&other).err().unwrap().to_string();
            assert!(error.contains("another run"), "{error}");
        }
        for (file, from, to, wanted) in [
            (MARK, program_digest().unwrap(), "blake3:another program".to_owned(), "another run"),
            (SUMMARY, "\"id\"".to_owned(), "\"ID\"".to_owned(), "not as it was written"),
            ("runs.csv", "seed".to_owned(), "seeds".to_owned(), "not as it was written"),
        ] {
            let path = Path::new(&out).join(file);
            let whole = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, whole.replace(&from, &to)).unwrap();
            let error = jobs_of(&line).err().unwrap().to_string();
            assert!(error.contains(wanted), "{file}: {error}");
            std::fs::write(&path, whole).unwrap();
        }
        let job = jobs_of(&line).unwrap().remove(0);
        assert!(job.kept.is_some());
        // A stop after the results were written, and before the runs went.
        drop(Journal::open(job.part.clone(), &job.header).unwrap());
        run(args_of(&line)).unwrap();
        assert!(!job.part.exists());
    }

    #[test]
    fn all_is_of_everything() {
        assert!(Line::try_parse_from(["run"]).is_err());
        assert!(Line::try_parse_from(["run", "--all", "S01"]).is_err());
    }
}
