//! Subtasks run here from contents that are here: what comes of them.

use super::*;
use crate::content::Room;
use crate::proofs::{ProofDesk, Seen};
use golem_protocol::{
    Address, AgreedSubtask, Agreement, AppFee, ChainRef, ChainTime, KeySigner, Pricing, ProofNotice, Report, Signer,
    SubtaskResult, Wei, WrongResultProof, sign,
};

/// Copies its standard input to its standard output, and ends with 0.
const COPY: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 4096))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
    (i32.store (i32.const 4) (i32.load (i32.const 16)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))))"#;
/// Says "no such scene" on standard error, and ends with 3.
const FAILS: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "no such scene")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 13))
    (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 20)))
    (call $exit (i32.const 3))))"#;
const LOOPS: &str = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;
const TRAPS: &str = r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#;

struct Bench {
    _folder: tempfile::TempDir,
    contents: Contents,
    runner: Arc<Runner>,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let contents = Contents::open(&folder.path().join("content"), 1 << 30, Room::Reclaim).unwrap();
    let (modules, work) = (folder.path().join("modules"), folder.path().join("work"));
    let mut config = SandboxConfig::new(modules);
    config.slots = 1;
    let runner = Runner::new(config, work, Pace::FULL).unwrap();
    Bench { _folder: folder, contents, runner: Arc::new(runner) }
}

impl Bench {
    fn job(&self, module: &[u8], stdin: &[u8], change: impl FnOnce(&mut SubtaskInput)) -> ComputeJob {
        let digest = self.contents.insert_bytes(module).unwrap();
        let content = self.contents.insert_bytes(stdin).unwrap();
        let limits = SubtaskLimits {
            fuel_max: Fuel::from_units(10_000_000),
            memory_max: ByteCount::from_bytes(1 << 20),
            table_elements_max: 100,
            output_max: ByteCount::from_bytes(1 << 20),
            output_files_max: 10,
        };
        let stdin = FileRef { path: "stdin".to_owned(), content, size: ByteCount::from_bytes(stdin.len() as u64) };
        let mut input =
            SubtaskInput { module: digest, args: vec![], stdin: Some(stdin), files: vec![], seed: [0; 32], limits };
        change(&mut input);
        let header = Header {
            requestor: NodeId(Address::repeat_byte(1)),
            payer: Address::repeat_byte(1),
            nonce: 0,
            module: digest,
            module_bytes: ByteCount::from_bytes(module.len() as u64),
            subtasks: 1,
            max_price: Wei(1),
            subtask_timeout_s: 60,
            min_perf: 0,
            pricing: Pricing::Tender,
            fuel_max: limits.fuel_max,
            memory_max: limits.memory_max,
            output_max: limits.output_max,
            recheck_ppm: 0,
            profile: golem_sandbox::profile::digest(),
            deadline: ChainTime(0),
            app: AppFee::NONE,
        };
        let input = self.contents.insert_bytes(&input.encode().unwrap()).unwrap();
        ComputeJob { agreement: B256::ZERO, index: 0, input, requestor: header.requestor, header, timeout_s: 60 }
    }

    async fn outcome(&self, job: ComputeJob, stop: JobStop) -> SubtaskOutcome {
        self.computed(job, stop).await.outcome
    }

    async fn computed(&self, job: ComputeJob, stop: JobStop) -> Computed {
        let bounds = SubtaskBounds {
            memory_max: ByteCount::from_bytes(1 << 26),
            output_max: ByteCount::from_bytes(1 << 26),
            input_max: ByteCount::from_bytes(1 << 26),
        };
        compute(self.runner.clone(), self.contents.clone(), bounds, job, stop).await
    }

    async fn fails(&self, module: &[u8], change: impl FnOnce(&mut SubtaskInput)) -> (FailureKind, String) {
        match self.outcome(self.job(module, b"", change), JobStop::new()).await {
            SubtaskOutcome::Failed { kind, message } => (kind, message),
            SubtaskOutcome::Completed { .. } => panic!("it completed"),
        }
    }
}

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn a_result_is_kept_with_its_manifest_and_comes_out_the_same_again() {
    let bench = bench();
    let job = bench.job(&wasm(COPY), b"hello", |_| {});
    let first = bench.outcome(job.clone(), JobStop::new()).await;
    let SubtaskOutcome::Completed { output, output_bytes, fuel, .. } = first else { panic!("{first:?}") };
    let bytes = bench.contents.read(output).unwrap();
    assert_eq!(bytes.len() as u64, output_bytes.0);
    let manifest = SubtaskOutput::decode(&bytes).unwrap();
    assert_eq!((manifest.exit_code, manifest.files[0].path.as_str()), (0, "stdout"));
    assert_eq!(bench.contents.read(manifest.files[0].content).unwrap(), b"hello");
    let (runner, contents, mut pins) = (bench.runner.clone(), bench.contents.clone(), bench.contents.pins());
    let again = recheck(runner, contents, job.input, job.header, JobStop::new(), &mut pins).await.unwrap();
    let SubtaskOutcome::Completed { output: output_again, fuel: fuel_again, .. } = again else { panic!("{again:?}") };
    assert_eq!((output, fuel), (output_again, fuel_again));
}

