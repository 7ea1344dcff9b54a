use super::*;
use crate::market::{METRICS, RunOutcome, Scenario, Series};
use crate::stream::Stream;

const FILE: &str = r#"
id = "X1"
title = "A test"
claim = "More load, more use."
expectation = "It does."

[scenario]
days = 10.0

[[scenario.providers]]
name = "honest"
count = 100

[[scenario.requestors]]
count = 10

[[vary]]
path = "requestors.0.load"
axis = "load"
values = [0.1, 0.3, 0.5]

[[vary]]
axis = "who"
points = [
    { name = "many", set = { "providers.honest.count" = 200 } },
    { name = "few", set = { "providers.honest.count" = 50 } },
]

[repeat]
least = 8
most = 40
floor = 0.0

[quick]
repeat = 3
scale = 0.1
set = { days = 5.0 }
keep = { load = [0.1, 0.5] }

[show]
metrics = ["utilisation", "finished_share"]

[[expect]]
text = "use rises with load"
metric = "utilisation"
rises_along = "load"

[[expect]]
text = "few are used more than many"
metric = "utilisation"
at = { who = "few" }
above = { who = "many" }
by = 0.01

[[expect]]
text = "use is low at low load"
metric = "utilisation"
at_most = 0.3
where = { load = [0.1, 0.3] }

[[expect]]
text = "and it is nothing (which is wrong)"
metric = "utilisation"
at_most = 0.0
expected = "fail"
quick = false
"#;

/// A market that is a formula and some noise.
fn formula(scenario: &Scenario, seed: u64) -> Result<RunOutcome, String> {
    let load = scenario.requestors[0].load().unwrap();
    let few = if scenario.providers[0].count < 100 { 0.05 } else { 0.0 };
    let noise = Stream::new(seed, 1, 1).between(0, 1_000) as f64 / 50_000.0;
    let mut outcome = RunOutcome::default();
    outcome.metrics.insert("utilisation", load / 2.0 + few + noise);
    if seed % 2 == 1 {
        outcome.metrics.insert("finished_share", 1.0);
    }
    // One run has no value at the second step.
    let steps = (1..=40).filter(|step| seed != 2 || *step != 2);
    let points = steps.map(|step| (f64::from(step) * 6.0, load + noise)).collect();
    outcome.series.push(Series { name: "utilisation", group: "all".into(), unit: "", points });
    Ok(outcome)
}

fn read(options: Options) -> Experiment {
    Experiment::read(FILE, &options).unwrap_or_else(|error| panic!("{error}"))
}

fn played(options: Options, threads: usize) -> Results {
    let experiment = read(options);
    let runs = play(&experiment, threads, formula, &(), |_| {}).unwrap();
    Results::new(experiment, runs)
}

#[test]
fn lays_out_the_cells_of_a_file() {
    let experiment = read(Options::default());
    let names: Vec<&str> = experiment.cells.iter().map(|cell| cell.name.as_str()).collect();
    assert_eq!(names.len(), 6);
    assert_eq!((names[0], names[5]), ("load=0.1, who=many", "load=0.5, who=few"));
    let last = &experiment.cells[5].scenario;
    assert_eq!((last.requestors[0].load, last.providers[0].count, last.days), (Some(0.5), 50, 10.0));
}

#[test]
fn the_quick_size_has_fewer_points_and_repetitions_and_its_own_numbers() {
    let experiment = read(Options { quick: true, ..Options::default() });
    assert_eq!((experiment.cells.len(), experiment.repeat.least, experiment.repeat.most), (4, 3, 3));
    assert_eq!((experiment.cells[0].scenario.days, experiment.expects.len()), (5.0, 3));
    let counts: Vec<u32> = experiment.cells.iter().map(|cell| cell.scenario.providers[0].count).collect();
    assert_eq!((counts, experiment.cells[0].scenario.requestors[0].count), (vec![20, 5, 20, 5], 1));
}

