//! What a user gets for input that cannot be right: exit code 2, the value that is wrong, and the next step; nothing is
//! sent, and nothing on disk is changed.

use crate::harness::{GNT_EACH, Node, PATIENCE, Stage, golem_command, text};
use crate::money::PRICE;
use crate::process::{Ended, Process};
use crate::programs::{COPY, CURIOUS};
use serde_json::{Value, json};
use std::path::Path;

/// A command line, and what has to be on stderr.
struct BadInput {
    args: String,
    says: Vec<String>,
}

fn bad(args: impl Into<String>, says: &[&str]) -> BadInput {
    BadInput { args: args.into(), says: says.iter().map(|said| said.to_string()).collect() }
}

fn refuse(case: &BadInput, ended: &Ended) {
    let Ended { code, stderr, stdout } = ended;
    assert_eq!(*code, Some(2), "golem {}\n{stdout}\n{stderr}", case.args);
    for said in &case.says {
        assert!(stderr.contains(said), "golem {}: stderr lacks `{said}`:\n{stderr}", case.args);
    }
    assert!(!stderr.contains("panicked"), "golem {}:\n{stderr}", case.args);
}

fn run_all(node: &Node, cases: &[BadInput]) {
    for case in cases {
        // None of these has a space within an argument.
        refuse(case, &node.golem(case.args.split_whitespace()));
    }
}

#[test]
fn nonsense_on_the_command_line_is_refused_with_the_flag_and_the_value() {
    let stage = Stage::set();
    let node = stage.node("requestor");
    let (module, input) = (text(&stage.module("copy", COPY)), text(&stage.inputs(1)[0]));
    let out = text(&stage.path("out"));
    let occupied = text(&stage.file("occupied", "a file"));
    let map = format!("map {module} {input} -o {out}");
    let nobody = "0x00000000000000000000000000000000000000AA";
    run_all(
        &node,
        &[
            bad("frobnicate", &["frobnicate", "--help"]),
            bad(format!("{map} --frobnicate"), &["--frobnicate"]),
            bad(map.clone(), &["--budget GNT"]),
            bad(format!("{map} --budget cheap"), &["cheap", "--budget"]),
            bad(format!("{map} --budget 1.0000000000000000001"), &["1.0000000000000000001"]),
            bad(format!("{map} --budget 0.001"), &["0.001 GNT", "raise --budget"]),
            bad(format!("{map} --budget 1 --verify twice"), &["twice", "recheck:0.1"]),
            bad(format!("{map} --budget 1 --verify recheck:7"), &["7", "between 0 and 1"]),
            bad(format!("{map} --budget 1 --timeout 0"), &["--timeout", "0"]),
            bad(format!("{map} --budget 1 --memory-max plenty"), &["plenty", "512MiB"]),
            bad(format!("{map} --budget 1 --args {{fiel}}"), &["{fiel}"]),
            bad(format!("{map} --budget 1 --bootstrap nowhere"), &["nowhere"]),
            bad(format!("{map} --budget 1 --api-listen 0.0.0.0:0"), &["0.0.0.0:0", "loopback"]),
            bad(format!("map {module} {input} --budget 1"), &["--out"]),
            bad(format!("map {module} -o {out} --budget 1"), &["<INPUTS>"]),
            bad(format!("map {module} {input}.absent -o {out} --budget 1"), &["in-0.txt.absent"]),
            bad(format!("map {module}.absent {input} -o {out} --budget 1"), &["copy.wasm.absent"]),
            bad(format!("map {module} {input} -o {occupied} --budget 1"), &["occupied", "results"]),
            bad("run nothing -o x", &["nothing", "render"]),
            bad(format!("run {module} -o {out}"), &["golem map"]),
            bad(format!("run render -o {out} --colour red"), &["colour", "width"]),
            bad(format!("run render -o {out} --scene {input}.obj"), &["in-0.txt.obj"]),
            bad(format!("run mine -o {out} --bits"), &["--bits needs a value"]),
            bad(format!("run --resume -o {out}"), &["no task in", "unfinished, has failed subtasks"]),
            bad(format!("run --resume=0x12 -o {out}"), &["0x12", "golem status"]),
            bad("provide --min-price 0", &["0 GNT", "--min-price"]),
            bad("provide --slots 0", &["--slots"]),
            bad("provide --payee 0x12", &["0x12", "--payee"]),
            bad(format!("channel open {nobody} 0"), &["0 GNT"]),
            bad(format!("channel topup {nobody} 1"), &[nobody, "golem channel open"]),
            bad(format!("channel close {nobody}"), &[nobody, "golem channel list"]),
            bad(format!("channel open {} 1", node.address()), &["own address"]),
            bad(format!("channel open {nobody} 20000"), &["10000 GNT", "20000 GNT"]),
            bad("--log =x= status", &["=x=", "golem_node=debug"]),
        ],
    );
    assert_eq!(stage.gnt(node.address()), GNT_EACH, "nothing was spent");
}

