//! One requestor and two providers in one process, with their own keys and folders, on a real chain and real sockets.

use golem_deal::RequestorEvent;
use golem_devnet::{DevAccount, Devnet, DevnetOptions};
use golem_node::folder::Folder;
use golem_node::{
    ChainSettings, ClaimOnExit, CloseResult, MdnsMode, NetworkSettings, NodeKeys, ProviderConfig, ProviderHandle,
    ProviderNode, RequestorConfig, RequestorHandle, RequestorNode, RequestorNotice, TaskProgress, TaskTerms, Watched,
};
use golem_protocol::{ByteCount, ContentHash, Wei};
use golem_task::{ListedFile, MapTask, Price, TaskPlan, Verification};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Copies its standard input to its standard output.
const COPY: &str = r#"
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $more
      (i32.store (i32.const 0) (i32.const 64))
      (i32.store (i32.const 4) (i32.const 4096))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
      (i32.store (i32.const 4) (i32.load (i32.const 16)))
      (if (i32.load (i32.const 16))
        (then
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))
          (br $more))))))
"#;

/// The longest a story may take. Reason: machines that check are slow and shared.
const STORY_MAX: Duration = Duration::from_secs(240);

struct Stage {
    devnet: Devnet,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn set() -> Stage {
        let devnet = Devnet::start(DevnetOptions::default()).await.expect("anvil starts");
        Stage { devnet, folder: tempfile::tempdir().unwrap() }
    }

    fn keys(&self, place: usize) -> NodeKeys {
        let account: &DevAccount = &self.devnet.accounts()[place];
        NodeKeys::from_secrets(account.key, account.key).unwrap()
    }

    fn chain(&self) -> ChainSettings {
        let mut chain = ChainSettings::new(self.devnet.rpc_url(), self.devnet.deployment().clone());
        chain.poll_ms = Some(100);
        chain
    }

    fn data(&self, name: &str) -> Folder {
        Folder::open_or_create(&self.folder.path().join(name)).unwrap()
    }

    fn network(bootstrap: &[String]) -> NetworkSettings {
        let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        NetworkSettings { listen, bootstrap: bootstrap.to_vec(), mdns: MdnsMode::Off }
    }

    async fn requestor(&self) -> (RequestorHandle, Vec<String>) {
        let mut config = RequestorConfig::new(self.data("requestor"), self.keys(0), self.chain());
        config.network = Stage::network(&[]);
        config.lost_ms = 2_000;
        let requestor = RequestorNode::start(config).await.unwrap();
        let addresses = loop {
            let addresses = requestor.status().await.unwrap().network.addresses;
            if !addresses.is_empty() {
                break addresses;
            }
            tokio::task::yield_now().await;
        };
        (requestor, addresses)
    }

