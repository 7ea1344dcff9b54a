//! The app that ships: a picture.

use crate::harness::{PATIENCE, Stage, text, wei};
use crate::money::PRICE;
use golem_protocol::Wei;
use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::{Path, PathBuf};

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

fn picture(out: &Path) -> PathBuf {
    let files = std::fs::read_dir(out).expect("the folder is there").map(|entry| entry.expect("it can be read").path());
    let pictures: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|kind| kind == "png")).collect();
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
