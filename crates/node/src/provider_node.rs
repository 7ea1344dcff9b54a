//! Starting a provider.

use crate::api::{self, ApiServer};
use crate::content::Room;
use crate::error::StartError;
use crate::events::EventLog;
use crate::lifecycle::{ending, local_now};
use crate::origin::ProviderOrigin;
use crate::provider_handle::{COMMANDS_MAX, ProviderHandle, ProviderLink};
use crate::provider_loop::{ProviderLoop, ProviderParts};
use crate::saver::Saver;
use crate::settings::ProviderConfig;
use crate::startup::{Base, BaseSettings, joined};
use crate::trace::{Notebook, Role, Tracer};
use crate::worker::SubtaskBounds;
use golem_protocol::limits::SLOTS_MAX;
use golem_protocol::{ByteCount, ChannelId, Now};
use golem_sandbox::Pace;
use tokio::sync::mpsc;

/// Where providers start.
pub struct ProviderNode;

impl ProviderNode {
    /// Opens the data folder, takes up what an earlier run left, measures this machine, and goes on the network.
    ///
    /// Errors: see [`StartError`]; nothing is left running then.
    pub async fn start(config: ProviderConfig) -> Result<ProviderHandle, StartError> {
        let pace = check(&config)?;
        let base = Base::start(BaseSettings {
            folder: &config.folder,
            keys: &config.keys,
            chain: &config.chain,
            network: &config.network,
            slots: config.slots,
            pace,
            content_max: config.content_max,
            modules_max: config.modules_max,
            isolation: &config.isolation,
            room: Room::Reclaim,
        })
        .await?;
        let net = base.net.clone();
        let started = start_on(config, base).await;
        if started.is_err() {
            net.shutdown().await;
        }
        started
    }
}

/// Checks what no other part checks.
fn check(config: &ProviderConfig) -> Result<Pace, StartError> {
    let refused =
        |setting, got: &dyn ToString, step: String| StartError::Setting { setting, got: got.to_string(), step };
    if config.slots == 0 || config.slots > SLOTS_MAX {
        return Err(refused("slots", &config.slots, format!("set it between 1 and {SLOTS_MAX}")));
    }
    if config.memory_max > golem_sandbox::profile::MEMORY_MAX {
        let max = golem_sandbox::profile::MEMORY_MAX.0;
        return Err(refused("memory_max", &config.memory_max.0, format!("set it to at most {max} bytes")));
    }
    if config.output_max > golem_sandbox::profile::OUTPUT_MAX {
        let max = golem_sandbox::profile::OUTPUT_MAX.0;
        return Err(refused("output_max", &config.output_max.0, format!("set it to at most {max} bytes")));
    }
    if config.memory_at_once() < config.memory_max {
        let step = format!("set it to memory_max, {} bytes, or more", config.memory_max.0);
        return Err(refused("memory_total", &config.memory_at_once().0, step));
    }
    if config.owner.yield_percent.is_some_and(|percent| percent == 0 || percent > 100) {
        let got = config.owner.yield_percent.unwrap_or_default();
        return Err(refused("yield_percent", &got, "set it between 1 and 100".to_owned()));
    }
    Pace::from_percent(config.cpu_percent)
        .map_err(|error| refused("cpu_percent", &config.cpu_percent, error.to_string()))
}

async fn start_on(config: ProviderConfig, base: Base) -> Result<ProviderHandle, StartError> {
    let runner = base.runner.clone();
    let measured = tokio::task::spawn_blocking(move || Ok(runner.benchmark()?));
    let performance = joined(measured.await)?.max(1);
    let now = Now { local: local_now(), chain: base.chain.time().await? };
    let origin = ProviderOrigin::new(&config, performance, now);
    let notes = Notebook::new(config.trace.is_some());
    let (machine, policy) = origin.build(notes.keys(config.keys.signers()), &base.records)?;
    let role = Role::Provider(Box::new(origin));
    let tracer = Tracer::begin(config.trace.as_deref(), notes, &config.keys, role, &base.records)?;
    tracing::info!(
        node = %config.keys.node_id(), performance, deals = machine.open_deals(), vouchers = machine.vouchers().len(),
        records = base.records.len(), "provider taken up"
    );
    let known: Vec<ChannelId> = machine.ledgers().iter().map(|ledger| ledger.channel()).collect();
    let looked_first = base.chain.look_first(&known).await?;
    let watcher = base.chain.watch(config.payee, known).await?;
    let saver = Saver::start(base.store.clone()).map_err(|error| StartError::Thread { detail: error.to_string() })?;
    let (command_sender, commands) = mpsc::channel(COMMANDS_MAX);
    let (ended_sender, ended) = ending();
    let events = EventLog::new();
    let link = ProviderLink { commands: command_sender, events: events.clone(), ended };
    let api = match &config.api {
        Some(settings) => {
            let server =
                ApiServer::start(settings, config.folder.clone(), api::NodeLink::Provider(link.clone())).await?;
            Some(server)
        }
        None => None,
    };
    let address = api.as_ref().map(|server| server.address());
    let node = config.keys.node_id();
    // A quarter of the room for content: other subtasks' inputs and the outputs need theirs.
    let input_max = ByteCount::from_bytes(config.content_max.0 / 4);
    let bounds = SubtaskBounds { memory_max: config.memory_max, output_max: config.output_max, input_max };
    let parts = ProviderParts {
        machine,
        policy,
        config,
        base,
        watcher,
        saver,
        commands,
        events,
        performance,
        bounds,
        now,
        looked_first,
        tracer,
    };
    let main = tokio::spawn(async move {
        let ended = ProviderLoop::new(parts).run(api).await;
        ended_sender.end(ended.reason);
        ended.result
    });
    Ok(ProviderHandle { link, node, api: address, main: Some(main) })
}
