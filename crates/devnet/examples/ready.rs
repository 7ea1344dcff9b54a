//! How long a network takes until it is ready: min, median and max of some starts, part by part, in milliseconds.
//!
//! `cargo run -p golem-devnet --release --example ready -- [STARTS] [PROVIDERS]`: 20 starts and no nodes without
//! arguments; with providers there is a requestor too.

use golem_devnet::{Devnet, DevnetError, DevnetOptions, NodeOptions, OpenChannel, StartTimes, Wei};
use std::time::{Duration, Instant};

type Part = (&'static str, fn(&StartTimes) -> Duration);

const PARTS: [Part; 6] = [
    ("anvil", |times| times.anvil),
    ("deploy", |times| times.deploy),
    ("fund", |times| times.fund),
    ("channels", |times| times.channels),
    ("nodes", |times| times.nodes),
    ("ready", StartTimes::total),
];

#[tokio::main]
async fn main() -> Result<(), DevnetError> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().expect("a number"));
    let starts = arguments.next().unwrap_or(20).max(1);
    let providers = arguments.next().unwrap_or(0);
    let options = DevnetOptions {
        channels: (1..=5).map(|payee| OpenChannel { payer: 0, payee, amount: Wei(1_000_000_000) }).collect(),
        nodes: NodeOptions { requestors: providers.min(1), providers, ..NodeOptions::default() },
        ..DevnetOptions::default()
    };
    let (mut all, mut stops) = (Vec::new(), Vec::new());
    for _ in 0..starts {
        let devnet = Devnet::start(options.clone()).await?;
        all.push(devnet.start_times());
        let begun = Instant::now();
        devnet.stop();
        stops.push(begun.elapsed());
    }
    println!("{starts} starts with 5 channels and {providers} providers, in ms");
    println!("{:10} {:>8} {:>8} {:>8}", "", "min", "median", "max");
    for (name, part) in PARTS {
        print(name, all.iter().map(part).collect());
    }
    print("stop", stops);
    Ok(())
}

fn print(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let ms = |time: Option<&Duration>| time.copied().unwrap_or_default().as_secs_f64() * 1_000.0;
    let (min, median, max) = (ms(times.first()), ms(times.get(times.len() / 2)), ms(times.last()));
    println!("{name:10} {min:8.1} {median:8.1} {max:8.1}");
}
