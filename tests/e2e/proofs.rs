//! A provider that lies is found out once, and not once by everybody.

use crate::choice::subtasks_of;
use crate::harness::{Node, PATIENCE, Stage, check_copies, text};
use crate::money::{PRICE, map_args};
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

#[test]
fn a_wrong_result_is_proven_to_everybody_and_who_never_met_the_liar_goes_to_another() {
    const SUBTASKS: usize = 6;
    let stage = Stage::set();
    let (finder, stranger) = (stage.node_by_our_rules("finder"), stage.node_by_our_rules("stranger"));
    let (liar, honest) = (stage.node("liar"), stage.node("honest"));
    let (module, inputs) = (stage.module("copy", COPY), stage.inputs(SUBTASKS));
    have_it_lie(&liar, &stage.module("wrong", &wrong_copy()), &module, &stage);

    // Who finds it out pays nobody else's price, so its task waits, and it is there to be asked.
    let lies = liar.provide(LIARS_PRICE, &[], &[]);
    let mut args = map_args(&module, &inputs, &stage.path("found"), &liar.addresses());
    let price = args.iter().position(|arg| arg == PRICE).expect("it is there");
    args[price] = FINDERS_PRICE.to_owned();
    args.extend(["--verify".to_owned(), "recheck:1".to_owned()]);
    let mut found = finder.spawn(&args);
    found.wait_stderr("wrong result", PATIENCE, |line| line.contains("WrongOutput").then_some(()));
    let kept = |file: std::io::Result<std::fs::DirEntry>| file.is_ok_and(|file| file.path().extension().is_none());
    let proofs = finder.dir.join("proofs");
    finder.wait("proof on the disk", |_| proofs.read_dir().ok()?.any(kept).then_some(()));
    // It tells of it again after a restart, and finds nothing anew: it pays too little.
    assert_eq!(found.stop(PATIENCE).code, Some(1));
    args[price] = NOBODYS_PRICE.to_owned();
    let again = args.iter().position(|arg| *arg == text(&stage.path("found"))).expect("it is there");
    args[again] = text(&stage.path("found again"));
    found = finder.spawn(&args);

    let known = finder.addresses();
    let works = honest.provide(HONEST_PRICE, &known, &[]);
    let mut everybody = known.clone();
    everybody.extend(honest.addresses());
    everybody.extend(liar.addresses());
    // It checks nothing itself: what it knows of the liar is what it was told and ran again.
    let out = stage.path("out");
    let mut args = map_args(&module, &inputs, &out, &everybody);
    let trace = stage.path("stranger.trace");
    args.extend(["--verify", "none", "--offer-window", "6000", "--trace", &text(&trace)].map(str::to_owned));
    let ended = stranger.golem(args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let looked = "somebody told of a wrong result";
    let said = ended.stderr.lines().find(|line| line.contains(looked)).unwrap_or_else(|| panic!("{}", ended.stderr));
    assert!(said.contains("the result is wrong: it gets no more work here"), "{said}");
    check_copies(&out, SUBTASKS);
    let answer = ended.json();
    assert_eq!(subtasks_of(&answer, &honest), SUBTASKS as u64, "{answer:#}");
    assert_eq!(subtasks_of(&answer, &liar), 0, "the liar was cheaper: {answer:#}");
    let decided = traces::same(&trace);
    assert_eq!(traces::decided(&decided, "looks_at_proofs"), 1, "{decided:#}");
    let channel = stage.channel(&stranger, &liar);
    assert_eq!((channel.deposit, channel.epoch), (Wei::ZERO, 0), "not even a channel was opened to it");
    for provider in [lies, works] {
        assert_eq!(provider.stop(PATIENCE).code, Some(0));
    }
    // What it did not get done is not done: a clean no.
    assert_eq!(found.stop(PATIENCE).code, Some(1));
}
