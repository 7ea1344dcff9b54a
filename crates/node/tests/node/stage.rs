//! A chain and nodes on it, each with a folder of its own.

use golem_devnet::{DevAccount, Devnet, DevnetOptions};
use golem_node::folder::Folder;
use golem_node::{
    ChainSettings, ClaimOnExit, ClaimSettings, MdnsMode, NetworkSettings, NodeKeys, ProviderConfig, ProviderHandle,
    ProviderNode, RequestorConfig, RequestorHandle, RequestorNode,
};
use golem_protocol::{ByteCount, ContentHash, Wei};
use golem_task::{ListedFile, MapTask, Price, TaskPlan, Verification};
use std::collections::BTreeMap;
use std::path::PathBuf;
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
pub const STORY_MAX: Duration = Duration::from_secs(240);

pub struct Stage {
    pub devnet: Devnet,
    pub folder: tempfile::TempDir,
    confirmations: u64,
}

impl Stage {
    pub async fn set() -> Stage {
        // A development chain: one block is enough, so that nobody waits for the next.
        Stage::set_with(1).await
    }

    /// Where nodes wait for so many confirmations.
    pub async fn set_with(confirmations: u64) -> Stage {
        let devnet = Devnet::start(DevnetOptions::default()).await.expect("anvil starts");
        Stage { devnet, folder: tempfile::tempdir().unwrap(), confirmations }
    }

    pub fn keys(&self, place: usize) -> NodeKeys {
        let account: &DevAccount = &self.devnet.accounts()[place];
        NodeKeys::from_secrets(account.key, account.key).unwrap()
    }

    pub fn chain(&self) -> ChainSettings {
        let mut chain = ChainSettings::new(self.devnet.rpc_url(), self.devnet.deployment().clone());
        chain.poll_ms = Some(100);
        chain.confirmations = self.confirmations;
        chain
    }

    pub fn data(&self, name: &str) -> Folder {
        Folder::open_or_create(&self.folder.path().join(name)).unwrap()
    }

    fn network(bootstrap: &[String]) -> NetworkSettings {
        let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        NetworkSettings { listen, bootstrap: bootstrap.to_vec(), mdns: MdnsMode::Off, ..NetworkSettings::default() }
    }

    pub async fn requestor(&self) -> (RequestorHandle, Vec<String>) {
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

    pub async fn provider(&self, place: usize, bootstrap: &[String]) -> ProviderHandle {
        let never = ClaimSettings { threshold: Wei::MAX, on_exit: ClaimOnExit::Keep, ..ClaimSettings::default() };
        self.provider_that_claims(place, bootstrap, never).await
    }

    pub async fn provider_that_claims(
        &self,
        place: usize,
        bootstrap: &[String],
        claim: ClaimSettings,
    ) -> ProviderHandle {
        ProviderNode::start(ProviderConfig { claim, ..self.provider_config(place, bootstrap) }).await.unwrap()
    }

    pub fn provider_config(&self, place: usize, bootstrap: &[String]) -> ProviderConfig {
        let folder = self.data(&format!("provider-{place}"));
        let min_price = Wei(place as u128 * 1_000_000_000_000_000_000);
        let mut config = ProviderConfig::new(folder, self.keys(place), self.chain(), min_price);
        config.network = Stage::network(bootstrap);
        config.slots = 2;
        config
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

pub fn text(index: usize) -> Vec<u8> {
    format!("input number {index}\n").repeat(1 + index * 500).into_bytes()
}

pub fn plan(stage: &Stage, count: usize) -> (TaskPlan, PathBuf, BTreeMap<ContentHash, PathBuf>) {
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
