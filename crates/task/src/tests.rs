use crate::*;
use golem_protocol::{Address, B256, ByteCount, ContentHash, Fuel, Pricing, Wei};
use proptest::prelude::*;

const FULL: &str = r#"
name = "thumbnails"
module = "thumb.wasm"
inputs = ["fonts/*.ttf"]
[parameters]
size = "128"
[split]
each = "photos/*.jpg"
[subtask]
args = ["--size={size}", "{index}/{count}", "{name}", "{file}"]
[output]
expect = ["thumb.png"]
[merge]
args = ["merge", "{count}"]
[verification]
method = "recheck"
fraction = "0.05"
[limits]
fuel_max = 5_000
timeout_s = 60
[price]
max_gnt_per_hour = "0.5"
budget_gnt = "10"
pricing = "metered"
min_perf = 1_000_000
"#;

fn minimal(split: &str) -> String {
    format!("name = \"n\"\nmodule = \"m.wasm\"\n{split}\n[price]\nmax_gnt_per_hour = \"1\"\nbudget_gnt = \"2\"\n")
}

fn content(n: u8) -> ContentHash {
    ContentHash(B256::repeat_byte(n))
}

fn listed(path: &str) -> ListedFile {
    ListedFile { guest_path: path.into(), content: content(1), size: ByteCount::from_bytes(5) }
}

fn file(path: &str) -> FileRef {
    FileRef { path: path.into(), content: content(2), size: ByteCount::from_bytes(7) }
}

fn limits() -> SubtaskLimits {
    TaskLimits::default().subtask
}

fn input(files: Vec<FileRef>) -> SubtaskInput {
    SubtaskInput { module: content(9), args: vec!["a".into()], stdin: None, files, seed: [3; 32], limits: limits() }
}

fn planned(text: &str, listing: &InputListing) -> Result<TaskPlan, PlanError> {
    plan(&Manifest::parse(text).unwrap(), listing, None)
}

#[test]
fn reads_every_key_of_a_manifest() {
    let manifest = Manifest::parse(FULL).unwrap();
    assert_eq!(manifest.limits.subtask.fuel_max, Fuel::from_units(5000));
    assert_eq!(manifest.limits.subtask.memory_max, ByteCount::from_bytes(1 << 30));
    assert_eq!(manifest.limits.timeout_s, 60);
    assert_eq!(manifest.verification.recheck_ppm(), 50_000);
    assert_eq!(manifest.price.max_per_hour, Wei::parse_gnt("0.5").unwrap());
    assert_eq!(manifest.purchase, Purchase { pricing: Pricing::Metered, min_perf: 1_000_000 });
    assert_eq!(manifest.deadline_s, 3600);
    let usual = Manifest::parse(&minimal("[split]\ncount = 1")).unwrap();
    assert_eq!(usual.purchase, Purchase { pricing: Pricing::Tender, min_perf: 0 });
}

#[test]
fn makes_one_subtask_per_file_with_its_arguments() {
    let listing = InputListing { shared: vec![listed("a.ttf")], each: vec![listed("p/2.jpg"), listed("p/1.jpg")] };
    let plan = planned(FULL, &listing).unwrap();
    assert_eq!(plan.subtasks[1].args, ["--size=128", "1/2", "p/1.jpg", "/in/p/1.jpg"]);
    assert_eq!(plan.subtasks[1].files, [0, 2]);
    assert_eq!(plan.merge.as_ref().unwrap().args, ["merge", "2"]);
    let input = plan.input(&plan.subtasks[0], content(9), [0; 32]);
    assert_eq!(input.files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["a.ttf", "p/2.jpg"]);
    assert_ne!(input.seed, plan.input(&plan.subtasks[1], content(9), [0; 32]).seed);
    let output = SubtaskOutput::new(0, vec![file("other.png")]).unwrap();
    assert_eq!(plan.missing(&output), Some("thumb.png"));
}