#[tokio::test]
async fn a_program_that_cannot_run_here_is_told_apart_from_a_run_that_failed() {
    let bench = bench();
    for module in [wasm(TRAPS), wasm(LOOPS), wasm(FAILS), wasm(COPY)] {
        assert_eq!(bench.computed(bench.job(&module, b"", |_| {}), JobStop::new()).await.unfit, None);
    }
    let job = bench.job(b"no module", b"", |_| {});
    let unfit = bench.computed(job.clone(), JobStop::new()).await.unfit.expect("it is no module");
    assert_eq!((unfit.module, unfit.for_ms), (job.header.module, 86_400_000));
    let slow = Exit::NotCompiled(golem_sandbox::CompileFailure::WallClock { wall_ms: 60_000 });
    assert_eq!(slow.unfit_for(), Some(Duration::from_secs(600)));
}

#[tokio::test]
async fn who_takes_too_long_reads_the_limit_that_was_set() {
    let bench = bench();
    let mut job = bench.job(&wasm(LOOPS), b"", |input| input.limits.fuel_max = Fuel::from_units(i64::MAX as u64));
    (job.timeout_s, job.header.fuel_max) = (1, Fuel::from_units(i64::MAX as u64));
    let SubtaskOutcome::Failed { kind, message } = bench.outcome(job, JobStop::new()).await else { panic!("it ended") };
    assert_eq!(kind, FailureKind::TimedOut);
    assert!(message.contains("did not end within 1 s;"), "{message}");
}

#[tokio::test]
async fn a_failure_says_whose_fault_it_is_and_the_programs_last_words() {
    let bench = bench();
    let (kind, message) = bench.fails(&wasm(FAILS), |_| {}).await;
    assert_eq!(kind, FailureKind::ExitStatus);
    assert!(message.contains("code 3") && message.ends_with("no such scene"), "{message}");
    assert_eq!(bench.fails(&wasm(LOOPS), |_| {}).await.0, FailureKind::OutOfFuel);
    assert_eq!(bench.fails(&wasm(TRAPS), |_| {}).await.0, FailureKind::Trapped);
    assert_eq!(bench.fails(b"no module", |_| {}).await.0, FailureKind::BadModule);
}

#[tokio::test]
async fn a_module_that_means_harm_fails_in_words_and_the_next_job_is_done() {
    let bench = bench();
    let with = |fields: &str| wasm(&format!("(module (memory (export \"memory\") 1) {fields})"));
    let run = |code: &str| with(&format!("(func (export \"_start\") {code})"));
    let nested = format!("{}{}", "(loop ".repeat(1000), ")".repeat(1000));
    for (module, kind, word) in [
        (with("(func (export \"_start\") (atomic.fence))"), FailureKind::BadModule, "threads"),
        (run(&nested), FailureKind::BadModule, "loops within each other"),
        (with("(func $f (loop $l (br $l))) (start $f) (func (export \"_start\"))"), FailureKind::OutOfFuel, "fuel"),
        // The same depth on every processor, so it is the program's fault and can be shown to be.
        (with("(func $f (export \"_start\") (call $f))"), FailureKind::Trapped, "too deep"),
        (run("(drop (memory.grow (i32.const 65000))) unreachable"), FailureKind::OutOfMemory, "memory"),
    ] {
        let (got, message) = bench.fails(&module, |_| {}).await;
        assert_eq!(got, kind, "{message}");
        assert!(message.contains(word), "{message}");
        let honest = bench.outcome(bench.job(&wasm(COPY), b"hello", |_| {}), JobStop::new()).await;
        assert!(matches!(honest, SubtaskOutcome::Completed { .. }), "after {message}: {honest:?}");
    }
}

