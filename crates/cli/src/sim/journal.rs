//! The runs of an experiment that has not ended, so that a stop costs no more than those that were under way.
//!
//! Shape of the file, which lies beside the folder of the results: [`MAGIC`], the record of a [`Header`], and a record for
//! each run in the order in which they ended. A record is its length in four bytes (little-endian), the BLAKE3 digest of
//! what follows, and that in postcard. A record that is torn ends the file.

use anyhow::{Context as _, bail};
use golem_sim::experiment::{Keep, RunId};
use golem_sim::market::RunOutcome;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The first bytes of such a file.
const MAGIC: &[u8] = b"golem sim runs 1\n";
/// The longest record that is believed. Reason: the agents and bands of one run are some megabytes at most.
const RECORD_BYTES_MAX: usize = 1 << 30;

/// Whose runs they are: only the same program makes the same of the same file and flags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Digest of the program.
    pub program: String,
    /// Digest of the experiment file.
    pub experiment: String,
    /// The command that makes the same results.
    pub command: String,
}

/// The runs of one experiment, kept while it goes on.
pub struct Journal {
    path: PathBuf,
    runs: Mutex<BTreeMap<RunId, RunOutcome>>,
    kept: usize,
    /// None once it could not be written.
    file: Mutex<Option<File>>,
}

/// Where the runs are kept of what goes into a folder.
pub fn path_beside(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    folder.with_file_name(name)
}

/// Checks, before anything runs, that a file is none or has the runs of this experiment.
///
/// Errors: it has those of another, or is something else.
pub fn check(path: &Path, header: &Header) -> anyhow::Result<()> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let (is_ours, found) = begin(&mut file);
    match found {
        Some(found) if found == *header => Ok(()),
        Some(found) if found.command == header.command && found.experiment == header.experiment => bail!(
            "{} has runs that another version of this program made: drop them with --force, or choose another folder with --out",
            path.display()
        ),
        Some(found) => bail!(
            "{} has the runs of another experiment that was stopped: go on with it by `{}` and the same --out, drop them \
             with --force, or choose another folder with --out",
            path.display(),
            found.command
        ),
        // Torn before anything was in it.
        None if file.metadata().is_ok_and(|of| of.len() == 0) || is_ours => Ok(()),
        None => bail!("{} is there and has no runs: choose another folder with --out", path.display()),
    }
}

/// Removes it, where it is one.
pub fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

impl Journal {
    /// Opens it, and reads what is in it.
    ///
    /// Errors: another process writes it; it cannot be read or written.
    pub fn open(path: PathBuf, header: &Header) -> anyhow::Result<Journal> {
        let explain = || format!("cannot keep runs in {}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(explain)?;
        }
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).with_context(explain)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another golem is at the same experiment, and writes {}: wait for it, or choose another folder with --out",
                path.display()
            ),
            Err(TryLockError::Error(error)) => return Err(error).with_context(explain),
        }
        let (_, found) = begin(&mut file);
        let mut runs = BTreeMap::new();
        if found.as_ref() == Some(header) {
            let mut whole = file.stream_position().with_context(explain)?;
            while let Some((run, outcome)) = read_record::<(RunId, RunOutcome)>(&mut file) {
                runs.insert(run, outcome);
                whole = file.stream_position().with_context(explain)?;
            }
            file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0))).with_context(explain)?;
        } else {
            let begin = [MAGIC, &record(header)?].concat();
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&begin)).with_context(explain)?;
        }
        Ok(Journal { path, kept: runs.len(), runs: Mutex::new(runs), file: Mutex::new(Some(file)) })
    }

    /// How many runs were in it.
    pub fn runs_kept(&self) -> usize {
        self.kept
    }

    /// The results are written: it is of no more use.
    pub fn end(self) -> anyhow::Result<()> {
        remove(&self.path)
    }
}

impl Keep for Journal {
    fn kept(&self, run: RunId) -> Option<RunOutcome> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(&run)
    }

    fn keep(&self, run: RunId, outcome: &RunOutcome) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = file.as_mut() else { return };
        let written = record(&(run, outcome)).and_then(|bytes| Ok(open.write_all(&bytes)?));
        if let Err(error) = written {
            note!("cannot keep runs in {} ({error}): a stop would lose those that follow", self.path.display());
            *file = None;
        }
    }
}