#[test]
fn the_manifest_that_ships_with_render_can_be_planned() {
    let mut manifest = Manifest::parse(include_str!("../../apps/render/manifest.toml")).unwrap();
    manifest.set_parameter("width", "64").unwrap();
    let args = manifest.split_args().unwrap().unwrap();
    assert!(args.windows(2).any(|pair| pair == ["--width", "64"]), "{args:?}");
    let listing = InputListing { shared: vec![listed("cornell.obj"), listed("cornell.mtl")], each: vec![] };
    let plan = plan(&manifest, &listing, Some("{\"args\":[\"tile\"]}")).unwrap();
    assert_eq!(plan.merge.unwrap().args[0], "merge");
}

#[test]
fn refuses_keys_it_does_not_know() {
    let error = Manifest::parse(&FULL.replace("timeout_s", "time_out_s")).unwrap_err();
    assert!(error.to_string().contains("time_out_s"), "{error}");
}

#[test]
fn refuses_none_or_several_ways_to_split() {
    let parse = |split: &str| Manifest::parse(&minimal(split)).unwrap_err();
    assert_eq!(parse("[split]"), ManifestError::Split { got: 0 });
    assert_eq!(parse("[split]\ncount = 2\nlist = [\"a\"]"), ManifestError::Split { got: 2 });
}

#[test]
fn refuses_numbers_out_of_range() {
    for (split, key) in [
        ("[split]\ncount = 0", "split.count"),
        ("[split]\ncount = 1_000_001", "split.count"),
        ("[split]\nlist = []", "the length of split.list"),
        ("[split]\nrange = { from = 3, to = 3 }", "the length of split.range"),
        ("[split]\nrange = { from = -9223372036854775808, to = 9223372036854775807 }", "the length of split.range"),
        ("[split]\nrange = { from = 0, to = 3, step = 0 }", "split.range.step"),
        ("deadline_s = 0\n[split]\ncount = 1", "deadline_s"),
        ("[split]\ncount = 1\n[limits]\ntimeout_s = 86_401", "limits.timeout_s"),
        ("[split]\ncount = 1\n[limits]\nmemory_mib = 5000", "limits.memory_mib"),
    ] {
        match Manifest::parse(&minimal(split)) {
            Err(ManifestError::Number { key: got, .. }) => assert_eq!(got, key),
            other => panic!("{split}: {other:?}"),
        }
    }
}

#[test]
fn reads_whose_app_it_is_and_the_most_that_may_cost() {
    let author = Address::repeat_byte(0x70);
    let text = minimal(&format!("[app]\nauthor = \"{author}\"\nmax_fee_gnt = \"0.01\"\n[split]\ncount = 1"));
    let app = AppTerms { author, fee_max: Wei(10_000_000_000_000_000) };
    let manifest = Manifest::parse(&text).unwrap();
    assert_eq!(manifest.app, Some(app));
    let without = minimal(&format!("[app]\nauthor = \"{author}\"\n[split]\ncount = 1"));
    assert_eq!(Manifest::parse(&without).unwrap().app, Some(AppTerms { fee_max: Wei::ZERO, ..app }));
    assert_eq!(Manifest::parse(&minimal("[split]\ncount = 1")).unwrap().app, None);
    let nobody = minimal(&format!("[app]\nauthor = \"{}\"\n[split]\ncount = 1", Address::ZERO));
    assert!(matches!(Manifest::parse(&nobody), Err(ManifestError::Conflict { .. })));
    let wrong = minimal("[app]\nauthor = \"me\"\n[split]\ncount = 1");
    assert!(matches!(Manifest::parse(&wrong), Err(ManifestError::Toml { .. })));
}

