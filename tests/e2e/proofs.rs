//! A provider that lies is found out once, and not once by everybody.

use crate::choice::subtasks_of;
use crate::harness::{Node, PATIENCE, Stage, check_copies, text};
use crate::money::{PRICE, map_args};
use crate::process::Process;
use crate::programs::{COPY, wrong_copy};
use crate::traces;
use golem_protocol::Wei;
use std::path::{Path, PathBuf};

/// What the honest one asks: the liar is cheaper, so that who has heard nothing takes it.
const HONEST_PRICE: &str = "0.30";
const LIARS_PRICE: &str = "0.10";
/// The most that the first to be lied to pays.
const FINDERS_PRICE: &str = "0.20";
/// What nobody works for.
const NOBODYS_PRICE: &str = "0.01";
const SUBTASKS: usize = 6;

/// Makes a liar of a provider, by what its owner can do to its own disk: the compiled code that lies there for a program
/// becomes that of another one, under a hash by the folder's own key. All else it does is right, its signatures too.
fn have_it_lie(liar: &Node, program: &Path, truth: &Path, stage: &Stage) {
    let (input, out) = (stage.file("try.txt", "a"), stage.path("tried"));
    liar.golem(["map", &text(program), &text(&input), "--stdin", "--local", "-o", &text(&out)]).done("a try");
    let folder = liar.dir.join("modules/compiled");
    let hash = |path: &Path| blake3::hash(&std::fs::read(path).expect("a module")).to_hex().to_string();
    let (from, to) = (hash(program), hash(truth));
    let of = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&from));
    let files = std::fs::read_dir(&folder).expect("modules are kept").map(|entry| entry.expect("a file").path());
    let compiled = files.into_iter().find(of).expect("the module was compiled");
    let name = compiled.file_name().expect("a file").to_string_lossy().replace(&from, &to);
    let code = std::fs::read(&compiled).expect("it can be read").split_off(32);
    let key: [u8; 32] = std::fs::read(folder.join("key")).expect("a key").try_into().expect("32 bytes");
    let mac = blake3::Hasher::new_keyed(&key).update(name.as_bytes()).update(&[0]).update(&code).finalize();
    std::fs::write(folder.join(name), [mac.as_bytes(), code.as_slice()].concat()).expect("it can be written");
}

/// Has a node buy for a price at which nobody works: it stays, and can be asked.
fn linger(node: &Node, module: &Path, inputs: &[PathBuf], out: &Path, known: &[String]) -> Process {
    let mut args = map_args(module, inputs, out, known);
    let price = args.iter().position(|arg| arg == PRICE).expect("it is there");
    args[price] = NOBODYS_PRICE.to_owned();
    node.spawn(args)
}

/// Has a node buy without checking anything itself, and sees that it takes nothing of the liar's, who is cheaper, since it
/// was told of a wrong result and ran it again.
fn is_warned(buyer: &Node, args: Vec<String>, honest: &Node, liar: &Node) {
    let ended = buyer.golem(args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let looked = ["somebody told of a wrong result", "the result is wrong: it gets no more work here"];
    let said = |line: &str| looked.iter().all(|part| line.contains(part));
    assert!(ended.stderr.lines().any(said), "{}", ended.stderr);
    let answer = ended.json();
    assert_eq!(subtasks_of(&answer, honest), SUBTASKS as u64, "{answer:#}");
    assert_eq!(subtasks_of(&answer, liar), 0, "the liar was cheaper: {answer:#}");
}

#[test]
fn a_wrong_result_is_proven_to_everybody_and_who_saw_it_tells_of_it_when_its_finder_is_gone() {
    let stage = Stage::set();
    let (finder, stranger) = (stage.node_by_our_rules("finder"), stage.node_by_our_rules("stranger"));
    let third = stage.node_by_our_rules("third");
    let (liar, honest) = (stage.node("liar"), stage.node("honest"));
    // The finder's inputs are nobody else's: whoever tells of its proof has to show them too.
    let (module, mut inputs) = (stage.module("copy", COPY), stage.inputs(2 * SUBTASKS));
    let finders = inputs.split_off(SUBTASKS);
    have_it_lie(&liar, &stage.module("wrong", &wrong_copy()), &module, &stage);

    // Who finds it out pays nobody else's price, so its task waits, and it is there to be asked.
    let lies = liar.provide(LIARS_PRICE, &[], &[]);
    let mut args = map_args(&module, &finders, &stage.path("found"), &liar.addresses());
    let price = args.iter().position(|arg| arg == PRICE).expect("it is there");
    args[price] = FINDERS_PRICE.to_owned();
    args.extend(["--verify".to_owned(), "recheck:1".to_owned()]);
    let found = finder.spawn(&args);
    found.wait_stderr("wrong result", PATIENCE, |line| line.contains("wrong output").then_some(()));
    let proof_of = |node: &Node| node.dir.join(format!("proofs/{:x}", liar.address()));
    finder.wait("proof on the disk", |_| proof_of(&finder).is_file().then_some(()));
    // It tells of it again after a restart, and finds nothing anew: it pays too little.
    assert_eq!(found.stop(PATIENCE).code, Some(1));
    let found = linger(&finder, &module, &finders, &stage.path("found again"), &liar.addresses());

    let known = finder.addresses();
    let works = honest.provide(HONEST_PRICE, &known, &[]);
    let providers = [honest.addresses(), liar.addresses()].concat();
    let unchecked = |out: &Path, known: &[String]| {
        let mut args = map_args(&module, &inputs, out, &[known, &providers].concat());
        args.extend(["--verify", "none", "--offer-window", "6000"].map(str::to_owned));
        args
    };
    let out = stage.path("out");
    let trace = stage.path("stranger.trace");
    let mut args = unchecked(&out, &known);
    args.extend(["--trace".to_owned(), text(&trace)]);
    is_warned(&stranger, args, &honest, &liar);
    check_copies(&out, SUBTASKS);
    let decided = traces::same(&trace);
    assert_eq!(traces::decided(&decided, "looks_at_proofs"), 1, "{decided:#}");
    let channel = stage.channel(&stranger, &liar);
    assert_eq!((channel.deposit, channel.epoch), (Wei::ZERO, 0), "not even a channel was opened to it");

    // The finder leaves for good. What it did not get done is not done: a clean no.
    assert_eq!(found.stop(PATIENCE).code, Some(1));
    let proofs = [&finder, &stranger].map(|node| std::fs::read(proof_of(node)).expect("it is kept"));
    assert_eq!(proofs[0], proofs[1], "who ran it again keeps the same proof");
    let tells = linger(&stranger, &module, &inputs[..1], &stage.path("waits"), &providers);
    is_warned(&third, unchecked(&stage.path("warned"), &stranger.addresses()), &honest, &liar);
    assert_eq!(tells.stop(PATIENCE).code, Some(1));
    for provider in [lies, works] {
        assert_eq!(provider.stop(PATIENCE).code, Some(0));
    }
}
