//! A requestor's standing, out of its loop.

use crate::note::TaskGathered;
use crate::requestor_loop::RequestorLoop;
use crate::startup::network_status;
use crate::status::{ChainStatus, NamedTask, PayeeAccount, RequestorStatus};

impl RequestorLoop {
    pub(crate) async fn status(&self) -> RequestorStatus {
        let named = |task: golem_deal::TaskStatus| {
            let progress = self.tasks.get(&task.header);
            let order = self.machine.order(task.header);
            NamedTask {
                begun_ms: progress.map_or(0, |progress| progress.begun.at_ms),
                gathered: task.finished
                    && progress.and_then(|progress| progress.gathered)
                        == Some(TaskGathered::of(&self.machine.outputs(task.header))),
                checks: progress.map(|progress| progress.check_cost(&task)).unwrap_or_default(),
                deadline_s: order.map(|order| order.header.deadline.0).unwrap_or_default(),
                name: progress.map(|progress| progress.note.name.clone()).unwrap_or_default(),
                providers: progress.map(|progress| progress.shares.values().cloned().collect()).unwrap_or_default(),
                task,
            }
        };
        let channels = self.machine.ledgers().into_iter().map(|ledger| PayeeAccount {
            payee: ledger.channel().payee,
            epoch: ledger.state().epoch,
            deposit_wei: ledger.state().deposit,
            signed_wei: ledger.signed(),
            reserved_wei: ledger.reserved(),
            claimed_wei: ledger.state().claimed,
            close_at_s: ledger.state().close_at.0,
        });
        let mut tasks: Vec<NamedTask> = self.machine.tasks().into_iter().map(named).collect();
        tasks.sort_by_key(|task| (task.begun_ms, task.task.header));
        RequestorStatus {
            node: self.machine.node(),
            network: network_status(&self.net).await,
            chain: ChainStatus {
                chain_id: self.config.chain.deployment.chain_id,
                channels: self.config.chain.deployment.channels,
                time_s: self.now.chain.0,
                lost: self.chain_lost.clone(),
            },
            isolation: self.runner.isolation(),
            payer: self.config.keys.payment_address(),
            tasks,
            channels: channels.collect(),
            providers: self.policy.standings(),
            counters: self.counters,
        }
    }
}