#[test]
fn refuses_what_does_not_go_together() {
    let splits = "[split]\nargs = [\"split\"]\n[subtask]\nargs = [\"x\"]";
    assert!(matches!(Manifest::parse(&minimal(splits)), Err(ManifestError::Conflict { .. })));
    let stdin = "[split]\ncount = 1\n[subtask]\nstdin = true";
    assert!(matches!(Manifest::parse(&minimal(stdin)), Err(ManifestError::Conflict { .. })));
    let reserved = "[parameters]\nindex = \"1\"\n[split]\ncount = 1";
    assert!(matches!(Manifest::parse(&minimal(reserved)), Err(ManifestError::ReservedParameter { .. })));
}

#[test]
fn refuses_amounts_fractions_templates_and_paths_that_are_none() {
    let text = minimal("[split]\ncount = 1");
    let amount = Manifest::parse(&text.replace("\"2\"", "\"two\""));
    assert!(matches!(amount, Err(ManifestError::Amount { key: "price.budget_gnt", .. })));
    assert!(matches!(Manifest::parse(&text.replace("\"2\"", "\"0\"")), Err(ManifestError::Number { .. })));
    assert!(matches!(Manifest::parse(&FULL.replace("0.05", "1.05")), Err(ManifestError::Fraction { .. })));
    assert!(matches!(Manifest::parse(&FULL.replace("{file}", "{fi le}")), Err(ManifestError::Template { .. })));
    let path = Manifest::parse(&text.replace("m.wasm", "../m.wasm"));
    assert!(matches!(path, Err(ManifestError::Path { key: "module", fault: PathFault::Dots, .. })));
}

#[test]
fn parameters_can_be_set_only_where_they_exist() {
    let mut manifest = Manifest::parse(FULL).unwrap();
    manifest.set_parameter("size", "{64}").unwrap();
    let listing = InputListing { shared: vec![], each: vec![listed("a.jpg")] };
    assert_eq!(plan(&manifest, &listing, None).unwrap().subtasks[0].args[0], "--size={64}");
    let error = manifest.set_parameter("sise", "64").unwrap_err();
    assert!(error.to_string().ends_with("known are: size"), "{error}");
}

#[test]
fn a_file_keeps_its_own_name_wherever_it_is_taken_from() {
    let text = minimal("[files]\nmarket = \"markets/a.csv\"\n[split]\ncount = 1\n[subtask]\nargs = [\"{market}\"]");
    let mut manifest = Manifest::parse(&text).unwrap();
    let args = |manifest: &Manifest| plan(manifest, &InputListing::default(), None).unwrap().subtasks[0].args.clone();
    assert_eq!(args(&manifest), ["/in/a.csv"]);
    manifest.set_parameter("market", "/home/me/b.csv").unwrap();
    assert_eq!(args(&manifest), ["/in/b.csv"]);
    assert!(matches!(Manifest::parse(&text.replace("markets/", "../")), Err(ManifestError::Path { key: "files", .. })));
    let twice = text.replace("[split]", "[parameters]\nmarket = \"\"\n[split]");
    assert!(matches!(Manifest::parse(&twice), Err(ManifestError::ReservedParameter { .. })));
    let reserved = text.replace("market =", "index =");
    assert!(matches!(Manifest::parse(&reserved), Err(ManifestError::ReservedParameter { .. })));
}

#[test]
fn says_how_to_look_at_what_is_not_done_yet() {
    let manifest =
        Manifest::parse(&format!("{FULL}[preview]\nargs = [\"look\", \"{{size}}\", \"{{count}}\"]\n")).unwrap();
    assert_eq!(manifest.preview_args(7).unwrap().unwrap(), ["look", "128", "7"]);
    assert_eq!(Manifest::parse(FULL).unwrap().preview_args(7), Ok(None));
}

#[test]
fn names_a_placeholder_without_a_value() {
    let text = minimal("[split]\ncount = 1\n[subtask]\nargs = [\"{file}\"]");
    let error = planned(&text, &InputListing::default()).unwrap_err();
    assert!(error.to_string().contains("known are {count}, {index}, {name}"), "{error}");
}