    async fn provider(&self, place: usize, bootstrap: &[String]) -> ProviderHandle {
        let folder = self.data(&format!("provider-{place}"));
        let min_price = Wei(place as u128 * 1_000_000_000_000_000_000);
        let mut config = ProviderConfig::new(folder, self.keys(place), self.chain(), min_price);
        config.network = Stage::network(bootstrap);
        config.slots = 2;
        config.claim.threshold = Wei::MAX;
        config.claim.on_exit = ClaimOnExit::Keep;
        ProviderNode::start(config).await.unwrap()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn text(index: usize) -> Vec<u8> {
    format!("input number {index}\n").repeat(1 + index * 500).into_bytes()
}

fn plan(stage: &Stage, count: usize) -> (TaskPlan, PathBuf, BTreeMap<ContentHash, PathBuf>) {
    let module = stage.file("copy.wasm", &wat::parse_str(COPY).unwrap());
    let mut paths = BTreeMap::new();
    let mut listed = Vec::new();
    for index in 0..count {
        let bytes = text(index);
        let name = format!("in-{index}.txt");
        let content = ContentHash(blake3::hash(&bytes).as_bytes().into());
        paths.insert(content, stage.file(&name, &bytes));
        listed.push(ListedFile { guest_path: name, content, size: ByteCount::from_bytes(bytes.len() as u64) });
    }
    let price = Price { max_per_hour: Wei::from_gnt(10).unwrap(), budget: Wei::from_gnt(100).unwrap() };
    let mut task = MapTask::new("copy", price);
    task.stdin = true;
    task.limits.timeout_s = 60;
    task.verification = Verification::Recheck { fraction_ppm: 500_000 };
    (task.plan(listed).unwrap(), module, paths)
}

fn check_outputs(dir: &Path, count: usize) {
    for index in 0..count {
        let got = std::fs::read(dir.join(format!("in-{index}.txt/stdout"))).unwrap();
        assert!(got == text(index), "output {index} is its input");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_agreed_computed_checked_paid_claimed_and_closed() {
    tokio::time::timeout(STORY_MAX, whole_story()).await.expect("the story ends in time");
}

async fn whole_story() {
    const SUBTASKS: usize = 8;
    let stage = Stage::set().await;
    let (requestor, addresses) = stage.requestor().await;
    let providers = [stage.provider(1, &addresses).await, stage.provider(2, &addresses).await];
    let (plan, module, files) = plan(&stage, SUBTASKS);
    let task = requestor.prepare(&plan, &module, &files, TaskTerms::default()).await.unwrap();
    let mut running = requestor.run_task(task).await.unwrap();
    let header = running.header();
    let report = loop {
        match running.next().await {
            TaskProgress::Watched(_) => {}
            TaskProgress::Finished(report) => break report.unwrap(),
        }
    };
    assert_eq!((report.done, report.failed), (SUBTASKS as u32, 0));
    assert!(report.spent_wei > Wei::ZERO && report.spent_wei <= report.budget_wei);
    let shared = report.providers.iter().fold(Wei::ZERO, |sum, share| sum.saturating_add(share.paid_wei));
    assert_eq!(shared, report.spent_wei, "who did how much adds up");

    let out = stage.folder.path().join("out");
    let collected = requestor.collect(header, &out).await.unwrap();
    assert!(collected.missing.is_empty());
    check_outputs(&out, SUBTASKS);

    let signed = requestor.status().await.unwrap().channels;
    requestor.shutdown().await.unwrap();
    let (mut earned, mut claimed) = (Wei::ZERO, Wei::ZERO);
    for provider in providers {
        let status = provider.status().await.unwrap();
        earned = earned.saturating_add(status.totals.earned_wei);
        let summary = provider.claim_all().await.unwrap();
        claimed = claimed.saturating_add(summary.paid_wei);
        assert!(summary.transactions.len() <= 1, "one transaction claims everything");
        for close in provider.close_channels().await.unwrap() {
            assert!(matches!(close.result, CloseResult::Closed { .. }), "{close:?}");
        }
        provider.shutdown().await.unwrap();
    }
    let signed = signed.iter().fold(Wei::ZERO, |sum, channel| sum.saturating_add(channel.signed_wei));
    assert_eq!((earned, claimed, signed), (report.spent_wei, report.spent_wei, report.spent_wei));
    stage.devnet.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_restarts_still_holds_its_voucher() {
    tokio::time::timeout(STORY_MAX, restart_story()).await.expect("the story ends in time");
}

async fn restart_story() {
    let stage = Stage::set().await;
    let (requestor, addresses) = stage.requestor().await;
    let provider = stage.provider(1, &addresses).await;
    let (plan, module, files) = plan(&stage, 2);
    let task = requestor.prepare(&plan, &module, &files, TaskTerms::default()).await.unwrap();
    let report = requestor.run_task(task).await.unwrap().finished().await.unwrap();
    requestor.shutdown().await.unwrap();
    provider.shutdown().await.unwrap();
    let again = stage.provider(1, &[]).await;
    assert_eq!(again.status().await.unwrap().totals.claimable_wei, report.spent_wei);
    assert_eq!(again.claim_all().await.unwrap().paid_wei, report.spent_wei);
    // What is claimed is not claimed twice.
    assert_eq!(again.claim_all().await.unwrap().paid_wei, Wei::ZERO);
    again.shutdown().await.unwrap();
    stage.devnet.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_requestor_that_restarts_finishes_its_task_and_pays_once() {
    tokio::time::timeout(STORY_MAX, resume_story()).await.expect("the story ends in time");
}

async fn resume_story() {
    const SUBTASKS: usize = 12;
    let stage = Stage::set().await;
    let (requestor, addresses) = stage.requestor().await;
    let provider = stage.provider(1, &addresses).await;
    let (plan, module, files) = plan(&stage, SUBTASKS);
    let task = requestor.prepare(&plan, &module, &files, TaskTerms::default()).await.unwrap();
    let mut running = requestor.run_task(task).await.unwrap();
    let header = running.header();
    // Stopped as soon as anything was agreed: some of it is computed, none of it need be paid yet.
    loop {
        match running.next().await {
            TaskProgress::Watched(Watched::Event(event))
                if matches!(event.event, RequestorNotice::Deal(RequestorEvent::Agreed { .. })) =>
            {
                break;
            }
            TaskProgress::Watched(_) => {}
            TaskProgress::Finished(ended) => panic!("it ended before anything was agreed: {ended:?}"),
        }
    }
    requestor.shutdown().await.unwrap();
    let (requestor, addresses) = stage.requestor().await;
    let helper = stage.provider(2, &addresses).await;
    let known = requestor.status().await.unwrap().tasks;
    assert_eq!((known.len(), known[0].name.as_str()), (1, "copy"));
    let report = requestor.resume(header).await.unwrap().finished().await.unwrap();
    assert_eq!(report.done, SUBTASKS as u32);
    let out = stage.folder.path().join("out");
    requestor.collect(header, &out).await.unwrap();
    check_outputs(&out, SUBTASKS);
    let channels = requestor.status().await.unwrap().channels;
    let signed = channels.iter().fold(Wei::ZERO, |sum, channel| sum.saturating_add(channel.signed_wei));
    assert_eq!(signed, report.spent_wei, "nothing is paid twice");
    requestor.shutdown().await.unwrap();
    for provider in [provider, helper] {
        provider.shutdown().await.unwrap();
    }
    stage.devnet.stop();
}

/// One request by hand; gives the status line and the body.
async fn request(address: SocketAddr, head: &str) -> (String, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_http_interface_tells_its_owner_and_nobody_else() {
    tokio::time::timeout(STORY_MAX, http_story()).await.expect("the story ends in time");
}

async fn http_story() {
    let stage = Stage::set().await;
    let provider = stage.provider(1, &[]).await;
    let address = provider.api().unwrap();
    let api = stage.data("provider-1").read_api().unwrap().unwrap();
    assert_eq!(api.address, address);
    let host = format!("Host: {address}");
    let token = format!("Authorization: Bearer {}", api.token);
    let (page, _) = request(address, &format!("GET / HTTP/1.1\r\n{host}")).await;
    assert!(page.contains("200"), "{page}");
    for path in ["GET /status", "GET /events", "GET /metrics", "POST /claim", "POST /close", "POST /stop"] {
        let (refused, _) = request(address, &format!("{path} HTTP/1.1\r\n{host}")).await;
        assert!(refused.contains("401"), "{path}: {refused}");
        let elsewhere = format!("{path} HTTP/1.1\r\nHost: attacker.example\r\n{token}");
        let (refused, _) = request(address, &elsewhere).await;
        assert!(refused.contains("421"), "{path}: {refused}");
    }
    let (ok, body) = request(address, &format!("GET /status HTTP/1.1\r\n{host}\r\n{token}")).await;
    assert!(ok.contains("200") && body.contains(&provider.node_id().to_string().to_lowercase()), "{ok} {body}");
    let (ok, body) = request(address, &format!("GET /metrics HTTP/1.1\r\n{host}\r\n{token}")).await;
    assert!(ok.contains("200") && body.contains("golem_slots 2"), "{ok} {body}");
    let (ok, body) = request(address, &format!("POST /claim HTTP/1.1\r\n{host}\r\n{token}")).await;
    assert!(ok.contains("200") && body.contains("paid_wei"), "{ok} {body}");
    let (ok, _) = request(address, &format!("POST /stop HTTP/1.1\r\n{host}\r\n{token}")).await;
    assert!(ok.contains("200"), "{ok}");
    provider.stopped().await;
    provider.shutdown().await.unwrap();
    assert_eq!(stage.data("provider-1").read_api().unwrap(), None, "api.json is gone with the node");
    stage.devnet.stop();
}