#[tokio::test]
async fn refuses_a_document_that_asks_for_more_than_was_announced() {
    let bench = bench();
    let more_fuel = |input: &mut SubtaskInput| input.limits.fuel_max = Fuel::from_units(u64::MAX);
    let (kind, message) = bench.fails(&wasm(LOOPS), more_fuel).await;
    assert_eq!(kind, FailureKind::BadInput);
    assert!(message.contains("more fuel"), "{message}");
    let other_module = |input: &mut SubtaskInput| input.module = ContentHash(B256::repeat_byte(7));
    assert_eq!(bench.fails(&wasm(COPY), other_module).await.0, FailureKind::BadInput);
}

#[tokio::test]
async fn an_input_that_is_too_large_or_cannot_be_had_is_the_inputs_fault() {
    let bench = bench();
    let absent = |input: &mut SubtaskInput| {
        input.stdin.as_mut().unwrap().content = ContentHash(B256::repeat_byte(9));
    };
    assert_eq!(bench.fails(&wasm(COPY), absent).await.0, FailureKind::BadInput);
    let large = |input: &mut SubtaskInput| input.stdin.as_mut().unwrap().size = ByteCount::from_bytes(1 << 40);
    let (kind, message) = bench.fails(&wasm(COPY), large).await;
    assert!(kind == FailureKind::BadInput && message.contains("takes at most"), "{message}");
}

#[tokio::test]
async fn a_stopped_job_is_this_machines_doing() {
    let bench = bench();
    let all_fuel = |input: &mut SubtaskInput| input.limits.fuel_max = Fuel::from_units(u64::MAX / 2);
    let mut job = bench.job(&wasm(LOOPS), b"", all_fuel);
    job.header.fuel_max = Fuel::from_units(u64::MAX / 2);
    let stop = JobStop::new();
    stop.stop();
    let SubtaskOutcome::Failed { kind, .. } = bench.outcome(job, stop).await else { panic!("it completed") };
    assert_eq!(kind, FailureKind::Provider);
}

#[test]
fn keeps_the_end_of_a_long_message_within_its_bound() {
    let message = format!("{}the end", "ä".repeat(TEXT_BYTES_MAX));
    let SubtaskOutcome::Failed { message, .. } = Failure::new(FailureKind::Trapped, message).outcome() else {
        panic!("it completed")
    };
    assert!(message.len() <= TEXT_BYTES_MAX && message.ends_with("the end"));
}