fn record(of: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    let body = postcard::to_stdvec(of)?;
    let length = u32::try_from(body.len()).context("a run is too large to be kept")?;
    Ok([&length.to_le_bytes(), blake3::hash(&body).as_bytes().as_slice(), &body].concat())
}

/// Whether it is such a file, and whose runs are in it; what is torn has no header.
fn begin(file: &mut impl Read) -> (bool, Option<Header>) {
    let mut magic = vec![0; MAGIC.len()];
    let is_ours = file.read_exact(&mut magic).is_ok() && magic == MAGIC;
    (is_ours, if is_ours { read_record(file) } else { None })
}

/// The next record; none at the end, or where it is torn.
fn read_record<T: DeserializeOwned>(file: &mut impl Read) -> Option<T> {
    let (mut length, mut digest) = ([0; 4], [0; 32]);
    file.read_exact(&mut length).ok()?;
    file.read_exact(&mut digest).ok()?;
    let length = usize::try_from(u32::from_le_bytes(length)).ok().filter(|length| *length <= RECORD_BYTES_MAX)?;
    let mut body = Vec::new();
    file.take(length as u64).read_to_end(&mut body).ok()?;
    (body.len() == length && blake3::hash(&body) == digest).then(|| postcard::from_bytes(&body).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_sim::market::Scenario;

    fn header(command: &str) -> Header {
        Header { program: "p".into(), experiment: "e".into(), command: command.into() }
    }

    fn outcome(seed: u64) -> RunOutcome {
        let text = "days = 1.0\nwarmup_days = 0.0\n[[providers]]\ncount = 5\n[[requestors]]\ncount = 2\nload = 0.4\n";
        let scenario: Scenario = toml::from_str(text).unwrap();
        let mut outcome = golem_sim::market::run(&scenario, seed, &|_| {});
        // What JSON would lose.
        outcome.metrics.insert("price_gnt", f64::NAN);
        outcome
    }

    /// NaN is not equal to itself.
    fn bytes(outcome: &RunOutcome) -> Vec<u8> {
        postcard::to_stdvec(outcome).unwrap()
    }

    #[test]
    fn what_was_kept_comes_back_to_the_bit_and_a_torn_end_costs_one_run() {
        let home = tempfile::tempdir().unwrap();
        let path = path_beside(&home.path().join("deep/S01"));
        assert!(path.ends_with("deep/S01.part"));
        let of = header("golem sim run S01");
        let journal = Journal::open(path.clone(), &of).unwrap();
        for times in 0..3 {
            journal.keep((7, times), &outcome(times));
        }
        let error = Journal::open(path.clone(), &of).err().unwrap().to_string();
        assert!(error.contains("another golem"), "{error}");
        drop(journal);
        check(&path, &of).unwrap();

        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let journal = Journal::open(path.clone(), &of).unwrap();
        assert_eq!(journal.runs_kept(), 2);
        assert_eq!(bytes(&journal.kept((7, 1)).unwrap()), bytes(&outcome(1)));
        assert!(Keep::kept(&journal, (7, 2)).is_none() && Keep::kept(&journal, (6, 0)).is_none());
        journal.keep((7, 2), &outcome(2));
        drop(journal);
        assert_eq!(fs::read(&path).unwrap(), whole, "what follows a torn end is whole again");

        Journal::open(path.clone(), &of).unwrap().end().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn runs_of_another_experiment_are_not_written_over_unasked() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("S01.part");
        check(&path, &header("a")).unwrap();
        let journal = Journal::open(path.clone(), &header("a")).unwrap();
        journal.keep((0, 0), &outcome(1));
        drop(journal);
        let error = check(&path, &header("b")).unwrap_err().to_string();
        assert!(error.contains("go on with it by `a`") && error.contains("--force"), "{error}");
        let newer = Header { program: "newer".into(), ..header("a") };
        let error = check(&path, &newer).unwrap_err().to_string();
        assert!(error.contains("another version"), "{error}");
        assert_eq!(Journal::open(path.clone(), &newer).unwrap().runs_kept(), 0, "asked");
        fs::write(&path, "a letter").unwrap();
        let error = check(&path, &newer).unwrap_err().to_string();
        assert!(error.contains("has no runs"), "{error}");
        for torn in [&b""[..], MAGIC] {
            fs::write(&path, torn).unwrap();
            check(&path, &newer).unwrap();
        }
    }
}
