use super::*;
use crate::limits::TEXT_BYTES_MAX;
use crate::proof::PROOF_BYTES_MAX;

/// A deal's documents, each changed before it is signed.
fn proof(
    index: u32,
    change_agreement: impl Fn(&mut Agreement),
    change_report: impl Fn(&mut Report),
) -> WrongResultProof {
    let header = sign(header(), &chain(), &key(1)).unwrap();
    let mut agreement = Agreement { header: header.digest(), ..agreement() };
    change_agreement(&mut agreement);
    let requestor = if agreement.requestor == NodeId(key(1).address()) { key(1) } else { key(9) };
    let agreement = sign(agreement, &chain(), &requestor).unwrap();
    let mut report = Report { agreement: agreement.digest(), ..report() };
    change_report(&mut report);
    let provider = if report.provider == NodeId(key(2).address()) { key(2) } else { key(9) };
    let report = sign(report, &chain(), &provider).unwrap();
    WrongResultProof {
        header: header.into_signed(),
        agreement: agreement.into_signed(),
        report: report.into_signed(),
        index,
    }
}

#[test]
fn shows_what_a_provider_signed() {
    let accused = proof(1, |_| {}, |_| {}).check(&chain()).unwrap();
    assert_eq!((accused.provider, accused.input), (NodeId(key(2).address()), ContentHash(hash(4))));
    assert_eq!((accused.output, accused.fuel), (ContentHash(hash(6)), Fuel(20)));
}

#[test]
fn proves_nothing_by_documents_of_different_deals() {
    let other = |fault: Result<AccusedResult, ProofFault>| match fault {
        Err(ProofFault::OtherDeal(what)) => what,
        got => panic!("{got:?}"),
    };
    assert_eq!(other(proof(1, |a| a.header = hash(3), |_| {}).check(&chain())), "agreement");
    let stranger = NodeId(key(9).address());
    assert_eq!(other(proof(1, |a| a.requestor = stranger, |_| {}).check(&chain())), "agreement");
    assert_eq!(other(proof(1, |_| {}, |r| r.agreement = hash(7)).check(&chain())), "report");
    assert_eq!(other(proof(1, |_| {}, |r| r.provider = stranger).check(&chain())), "report");
}

#[test]
fn proves_nothing_about_what_was_not_agreed_not_reported_or_failed() {
    assert_eq!(proof(5, |_| {}, |_| {}).check(&chain()), Err(ProofFault::NoResult(5)));
    let unreported = proof(1, |_| {}, |r| r.results.truncate(1));
    assert_eq!(unreported.check(&chain()), Err(ProofFault::NoResult(1)));
    let unagreed = proof(1, |a| a.subtasks.truncate(1), |_| {});
    assert_eq!(unagreed.check(&chain()), Err(ProofFault::NoResult(1)));
    let honest = proof(1, |_| {}, |r| r.results[1] = failed(1, "it trapped".into()));
    assert_eq!(honest.check(&chain()), Err(ProofFault::NoResult(1)));
}

#[test]
fn proves_nothing_without_the_signatures() {
    let mut forged = proof(1, |_| {}, |_| {});
    forged.report.document.results[1] = completed(0);
    assert!(matches!(forged.check(&chain()), Err(ProofFault::Signature(_))));
    let elsewhere = ChainRef { chain_id: 1, ..chain() };
    assert!(matches!(proof(1, |_| {}, |_| {}).check(&elsewhere), Err(ProofFault::Signature(_))));
}

#[test]
fn no_report_is_too_long_to_be_shown() {
    let longest = proof(
        0,
        |a| a.subtasks = (0..256).map(|index| AgreedSubtask { value: Wei::ZERO, ..subtask(index) }).collect(),
        |r| {
            r.results = (1..256).map(|index| failed(index, "x".repeat(TEXT_BYTES_MAX))).collect();
            r.results.push(completed(0));
        },
    );
    let bytes = longest.encode().unwrap();
    assert!(bytes.len() <= PROOF_BYTES_MAX);
    assert_eq!(WrongResultProof::decode(&bytes), Ok(longest.clone()));
    assert!(longest.check(&chain()).is_ok());
}

#[test]
fn a_notice_fits_its_bound_and_nothing_longer_is_read() {
    let notice = ProofNotice {
        provider: NodeId(key(2).address()),
        proof: ContentHash(hash(1)),
        proof_bytes: ByteCount(u64::MAX),
        subtask_timeout_s: u32::MAX,
    };
    let bytes = notice.encode().unwrap();
    assert_eq!(ProofNotice::decode(&bytes), Ok(notice));
    assert!(matches!(ProofNotice::decode(&[WIRE_VERSION; 97]), Err(WireError::TooLarge { .. })));
}