#[test]
fn a_file_that_says_little_still_shows_something_and_has_groups_with_names() {
    let text = "id = 'X'\ntitle = 't'\nclaim = 'c'\nexpectation = 'e'\n[[scenario.requestors]]\ncount = 5\n";
    let set = ["providers.providers.count=20", "requestors.requestors.load=0.5", "providers.0.slots={fixed = 2.0}"];
    let options = Options { set: set.map(String::from).to_vec(), ..Options::default() };
    let experiment = Experiment::read(text, &options).unwrap();
    let scenario = &experiment.cells[0].scenario;
    assert_eq!((scenario.providers[0].count, scenario.requestors[0].load), (20, Some(0.5)));
    assert_eq!((scenario.providers.len(), scenario.requestors[0].count), (1, 5));
    let known = |metric: &&str| METRICS.iter().any(|known| known.name == *metric);
    let watched = experiment.watched();
    assert!(watched.contains(&"efficiency") && watched == experiment.shown() && watched.iter().all(known));
    let found = Experiment::read(&format!("{text}[scenario.verification]\n"), &Options::default()).unwrap();
    assert!(found.shown().contains(&"extra_work") && found.shown().iter().all(known), "{:?}", found.shown());
    let quick = Options { quick: true, ..Options::default() };
    assert!(Experiment::read(text, &quick).unwrap_err().to_string().contains("leave out --quick"));
}

#[test]
fn the_command_line_changes_what_is_run() {
    let options = Options {
        set: vec!["days=7".into(), "providers.honest.slots = {fixed = 2.0}".into()],
        cell: Some("load=0.3, load=0.5,who=few".into()),
        seed: Some(9),
        repeat: Some(2),
        quick: false,
    };
    let experiment = read(options);
    assert_eq!(experiment.cells.len(), 2);
    assert_eq!((experiment.cells[0].scenario.days, experiment.repeat.seed, experiment.repeat.most), (7.0, 9, 2));
    let refused = |options: Options| Experiment::read(FILE, &options).unwrap_err().to_string();
    let set = |text: &str| refused(Options { set: vec![text.into()], ..Options::default() });
    assert!(set("days").contains("write path=value"));
    assert!(set("requestors.0.load=1").contains("use --cell load=POINT"), "{}", set("requestors.0.load=1"));
    assert!(set("dayz=1").contains("unknown field `dayz`, expected one of `days`"), "{}", set("dayz=1"));
    let cell = |text: &str| refused(Options { cell: Some(text.into()), ..Options::default() });
    assert!(cell("load=7").contains("it has: 0.1, 0.3, 0.5"));
    assert!(cell("speed=7").contains("there are: load, who"));
}

#[test]
fn names_the_line_the_key_and_what_is_allowed() {
    let error =
        Experiment::read(&FILE.replace("days = 10.0", "dayz = 10.0"), &Options::default()).unwrap_err().to_string();
    for wanted in ["line 8", "dayz", "expected one of", "`days`"] {
        assert!(error.contains(wanted), "no {wanted} in {error}");
    }
}

#[test]
fn refuses_what_could_not_be_checked_before_anything_runs() {
    for (from, to, wanted) in [
        ("metric = \"utilisation\"\nrises", "metric = \"use\"\nrises", "no metric `use`; there are: efficiency"),
        ("rises_along = \"load\"", "rises_along = \"lode\"", "no axis `lode`; there are: load, who"),
        ("rises_along = \"load\"", "", "give exactly one of"),
        ("above = { who = \"many\" }", "above = { who = \"few\" }", "two points of the same axis"),
        ("above = { who = \"many\" }", "above = { load = 0.1 }", "two points of the same axis"),
        ("by = 0.01", "by = -1.0", "`by` is -1"),
        ("load = [0.1, 0.3] }", "load = [0.2] }", "no point `0.2`"),
        ("keep = { load = [0.1, 0.5] }", "keep = { load = [] }", "leaves no point"),
        ("scale = 0.1\nset = { days = 5.0 }\nkeep", "scale = 2.0\nkeep", "scale is a share"),
        ("least = 8", "least = 80", "least is 80 and most is 40"),
        ("floor = 0.0", "floor = -1.0", "floor is -1"),
        (
            "\"providers.honest.count\" = 50",
            "\"providers.good.count\" = 50",
            "at load=0.1, who=few: `providers.good.count`",
        ),
        ("metrics = [\"utilisation\", ", "metrics = [\"use\", ", "[show]: there is no metric `use`"),
        ("axis = \"who\"", "axis = \"load\"", "`load` is there twice"),
    ] {
        assert!(FILE.contains(from), "{from}");
        let options = Options { quick: to.contains("keep"), ..Options::default() };
        let error = Experiment::read(&FILE.replace(from, to), &options).unwrap_err().to_string();
        assert!(error.contains(wanted), "no {wanted} in {error}");
    }
}

