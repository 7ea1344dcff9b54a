//! One requestor and two providers in one process, with their own keys and folders, on a real chain and real sockets.

use crate::stage::{STORY_MAX, Stage, plan, text};
use golem_deal::RequestorEvent;
use golem_node::{CloseResult, RequestorNotice, TaskProgress, TaskTerms, Watched};
use golem_payments::claim_rule::{CLAIM_GAS_BASE, CLAIM_GAS_EACH};
use golem_protocol::Wei;
use std::net::SocketAddr;
use std::path::Path;

fn check_outputs(dir: &Path, count: usize) {
    for index in 0..count {
        let got = std::fs::read(dir.join(format!("in-{index}.txt/stdout"))).unwrap();
        assert!(got == text(index), "output {index} is its input");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_agreed_computed_checked_paid_claimed_and_closed() {
    tokio::time::timeout(STORY_MAX, whole_story()).await.expect("the story ends in time");
}

async fn whole_story() {
    const SUBTASKS: usize = 8;
    let stage = Stage::set().await;
    let (requestor, addresses) = stage.requestor().await;
    let providers = [stage.provider(1, &addresses).await, stage.provider(2, &addresses).await];
    let (plan, module, files) = plan(&stage, SUBTASKS);
    let task = requestor.prepare(&plan, &module, &files, TaskTerms::default()).await.unwrap();
    let mut running = requestor.run_task(task).await.unwrap();
    let header = running.header();
    let report = loop {
        match running.next().await {
            TaskProgress::Watched(_) => {}
            TaskProgress::Finished(report) => break report.unwrap(),
        }
    };
    assert_eq!((report.done, report.failed), (SUBTASKS as u32, 0));
    assert!(report.spent_wei > Wei::ZERO && report.spent_wei <= report.budget_wei);
    let shared = report.providers.iter().fold(Wei::ZERO, |sum, share| sum.saturating_add(share.paid_wei));
    assert_eq!(shared, report.spent_wei, "who did how much adds up");

    let out = stage.folder.path().join("out");
    let collected = requestor.collect(header, &out).await.unwrap();
    assert!(collected.missing.is_empty());
    check_outputs(&out, SUBTASKS);

    let signed = requestor.status().await.unwrap().channels;
    requestor.shutdown().await.unwrap();
    let (mut earned, mut claimed) = (Wei::ZERO, Wei::ZERO);
    for provider in providers {
        let status = provider.status().await.unwrap();
        earned = earned.saturating_add(status.totals.earned_wei);
        let summary = provider.claim_all().await.unwrap();
        claimed = claimed.saturating_add(summary.paid_wei);
        assert!(summary.transactions.len() <= 1, "one transaction claims everything");
        for close in provider.close_channels().await.unwrap() {
            assert!(matches!(close.result, CloseResult::Closed { .. }), "{close:?}");
        }
        provider.shutdown().await.unwrap();
    }
    let signed = signed.iter().fold(Wei::ZERO, |sum, channel| sum.saturating_add(channel.signed_wei));
    assert_eq!((earned, claimed, signed), (report.spent_wei, report.spent_wei, report.spent_wei));
    stage.devnet.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_restarts_still_holds_its_voucher() {
    tokio::time::timeout(STORY_MAX, restart_story()).await.expect("the story ends in time");
}

async fn restart_story() {
    let stage = Stage::set().await;
    let (requestor, addresses) = stage.requestor().await;
    let provider = stage.provider(1, &addresses).await;
    let (plan, module, files) = plan(&stage, 2);
    let task = requestor.prepare(&plan, &module, &files, TaskTerms::default()).await.unwrap();
    let report = requestor.run_task(task).await.unwrap().finished().await.unwrap();
    requestor.shutdown().await.unwrap();
    provider.shutdown().await.unwrap();
    let again = stage.provider(1, &[]).await;
    assert_eq!(again.status().await.unwrap().totals.claimable_wei, report.spent_wei);
    let summary = again.claim_all().await.unwrap();
    assert_eq!(summary.paid_wei, report.spent_wei);
    let reckoned = CLAIM_GAS_BASE + CLAIM_GAS_EACH;
    assert!(
        summary.gas_used.abs_diff(reckoned) * 10 < reckoned,
        "the rule reckons with what receipts say: {summary:?}"
    );
    // What is claimed is not claimed twice.
    assert_eq!(again.claim_all().await.unwrap().paid_wei, Wei::ZERO);
    again.shutdown().await.unwrap();
    stage.devnet.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_requestor_that_restarts_finishes_its_task_and_pays_once() {
    tokio::time::timeout(STORY_MAX, resume_story()).await.expect("the story ends in time");
}

async fn resume_story() {
    const SUBTASKS: usize = 12;
    let stage = Stage::set().await;
    let (requestor, addresses) = stage.requestor().await;
    let provider = stage.provider(1, &addresses).await;
    let (plan, module, files) = plan(&stage, SUBTASKS);
    let task = requestor.prepare(&plan, &module, &files, TaskTerms::default()).await.unwrap();
    let mut running = requestor.run_task(task).await.unwrap();
    let header = running.header();
    // Stopped as soon as anything was agreed: some of it is computed, none of it need be paid yet.
    loop {
        match running.next().await {
            TaskProgress::Watched(Watched::Event(event))
                if matches!(event.event, RequestorNotice::Deal(RequestorEvent::Agreed { .. })) =>
            {
                break;
            }
            TaskProgress::Watched(_) => {}
            TaskProgress::Finished(ended) => panic!("it ended before anything was agreed: {ended:?}"),
        }
    }
    requestor.shutdown().await.unwrap();
    let (requestor, addresses) = stage.requestor().await;
    let helper = stage.provider(2, &addresses).await;
    let known = requestor.status().await.unwrap().tasks;
    assert_eq!((known.len(), known[0].name.as_str()), (1, "copy"));
    let report = requestor.resume(header).await.unwrap().finished().await.unwrap();
    assert_eq!(report.done, SUBTASKS as u32);
    let out = stage.folder.path().join("out");
    requestor.collect(header, &out).await.unwrap();
    check_outputs(&out, SUBTASKS);
    let channels = requestor.status().await.unwrap().channels;
    let signed = channels.iter().fold(Wei::ZERO, |sum, channel| sum.saturating_add(channel.signed_wei));
    assert_eq!(signed, report.spent_wei, "nothing is paid twice");
    requestor.shutdown().await.unwrap();
    for provider in [provider, helper] {
        provider.shutdown().await.unwrap();
    }
    stage.devnet.stop();
}

/// One request by hand; gives the status line and the body.
async fn request(address: SocketAddr, head: &str) -> (String, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_http_interface_tells_its_owner_and_nobody_else() {
    tokio::time::timeout(STORY_MAX, http_story()).await.expect("the story ends in time");
}

async fn http_story() {
    let stage = Stage::set().await;
    let provider = stage.provider(1, &[]).await;
    let address = provider.api().unwrap();
    let api = stage.data("provider-1").read_api().unwrap().unwrap();
    assert_eq!(api.address, address);
    let host = format!("Host: {address}");
    let token = format!("Authorization: Bearer {}", api.token);
    let (page, _) = request(address, &format!("GET / HTTP/1.1\r\n{host}")).await;
    assert!(page.contains("200"), "{page}");
    for path in ["GET /status", "GET /events", "GET /metrics", "POST /claim", "POST /close", "POST /stop"] {
        let (refused, _) = request(address, &format!("{path} HTTP/1.1\r\n{host}")).await;
        assert!(refused.contains("401"), "{path}: {refused}");
        let elsewhere = format!("{path} HTTP/1.1\r\nHost: attacker.example\r\n{token}");
        let (refused, _) = request(address, &elsewhere).await;
        assert!(refused.contains("421"), "{path}: {refused}");
    }
    let (ok, body) = request(address, &format!("GET /status HTTP/1.1\r\n{host}\r\n{token}")).await;
    assert!(ok.contains("200") && body.contains(&provider.node_id().to_string().to_lowercase()), "{ok} {body}");
    let (ok, body) = request(address, &format!("GET /metrics HTTP/1.1\r\n{host}\r\n{token}")).await;
    assert!(ok.contains("200") && body.contains("golem_slots 2"), "{ok} {body}");
    let (ok, body) = request(address, &format!("POST /claim HTTP/1.1\r\n{host}\r\n{token}")).await;
    assert!(ok.contains("200") && body.contains("paid_wei"), "{ok} {body}");
    let (ok, _) = request(address, &format!("POST /stop HTTP/1.1\r\n{host}\r\n{token}")).await;
    assert!(ok.contains("200"), "{ok}");
    provider.stopped().await;
    provider.shutdown().await.unwrap();
    assert_eq!(stage.data("provider-1").read_api().unwrap(), None, "api.json is gone with the node");
    stage.devnet.stop();
}