#[test]
fn what_can_be_known_without_the_key_is_told_before_its_password_is_asked_for() {
    let stage = Stage::set();
    let (node, other) = (stage.node("node"), stage.node("other"));
    // Whatever is asked for the key fails by this, and says so.
    let shut = Node { password: stage.file("other.password", "guess guess guess"), ..stage.node("shut") };
    let (nobody, payee) = ("0x00000000000000000000000000000000000000AA", other.address());
    shut.golem(["status"]).done("status");
    shut.golem(["channel", "list"]).done("the list of channels");
    for (args, code) in [("channel vouchers", 1), ("channel claim", 1), ("channel close", 1)] {
        let ended = shut.golem(args.split(' '));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(code), ""), "golem {args}: there is nothing");
    }
    let opened = Node { name: "opened".into(), dir: node.dir.clone(), password: shut.password.clone() };
    node.golem(["channel", "open", &payee.to_string(), "1"]).done("a channel");
    run_all(&opened, &[bad(format!("channel open {payee} 1"), &["open already", "topup"])]);
    let dead = "--rpc-url http://127.0.0.1:1";
    let deployment = format!("--deployment {}", text(&node.deployment_file(31_337)));
    run_all(
        &shut,
        &[
            bad(format!("channel open {nobody} 20000"), &["10000 GNT", "20000 GNT"]),
            bad(format!("channel topup {nobody} 1"), &[nobody, "golem channel open"]),
            bad(format!("channel close {nobody}"), &[nobody, "golem channel list"]),
            bad("concent withdraw 1", &["no deposit"]),
            bad("concent unlock", &["no deposit"]),
            bad("concent deposit 20000", &["10000 GNT", "20000 GNT"]),
            bad(format!("app retire {}1", "0x".to_owned() + &"0".repeat(63)), &["golem app publish"]),
            bad(format!("provide {deployment} {dead}"), &["http://127.0.0.1:1", "check the address"]),
            bad("channel open 0x00000000000000000000000000000000000000AA 1", &["password", "wallet.json"]),
        ],
    );
    let running = node.provide(PRICE, &[], &[]);
    run_all(&opened, &[bad("provide", &["in use by process"])]);
    assert_eq!(running.stop(PATIENCE).code, Some(0));
    stage.take_ether(shut.address());
    run_all(&shut, &[bad(format!("channel open {nobody} 1"), &["no ether", "have some sent"])]);

    let settings = std::fs::read_to_string(shut.dir.join("golem.toml")).expect("it is there");
    let wrong =
        settings.replace("[requestor]", "[requestor]\nslots = 0").replace("[provider]", "[provider]\ncpu_percent = 0");
    std::fs::write(shut.dir.join("golem.toml"), wrong).expect("it can be written");
    let says = ["golem.toml", "provider.cpu_percent", "requestor.slots", "between 1 and 100"];
    // The chain is not asked either.
    run_all(&shut, &[bad(format!("provide {dead}"), &says), bad(format!("run --resume -o x {dead}"), &says)]);
}