/// The tables of ECONOMY.md are measured by files that nothing else plays.
#[test]
fn the_files_that_the_docs_name_are_right() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let read = Experiment::read(&text, &Options::default());
        assert!(read.is_ok(), "{}: {}", file.display(), read.unwrap_err());
    }
}

#[test]
fn repeats_until_intervals_are_narrow_or_there_are_most() {
    let results = played(Options::default(), 2);
    let counts: Vec<usize> = results.cells.iter().map(|cell| cell.seeds.len()).collect();
    // The noise is the same everywhere: the smaller the mean, the more repetitions.
    assert_eq!(counts[0], 40, "{counts:?}");
    assert!(counts.iter().all(|n| (8..=40).contains(n)) && counts[5] < counts[0], "{counts:?}");
    let last = results.estimate(5, "utilisation");
    assert!(last.is_within(0.02, 0.0), "{last:?}");
}

#[test]
fn one_thread_and_many_give_the_same_bytes() {
    let bytes = |threads| {
        let results = played(Options::default(), threads);
        let tables = [results.runs_table(), results.series_table(), results.agents_table(), results.events_table()];
        let mut bytes: Vec<Vec<u8>> = tables.iter().map(|table| table.csv().unwrap()).collect();
        bytes.push(serde_json::to_vec(&results.summary()).unwrap());
        bytes.push(page(&results, &RunFacts::default()).into_bytes());
        bytes
    };
    assert_eq!(bytes(1), bytes(4));
}

#[test]
fn says_what_holds_and_what_does_not() {
    let results = played(Options::default(), 2);
    let verdicts: Vec<Verdict> = results.checked.iter().map(|checked| checked.verdict).collect();
    assert_eq!(verdicts, [Verdict::Pass, Verdict::Pass, Verdict::Pass, Verdict::Fail]);
    assert_eq!((results.contradictions().count(), results.verdict()), (0, Verdict::Fail));
    // Both rows of the trend: the ends, and each step.
    assert_eq!(results.checked[0].findings.len(), 6);
    assert_eq!(results.checked[1].findings[0].place, "who few against many, load=0.1");
    let wrong = FILE.replace("rises_along", "falls_along");
    let experiment = Experiment::read(&wrong, &Options::default()).unwrap();
    let runs = play(&experiment, 2, formula, &(), |_| {}).unwrap();
    let results = Results::new(experiment, runs);
    assert_eq!((results.checked[0].verdict, results.contradictions().count()), (Verdict::Fail, 1));
}

#[test]
fn of_some_cells_only_what_they_can_say_is_asked() {
    let cell = |cell: &str| played(Options { cell: Some(cell.into()), ..Options::default() }, 2);
    // One cell has no trend and nothing beside it; what is of no cell that is played is not asked.
    let one = cell("load=0.5,who=few");
    assert_eq!((one.checked.len(), one.experiment.not_played), (1, 3), "{:?}", one.checked);
    assert!(one.checked[0].in_part && one.checked[0].verdict == Verdict::Fail, "{:?}", one.checked);
    let many = cell("who=many");
    let texts: Vec<&str> = many.checked.iter().map(|checked| checked.text.as_str()).collect();
    assert_eq!(texts, ["use rises with load", "use is low at low load", "and it is nothing (which is wrong)"]);
    // What fails as a whole may hold in the easy part.
    let easy = FILE.replace("at_most = 0.0", "at_most = 0.2");
    let options = Options { cell: Some("load=0.1".into()), ..Options::default() };
    let experiment = Experiment::read(&easy, &options).unwrap();
    let runs = play(&experiment, 2, formula, &(), |_| {}).unwrap();
    let results = Results::new(experiment, runs);
    let wrong = results.checked.iter().find(|checked| checked.expected == Expected::Fail).unwrap();
    assert_eq!((wrong.verdict, wrong.is_contradicted()), (Verdict::Pass, false));
}

