//! Tests of bounds, signatures and encoding, refusals first.

mod bounds;
mod proof;
mod record;
mod signatures;
mod strategies;
mod units;
mod value;
mod vectors;
mod wire;

use crate::*;

fn chain() -> ChainRef {
    ChainRef { chain_id: 31337, channels: Address::repeat_byte(0xcc) }
}

fn key(n: u8) -> KeySigner {
    KeySigner::from_bytes(&[n; 32]).unwrap()
}

fn hash(n: u8) -> B256 {
    B256::repeat_byte(n)
}

fn header() -> Header {
    Header {
        requestor: NodeId(key(1).address()),
        payer: key(3).address(),
        nonce: 7,
        module: ContentHash(hash(1)),
        module_bytes: ByteCount(1000),
        subtasks: 4,
        max_price: Wei(100),
        subtask_timeout_s: 60,
        min_perf: 0,
        pricing: Pricing::Tender,
        fuel_max: Fuel(1000),
        memory_max: ByteCount(1 << 20),
        output_max: ByteCount(1 << 20),
        recheck_ppm: 0,
        profile: hash(2),
        deadline: ChainTime(2_000_000_000),
        app: AppFee { author: key(5).address(), fee: Wei(3) },
    }
}

fn offer() -> Offer {
    Offer {
        header: hash(3),
        provider: NodeId(key(2).address()),
        payee: key(4).address(),
        price: Wei(80),
        performance: 1000,
        slots: 2,
        expires: ChainTime(1_900_000_000),
    }
}

fn subtask(index: u32) -> AgreedSubtask {
    AgreedSubtask { index, input: ContentHash(hash(4)), value: Wei(5) }
}

fn agreement() -> Agreement {
    Agreement {
        header: hash(3),
        offer: hash(5),
        requestor: NodeId(key(1).address()),
        provider: NodeId(key(2).address()),
        payer: key(3).address(),
        payee: key(4).address(),
        epoch: 1,
        batch: 0,
        price: Wei(80),
        fuel_rate: 1000,
        subtask_timeout_s: 60,
        deadline: ChainTime(1_900_000_000),
        app: AppFee { author: key(5).address(), fee: Wei(3) },
        subtasks: vec![subtask(0), subtask(1)],
    }
}

fn completed(index: u32) -> SubtaskResult {
    let outcome = SubtaskOutcome::Completed {
        output: ContentHash(hash(6)),
        output_bytes: ByteCount(10),
        fuel: Fuel(20),
        time_ms: 30,
    };
    SubtaskResult { index, outcome }
}

fn failed(index: u32, message: String) -> SubtaskResult {
    SubtaskResult { index, outcome: SubtaskOutcome::Failed { kind: FailureKind::Trapped, message } }
}

fn report() -> Report {
    Report { agreement: hash(7), provider: NodeId(key(2).address()), results: vec![completed(0), completed(1)] }
}

fn verdict() -> Verdict {
    Verdict {
        agreement: hash(7),
        report: hash(8),
        requestor: NodeId(key(1).address()),
        decisions: vec![(0, Decision::Accepted), (1, Decision::WrongOutput)],
    }
}

fn cancel() -> Cancel {
    Cancel { agreement: hash(7), provider: NodeId(key(2).address()) }
}

fn voucher() -> Voucher {
    Voucher { payee: key(4).address(), epoch: 1, cumulative: Wei(10) }
}

fn concent() -> ConcentRef {
    ConcentRef { chain_id: 31337, concent_deposit: Address::repeat_byte(0xcd) }
}

fn promise() -> Promise {
    Promise {
        provider: key(4).address(),
        amount: Wei(10),
        nonce: U256::from(3),
        deal: hash(7),
        deadline: ChainTime(1_900_000_000),
    }
}

fn receipt() -> Receipt {
    Receipt { requestor: key(3).address(), promise: promise().digest(&concent()) }
}

fn ruling() -> Ruling {
    Ruling { requestor: key(3).address(), promise: promise().digest(&concent()), amount: Wei(6), evidence: hash(9) }
}

fn rotation() -> Rotation {
    Rotation { keys: vec![Address::repeat_byte(1), Address::repeat_byte(2)], threshold: 1, nonce: U256::from(5) }
}
