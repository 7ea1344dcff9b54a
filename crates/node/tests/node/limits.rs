//! What a provider's owner sets: when, what, and how much at once.

use crate::stage::{STORY_MAX, Stage, plan};
use golem_deal::RequestorEvent;
use golem_node::{Activity, Hours, ProviderConfig, ProviderNode, RequestorNotice, TaskProgress, TaskTerms, Watched};
use golem_protocol::{B256, ByteCount, ContentHash, RefusalReason};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_requestor_hears_why_a_provider_does_not_work_and_memory_bounds_what_runs_at_once() {
    tokio::time::timeout(STORY_MAX, limits_story()).await.expect("the story ends in time");
}

/// An hour that is twelve hours away, whenever this runs.
fn not_now() -> Hours {
    let hour = i32::from(jiff::Zoned::now().hour());
    let span = format!("{:02}:00-{:02}:30", (hour + 12) % 24, (hour + 12) % 24);
    Hours::parse(&[span]).unwrap()
}

async fn limits_story() {
    const SUBTASKS: usize = 6;
    let stage = Stage::set().await;
    let (requestor, addresses) = stage.requestor().await;
    let start = async |place: usize, change: &dyn Fn(&mut ProviderConfig)| {
        let mut config = stage.provider_config(place, &addresses);
        change(&mut config);
        ProviderNode::start(config).await.unwrap()
    };
    let resting = start(1, &|config| config.owner.hours = not_now()).await;
    let other_work = start(2, &|config| config.programs = vec![ContentHash(B256::repeat_byte(7))]).await;
    let (plan, module, files) = plan(&stage, SUBTASKS);
    let task = requestor.prepare(&plan, &module, &files, TaskTerms::default()).await.unwrap();
    let mut running = requestor.run_task(task).await.unwrap();
    let mut refused = BTreeSet::new();
    let mut working = None;
    let report = loop {
        match running.next().await {
            TaskProgress::Watched(Watched::Event(event)) => {
                if let RequestorNotice::Deal(RequestorEvent::RefusedByPeer { reason, .. }) = event.event {
                    refused.insert(match reason {
                        RefusalReason::Resting(_) => "resting",
                        RefusalReason::ProgramNotAllowed(_) => "program",
                        other => panic!("{other}"),
                    });
                }
                if refused.len() == 2 && working.is_none() {
                    let memory = plan.limits.subtask.memory_max;
                    let one_at_a_time = |config: &mut ProviderConfig| {
                        (config.slots, config.memory_max) = (4, memory);
                        config.memory_total = Some(ByteCount::from_bytes(memory.0 * 3 / 2));
                    };
                    working = Some(start(3, &one_at_a_time).await);
                }
            }
            TaskProgress::Watched(Watched::Missed(_)) => {}
            TaskProgress::Finished(report) => break report.unwrap(),
        }
    };
    assert_eq!((report.done, report.failed), (SUBTASKS as u32, 0));
    let Activity::Paused { reasons } = resting.status().await.unwrap().activity else { panic!("it works") };
    assert!(reasons[0].contains("hours"), "{reasons:?}");
    requestor.shutdown().await.unwrap();
    for provider in [resting, other_work].into_iter().chain(working) {
        provider.shutdown().await.unwrap();
    }
    stage.devnet.stop();
}
