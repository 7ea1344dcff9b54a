//! Draws the figures of docs/ECONOMY.md from experiments of this repository: `figures [--out DIR] [NAME...]`, all of them
//! into docs/economy where nothing is said. Takes a quarter of an hour of two cores.

mod played;

use golem_sim::experiment::plot::{Ink, Line, Mark, Plot, Trace, panels, svg};
use golem_sim::experiment::stats::Estimate;
use golem_sim::experiment::{Experiment, Options, Results};
use golem_sim::market::Side;
use played::played;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

type Drawn = Result<String, Box<dyn Error>>;
type Draw = fn() -> Drawn;

/// Every figure: its file, and what draws it.
const FIGURES: [(&str, Draw); 7] = [
    ("efficiency", efficiency),
    ("price", price),
    ("merit", merit),
    ("cheats", cheats),
    ("verification", verification),
    ("copies", copies),
    ("deviators", deviators),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/economy"));
    let mut wanted: Vec<String> = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--out" => out = arguments.next().ok_or("--out needs a folder")?.into(),
            _ => wanted.push(argument),
        }
    }
    let names = FIGURES.map(|(name, _)| name);
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(format!("there is no figure {unknown}; there are: {}", names.join(", ")).into());
    }
    std::fs::create_dir_all(&out)?;
    for (name, draw) in FIGURES {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        let start = Instant::now();
        let picture = draw()?;
        std::fs::write(out.join(format!("{name}.svg")), &picture)?;
        eprintln!("{name}: {} bytes, {:.0} s", picture.len(), start.elapsed().as_secs_f64());
    }
    Ok(())
}

/// An experiment of the repository, so often, with these changes to its scenario, and only there.
fn run(file: &str, repeat: Option<u64>, set: &[&str], cell: Option<&str>) -> Result<Results, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let set = set.iter().map(|set| (*set).to_owned()).collect();
    let options = Options { repeat, set, cell: cell.map(str::to_owned), ..Options::default() };
    played(Experiment::read(&text, &options)?)
}

/// The points of an axis, by name.
fn points(results: &Results, axis: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let found = results.experiment.axes.iter().find(|other| other.name == axis).ok_or(format!("no axis {axis}"))?;
    Ok(found.points.iter().map(|point| point.name.clone()).collect())
}

/// The cell at these points, in whatever order they are given.
fn cell(results: &Results, place: &[(&str, &str)]) -> Result<usize, Box<dyn Error>> {
    let there =
        |name: &str| place.iter().all(|(axis, point)| name.split(", ").any(|at| at == format!("{axis}={point}")));
    let found = results.experiment.cells.iter().position(|cell| there(&cell.name));
    found.ok_or_else(|| format!("no cell at {place:?}").into())
}

/// A metric along an axis, as numbers where its points are numbers, else one after the other.
fn along(
    results: &Results,
    metric: &str,
    (axis, place): (&str, &[(&str, &str)]),
    (name, look): (&str, usize),
) -> Result<Line, Box<dyn Error>> {
    let mut marks = Vec::new();
    for (number, point) in points(results, axis)?.iter().enumerate() {
        let place: Vec<(&str, &str)> = place.iter().copied().chain([(axis, point.as_str())]).collect();
        let estimate = results.estimate(cell(results, &place)?, metric);
        marks.push(Mark::wide(point.parse().unwrap_or(number as f64), estimate.mean, estimate.half_width));
    }
    Ok(Line { name: name.into(), look, points: marks, trace: Trace::Joined })
}

const GOLEM: usize = 0;
const PUBLISHED: usize = 1;
const PLANNER: usize = 2;
const LOAD: &str = "load (share of all machines' capacity that is asked for)";

fn efficiency() -> Drawn {
    let results = run("scenarios/S36_policies.toml", Some(4), &[], None)?;
    let rules = [
        ("golem", "golem", GOLEM),
        ("published", "published", PUBLISHED),
        ("cost and cheapest", "cost, cheapest", 2),
        ("any price and cheapest", "any price, cheapest", 3),
        ("cost and first come", "cost, first come", 4),
    ];
    let line = |(point, name, look)| along(&results, "efficiency_net", ("load", &[("rules", point)]), (name, look));
    let plot = Plot {
        title: "How much of what can be gained over chance is gained".into(),
        x_label: LOAD.into(),
        y_label: "efficiency, net (0 chance, 1 planner)".into(),
        lines: rules.into_iter().map(line).collect::<Result<_, _>>()?,
        y_include: vec![0.0, 1.0],
        ..Plot::default()
    };
    Ok(svg(&plot, Ink::Paper))
}

