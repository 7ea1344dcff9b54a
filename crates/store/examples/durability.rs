//! Measures what a durable write costs: this crate's store, sled 0.34 and sled 1.0 alpha, against a bare append and
//! `fdatasync`; then kills a writer with SIGKILL and counts the acknowledged writes that a restart finds.
//!
//! `cargo run --release -p golem-store --features sled-alpha --example durability -- [FOLDER]`
//!
//! To see which calls reach the disk: `strace -f -c -e trace=fsync,fdatasync,sync_file_range,msync` before the built
//! program, with `only ENGINE` behind it.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use golem_store::{Batch, DiskStore, Store, Table};

const RECORDS: Table = Table::new("records");

/// About the size of a stored voucher with its deal's state.
const VALUE_BYTES: usize = 300;

/// One measurement; each engine gets [`ROUNDS`] of them, and their median counts.
const MEASURE: Duration = Duration::from_secs(1);

const ROUNDS: usize = 5;

/// Writes a killed child acknowledges before it dies.
const ACKNOWLEDGED_BEFORE_KILL: u64 = 3000;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Something that makes a write durable, as far as it says.
trait Engine: Send {
    /// The same engine for another thread: the handles of sled's alpha are not shared but cloned.
    fn another(&self) -> Box<dyn Engine>;
    fn write(&self, key: u64, value: &[u8]) -> Outcome<()>;
    fn holds(&self, key: u64) -> Outcome<bool>;
    /// How many writes shared a flush, where the engine counts.
    fn writes_per_flush(&self) -> Option<f64> {
        None
    }
}

/// The floor: an append and one flush per write, nothing shared, nothing readable.
struct Bare(Arc<Mutex<File>>);

impl Engine for Bare {
    fn another(&self) -> Box<dyn Engine> {
        Box::new(Bare(self.0.clone()))
    }
    fn write(&self, key: u64, value: &[u8]) -> Outcome<()> {
        let mut file = self.0.lock().map_err(|_| "poisoned")?;
        file.write_all(&[&key.to_be_bytes()[..], value].concat())?;
        file.sync_data()?;
        Ok(())
    }
    fn holds(&self, _: u64) -> Outcome<bool> {
        Err("a bare file has no index".into())
    }
}

struct Ours(Arc<DiskStore>);

impl Engine for Ours {
    fn another(&self) -> Box<dyn Engine> {
        Box::new(Ours(self.0.clone()))
    }
    fn write(&self, key: u64, value: &[u8]) -> Outcome<()> {
        let mut batch = Batch::new();
        batch.put(RECORDS, key.to_be_bytes(), value.to_vec());
        Ok(self.0.commit(batch)?)
    }
    fn holds(&self, key: u64) -> Outcome<bool> {
        Ok(self.0.get(RECORDS, &key.to_be_bytes())?.is_some())
    }
    fn writes_per_flush(&self) -> Option<f64> {
        let stats = self.0.stats();
        Some(stats.commits as f64 / stats.flushes as f64)
    }
}

/// sled 0.34, with its own flush; and, where there is a file, with a real flush of that behind it.
struct Sled034(sled::Db, Option<Arc<File>>);

impl Engine for Sled034 {
    fn another(&self) -> Box<dyn Engine> {
        Box::new(Sled034(self.0.clone(), self.1.clone()))
    }
    fn write(&self, key: u64, value: &[u8]) -> Outcome<()> {
        self.0.insert(key.to_be_bytes(), value)?;
        self.0.flush()?;
        if let Some(file) = &self.1 {
            file.sync_data()?;
        }
        Ok(())
    }
    fn holds(&self, key: u64) -> Outcome<bool> {
        Ok(self.0.contains_key(key.to_be_bytes())?)
    }
}

#[cfg(feature = "sled-alpha")]
struct SledAlpha(sled1::Db);

#[cfg(feature = "sled-alpha")]
impl Engine for SledAlpha {
    fn another(&self) -> Box<dyn Engine> {
        Box::new(SledAlpha(self.0.clone()))
    }
    fn write(&self, key: u64, value: &[u8]) -> Outcome<()> {
        self.0.insert(key.to_be_bytes(), value)?;
        self.0.flush()?;
        Ok(())
    }
    fn holds(&self, key: u64) -> Outcome<bool> {
        Ok(self.0.contains_key(key.to_be_bytes())?)
    }
}

const ENGINES: &[&str] = &[
    "bare",
    "store",
    "sled-0.34",
    "sled-0.34+fdatasync",
    #[cfg(feature = "sled-alpha")]
    "sled-1.0-alpha",
];

