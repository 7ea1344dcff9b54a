//! Real networks on loopback. Nothing waits for time to pass: every wait is for an event, and fails after [`PATIENCE`].

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use golem_protocol::{B256, ContentHash, NodeId};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::*;

const PATIENCE: Duration = Duration::from_secs(30);
const LOOPBACK: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
const TOPIC: &str = "headers";
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
const TCP: &str = "/ip4/127.0.0.1/tcp/0";

struct Node {
    handle: NetworkHandle,
    events: mpsc::Receiver<NetworkEvent>,
    address: String,
}

fn key(n: u8) -> [u8; 32] {
    let mut key = [7; 32];
    key[31] = n;
    key
}

/// A node that meets only whom it is told to.
fn quiet(n: u8) -> NetworkConfig {
    NetworkConfig {
        listen: vec![QUIC.to_string()],
        topics: vec![TOPIC.to_string()],
        discovery: false,
        ..NetworkConfig::new(key(n), Arc::new(NoContent))
    }
}

async fn start(config: NetworkConfig) -> Node {
    let (handle, mut events) = Network::start(config).unwrap();
    let address = wait(&mut events, |event| match event {
        NetworkEvent::ListenAddress { address } => Some(address),
        _ => None,
    })
    .await;
    Node { handle, events, address }
}

async fn wait<T>(events: &mut mpsc::Receiver<NetworkEvent>, mut wanted: impl FnMut(NetworkEvent) -> Option<T>) -> T {
    timeout(PATIENCE, async {
        loop {
            if let Some(found) = wanted(events.recv().await.expect("the network runs")) {
                return found;
            }
        }
    })
    .await
    .expect("the event comes in time")
}

impl Node {
    fn id(&self) -> NodeId {
        self.handle.node()
    }

    /// Waits until the node, and nothing less, has happened.
    async fn until(&mut self, wanted: NetworkEvent) {
        wait(&mut self.events, |event| (event == wanted).then_some(())).await;
    }

    async fn next_message(&mut self) -> (NodeId, Vec<u8>) {
        wait(&mut self.events, |event| match event {
            NetworkEvent::Message { from, bytes } => Some((from, bytes)),
            _ => None,
        })
        .await
    }

    async fn next_gossip(&mut self) -> (GossipId, NodeId, NodeId, Vec<u8>) {
        wait(&mut self.events, |event| match event {
            NetworkEvent::Gossip { id, source, via, bytes, .. } => Some((id, source, via, bytes)),
            _ => None,
        })
        .await
    }
}