fn price() -> Drawn {
    let results = run("docs/economy.toml", None, &[], None)?;
    let line = |point, look| along(&results, "price_over_cost", ("load", &[("policy", point)]), (point, look));
    let plot = Plot {
        title: "What work costs its buyer, over what it costs the machine".into(),
        x_label: LOAD.into(),
        y_label: "price over cost".into(),
        lines: vec![line("golem", GOLEM)?, line("published", PUBLISHED)?],
        y_include: vec![0.0, 1.0],
        ..Plot::default()
    };
    Ok(svg(&plot, Ink::Paper))
}

/// Into how many parts machines are split by merit.
const PARTS: usize = 10;
const MERIT_SEEDS: std::ops::RangeInclusive<u64> = 1..=4;

fn merit() -> Drawn {
    let who: [(&str, &str, &[&str], usize); 3] = [
        ("golem", "golem", &[], GOLEM),
        ("published", "published", &[], PUBLISHED),
        ("golem", "planner who knows everything", &["market.mechanism=oracle"], PLANNER),
    ];
    let mut lines = Vec::new();
    for (policy, name, set, look) in who {
        let mut shares: Vec<Vec<f64>> = vec![Vec::new(); PARTS];
        for seed in MERIT_SEEDS {
            let seed = format!("{seed}");
            for (part, share) in shares.iter_mut().zip(shares_of_work(policy, set, &seed)?) {
                part.push(share);
            }
        }
        let marks = shares.iter().enumerate().map(|(part, shares)| {
            let estimate = Estimate::of(shares);
            let mark = Mark::wide(part as f64 + 1.0, estimate.mean, estimate.half_width);
            Mark { low: mark.low.max(0.0), ..mark }
        });
        lines.push(Line { name: name.into(), look, points: marks.collect(), trace: Trace::Joined });
    }
    let plot = Plot {
        title: "Who gets the work, at a load of .3".into(),
        x_label: "tenth of the machines, by cost of a reference hour: 1 dearest, 10 cheapest".into(),
        y_label: "share of all work".into(),
        lines,
        y_include: vec![0.0],
        ..Plot::default()
    };
    Ok(svg(&plot, Ink::Paper))
}

/// What each tenth of the machines does of all work.
fn shares_of_work(policy: &str, set: &[&str], seed: &str) -> Result<Vec<f64>, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/economy.toml");
    let options = Options {
        repeat: Some(1),
        seed: Some(seed.parse()?),
        set: set.iter().map(|set| (*set).to_owned()).collect(),
        cell: Some(format!("load=0.3,policy={policy}")),
        ..Options::default()
    };
    let results = played(Experiment::read(&std::fs::read_to_string(path)?, &options)?)?;
    let agents = results.cells.first().map_or(&[][..], |cell| cell.agents.as_slice());
    let mut machines: Vec<(f64, f64)> = agents
        .iter()
        .filter(|agent| agent.side == Side::Provider)
        .map(|agent| (agent.cost_gnt_per_hour / agent.speed, agent.busy_hours * agent.speed))
        .collect();
    machines.sort_by(|a, b| b.0.total_cmp(&a.0));
    let all: f64 = machines.iter().map(|(_, work)| work).sum();
    let part = machines.len().div_ceil(PARTS).max(1);
    Ok(machines.chunks(part).map(|part| part.iter().map(|(_, work)| work).sum::<f64>() / all).collect())
}

/// Points of a series in a day, where nothing else is said.
const STEPS_A_DAY: usize = 4;