fn open(engine: &str, folder: &Path) -> Outcome<Box<dyn Engine>> {
    fs::create_dir_all(folder)?;
    Ok(match engine {
        "bare" => Box::new(Bare(Arc::new(Mutex::new(File::create(folder.join("file"))?)))),
        "store" => Box::new(Ours(Arc::new(DiskStore::open(&folder.join("store"), 1)?))),
        "sled-0.34" => Box::new(Sled034(sled::open(folder.join("sled"))?, None)),
        "sled-0.34+fdatasync" => {
            let database = sled::open(folder.join("sled"))?;
            Box::new(Sled034(database, Some(Arc::new(File::open(folder.join("sled/db"))?))))
        }
        #[cfg(feature = "sled-alpha")]
        "sled-1.0-alpha" => Box::new(SledAlpha(sled1::open(folder.join("sled1"))?)),
        other => return Err(format!("no engine {other:?}; there are {ENGINES:?}").into()),
    })
}

/// Durable writes per second with so many threads writing at once.
fn rate(engine: &dyn Engine, threads: u64) -> Outcome<f64> {
    let written = AtomicU64::new(0);
    let failed = Mutex::new(None);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (written, failed) = (&written, &failed);
            let engine = engine.another();
            scope.spawn(move || {
                let mut key = thread << 32;
                while start.elapsed() < MEASURE {
                    key += 1;
                    if let Err(error) = engine.write(key, &[7; VALUE_BYTES]) {
                        *failed.lock().expect("no thread panics holding it") = Some(error.to_string());
                        return;
                    }
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    match failed.into_inner()? {
        Some(error) => Err(error.into()),
        None => Ok(written.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()),
    }
}

/// Writes until killed, saying each key once it is durable.
fn write_until_killed(engine: &str, folder: &Path) -> Outcome<()> {
    let engine = open(engine, folder)?;
    let stdout = std::io::stdout();
    for key in 0.. {
        engine.write(key, &[7; VALUE_BYTES])?;
        writeln!(stdout.lock(), "{key}")?;
    }
    Ok(())
}

/// Kills a writing child; returns how many writes it had acknowledged, how many of them are gone, and the time to
/// reopen.
fn kill(engine: &str, folder: &Path) -> Outcome<(u64, u64, Duration)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["child", engine])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("the child has no output")?;
    let mut acknowledged = 0;
    for line in BufReader::new(stdout).lines() {
        let Ok(key) = line?.parse::<u64>() else { break };
        acknowledged = key + 1;
        if acknowledged == ACKNOWLEDGED_BEFORE_KILL {
            child.kill()?;
        }
    }
    child.wait()?;
    let start = Instant::now();
    let engine = open(engine, folder)?;
    let mut lost = 0;
    for key in 0..acknowledged {
        lost += u64::from(!engine.holds(key)?);
    }
    Ok((acknowledged, lost, start.elapsed()))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["child", engine, folder] => return write_until_killed(engine, Path::new(folder)),
        ["only", engine] => {
            let folder = std::env::temp_dir().join(format!("durability-{}", std::process::id()));
            println!("{engine}: {:.0} writes/s", rate(open(engine, &folder)?.as_ref(), 1)?);
            return Ok(fs::remove_dir_all(folder)?);
        }
        _ => {}
    }
    let root = arguments.first().map_or_else(std::env::temp_dir, PathBuf::from);
    let root = root.join(format!("durability-{}", std::process::id()));
    println!("{:<20} {:>10} {:>7} {:>10} {:>7}   after SIGKILL", "engine", "1 thread/s", "ratio", "16 thr./s", "ratio");
    let mut rates = vec![(Vec::new(), Vec::new()); ENGINES.len()];
    // In turns, so that whatever else the machine does meets all of them.
    for round in 0..ROUNDS {
        for (engine, (one, sixteen)) in ENGINES.iter().zip(&mut rates) {
            one.push(rate(open(engine, &root.join(format!("{engine}-1-{round}")))?.as_ref(), 1)?);
            let shared = open(engine, &root.join(format!("{engine}-16-{round}")))?;
            sixteen.push(rate(shared.as_ref(), 16)?);
            if let Some(count) = shared.writes_per_flush().filter(|_| round == 0) {
                println!("{engine}: with 16 threads {count:.1} writes share a flush");
            }
            drop(shared);
            fs::remove_dir_all(&root)?;
        }
    }
    let mut floor = None;
    for (engine, (one, sixteen)) in ENGINES.iter().zip(rates) {
        let (one, sixteen) = (median(one), median(sixteen));
        let floor = *floor.get_or_insert(one);
        let survived = match *engine {
            "bare" => "-".to_string(),
            engine => {
                let (acknowledged, lost, time) = kill(engine, &root)?;
                format!("{lost} of {acknowledged} lost, reopened and read in {} ms", time.as_millis())
            }
        };
        println!("{engine:<20} {one:>10.0} {:>7.2} {sixteen:>10.0} {:>7.2}   {survived}", one / floor, sixteen / floor);
        let _ = fs::remove_dir_all(&root);
    }
    Ok(())
}