#[test]
fn counts_and_ranges_make_items() {
    let text = minimal("[split]\nrange = { from = -2, to = 5, step = 3 }\n[subtask]\nargs = [\"{item}{{}}\"]");
    let plan = planned(&text, &InputListing::default()).unwrap();
    let args: Vec<_> = plan.subtasks.iter().map(|subtask| subtask.args[0].as_str()).collect();
    assert_eq!(args, ["-2{}", "1{}", "4{}"]);
}

#[test]
fn the_module_can_bring_its_own_plan() {
    let manifest = Manifest::parse(&minimal("[parameters]\nn = \"2\"\n[split]\nargs = [\"split\", \"{n}\"]")).unwrap();
    assert_eq!(manifest.split_args().unwrap().unwrap(), ["split", "2"]);
    let listing = InputListing { shared: vec![listed("s.obj")], each: vec![] };
    let lines = "{\"args\": [\"tile\", \"0\"]}\n\n{\"name\": \"last\", \"args\": []}\n";
    let made = plan(&manifest, &listing, Some(lines)).unwrap();
    assert_eq!((made.subtasks[0].name.as_str(), made.subtasks[1].name.as_str()), ("0", "last"));
    assert_eq!(made.subtasks[1].files, [0]);

    assert_eq!(plan(&manifest, &listing, None), Err(PlanError::SplitOutput { wanted: true }));
    assert!(matches!(plan(&manifest, &listing, Some("{}")), Err(PlanError::SplitLine { line: 1, .. })));
    assert!(matches!(plan(&manifest, &listing, Some("\n")), Err(PlanError::Count { got: 0, .. })));
    let twice = "{\"name\":\"a\",\"args\":[]}\n{\"name\":\"a\",\"args\":[]}";
    assert!(matches!(plan(&manifest, &listing, Some(twice)), Err(PlanError::Name { index: 1, .. })));
    let escaping = "{\"name\":\"../a\",\"args\":[]}";
    assert!(matches!(plan(&manifest, &listing, Some(escaping)), Err(PlanError::Name { index: 0, .. })));
    let other = Manifest::parse(FULL).unwrap();
    assert_eq!(plan(&other, &listing, Some("")), Err(PlanError::SplitOutput { wanted: false }));
}

#[test]
fn refuses_a_plan_with_nothing_to_do_or_inputs_that_clash() {
    let listing = |shared: &[&str], each: &[&str]| InputListing {
        shared: shared.iter().map(|path| listed(path)).collect(),
        each: each.iter().map(|path| listed(path)).collect(),
    };
    assert!(matches!(planned(FULL, &listing(&["a"], &[])), Err(PlanError::NoFiles { .. })));
    assert!(matches!(planned(FULL, &listing(&["a"], &["a"])), Err(PlanError::SamePath { .. })));
    assert!(matches!(planned(FULL, &listing(&["a"], &["a/b"])), Err(PlanError::SamePath { .. })));
    assert!(matches!(planned(FULL, &listing(&["/a"], &["b"])), Err(PlanError::Path { .. })));
    let long = "x".repeat(130_000);
    let text = FULL.replace("--size={size}", &long);
    let error = planned(&text, &listing(&[], &["b", "c"])).map(|plan| plan.subtasks.len());
    assert_eq!(error, Ok(2));
    let text = FULL.replace("--size={size}", &long.repeat(2));
    assert!(matches!(planned(&text, &listing(&[], &["b"])), Err(PlanError::Subtask { index: 0, .. })));
}