#[test]
fn last_words_begin_with_what_happened_and_end_with_the_last_line_that_was_printed() {
    let said = |stderr: &str, stdout: &str| with_last_words("the program exited with code 7".into(), stderr, stdout);
    assert_eq!(said("", ""), "the program exited with code 7");
    assert_eq!(said("a\nb\n", ""), "the program exited with code 7; it printed last:\na\nb");
    assert_eq!(said("", "row 3\n"), "the program exited with code 7; it printed last:\nrow 3");
    let both = said("bad\n", "row 3\n");
    assert_eq!(both, "the program exited with code 7; it printed last:\nstdout:\nrow 3\nstderr:\nbad");
    let flood = format!("{}the end\n", "a word\n".repeat(TEXT_BYTES_MAX));
    for long in [said(&flood, &flood), said("", &flood), said(&"ä".repeat(TEXT_BYTES_MAX), "x")] {
        assert!(long.len() <= TEXT_BYTES_MAX, "{} bytes", long.len());
    }
    let long = said(&flood, "");
    assert!(long.ends_with("\nthe end") && long.lines().nth(1) == Some("a word"), "it begins with a line: {long}");
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_any_more_gives_its_slot_back() {
    let bench = bench();
    let endless = bench.job(&wasm(LOOPS), b"", |input| input.limits.fuel_max = Fuel::from_units(u64::MAX / 4));
    let endless =
        ComputeJob { header: Header { fuel_max: Fuel::from_units(u64::MAX / 4), ..endless.header.clone() }, ..endless };
    {
        let running = bench.outcome(endless, JobStop::new());
        let begun = async {
            while bench.runner.slots.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = running => panic!("it ended: {ended:?}"),
            () = begun => {}
        }
    }
    // Well before the endless one would be out of time.
    let next = bench.outcome(bench.job(&wasm(COPY), b"hello", |_| {}), JobStop::new());
    let next = tokio::time::timeout(Duration::from_secs(30), next).await.expect("there is a slot again");
    assert!(matches!(next, SubtaskOutcome::Completed { .. }), "{next:?}");
}

/// The proof of a deal about this job: what `provider` says came out.
fn proof_of(job: &ComputeJob, requestor: &KeySigner, provider: &KeySigner, said: SubtaskOutcome) -> WrongResultProof {
    let chain = CHAIN;
    let requestor_id = NodeId(requestor.address());
    let header = Header { requestor: requestor_id, deadline: ChainTime(9_000), ..job.header.clone() };
    let header = sign(header, &chain, requestor).unwrap();
    let agreement = Agreement {
        header: header.digest(),
        offer: B256::ZERO,
        requestor: requestor_id,
        provider: NodeId(provider.address()),
        payer: requestor.address(),
        payee: provider.address(),
        epoch: 1,
        batch: 0,
        price: Wei(1),
        fuel_rate: 1,
        subtask_timeout_s: 60,
        deadline: ChainTime(9_000),
        app: AppFee::NONE,
        subtasks: vec![AgreedSubtask { index: 0, input: job.input, value: Wei(1) }],
    };
    let agreement = sign(agreement, &chain, requestor).unwrap();
    let results = vec![SubtaskResult { index: 0, outcome: said }];
    let report = Report { agreement: agreement.digest(), provider: NodeId(provider.address()), results };
    let report = sign(report, &chain, provider).unwrap();
    WrongResultProof {
        header: header.into_signed(),
        agreement: agreement.into_signed(),
        report: report.into_signed(),
        index: 0,
    }
}

const CHAIN: ChainRef = ChainRef { chain_id: 31337, channels: Address::repeat_byte(5) };

#[tokio::test]
async fn a_proof_is_believed_only_where_its_result_is_wrong_here_too() {
    let bench = bench();
    let keys = |n: u8| KeySigner::from_bytes(&[n; 32]).unwrap();
    let (requestor, provider) = (keys(1), keys(2));
    let job = bench.job(&wasm(COPY), b"hello", |_| {});
    let right = bench.outcome(job.clone(), JobStop::new()).await;
    let SubtaskOutcome::Completed { output_bytes, fuel, .. } = right else { panic!("{right:?}") };
    let wrong = SubtaskOutcome::Completed { output: job.input, output_bytes, fuel, time_ms: 1 };
    let mut desk = ProofDesk::new(CHAIN, bench.contents.clone(), bench.runner.clone());
    let mut look_at = async |bytes: Vec<u8>, accused: NodeId| {
        let hash = bench.contents.insert_bytes(&bytes).unwrap();
        let notice = ProofNotice {
            provider: accused,
            proof: hash,
            proof_bytes: ByteCount::from_bytes(bytes.len() as u64),
            subtask_timeout_s: 60,
        };
        let claim = desk.heard(NodeId(requestor.address()), &notice);
        desk.look(claim, JobStop::new()).await
    };
    let who = NodeId(provider.address());
    // What a golem of another version says cannot be judged, and is held against nobody.
    let mut newer = proof_of(&job, &requestor, &provider, wrong.clone()).encode().unwrap();
    newer[0] += 1;
    let Seen::Unknown(why) = look_at(newer, who).await else { panic!("it is not of this version") };
    assert_eq!(why, "wire version 3; this node speaks 2: one of the two needs an update");
    let mut look = async |proof: &WrongResultProof, accused| look_at(proof.encode().unwrap(), accused).await;
    let proof = proof_of(&job, &requestor, &provider, wrong.clone());
    assert_eq!(look(&proof, who).await, Seen::Wrong(Box::new(proof)), "it is there to be shown to others");
    assert!(matches!(look(&proof_of(&job, &requestor, &provider, right), who).await, Seen::Right(_)));
    // Documents about somebody else, or signed by nobody, prove nothing.
    let other = NodeId(keys(3).address());
    assert!(matches!(look(&proof_of(&job, &requestor, &provider, wrong.clone()), other).await, Seen::Right(_)));
    let mut forged = proof_of(&job, &requestor, &provider, wrong.clone());
    forged.report.document.results[0].outcome =
        SubtaskOutcome::Completed { output: job.header.module, output_bytes, fuel, time_ms: 1 };
    assert!(matches!(look(&forged, who).await, Seen::Right(_)));
    // A task that fails has no right result at all; an input that is not to be had says nothing.
    let traps = bench.job(&wasm(TRAPS), b"", |_| {});
    assert!(matches!(look(&proof_of(&traps, &requestor, &provider, wrong.clone()), who).await, Seen::Wrong(_)));
    let lost = ComputeJob { input: ContentHash(B256::repeat_byte(9)), ..job };
    assert!(matches!(look(&proof_of(&lost, &requestor, &provider, wrong), who).await, Seen::Unknown(_)));
}
