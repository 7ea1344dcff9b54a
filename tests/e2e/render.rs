//! The app that ships: a picture.

use crate::harness::{PATIENCE, Stage, text, wei};
use crate::money::PRICE;
use golem_protocol::Wei;
use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SIZE: [&str; 8] = ["--width", "64", "--height", "48", "--tiles", "4", "--samples", "1"];

#[test]
fn a_picture_is_planned_then_rendered_on_other_machines_and_put_together() {
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let before = stage.blocks();
    let plan = requestor.json(["run", "render", "--dry-run", "--json"].iter().chain(&SIZE));
    assert_eq!((plan["subtasks"].as_u64(), plan["obstacles"].as_array().map(Vec::len)), (Some(4), Some(0)), "{plan:#}");
    assert!(wei(&plan["spent_max_wei"]) <= wei(&plan["budget_wei"]), "{plan:#}");
    assert_eq!(stage.blocks(), before, "a dry run sends nothing");

    let running = provider.provide(PRICE, &[], &[]);
    let isolation = provider.status().expect("it answers")["isolation"].clone();
    assert!(isolation.to_string().contains("worker processes"), "strangers' programs run apart: {isolation}");
    let (out, known) = (stage.path("out"), provider.addresses());
    let out_text = text(&out);
    let mut args = vec!["run", "render", "--json", "-o", &out_text, "--bootstrap", &known[0]];
    args.extend(SIZE);
    let answer = requestor.json(args);
    assert_eq!(running.stop(PATIENCE).code, Some(0));
    assert!(wei(&answer["spent_wei"]) > Wei::ZERO, "{answer:#}");
    check_picture(&picture(&out));
}

#[test]
fn a_picture_that_is_taken_up_again_shows_what_was_there_before() {
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let running = provider.provide(PRICE, &[], &[]);
    let (out, again, known) = (text(&stage.path("out")), stage.path("again"), provider.addresses());
    let size = ["--width", "256", "--height", "192", "--tiles", "24", "--samples", "4"];
    let mut args = vec!["run", "render", "-o", &out, "--bootstrap", &known[0]];
    args.extend(size);
    let task = requestor.spawn(args);
    task.wait_stderr("first results", PATIENCE, |line| line.contains(" of 24 subtasks done").then_some(()));
    task.kill9();
    running.kill9();

    // Nobody is there to do more, so what is shown is of what was done.
    let task = requestor.spawn(["run", "--resume", "-o", &text(&again)]);
    let until = Instant::now() + PATIENCE;
    while again.read_dir().is_err() || pictures(&again).is_empty() {
        assert!(Instant::now() < until, "no preview within {PATIENCE:?}; it said:\n{}", task.said());
        std::thread::sleep(Duration::from_millis(50));
    }
    let ended = task.stop(PATIENCE);
    assert!(ended.stderr.contains("done already") && !ended.stderr.contains("no preview"), "{}", ended.stderr);
    assert_eq!(ended.code, Some(1), "stopped before its end: {}", ended.stderr);
}

fn pictures(out: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(out).expect("the folder is there").map(|entry| entry.expect("it can be read").path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "png")).collect()
}

fn picture(out: &Path) -> PathBuf {
    let pictures = pictures(out);
    assert_eq!(pictures.len(), 1, "the tiles became one picture: {pictures:?}");
    pictures[0].clone()
}

fn check_picture(path: &Path) {
    let file = BufReader::new(std::fs::File::open(path).expect("the picture can be opened"));
    let mut reader = png::Decoder::new(file).read_info().expect("it is a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a small picture")];
    let info = reader.next_frame(&mut pixels).expect("it is whole");
    assert_eq!((info.width, info.height), (64, 48));
    let colours: BTreeSet<&[u8]> = pixels.chunks(info.color_type.samples()).collect();
    assert!(colours.len() > 50, "a lit room has many shades, not {}", colours.len());
}
