//! Nodes on a network of their own: a task from bytes to money, and nothing left when it is dropped.

use crate::{PATIENCE, ROLE};
use golem_devnet::node::CloseResult;
use golem_devnet::task::{MapTask, Price};
use golem_devnet::{Devnet, DevnetError, DevnetOptions, NodeOptions, OpenChannel, Wei};
use std::net::{SocketAddr, TcpStream};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

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
const LOOPS: &str = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;

fn gnt(amount: u64) -> Wei {
    Wei::from_gnt(amount).unwrap()
}

fn task() -> MapTask {
    let mut task = MapTask::new("copy", Price { max_per_hour: gnt(10), budget: gnt(5) });
    task.stdin = true;
    task
}

fn with_nodes(requestors: usize, providers: usize) -> DevnetOptions {
    DevnetOptions { nodes: NodeOptions { requestors, providers, ..NodeOptions::default() }, ..DevnetOptions::default() }
}

#[tokio::test]
async fn does_a_task_and_settles_it_to_the_wei_on_a_runtime_of_one_thread() {
    let options =
        DevnetOptions { channels: vec![OpenChannel { payer: 0, payee: 1, amount: gnt(5) }], ..with_nodes(1, 2) };
    let devnet = Devnet::start(options).await.unwrap();
    assert_eq!(devnet.channel(0, 1).await.unwrap().deposit, gnt(5));
    let (requestor, providers) = (&devnet.requestors()[0], devnet.providers());
    assert_eq!(requestor.account, devnet.accounts()[0]);
    assert_eq!(providers.iter().map(|node| &node.account).collect::<Vec<_>>(), [1, 2].map(|i| &devnet.accounts()[i]));

    let inputs: [(&str, &[u8]); 4] = [("a.txt", b"one"), ("b.txt", b"two"), ("c.txt", b"three"), ("d.txt", b"three")];
    let done = requestor.run(&task(), &wat::parse_str(COPY).unwrap(), &inputs).await.unwrap();
    for (name, bytes) in inputs {
        assert_eq!(done.output(name, "stdout"), Some(bytes));
    }
    let spent = done.report.spent_wei;
    assert!(spent > Wei::ZERO && spent <= gnt(5), "{spent}");

    let mut settled = Wei::ZERO;
    for (place, provider) in [(1, &providers[0]), (2, &providers[1])] {
        let paid = provider.node.claim_all().await.unwrap().paid_wei;
        assert_eq!(devnet.channel(0, place).await.unwrap().claimed, paid);
        for close in provider.node.close_channels().await.unwrap() {
            assert!(matches!(close.result, CloseResult::Closed { .. }), "{close:?}");
        }
        assert_eq!(devnet.gnt(place).await.unwrap(), gnt(10_000).checked_add(paid).unwrap());
        settled = settled.checked_add(paid).unwrap();
    }
    assert_eq!(settled, spent);
    // What nobody earned in the channel that was open before the task is back only if its payee closed it.
    let still_open = devnet.channel(0, 1).await.unwrap().deposit;
    let kept = devnet.gnt(0).await.unwrap().checked_add(still_open).unwrap();
    assert_eq!(kept, gnt(10_000).checked_sub(spent).unwrap());
}

#[tokio::test]
async fn says_which_account_is_missing_before_anything_starts() {
    let mut options = with_nodes(1, 3);
    options.anvil.accounts = 3;
    let error = Devnet::start(options).await.unwrap_err();
    assert!(matches!(error, DevnetError::NoAccount { what: "the last node", place: 3, accounts: 3 }), "{error}");
}

#[tokio::test]
async fn says_which_start_failed_and_leaves_nothing() {
    let mut options = with_nodes(1, 2);
    options.nodes.slots = 0;
    let error = Devnet::start(options).await.unwrap_err();
    let DevnetError::Node { account, .. } = &error else { panic!("{error}") };
    assert!([1, 2].contains(account));
    assert!(error.to_string().contains("slots"), "{error}");
}

/// Where the parts of a network are, to look whether they still are.
struct Traces {
    ports: Vec<SocketAddr>,
    folders: Vec<PathBuf>,
}