#[test]
fn every_cell_is_played_once_before_any_twice_and_like_cells_far_apart() {
    let experiment = read(Options { repeat: Some(3), ..Options::default() });
    let played = std::sync::Mutex::new(Vec::new());
    let noted = |scenario: &Scenario, seed: u64| {
        let what = |of: &Scenario| (of.requestors[0].load, of.providers[0].count);
        let cell = experiment.cells.iter().position(|cell| what(&cell.scenario) == what(scenario));
        played.lock().unwrap().push((seed, cell.unwrap()));
        formula(scenario, seed)
    };
    play(&experiment, 1, noted, &(), |_| {}).unwrap();
    let once = [0, 5, 2, 4, 1, 3];
    let wanted: Vec<_> = (1..=3).flat_map(|seed| once.map(|cell| (seed, cell))).collect();
    assert_eq!(played.into_inner().unwrap(), wanted);
}

#[test]
fn one_repetition_tells_nothing() {
    let results = played(Options { repeat: Some(1), ..Options::default() }, 2);
    assert!(results.checked.iter().all(|checked| checked.verdict == Verdict::Inconclusive), "{:?}", results.checked);
}

#[test]
fn a_run_that_fails_is_named_by_the_command_that_plays_it_again() {
    let experiment = read(Options { quick: true, set: vec!["days=6".into()], ..Options::default() });
    let broken = |scenario: &Scenario, seed: u64| {
        if seed >= 2 && [5, 50].contains(&scenario.providers[0].count) {
            if seed == 3 { panic!("a defect") } else { Err("a wei came from nowhere".into()) }
        } else {
            formula(scenario, seed)
        }
    };
    for threads in [1, 4] {
        let failure = play(&experiment, threads, broken, &(), |_| {}).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "seed 2 at load=0.1, who=few: a wei came from nowhere\n\
             replay it: golem sim run X1 --quick --set days=6 --cell load=0.1,who=few --seed 2 --repeat 1"
        );
    }
    let experiment = read(Options { seed: Some(3), ..Options::default() });
    let failure = play(&experiment, 2, broken, &(), |_| {}).unwrap_err();
    assert_eq!((failure.seed, failure.what.as_str()), (3, "the simulation panicked: a defect"));
}

#[test]
fn runs_without_a_value_are_empty_in_tables_and_counted_out() {
    let results = played(Options { repeat: Some(4), cell: Some("load=0.1,who=many".into()), ..Options::default() }, 1);
    assert_eq!(results.estimate(0, "finished_share").n, 2);
    let csv = String::from_utf8(results.runs_table().csv().unwrap()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines[0], lines.len()), ("load,who,seed,finished_share,utilisation", 5));
    assert!(lines[1].starts_with("0.1,many,1,1,") && lines[2].starts_with("0.1,many,2,,"), "{csv}");
    let series = String::from_utf8(results.series_table().csv().unwrap()).unwrap();
    assert_eq!(series.lines().next(), Some("load,who,series,group,unit,hour,mean,half_width,n"));
    assert_eq!(series.lines().count(), 41);
    let points = &results.cells[0].bands[0].points;
    assert_eq!((points[1].hour, points[1].n, points[2].hour, points[2].n), (12.0, 3, 18.0, 4));
}

#[test]
fn the_report_tells_everything_and_needs_nothing_else() {
    let results = played(Options::default(), 2);
    let facts = RunFacts {
        facts: vec![("version".into(), "1.2.3".into())],
        command: "golem sim run X1".into(),
        file: "a < b".into(),
    };
    let html = page(&results, &facts);
    for wanted in
        ["More load, more use.", "3 PASS", "1 FAIL", "a known finding", "<svg", "Over time", "±", "1.2.3", "a &lt; b"]
    {
        assert!(html.contains(wanted), "no {wanted}");
    }
    for unwanted in ["src=", "@import", "<link", "<script", "url(", "NaN"] {
        assert!(!html.contains(unwanted), "{unwanted}");
    }
    let entry = IndexEntry {
        id: "X1".into(),
        title: "A test".into(),
        claim: "c".into(),
        link: "X1/report.html".into(),
        checked: results.checked.clone(),
        runs: results.runs(),
    };
    assert!(index_page("All", &[entry]).contains("href=\"X1/report.html\""));
}