#[test]
fn maps_files_by_path_or_as_standard_input() {
    let price = Price { max_per_hour: Wei(1), budget: Wei(1) };
    let mut map = MapTask::new("m", price);
    let plan = map.plan(vec![listed("a.txt"), listed("b.txt"), listed("a.txt")]).unwrap();
    assert_eq!(plan.subtasks[2].name, "2-a.txt");
    // Who says nothing of it has a tenth checked.
    assert_eq!(
        (plan.verification, plan.cost().unwrap().rechecks),
        (Verification::Recheck { fraction_ppm: 100_000 }, 1)
    );
    assert_eq!(plan.subtasks[1].args, ["/in/b.txt"]);
    map.stdin = true;
    map.args = vec!["-n".into(), "{name}".into()];
    let plan = map.plan(vec![listed("a.txt")]).unwrap();
    assert_eq!(plan.subtasks[0].args, ["-n", "a.txt"]);
    let input = plan.input(&plan.subtasks[0], content(1), [0; 32]);
    assert_eq!((input.files.len(), input.stdin.unwrap().path.as_str()), (0, "a.txt"));
    assert!(matches!(map.plan(vec![]), Err(PlanError::NoFiles { .. })));
    map.args = vec!["{".into()];
    assert!(matches!(map.plan(vec![listed("a")]), Err(PlanError::Manifest(ManifestError::Template { .. }))));
}

#[test]
fn gives_every_mapped_file_what_comes_along() {
    let price = Price { max_per_hour: Wei::from_gnt(1).unwrap(), budget: Wei::from_gnt(1).unwrap() };
    let mut task = MapTask::new("count.py", price);
    task.shared = vec![listed("script/count.py")];
    let plan = task.plan(vec![listed("a"), listed("b")]).unwrap();
    for (subtask, own) in plan.subtasks.iter().zip(["a", "b"]) {
        let input = plan.input(subtask, content(9), [0; 32]);
        let paths: Vec<&str> = input.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [own, "script/count.py"]);
    }
    assert!(matches!(task.plan(vec![listed("script")]), Err(PlanError::SamePath { .. })));
}

#[test]
fn knows_the_most_a_task_can_cost() {
    let listing = InputListing { shared: vec![], each: (0..30).map(|i| listed(&format!("{i}"))).collect() };
    let cost = planned(FULL, &listing).unwrap().cost().unwrap();
    // 0.5 GNT an hour for a minute is 1/120 GNT, rounded up to the wei.
    assert_eq!(cost.subtask_max, Wei(8_333_333_333_333_334));
    // One of them may be given out a second time.
    assert_eq!((cost.total_max, cost.hedges_max), (Wei(8_333_333_333_333_334 * 31), 1));
    assert_eq!((cost.rechecks, cost.affordable()), (2, 30));
    let poor = CostEstimate { budget: Wei(20_000_000_000_000_000), ..cost };
    assert_eq!(poor.affordable(), 2);
    // With 0.002 GNT for the author of each.
    let fee = Wei(2_000_000_000_000_000);
    let with_fee = cost.with_fee(fee).unwrap();
    assert_eq!(with_fee.total_max, Wei((8_333_333_333_333_334 + fee.0) * 31));
    assert_eq!((with_fee.affordable(), with_fee.fees_max()), (30, Wei(fee.0 * 31)));
    assert_eq!(poor.with_fee(fee).unwrap().affordable(), 1);
    assert_eq!(cost.with_fee(Wei::MAX), None);
    assert_eq!(CostEstimate::new(2, Wei::MAX, 3600, Wei(1), Verification::None, Extras::default()), None);
}

#[test]
fn counts_every_copy_before_it_is_paid() {
    let cost = |verification, extras| CostEstimate::new(40, Wei(3_600), 100, Wei(9_000), verification, extras).unwrap();
    let off = Extras { hedging: Hedging::Off, ..Extras::default() };
    let twice = cost(Verification::redundancy(2, 0).unwrap(), off);
    assert_eq!((twice.copies, twice.checks_paid_max, twice.total_max), (2, 40, Wei(8_000)));
    assert_eq!((twice.checks_max(), twice.affordable()), (Wei(4_000), 40));
    let thrice = cost(Verification::redundancy(3, 100_000).unwrap(), off);
    assert_eq!((thrice.total_max, thrice.affordable(), thrice.rechecks), (Wei(12_000), 30, 4));
    // A fifth of all that is handed out is a quarter of what has to be done.
    let known = cost(Verification::Adaptive { floor_ppm: 1 }, Extras { known_ppm: 200_000, ..off });
    assert_eq!((known.checks_paid_max, known.total_max), (10, Wei(5_000)));
    let hedged = cost(Verification::None, Extras { hedging: Hedging::On, ..off });
    assert_eq!((hedged.hedges_max, hedged.hedges_cost_max(), hedged.total_max), (40, Wei(4_000), Wei(8_000)));
}