/// Connects two nodes and waits until both know, topics included.
async fn connect(a: &mut Node, b: &mut Node) {
    a.handle.dial(&b.address).await.unwrap();
    a.until(NetworkEvent::PeerSubscribed { node: b.id(), topic: TOPIC.to_string() }).await;
    b.until(NetworkEvent::PeerSubscribed { node: a.id(), topic: TOPIC.to_string() }).await;
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it ends in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_messages_go_both_ways_over_quic_and_tcp() {
    for (listen, n) in [(QUIC, 10), (TCP, 12)] {
        let mut a = start(NetworkConfig { listen: vec![listen.to_string()], ..quiet(n) }).await;
        let mut b = start(NetworkConfig { listen: vec![listen.to_string()], ..quiet(n + 1) }).await;
        connect(&mut a, &mut b).await;
        let large = vec![5; MESSAGE_BYTES_MAX];
        in_time(a.handle.send(b.id(), large.clone())).await.unwrap();
        assert_eq!(b.next_message().await, (a.id(), large));
        in_time(b.handle.send(a.id(), b"back".to_vec())).await.unwrap();
        assert_eq!(a.next_message().await, (b.id(), b"back".to_vec()));
        assert_eq!(a.handle.peers().await, [b.id()]);
        in_time(b.handle.shutdown()).await;
        a.until(NetworkEvent::PeerDisconnected { node: b.id() }).await;
        assert_eq!(b.handle.send(a.id(), Vec::new()).await, Err(SendError::Stopped));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_reaches_a_third_node_only_once_the_middle_accepts_it() {
    let mut nodes = Vec::new();
    for n in 20..23 {
        nodes.push(start(quiet(n)).await);
    }
    let [a, b, c] = &mut nodes[..] else { unreachable!() };
    connect(a, b).await;
    connect(c, b).await;
    a.handle.publish(TOPIC, b"invalid".to_vec()).await.unwrap();
    let (id, source, via, bytes) = b.next_gossip().await;
    assert_eq!((source, via, &bytes[..]), (a.id(), a.id(), &b"invalid"[..]));
    b.handle.report(id, GossipVerdict::Reject).await;
    a.handle.publish(TOPIC, b"valid".to_vec()).await.unwrap();
    let (id, ..) = b.next_gossip().await;
    b.handle.report(id, GossipVerdict::Accept).await;
    let (_, source, via, bytes) = c.next_gossip().await;
    assert_eq!((source, via, &bytes[..]), (a.id(), b.id(), &b"valid"[..]), "the rejected one never comes");
    // Heard of, but not how to reach: nobody has told c an address of a.
    let error = in_time(c.handle.send(a.id(), b"offer".to_vec())).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_the_author_of_gossip_whom_it_has_to_look_up() {
    let discovering = |n| {
        let mut config = quiet(n);
        config.discovery = true;
        // Nobody connects to whom it does not have to.
        config.limits.peers_target = 0;
        config
    };
    let mut a = start(discovering(30)).await;
    let mut b = start(discovering(31)).await;
    let mut c = start(discovering(32)).await;
    connect(&mut a, &mut b).await;
    connect(&mut c, &mut b).await;
    a.handle.publish(TOPIC, b"header".to_vec()).await.unwrap();
    let (id, ..) = b.next_gossip().await;
    b.handle.report(id, GossipVerdict::Accept).await;
    let (_, source, ..) = c.next_gossip().await;
    in_time(c.handle.send(source, b"offer".to_vec())).await.unwrap();
    assert_eq!(a.next_message().await, (c.id(), b"offer".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_other_nodes_through_a_bootstrap_node() {
    let b = start(NetworkConfig { discovery: true, ..quiet(40) }).await;
    let meets_b = |n| NetworkConfig { discovery: true, bootstrap: vec![b.address.clone()], ..quiet(n) };
    let mut a = start(meets_b(41)).await;
    let c = start(meets_b(42)).await;
    a.until(NetworkEvent::PeerConnected { node: c.id(), ip: LOOPBACK }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_for_a_bootstrap_node_that_starts_late_and_finds_it_again_after_a_restart() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("/ip4/127.0.0.1/tcp/{port}");
    let mut early = start(NetworkConfig { bootstrap: vec![listen.clone()], ..quiet(45) }).await;
    let late = || NetworkConfig { listen: vec![listen.clone()], ..quiet(46) };
    let first = start(late()).await;
    early.until(NetworkEvent::PeerConnected { node: first.id(), ip: LOOPBACK }).await;
    in_time(first.handle.shutdown()).await;
    early.until(NetworkEvent::PeerDisconnected { node: first.id() }).await;
    let mut second = start(late()).await;
    in_time(early.handle.send(second.id(), b"again".to_vec())).await.unwrap();
    assert_eq!(second.next_message().await, (early.id(), b"again".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_at_once_all_arrive() {
    let mut a = start(quiet(47)).await;
    let mut b = start(quiet(48)).await;
    connect(&mut a, &mut b).await;
    let sends = futures::future::join_all((0..200u8).map(|n| a.handle.send(b.id(), vec![n])));
    assert!(in_time(sends).await.into_iter().all(|sent| sent == Ok(())));
    let mut seen = Vec::new();
    for _ in 0..200 {
        seen.push(b.next_message().await.1[0]);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..200).collect::<Vec<u8>>());
    let sends = futures::future::join_all((0..300u16).map(|_| a.handle.send(b.id(), vec![0])));
    let refused = in_time(sends).await.into_iter().filter(|sent| *sent == Err(SendError::QueueFull)).count();
    assert!(refused > 0, "what waits is bounded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_oversized_messages_and_bans_who_insists() {
    let mut small = quiet(50);
    small.limits.message_bytes_max = 1000;
    small.limits.strikes_max = 2;
    let mut small = start(small).await;
    let mut large = start(quiet(51)).await;
    connect(&mut large, &mut small).await;
    let error = small.handle.send(large.id(), vec![0; 1001]).await.unwrap_err();
    assert_eq!(error, SendError::TooLarge { got: 1001, max: 1000 });
    in_time(large.handle.send(small.id(), vec![0; 1000])).await.unwrap();
    for _ in 0..3 {
        let error = in_time(large.handle.send(small.id(), vec![0; 1001])).await.unwrap_err();
        assert!(matches!(error, SendError::Refused { .. } | SendError::Unconfirmed { .. }), "{error}");
    }
    assert_eq!(small.next_message().await.1.len(), 1000);
    small.until(NetworkEvent::PeerBanned { node: large.id(), seconds: 60 }).await;
    large.until(NetworkEvent::PeerDisconnected { node: small.id() }).await;
    let error = large.handle.publish(TOPIC, vec![0; GOSSIP_BYTES_MAX + 1]).await.unwrap_err();
    assert!(matches!(error, PublishError::TooLarge { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_a_flooder_off_and_keeps_it_out() {
    let mut strict = quiet(60);
    strict.limits.messages_burst = 5;
    strict.limits.messages_per_second = 1;
    strict.limits.strikes_max = 3;
    let mut strict = start(strict).await;
    let mut flooder = start(quiet(61)).await;
    let mut honest = start(quiet(62)).await;
    connect(&mut flooder, &mut strict).await;
    connect(&mut honest, &mut strict).await;
    let mut outcomes = Vec::new();
    for n in 0..20u8 {
        outcomes.push(in_time(flooder.handle.send(strict.id(), vec![n])).await);
    }
    assert_eq!(outcomes[..5], [Ok(()), Ok(()), Ok(()), Ok(()), Ok(())]);
    assert!(outcomes.contains(&Err(SendError::RateLimited { node: strict.id() })), "{outcomes:?}");
    assert!(matches!(outcomes[19], Err(SendError::Unreachable { .. } | SendError::Unconfirmed { .. })), "{outcomes:?}");
    strict.until(NetworkEvent::PeerBanned { node: flooder.id(), seconds: 60 }).await;
    flooder.until(NetworkEvent::PeerDisconnected { node: strict.id() }).await;
    let error = strict.handle.send(flooder.id(), Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("banned for"), "{error}");
    in_time(honest.handle.send(strict.id(), b"still here".to_vec())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_a_flooder_of_gossip_off() {
    let mut strict = quiet(65);
    strict.limits.gossip_burst = 5;
    strict.limits.gossip_per_second = 1;
    strict.limits.strikes_max = 3;
    let mut strict = start(strict).await;
    let mut flooder = start(quiet(66)).await;
    connect(&mut flooder, &mut strict).await;
    for n in 0..30u8 {
        // From some point on nobody listens any more.
        let _ = flooder.handle.publish(TOPIC, vec![n]).await;
    }
    let mut taken = 0;
    wait(&mut strict.events, |event| {
        taken += usize::from(matches!(event, NetworkEvent::Gossip { .. }));
        (event == NetworkEvent::PeerBanned { node: flooder.id(), seconds: 60 }).then_some(())
    })
    .await;
    assert_eq!(taken, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_application_queue_is_answered_busy_and_events_are_kept() {
    let mut slow = start(quiet(68)).await;
    let mut fast = start(quiet(69)).await;
    connect(&mut fast, &mut slow).await;
    let mut delivered = 0;
    let busy = loop {
        match in_time(fast.handle.send(slow.id(), Vec::new())).await {
            Ok(()) => delivered += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(busy, SendError::Busy { node: slow.id() });
    in_time(fast.handle.shutdown()).await;
    let mut read = 0;
    wait(&mut slow.events, |event| {
        read += usize::from(matches!(event, NetworkEvent::Message { .. }));
        (event == NetworkEvent::PeerDisconnected { node: fast.id() }).then_some(())
    })
    .await;
    assert_eq!(read, delivered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_a_peer_whose_key_is_no_ethereum_address() {
    use futures::StreamExt;
    use libp2p::swarm::{SwarmEvent, dummy};
    let mut node = start(quiet(70)).await;
    let mut foreign = libp2p::SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| dummy::Behaviour)
        .unwrap()
        // It would stay.
        .with_swarm_config(|config| config.with_idle_connection_timeout(2 * PATIENCE))
        .build();
    foreign.dial(node.address.parse::<libp2p::Multiaddr>().unwrap()).unwrap();
    in_time(async {
        loop {
            if let SwarmEvent::ConnectionClosed { .. } = foreign.select_next_some().await {
                return;
            }
        }
    })
    .await;
    assert!(node.handle.peers().await.is_empty());
    assert!(node.events.try_recv().is_err(), "the application hears nothing of it");
}

#[tokio::test]
async fn says_why_it_cannot_start() {
    let start = |change: fn(&mut NetworkConfig)| {
        let mut config = quiet(80);
        change(&mut config);
        Network::start(config).err().expect("refused").to_string()
    };
    let error = start(|config| config.identity_key = [0; 32]);
    assert!(error.contains("not a valid secp256k1 secret"), "{error}");
    let error = start(|config| config.listen = vec!["127.0.0.1:4001".to_string()]);
    assert!(error.contains("127.0.0.1:4001") && error.contains("write it like"), "{error}");
    let error = start(|config| config.topics = vec![String::new(); 17]);
    assert!(error.contains("17 topics"), "{error}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = quiet(81);
    config.listen = vec![format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port())];
    let error = Network::start(config).err().expect("refused").to_string();
    assert!(error.contains("cannot listen on") && error.contains("Port 0"), "{error}");
}

// Content.

/// A source that answers what `change` makes of the right pieces.
struct Changed<F> {
    store: Arc<ContentStore>,
    change: F,
}

impl<F: Fn(u32, Vec<u8>) -> Option<Vec<u8>> + Send + Sync> ContentSource for Changed<F> {
    fn piece_list(&self, to: NodeId, hash: ContentHash, size: u64) -> io::Result<Option<Vec<u8>>> {
        self.store.piece_list(to, hash, size)
    }

    fn piece(&self, to: NodeId, hash: ContentHash, size: u64, index: u32) -> io::Result<Option<Vec<u8>>> {
        Ok(self.store.piece(to, hash, size, index)?.and_then(|piece| (self.change)(index, piece)))
    }
}

struct Shared {
    dir: tempfile::TempDir,
    store: Arc<ContentStore>,
    bytes: Vec<u8>,
    hash: ContentHash,
}

impl Shared {
    fn new(size: usize) -> Shared {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(ContentStore::open(&dir.path().join("content"), 1 << 30).unwrap());
        let mut bytes = vec![0; size];
        blake3::Hasher::new().update(b"content").finalize_xof().fill(&mut bytes);
        let hash = store.insert_bytes(&bytes).unwrap();
        Shared { dir, store, bytes, hash }
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn target(&self) -> PathBuf {
        self.dir.path().join("fetched")
    }

    fn assert_fetched(&self) {
        assert!(std::fs::read(self.target()).unwrap() == self.bytes);
        let left: Vec<_> =
            std::fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "only the content and the target remain: {left:?}");
    }
}

fn serving(n: u8, content: Arc<dyn ContentSource>) -> NetworkConfig {
    NetworkConfig { content, ..quiet(n) }
}

async fn fetch(by: &Node, shared: &Shared, from: &[&Node]) -> Result<Fetched, FetchError> {
    let from: Vec<_> = from.iter().map(|node| node.id()).collect();
    in_time(by.handle.fetch(shared.hash, shared.size(), &from, &shared.target())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_twenty_megabytes_from_two_providers_at_once() {
    let shared = Shared::new(20_000_003);
    let mut first = start(serving(100, shared.store.clone())).await;
    let mut second = start(serving(101, shared.store.clone())).await;
    let mut fetcher = start(NetworkConfig { listen: vec![TCP.to_string()], ..quiet(102) }).await;
    connect(&mut fetcher, &mut first).await;
    connect(&mut fetcher, &mut second).await;
    let fetched = fetch(&fetcher, &shared, &[&first, &second]).await.unwrap();
    shared.assert_fetched();
    assert_eq!((fetched.resumed_bytes, fetched.faults), (0, BTreeMap::new()));
    assert_eq!(fetched.from.values().sum::<u64>(), shared.size());
    assert_eq!(fetched.from.len(), 2, "both took part: {:?}", fetched.from);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_content_of_every_shape() {
    for (n, size) in [0, 1, PIECE_BYTES, PIECE_BYTES + 1].into_iter().enumerate() {
        let n = 104 + 2 * n as u8;
        let shared = Shared::new(size);
        let mut provider = start(serving(n, shared.store.clone())).await;
        let mut fetcher = start(quiet(n + 1)).await;
        connect(&mut fetcher, &mut provider).await;
        fetch(&fetcher, &shared, &[&provider]).await.unwrap();
        shared.assert_fetched();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_within_the_bandwidth_of_either_side() {
    let rate = std::num::NonZeroU64::new(2 * PIECE_BYTES as u64);
    let slow_up = Bandwidth { upload: rate, download: None };
    let slow_down = Bandwidth { download: rate, upload: None };
    for (n, up, down) in [(130, slow_up, Bandwidth::default()), (132, Bandwidth::default(), slow_down)] {
        let shared = Shared::new(4 * PIECE_BYTES);
        let mut provider = start(NetworkConfig { bandwidth: up, ..serving(n, shared.store.clone()) }).await;
        let mut fetcher = start(NetworkConfig { bandwidth: down, ..quiet(n + 1) }).await;
        connect(&mut fetcher, &mut provider).await;
        let began = Instant::now();
        fetch(&fetcher, &shared, &[&provider]).await.unwrap();
        shared.assert_fetched();
        // The fourth piece begins when three have had half a second each.
        assert!(began.elapsed() >= Duration::from_millis(1500), "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resumes_from_another_provider_when_the_first_vanishes() {
    let shared = Shared::new(40 * PIECE_BYTES);
    // Serves twelve pieces, then is silent until the test lets go.
    let served = Arc::new(AtomicUsize::new(0));
    let silent = Arc::new(Semaphore::new(0));
    let (counter, reached) = (served.clone(), silent.clone());
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let vanishing = Changed {
        store: shared.store.clone(),
        change: move |_, piece| {
            if counter.fetch_add(1, Ordering::SeqCst) >= 12 {
                reached.add_permits(1);
                let _ = released.lock().unwrap().recv();
                return None;
            }
            Some(piece)
        },
    };
    let mut first = start(serving(120, Arc::new(vanishing))).await;
    let mut second = start(serving(121, shared.store.clone())).await;
    let mut fetcher = start(quiet(122)).await;
    connect(&mut fetcher, &mut first).await;
    connect(&mut fetcher, &mut second).await;
    let vanish = async {
        let _ = silent.acquire().await.unwrap();
        fetcher.handle.ban(first.id()).await;
    };
    let from_first = [&first];
    let (failed, ()) = tokio::join!(fetch(&fetcher, &shared, &from_first), vanish);
    drop(release);
    let error = failed.unwrap_err();
    let FetchError::ProvidersFailed { verified_bytes, faults, .. } = &error else { panic!("{error}") };
    assert!(*verified_bytes >= 9 * PIECE_BYTES as u64 && *verified_bytes < shared.size(), "{error}");
    assert!(matches!(faults[&first.id()], FetchFault::Unanswered(SendError::Unconfirmed { .. })), "{error}");
    assert!(!shared.target().exists());
    // One kept piece goes bad on our own disk meanwhile: it is seen and fetched again.
    let partial = shared.dir.path().join("fetched.partial");
    let mut kept = std::fs::read(&partial).unwrap();
    kept[100] ^= 1;
    std::fs::write(&partial, kept).unwrap();
    let fetched = fetch(&fetcher, &shared, &[&second]).await.unwrap();
    shared.assert_fetched();
    assert_eq!(fetched.resumed_bytes, verified_bytes - PIECE_BYTES as u64);
    assert_eq!(fetched.from[&second.id()], shared.size() - fetched.resumed_bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn catches_a_wrong_piece_drops_its_provider_and_goes_on_with_another() {
    let shared = Shared::new(30 * PIECE_BYTES + 17);
    let liar = Changed {
        store: shared.store.clone(),
        change: |index, mut piece: Vec<u8>| {
            piece[0] ^= u8::from(index == 3);
            Some(piece)
        },
    };
    let mut liar = start(serving(130, Arc::new(liar))).await;
    let mut honest = start(serving(131, shared.store.clone())).await;
    let mut fetcher = start(quiet(132)).await;
    connect(&mut fetcher, &mut liar).await;
    connect(&mut fetcher, &mut honest).await;
    let error = fetch(&fetcher, &shared, &[&liar]).await.unwrap_err();
    let wrong = FetchFault::WrongBytes { part: "piece 3".to_string() };
    let FetchError::ProvidersFailed { faults, verified_bytes, .. } = &error else { panic!("{error}") };
    assert_eq!(faults, &BTreeMap::from([(liar.id(), wrong.clone())]));
    assert!(*verified_bytes < 30 * PIECE_BYTES as u64);
    assert!(error.to_string().contains("sent wrong bytes for piece 3"), "{error}");
    let fetched = fetch(&fetcher, &shared, &[&liar, &honest]).await.unwrap();
    shared.assert_fetched();
    assert!(fetched.faults.is_empty() || fetched.faults[&liar.id()] == wrong, "{fetched:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaves_a_provider_that_stalls() {
    let shared = Shared::new(10 * PIECE_BYTES);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let stalling = Changed {
        store: shared.store.clone(),
        change: move |_, _| {
            let _ = released.lock().unwrap().recv();
            None
        },
    };
    let mut stalling = start(serving(140, Arc::new(stalling))).await;
    let mut honest = start(serving(141, shared.store.clone())).await;
    let mut fetcher = quiet(142);
    fetcher.limits.request_timeout = Duration::from_millis(500);
    let mut fetcher = start(fetcher).await;
    connect(&mut fetcher, &mut stalling).await;
    connect(&mut fetcher, &mut honest).await;
    let fetched = fetch(&fetcher, &shared, &[&stalling, &honest]).await.unwrap();
    drop(release);
    shared.assert_fetched();
    assert!(matches!(fetched.faults[&stalling.id()], FetchFault::Unanswered(_)), "{fetched:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_wrong_hashes_sizes_and_lists() {
    /// Gives its one content's list whatever is asked for.
    struct AnyList(Arc<ContentStore>, ContentHash, u64);
    impl ContentSource for AnyList {
        fn piece_list(&self, to: NodeId, _: ContentHash, _: u64) -> io::Result<Option<Vec<u8>>> {
            self.0.piece_list(to, self.1, self.2)
        }
        fn piece(&self, to: NodeId, _: ContentHash, _: u64, index: u32) -> io::Result<Option<Vec<u8>>> {
            self.0.piece(to, self.1, self.2, index)
        }
    }
    let shared = Shared::new(2 * PIECE_BYTES);
    let (store, hash, size) = (shared.store.clone(), shared.hash, shared.size());
    let mut liar = start(serving(150, Arc::new(AnyList(store.clone(), hash, size)))).await;
    let mut honest = start(serving(151, store)).await;
    let mut fetcher = start(quiet(152)).await;
    connect(&mut fetcher, &mut liar).await;
    connect(&mut fetcher, &mut honest).await;
    let other = ContentHash(B256::repeat_byte(1));
    let to = shared.target();
    let fault = |result: Result<Fetched, FetchError>, node: &Node| match result {
        Err(FetchError::ProvidersFailed { faults, verified_bytes: 0, .. }) => faults[&node.id()].clone(),
        other => panic!("{other:?}"),
    };
    let list = || FetchFault::WrongBytes { part: "the list of pieces".to_string() };
    assert_eq!(fault(fetcher.handle.fetch(other, size, &[liar.id()], &to).await, &liar), list());
    assert_eq!(fault(fetcher.handle.fetch(hash, 3 * size, &[liar.id()], &to).await, &liar), list());
    // Of one piece there is no list; its bytes are caught.
    let piece = FetchFault::WrongBytes { part: "piece 0".to_string() };
    assert_eq!(fault(fetcher.handle.fetch(other, 10, &[liar.id()], &to).await, &liar), piece);
    assert_eq!(fault(fetcher.handle.fetch(other, size, &[honest.id()], &to).await, &honest), FetchFault::NotHeld);
    assert_eq!(fault(fetcher.handle.fetch(hash, size + 1, &[honest.id()], &to).await, &honest), FetchFault::NotHeld);
    assert!(!to.exists());
    let over = fetcher.handle.fetch(hash, CONTENT_BYTES_MAX + 1, &[honest.id()], &to).await;
    assert!(matches!(over, Err(FetchError::TooLarge { .. })));
    assert!(matches!(fetcher.handle.fetch(hash, size, &[], &to).await, Err(FetchError::NoProviders { .. })));
    let nowhere = shared.dir.path().join("no/such/folder");
    let error = fetcher.handle.fetch(hash, size, &[honest.id()], &nowhere).await.unwrap_err();
    assert!(error.to_string().contains("no/such/folder"), "{error}");
    fetch(&fetcher, &shared, &[&honest]).await.unwrap();
    shared.assert_fetched();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_a_document_by_its_hash_alone() {
    /// Answers every question with the same wrong document.
    struct Forger;
    impl ContentSource for Forger {
        fn piece_list(&self, _: NodeId, _: ContentHash, _: u64) -> io::Result<Option<Vec<u8>>> {
            Ok(None)
        }
        fn piece(&self, _: NodeId, _: ContentHash, _: u64, _: u32) -> io::Result<Option<Vec<u8>>> {
            Ok(Some(b"forged".to_vec()))
        }
    }
    let (small, large) = (Shared::new(5000), Shared::new(PIECE_BYTES + 1));
    let hash = small.store.insert_bytes(&large.bytes).unwrap();
    let mut honest = start(serving(160, small.store.clone())).await;
    let mut forger = start(serving(161, Arc::new(Forger))).await;
    let mut fetcher = start(quiet(162)).await;
    connect(&mut fetcher, &mut honest).await;
    connect(&mut fetcher, &mut forger).await;
    assert!(in_time(fetcher.handle.fetch_document(small.hash, honest.id())).await.unwrap() == small.bytes);
    for (hash, node, fault) in [
        (hash, &honest, FetchFault::NotHeld),
        (small.hash, &forger, FetchFault::WrongBytes { part: "the document".to_string() }),
    ] {
        match in_time(fetcher.handle.fetch_document(hash, node.id())).await {
            Err(FetchError::ProvidersFailed { faults, .. }) => assert_eq!(faults[&node.id()], fault),
            other => panic!("{other:?}"),
        }
    }
}