#[test]
fn charts_have_files_of_their_own() {
    let results = played(Options::default(), 2);
    let charts = charts::charts(&results);
    let files: std::collections::BTreeSet<&str> = charts.iter().map(|chart| chart.file.as_str()).collect();
    assert_eq!(files.len(), charts.len());
    assert!(files.contains("utilisation") && files.contains("time-utilisation-few"), "{files:?}");
}

#[test]
fn where_nobody_gets_there_the_curve_stays_at_one() {
    // In an odd run it takes so many hours; in an even one it is watched for, and never comes.
    let watched = |reached: bool| {
        move |scenario: &Scenario, seed: u64| {
            let mut outcome = formula(scenario, seed)?;
            let out = reached && seed % 2 == 1;
            outcome.metrics.insert("weeded_out", f64::from(u8::from(out)));
            if out {
                outcome.metrics.insert("weed_out_hours", 48.0);
            }
            Ok(outcome)
        }
    };
    let options = Options { repeat: Some(4), cell: Some("load=0.1,who=many".into()), ..Options::default() };
    let summary = |one: &(dyn Fn(&Scenario, u64) -> Result<RunOutcome, String> + Sync)| {
        let experiment = Experiment::read(FILE, &options).unwrap();
        let runs = play(&experiment, 1, one, &(), |_| {}).unwrap();
        Results::new(experiment, runs).summary().cells.remove(0)
    };
    let never = summary(&watched(false));
    let curve = &never.survival["weed_out_hours"];
    assert_eq!((curve.n, curve.censored, curve.steps.len(), curve.median()), (4, 4, 0, None));
    let half = summary(&watched(true));
    let curve = &half.survival["weed_out_hours"];
    assert_eq!((curve.n, curve.censored, curve.median()), (4, 2, Some(48.0)));
    assert!(summary(&formula).survival.is_empty(), "nobody watched");
}

#[test]
fn what_was_kept_is_not_played_again_and_comes_to_the_same() {
    #[derive(Default)]
    struct Kept(std::sync::Mutex<std::collections::BTreeMap<RunId, RunOutcome>>);
    impl Keep for Kept {
        fn kept(&self, run: RunId) -> Option<RunOutcome> {
            self.0.lock().unwrap().remove(&run)
        }

        fn keep(&self, run: RunId, outcome: &RunOutcome) {
            assert!(self.0.lock().unwrap().insert(run, outcome.clone()).is_none(), "{run:?} was played twice");
        }
    }
    let experiment = read(Options::default());
    let kept = Kept::default();
    let whole = play(&experiment, 2, formula, &kept, |_| {}).unwrap();
    let runs: usize = whole.iter().map(|cell| cell.seeds.len()).sum();
    assert_eq!(kept.0.lock().unwrap().len(), runs);
    // It was stopped with two runs under way.
    kept.0.lock().unwrap().retain(|run, _| ![(1, 0), (5, 3)].contains(run));
    let played = std::sync::atomic::AtomicUsize::new(0);
    let counted = |scenario: &Scenario, seed| {
        played.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        formula(scenario, seed)
    };
    let told = std::sync::Mutex::new(Vec::new());
    let again = play(&experiment, 2, counted, &kept, |now| told.lock().unwrap().push(now)).unwrap();
    let last = told.into_inner().unwrap().into_iter().max_by_key(|now| now.done).unwrap();
    assert_eq!(last, Progress { done: runs, kept: runs - 2, planned: runs });
    // Not every run has a value of every metric, and none is not equal to none.
    assert_eq!(format!("{again:?}"), format!("{whole:?}"));
    assert_eq!(played.into_inner(), 2);
}