#[test]
fn reads_every_way_to_check_results() {
    let read = |lines: &str| Manifest::parse(&minimal(&format!("[split]\ncount = 2\n[verification]\n{lines}")));
    let plan = |lines: &str| read(lines).map(|manifest| (manifest.verification, manifest.extras));
    let usual = Extras::default();
    let a_tenth = Verification::Recheck { fraction_ppm: 100_000 };
    assert_eq!(plan(""), Ok((a_tenth, usual)));
    assert_eq!(plan("method = \"recheck\""), Ok((a_tenth, usual)));
    assert_eq!(plan("fraction = \"0.02\""), Ok((Verification::Recheck { fraction_ppm: 20_000 }, usual)));
    assert_eq!(Manifest::parse(&minimal("[split]\ncount = 2")).unwrap().verification, a_tenth);
    assert_eq!(plan("method = \"none\""), Ok((Verification::None, usual)));
    let twice = Verification::Redundancy { copies: 2, fraction_ppm: 0 };
    assert_eq!(plan("method = \"redundancy\"\ncopies = 2"), Ok((twice, usual)));
    let both = Verification::Redundancy { copies: 3, fraction_ppm: 50_000 };
    assert_eq!(plan("method = \"redundancy\"\ncopies = 3\nfraction = \"0.05\""), Ok((both, usual)));
    assert_eq!(plan("method = \"adaptive\""), Ok((Verification::Adaptive { floor_ppm: FLOOR_PPM }, usual)));
    let anywhere = Extras { copy_addresses: Some(CopyAddresses::Any), ..usual };
    let one_address = "method = \"redundancy\"\ncopies = 2\ncopy_addresses = \"any\"";
    assert_eq!(plan(one_address), Ok((twice, anywhere)));
    let extras = Extras { known_ppm: 20_000, hedging: Hedging::Off, ..usual };
    let floor = "method = \"adaptive\"\nfloor = \"0.2\"\nknown_answers = \"0.02\"\nhedge = \"off\"";
    assert_eq!(plan(floor), Ok((Verification::Adaptive { floor_ppm: 200_000 }, extras)));
    for bad in [
        "copies = 2",
        "method = \"none\"\nfraction = \"0.1\"",
        "method = \"redundancy\"",
        "method = \"redundancy\"\ncopies = 1",
        "method = \"redundancy\"\ncopies = 4",
        "method = \"adaptive\"\nfloor = \"0\"",
        "method = \"adaptive\"\ncopies = 2",
        "method = \"twice\"",
        "known_answers = \"0.6\"",
        "known_answers = \"2\"",
        "hedge = \"sometimes\"",
        "method = \"recheck\"\nfraction = \"0.1\"\ncopy_addresses = \"any\"",
        "copy_addresses = \"distinct\"",
        "method = \"redundancy\"\ncopies = 2\ncopy_addresses = \"here\"",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn reads_a_plan_in_one_word_as_a_command_gives_it() {
    let redundancy = |copies, fraction_ppm| Ok(Verification::Redundancy { copies, fraction_ppm });
    assert_eq!(Verification::parse("none"), Ok(Verification::None));
    assert_eq!(Verification::parse("recheck"), Ok(Verification::Recheck { fraction_ppm: 100_000 }));
    assert_eq!(Verification::parse("recheck:0.1"), Ok(Verification::Recheck { fraction_ppm: 100_000 }));
    assert_eq!(Verification::parse("redundancy:2"), redundancy(2, 0));
    assert_eq!(Verification::parse("redundancy:3+recheck:0.5"), redundancy(3, 500_000));
    assert_eq!(Verification::parse("adaptive"), Ok(Verification::Adaptive { floor_ppm: FLOOR_PPM }));
    assert_eq!(Verification::parse("adaptive:0.05"), Ok(Verification::Adaptive { floor_ppm: 50_000 }));
    for bad in
        ["", "all", "recheck:", "redundancy", "redundancy:1", "redundancy:4", "redundancy:x", "adaptive:0", "none:1"]
    {
        assert!(Verification::parse(bad).is_err(), "{bad}");
    }
    for bad in
        ["none+recheck:0.1", "adaptive+recheck:0.1", "redundancy:2+none", "recheck:0.1+recheck:0.1", "adaptive:x"]
    {
        assert!(Verification::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn chooses_about_the_asked_share_and_not_the_same_for_another_secret() {
    let chosen = |secret: u8, task: u8| -> Vec<u32> {
        let task = B256::repeat_byte(task);
        (0..10_000).filter(|index| chooses(100_000, &[secret; 32], task, *index)).collect()
    };
    let first = chosen(1, 1);
    assert!((850..1150).contains(&first.len()), "{}", first.len());
    assert_eq!(first, chosen(1, 1));
    assert_ne!(first, chosen(2, 1));
    assert_ne!(first, chosen(1, 2));
    assert!(!chooses(0, &[1; 32], B256::ZERO, 0));
    assert!(chooses(PPM, &[1; 32], B256::ZERO, 0));
}

#[test]
fn refuses_fractions_that_are_none() {
    for (text, ppm) in [("0", 0), ("1", PPM), ("1.0", PPM), (".5", 500_000), ("0.000001", 1)] {
        assert_eq!(Verification::parse_fraction(text), Ok(ppm), "{text}");
    }
    for text in ["", ".", "1.000001", "2", "-0.1", "0.0000001", "5%", "00.5", "1e-3"] {
        assert!(Verification::parse_fraction(text).is_err(), "{text}");
    }
}

#[test]
fn refuses_paths_that_could_lead_out() {
    for (path, fault) in [
        ("", PathFault::Empty),
        ("a//b", PathFault::Empty),
        ("a/", PathFault::Empty),
        ("/etc/passwd", PathFault::Absolute),
        ("a/../b", PathFault::Dots),
        (".", PathFault::Dots),
        ("a\0b", PathFault::Character),
        ("..\\b", PathFault::Character),
    ] {
        assert_eq!(check_path(path), Err(fault), "{path:?}");
    }
    assert_eq!(check_path(&"x".repeat(256)), Err(PathFault::TooLong));
    assert_eq!(check_path(&"x/".repeat(34)), Err(PathFault::TooLong));
    assert_eq!(check_path("scene/room one.obj"), Ok(()));
}

#[test]
fn refuses_documents_that_break_a_bound() {
    let error = |input: SubtaskInput| input.encode().map(|_| ()).unwrap_err();
    assert!(matches!(error(input(vec![file("b"), file("a")])), BundleError::Order { .. }));
    assert!(matches!(error(input(vec![file("a"), file("a")])), BundleError::Order { .. }));
    assert!(matches!(error(input(vec![file("a"), file("a.b"), file("a/b")])), BundleError::FileAsFolder { .. }));
    assert!(matches!(error(input(vec![file("../a")])), BundleError::Path { .. }));
    let stdin = SubtaskInput { stdin: Some(file("/a")), ..input(vec![]) };
    assert!(matches!(error(stdin), BundleError::Path { .. }));
    let args = SubtaskInput { args: vec!["\0".into()], ..input(vec![]) };
    assert!(matches!(error(args), BundleError::Args { .. }));
    let many = (0..=FILES_MAX).map(|i| file(&format!("{i:06}"))).collect();
    assert!(matches!(error(input(many)), BundleError::TooManyFiles { .. }));
    let long = (0..20_000).map(|i| file(&format!("{i:06}{}/{}", "x".repeat(200), "y".repeat(250)))).collect();
    assert!(matches!(error(input(long)), BundleError::TooLong { .. }));
    assert!(matches!(SubtaskOutput::new(0, vec![file("a"), file("a")]), Err(BundleError::Order { .. })));
}

#[test]
fn refuses_bytes_that_are_no_document() {
    let bytes = input(vec![file("a")]).encode().unwrap();
    assert_eq!(SubtaskInput::decode(&[]), Err(BundleError::Version { got: None, known: 1 }));
    let mut other = bytes.clone();
    other[0] = 2;
    assert_eq!(SubtaskInput::decode(&other), Err(BundleError::Version { got: Some(2), known: 1 }));
    assert!(matches!(SubtaskInput::decode(&bytes[..bytes.len() - 1]), Err(BundleError::Malformed { .. })));
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(SubtaskInput::decode(&longer), Err(BundleError::Malformed { .. })));
    let huge = vec![1; BUNDLE_BYTES_MAX + 1];
    assert!(matches!(SubtaskOutput::decode(&huge), Err(BundleError::TooLong { .. })));
    // Exit code 0 as a varint of two bytes: the same value, another encoding.
    let padded = [1, 0x80, 0, 0];
    assert!(matches!(SubtaskOutput::decode(&padded), Err(BundleError::Malformed { .. })));
}

#[test]
fn names_each_content_once() {
    let input = SubtaskInput { stdin: Some(file("c")), ..input(vec![file("a"), file("b")]) };
    assert_eq!(input.contents().into_iter().collect::<Vec<_>>(), [content(2), content(9)]);
}

fn any_path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[a-z]{1,3}", 1..4).prop_map(|names| names.join("/"))
}

proptest! {
    #[test]
    fn documents_come_back_as_they_were(
        paths in proptest::collection::btree_set("[a-z]{1,8}", 0..12),
        args in proptest::collection::vec("[^\0]{0,9}", 0..5),
        seed: [u8; 32], exit_code: u32, size: u64,
    ) {
        let files: Vec<FileRef> = paths.iter()
            .map(|path| FileRef { size: ByteCount::from_bytes(size), ..file(path) }).collect();
        let given = SubtaskInput { args, seed, ..input(files.clone()) };
        prop_assert_eq!(SubtaskInput::decode(&given.encode().unwrap()), Ok(given));
        let given = SubtaskOutput::new(exit_code, files.into_iter().rev().collect()).unwrap();
        prop_assert_eq!(SubtaskOutput::decode(&given.encode().unwrap()), Ok(given));
    }

    #[test]
    fn decoding_takes_only_what_encoding_gives(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() { *first = 1 }
        if let Ok(document) = SubtaskOutput::decode(&bytes) {
            prop_assert_eq!(document.encode().unwrap(), bytes.clone());
        }
        if let Ok(document) = SubtaskInput::decode(&bytes) {
            prop_assert_eq!(document.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn accepted_documents_never_have_a_file_below_a_file(
        paths in proptest::collection::btree_set(any_path(), 0..8)
    ) {
        let files: Vec<FileRef> = paths.iter().map(|path| file(path)).collect();
        let clash = paths.iter().any(|a| paths.iter().any(|b| b.starts_with(&format!("{a}/"))));
        prop_assert_eq!(SubtaskOutput { exit_code: 0, files }.check().is_err(), clash);
    }

    #[test]
    fn a_filled_template_keeps_text_and_values(text in "[^{}]{0,20}", value in ".{0,20}") {
        let values = std::collections::BTreeMap::from([("x", value.clone())]);
        let template = Template::parse(&format!("{text}{{x}}{{{{")).unwrap();
        prop_assert_eq!(template.fill(&values).unwrap(), format!("{text}{value}{{"));
    }

    #[test]
    fn parsing_never_panics(text in ".{0,200}") {
        let _ = Manifest::parse(&text);
        let _ = Template::parse(&text);
        let _ = Verification::parse_fraction(&text);
    }
}