async fn traces(devnet: &Devnet) -> Traces {
    let mut ports = vec![SocketAddr::from(([127, 0, 0, 1], devnet.anvil().port()))];
    let (mut folders, mut networks) = (Vec::new(), Vec::new());
    for node in devnet.requestors() {
        ports.extend(node.node.api());
        folders.push(node.folder.path().to_path_buf());
        networks.push(node.node.status().await.unwrap().network);
    }
    for node in devnet.providers() {
        ports.extend(node.node.api());
        folders.push(node.folder.path().to_path_buf());
        networks.push(node.node.status().await.unwrap().network);
    }
    for address in networks.iter().flat_map(|network| &network.addresses) {
        // /ip4/127.0.0.1/tcp/PORT/p2p/...
        let port = address.split('/').nth(4).unwrap().parse().unwrap();
        ports.push(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let parts = 1 + 2 * folders.len();
    assert_eq!(ports.len(), parts, "{ports:?}");
    Traces { ports, folders }
}

impl Traces {
    fn all_there(&self) -> bool {
        self.ports.iter().all(|port| TcpStream::connect(port).is_ok()) && self.folders.iter().all(|path| path.is_dir())
    }

    fn left(&self, threads_before: &[String]) -> Vec<String> {
        let ports = self.ports.iter().filter(|port| TcpStream::connect(port).is_ok()).map(|port| port.to_string());
        let folders = self.folders.iter().filter(|path| path.exists()).map(|path| path.display().to_string());
        let now = threads();
        let more = if now == threads_before { Vec::new() } else { now };
        ports.chain(folders).chain(more).collect()
    }
}

/// The threads of this process that are a network's, or were started by one of its; none where the system does not tell.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().map_while(Result::ok);
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    let ours = ["golem-devnet", "sandbox", "committer"];
    let mut ours: Vec<_> = names.filter(|name| ours.iter().any(|prefix| name.starts_with(prefix))).collect();
    ours.sort();
    ours
}

/// In a process of its own, whose threads are no other test's: panics in the middle of a task that would never end, and
/// says what is left once the panic was caught.
#[test]
fn panics_in_a_process_of_its_own() {
    let runtime = match std::env::var(ROLE).as_deref() {
        Ok("panic on one thread") => Builder::new_current_thread().enable_all().build().unwrap(),
        Ok("panic on many threads") => Builder::new_multi_thread().enable_all().build().unwrap(),
        _ => return,
    };
    // The compiler's threads start with the first network, and are the process's from then on.
    runtime.block_on(async { Devnet::start(with_nodes(0, 1)).await.unwrap().stop() });
    let threads_before = threads();
    let mut seen = None;
    let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let devnet = Devnet::start(with_nodes(1, 1)).await.unwrap();
            let found = traces(&devnet).await;
            assert!(found.all_there());
            assert!(cfg!(not(target_os = "linux")) || threads().len() > threads_before.len());
            seen = Some(found);
            let (task, module) = (task(), wat::parse_str(LOOPS).unwrap());
            let provider = &devnet.providers()[0];
            let busy = async {
                while provider.node.status().await.unwrap().slots_busy == 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::select! {
                ended = devnet.requestors()[0].run(&task, &module, &[("a", b"")]) => panic!("it ended: {ended:?}"),
                () = busy => panic!("on purpose"),
            }
        })
    }));
    let message = panicked.unwrap_err().downcast::<&str>().map(|text| text.to_string()).unwrap_or_default();
    println!("\nafter `{message}`: {:?} left", seen.unwrap().left(&threads_before));
}

fn is_gone_after(role: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "nodes::panics_in_a_process_of_its_own", "--nocapture"]).env(ROLE, role);
    let said = command.output().unwrap();
    let said = [said.stdout, said.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("\nafter `on purpose`: [] left\n"), "{said}");
}

#[test]
fn is_gone_after_a_panic_on_a_runtime_of_one_thread() {
    is_gone_after("panic on one thread");
}

#[test]
fn is_gone_after_a_panic_on_a_runtime_of_many_threads() {
    is_gone_after("panic on many threads");
}

#[tokio::test]
async fn is_gone_when_its_start_is_given_up() {
    // Long enough for the chain, too short for the nodes: whatever has begun by then ends.
    let before = folders();
    for ms in [80, 200, 350] {
        let started = tokio::time::timeout(Duration::from_millis(ms), Devnet::start(with_nodes(1, 1))).await;
        drop(started);
    }
    let left: Vec<PathBuf> = folders().into_iter().filter(|path| !before.contains(path)).collect();
    // Other tests run beside this one; what is theirs goes too.
    let begun = Instant::now();
    while left.iter().any(|path| path.exists()) {
        assert!(begun.elapsed() < PATIENCE, "{left:?} are left");
        std::thread::yield_now();
    }
}

fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(std::env::temp_dir()).unwrap().map_while(Result::ok);
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("golem-devnet-"));
    ours.map(|entry| entry.path()).collect()
}