fn cheats() -> Drawn {
    let results = run("docs/cheats.toml", None, &[], None)?;
    let kinds = points(&results, "cheats")?;
    let mut plots = Vec::new();
    for (rules, title) in [("published", "published"), ("golem", "golem"), ("golem proofs", "golem, proofs shared")] {
        let mut lines = Vec::new();
        for (look, kind) in kinds.iter().enumerate() {
            let runs = results.cells.get(cell(&results, &[("cheats", kind), ("rules", rules)])?).ok_or("no runs")?;
            let band = runs.bands.iter().find(|band| band.name == "share_of_work" && band.group == "cheats");
            let days = band.ok_or("no share of work over time")?.points.chunks(STEPS_A_DAY);
            let marks = days.enumerate().map(|(day, steps)| {
                let mean = steps.iter().map(|step| step.mean).sum::<f64>() / steps.len() as f64;
                Mark::bare(day as f64 + 1.0, mean)
            });
            lines.push(Line { name: kind.clone(), look, points: marks.collect(), trace: Trace::Joined });
        }
        plots.push(Plot {
            title: title.into(),
            x_label: "day".into(),
            y_label: "cheats' share of the work".into(),
            lines,
            y_log_from: Some(0.001),
            ..Plot::default()
        });
    }
    Ok(panels("What cheats get of the work, where they are three tenths of the machines", &plots, Ink::Paper))
}

fn verification() -> Drawn {
    let results = run("scenarios/S29_verification_compared.toml", None, &[], Some("cheats=0.3,names=dear"))?;
    let kinds = ["random", "colluding", "sleepers", "on and off"];
    let schemes = points(&results, "scheme")?;
    let mut categories = Vec::new();
    for scheme in &schemes {
        let mut extra: Vec<f64> = Vec::new();
        for kind in kinds {
            extra.push(results.estimate(cell(&results, &[("scheme", scheme), ("cheating", kind)])?, "extra_work").mean);
        }
        let most = extra.into_iter().fold(0.0, f64::max);
        categories.push(format!("{scheme} +{:.0}\u{a0}%", most * 100.0));
    }
    let line = |(look, kind): (usize, &str)| {
        along(&results, "wrong_per_million", ("scheme", &[("cheating", kind)]), (kind, look))
    };
    let plot = Plot {
        title: "Wrong results that ways to find them let through".into(),
        x_label: "way to find wrong results, and the most it computes on top".into(),
        y_label: "wrong, of a million accepted".into(),
        categories,
        lines: kinds.into_iter().enumerate().map(line).collect::<Result<_, _>>()?,
        y_log_from: Some(1.0),
        ..Plot::default()
    };
    Ok(svg(&plot, Ink::Paper))
}

fn copies() -> Drawn {
    let results = run("docs/copies.toml", None, &[], None)?;
    let names = points(&results, "copies")?;
    let looks = [PUBLISHED, GOLEM, PLANNER];
    let lines = names
        .iter()
        .zip(looks)
        .map(|(name, look)| along(&results, "makespan_over_ideal", ("subtasks", &[("copies", name)]), (name, look)));
    let plot = Plot {
        title: "Second copies of what is late: how long tasks take".into(),
        x_label: "subtasks of a task".into(),
        y_label: "time of a task over work of one subtask".into(),
        lines: lines.collect::<Result<_, _>>()?,
        y_include: vec![0.0],
        ..Plot::default()
    };
    Ok(svg(&plot, Ink::Paper))
}

fn deviators() -> Drawn {
    let results = run("scenarios/S22_own_strategy.toml", Some(4), &[], Some("share=one in twenty"))?;
    let lines = [("0.2", "load .2"), ("0.5", "load .5"), ("0.8", "load .8")].into_iter().enumerate();
    let place = |load| [("load", load), ("share", "one in twenty")];
    let line = |(look, (load, name))| along(&results, "deviation_gain", ("strategy", &place(load)), (name, look));
    let plot = Plot {
        title: "What one in twenty gains that does not keep to our rules".into(),
        x_label: "what the deviators do".into(),
        y_label: "gain over doing as the others".into(),
        categories: points(&results, "strategy")?,
        lines: lines.map(line).collect::<Result<_, _>>()?,
        y_include: vec![0.0],
        ..Plot::default()
    };
    Ok(svg(&plot, Ink::Paper))
}
