//! Machines without room: what others did is theirs all the same.

use crate::harness::{PATIENCE, Stage, text, wei};
use crate::money::{PRICE, map_args, report, worth};
use crate::programs::wrong_copy;

#[test]
fn a_requestor_without_room_for_results_refuses_none_and_takes_them_when_there_is() {
    const SUBTASKS: usize = 3;
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let running = provider.provide(PRICE, &[], &[]);
    let known = provider.addresses();
    // Its results differ from its inputs: the inputs fit into what may be kept, and the results do not fit beside them.
    let (module, out) = (stage.module("copy", &wrong_copy()), stage.path("out"));
    let inputs: Vec<_> = (0..SUBTASKS).map(|n| stage.file(&format!("in-{n}"), vec![n as u8; 300_000])).collect();
    let file = requestor.dir.join("golem.toml");
    let settings = std::fs::read_to_string(&file).expect("it is there");
    let allow = |mib: u32| {
        let more = format!("[requestor]\ncontent_max_mib = {mib}");
        std::fs::write(&file, settings.replace("[requestor]", &more)).expect("it can be written");
    };
    allow(1);
    let task = requestor.spawn(map_args(&module, &inputs, &out, &known));
    task.wait_stderr("word of the disk", PATIENCE, |line| line.contains("no room for").then_some(()));
    let said = task.said();
    assert!(!said.contains("not accepted"), "it is nobody's fault but ours:\n{said}");
    task.kill9();

    allow(100);
    let mut args = vec!["run".to_owned(), "--resume".to_owned(), "--json".to_owned(), "-o".to_owned(), text(&out)];
    known.iter().for_each(|address| args.extend(["--bootstrap".to_owned(), address.clone()]));
    let ended = requestor.golem(args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(report(&ended.json(), SUBTASKS), worth(SUBTASKS));
    let status = provider.status().expect("it runs");
    assert_eq!(status["counters"]["completed"], SUBTASKS, "nothing is computed twice: {status:#}");
    assert_eq!(wei(&status["totals"]["earned_wei"]), worth(SUBTASKS), "{status:#}");
    assert_eq!(running.stop(PATIENCE).code, Some(0));
}
