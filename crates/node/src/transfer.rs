//! Fetching outputs: the manifest, then every file it names, within the bytes agreed.

use crate::content::{Contents, Pins};
use crate::error::ContentError;
use golem_deal::FetchJob;
use golem_task::SubtaskOutput;
use std::time::Duration;

/// How often an output is asked for before it counts as not to be had, and the pause before the second try; it
/// doubles. Reason: the provider is not paid for it then, and a short break of the network is nobody's fault.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
/// How long one output may take in all. Reason: a provider that sends a byte a second holds nothing up for ever.
const FETCH_MAX: Duration = Duration::from_secs(900);
/// Files of one output fetched at once. Reason: their pieces are fetched in parallel anyway.
const FILES_AT_ONCE: usize = 4;

/// How long it is waited until something is fetched again that could not be kept here. Reason: room is made by people.
const OUR_PAUSE: Duration = Duration::from_secs(2);

/// Makes an output be here, whole and as reported; or says why it is not to be had.
///
/// What this machine cannot keep, as where its disk is full, is no fault of the provider's, which would not be paid for it:
/// it is fetched again until there is room, however long that takes. What is here of it is held by `pins`.
pub(crate) async fn fetch_output(contents: Contents, job: FetchJob, pins: &mut Pins) -> Result<(), String> {
    loop {
        let tried = tokio::time::timeout(FETCH_MAX, try_often(&contents, &job, pins)).await;
        let late = |_| Err(Fault::Lasting(format!("the output was not here within {} s", FETCH_MAX.as_secs())));
        match tried.unwrap_or_else(late) {
            Ok(()) => {
                contents.note_trouble(None);
                return Ok(());
            }
            Err(Fault::Passing(error) | Fault::Lasting(error)) => return Err(error),
            Err(Fault::Ours(error)) => {
                tracing::warn!(provider = %job.provider, index = job.index, %error, "an output cannot be kept here");
                contents.note_trouble(Some(error));
                tokio::time::sleep(OUR_PAUSE).await;
            }
        }
    }
}

async fn try_often(contents: &Contents, job: &FetchJob, pins: &mut Pins) -> Result<(), Fault> {
    let mut pause = PAUSE;
    let mut tries = 1;
    loop {
        match try_once(contents, job, pins).await {
            Err(Fault::Passing(error)) if tries < TRIES => {
                tracing::info!(provider = %job.provider, index = job.index, %error, "output not fetched, trying again");
                tokio::time::sleep(pause).await;
                pause *= 2;
                tries += 1;
            }
            tried => return tried,
        }
    }
}

enum Fault {
    /// Another try may succeed.
    Passing(String),
    /// What was reported is not to be had like this.
    Lasting(String),
    /// It cannot be kept here.
    Ours(String),
}

async fn try_once(contents: &Contents, job: &FetchJob, pins: &mut Pins) -> Result<(), Fault> {
    use futures::StreamExt;
    let passing = |error: ContentError| match error.is_ours() {
        true => Fault::Ours(error.to_string()),
        false => Fault::Passing(error.to_string()),
    };
    let lasting = |error: &dyn ToString| Fault::Lasting(error.to_string());
    if job.output_bytes > job.bytes_max {
        return Err(lasting(&over(job.output_bytes.0, job.bytes_max.0)));
    }
    // All of it before it is looked for: what an earlier task left must not go in between.
    pins.hold(job.output);
    contents.fetch(job.output, job.output_bytes.0, job.provider).await.map_err(passing)?;
    let manifest = job.output;
    let bytes = contents.blocking(move |here| here.read(manifest)).await.map_err(passing)?;
    let output = SubtaskOutput::decode(&bytes).map_err(|error| lasting(&error))?;
    let total = output.size().saturating_add(job.output_bytes.0);
    if total > job.bytes_max {
        return Err(lasting(&over(total.0, job.bytes_max.0)));
    }
    let mut wanted: Vec<_> = output.files.iter().map(|file| (file.content, file.size)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted.iter().for_each(|(hash, _)| pins.hold(*hash));
    let fetches = wanted.into_iter().map(|(hash, size)| contents.fetch(hash, size.0, job.provider));
    let mut fetches = futures::stream::iter(fetches).buffer_unordered(FILES_AT_ONCE);
    while let Some(fetched) = fetches.next().await {
        fetched.map_err(passing)?;
    }
    Ok(())
}

fn over(got: u64, max: u64) -> String {
    format!("the output has {got} bytes, and {max} were agreed at most")
}