#[test]
fn a_module_that_cannot_run_is_refused_before_anything_is_announced() {
    let stage = Stage::set();
    let node = stage.node("requestor");
    let (input, out) = (text(&stage.inputs(1)[0]), text(&stage.path("out")));
    let library = text(&stage.module("library", r#"(module (func (export "add")))"#));
    let curious = text(&stage.module("curious", CURIOUS));
    let picture = text(&stage.file("picture.wasm", b"\x89PNG\r\n\x1a\n not a module at all"));
    let empty = text(&stage.file("empty.wasm", b""));
    let map = |module: &str| format!("map {module} {input} -o {out} --budget 1");
    run_all(
        &node,
        &[
            bad(map(&picture), &["picture.wasm", "WASI preview 1"]),
            bad(map(&empty), &["empty.wasm", "WASI preview 1"]),
            bad(map(&curious), &["curious.wasm", "open_socket", "wasi_snapshot_preview1"]),
            bad(map(&library), &["library.wasm", "_start", "main function"]),
        ],
    );
}

/// A deployment file with one thing changed.
fn deployment(stage: &Stage, node: &Node, name: &str, change: impl FnOnce(&mut Value)) -> String {
    let original = std::fs::read(node.deployment_file(31_337)).expect("it is there");
    let mut deployment: Value = serde_json::from_slice(&original).expect("it is JSON");
    change(&mut deployment);
    text(&stage.file(name, deployment.to_string()))
}

#[test]
fn a_chain_that_is_not_the_one_meant_is_refused_with_what_was_found() {
    let stage = Stage::set();
    let node = stage.node("node");
    let other_chain = deployment(&stage, &node, "other-chain.json", |it| it["chain_id"] = json!(5));
    let nowhere = "0x00000000000000000000000000000000000000aa";
    let absent = deployment(&stage, &node, "absent.json", |it| it["channels"] = json!(nowhere));
    let reset = deployment(&stage, &node, "reset.json", |it| it["block"] = json!(1_000_000));
    let swapped = deployment(&stage, &node, "swapped.json", |it| it["channels"] = it["gnt"].clone());
    let garbage = text(&stage.file("garbage.json", "{}"));
    let missing = text(&stage.path("missing.json"));
    let (module, input) = (text(&stage.module("copy", COPY)), text(&stage.inputs(1)[0]));
    let out = text(&stage.path("out"));
    let cases = [
        (String::from("--rpc-url http://127.0.0.1:1"), vec!["http://127.0.0.1:1", "check the address"]),
        (String::from("--rpc-url nonsense"), vec!["nonsense", "http://127.0.0.1:8545"]),
        (format!("--deployment {other_chain}"), vec!["serves chain 31337, and chain 5 was expected"]),
        (format!("--deployment {absent}"), vec!["no contract", "PaymentChannels", "golem deploy"]),
        (format!("--deployment {reset}"), vec!["block 1000000", "golem deploy"]),
        (format!("--deployment {swapped}"), vec!["PaymentChannels", "golem deploy"]),
        (format!("--deployment {garbage}"), vec!["garbage.json"]),
        (format!("--deployment {missing}"), vec!["missing.json", "golem devnet"]),
        (String::from("--confirmations 0"), vec!["confirmations", "at least 1"]),
    ];
    for (flags, says) in &cases {
        run_all(&node, &[bad(format!("wallet balance {flags}"), says), bad(format!("provide {flags}"), says)]);
    }
    for (flags, says) in &cases[2..4] {
        run_all(&node, &[bad(format!("map {module} {input} -o {out} --budget 1 {flags}"), says)]);
    }
}

fn read_version(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("VERSION")).expect("it is there")
}

#[test]
fn a_data_folder_that_is_not_ours_is_left_as_it_is() {
    let stage = Stage::set();
    let node = stage.node("node");
    let ours = read_version(&node.dir);
    std::fs::write(node.dir.join("VERSION"), "golem data folder 7\n").expect("it can be written");
    let says = ["version 7", "version 3", "newer program"];
    for command in ["provide", "status", "wallet address", "channel list", "deploy --dry-run"] {
        run_all(&node, &[bad(command, &says)]);
    }
    assert_eq!(read_version(&node.dir), "golem data folder 7\n");
    std::fs::write(node.dir.join("VERSION"), ours).expect("it can be written");

    let settings = std::fs::read_to_string(node.dir.join("golem.toml")).expect("it is there");
    std::fs::write(node.dir.join("golem.toml"), settings.replace("[provider]", "[provider]\nslot = 3"))
        .expect("it can be written");
    run_all(&node, &[bad("provide", &["golem.toml", "slot", "slots"])]);
    std::fs::write(node.dir.join("golem.toml"), settings).expect("it can be written");

    let letters = stage.path("letters");
    std::fs::create_dir(&letters).expect("a folder can be made");
    std::fs::write(letters.join("letter.txt"), "dear").expect("it can be written");
    let foreign = Node { name: "foreign".into(), dir: letters.clone(), password: node.password.clone() };
    run_all(&foreign, &[bad("wallet new", &["letters", "not empty", "--dir"]), bad("provide", &["letters", "--dir"])]);
    assert_eq!(std::fs::read_dir(&letters).expect("it is there").count(), 1, "nothing was put there");

    let none = Node { name: "none".into(), dir: stage.path("none"), password: node.password.clone() };
    run_all(&none, &[bad("status", &["none", "golem wallet new"])]);
    let keyless = stage.empty_node("keyless");
    run_all(&keyless, &[bad("provide", &["golem wallet new", "golem wallet import"])]);
}

#[test]
fn a_key_stays_shut_for_a_wrong_password_and_is_never_replaced() {
    let stage = Stage::set();
    let node = stage.node("node");
    let with_password = |password: &str| Node {
        name: "thief".into(),
        dir: node.dir.clone(),
        password: stage.file("other.password", password),
    };
    let key = std::fs::read(node.dir.join("keystore/wallet.json")).expect("it is there");
    run_all(&with_password("guess guess guess"), &[bad("provide", &["password", "wallet.json"])]);
    run_all(&with_password("\nsecond line"), &[bad("provide", &["other.password", "is empty"])]);
    run_all(&node, &[bad("wallet new", &["wallet.json", "--dir"])]);
    let short =
        Node { name: "short".into(), dir: stage.path("short"), password: stage.file("short.password", "short") };
    run_all(&short, &[bad("wallet new", &["5", "8"])]);
    let bad_key = text(&stage.file("bad.key", "0xabc"));
    let fresh = Node { name: "fresh".into(), dir: stage.path("fresh"), password: node.password.clone() };
    run_all(&fresh, &[bad(format!("wallet import --key-file {bad_key}"), &["64"])]);
    assert_eq!(std::fs::read(node.dir.join("keystore/wallet.json")).expect("it is there"), key);
    let shown =
        Process::spawn("no password", golem_command().arg("--dir").arg(&node.dir).arg("provide")).wait(PATIENCE);
    refuse(&bad("provide", &["--password-file", "GOLEM_PASSWORD_FILE"]), &shown);
}

#[test]
fn a_data_folder_in_use_is_not_used_twice() {
    let stage = Stage::set();
    let node = stage.node("node");
    let running = node.provide(PRICE, &[], &[]);
    let (module, input) = (text(&stage.module("copy", COPY)), text(&stage.inputs(1)[0]));
    let out = text(&stage.path("out"));
    let says = ["node", "in use by process", "its own folder"];
    run_all(
        &node,
        &[
            bad("provide", &says),
            bad(format!("map {module} {input} -o {out} --budget 1"), &says),
            bad("channel vouchers", &["stop the node"]),
        ],
    );
    assert_eq!(node.status().expect("it still answers")["role"], "provider");
    assert_eq!(running.stop(PATIENCE).code, Some(0));
}
