use super::*;
use crate::limits::*;

/// Makes a document wrong in one way.
type Breakage<T> = Box<dyn Fn(&mut T)>;

/// What is refused: the field, its value and the bounds it is held against.
type Range = (&'static str, u128, u128, u128);

fn refuses<T: Document>(good: T, cases: Vec<(Breakage<T>, Range)>) {
    assert_eq!(good.check(), Ok(()), "{}", T::NAME);
    for (break_it, (field, got, min, max)) in cases {
        let mut document = good.clone();
        break_it(&mut document);
        assert_eq!(document.check(), Err(DocumentError::Range { field, got, min, max }), "{} {field}", T::NAME);
    }
}

fn case<T>(break_it: impl Fn(&mut T) + 'static, range: Range) -> (Breakage<T>, Range) {
    (Box::new(break_it), range)
}

const WEI_MAX: u128 = Wei::MAX.0;
const U32: u128 = u32::MAX as u128;
const U64: u128 = u64::MAX as u128;

#[test]
fn refuses_headers_out_of_bounds() {
    refuses(
        header(),
        vec![
            case(|h: &mut Header| h.subtasks = 0, ("subtasks", 0, 1, 1_000_000)),
            case(|h: &mut Header| h.subtasks = 1_000_001, ("subtasks", 1_000_001, 1, 1_000_000)),
            case(|h: &mut Header| h.max_price = Wei(0), ("max_price", 0, 1, WEI_MAX)),
            case(|h: &mut Header| h.max_price = Wei(WEI_MAX + 1), ("max_price", WEI_MAX + 1, 1, WEI_MAX)),
            case(|h: &mut Header| h.subtask_timeout_s = 0, ("subtask_timeout", 0, 1, 86_400)),
            case(|h: &mut Header| h.subtask_timeout_s = 86_401, ("subtask_timeout", 86_401, 1, 86_400)),
            case(|h: &mut Header| h.recheck_ppm = 1_000_001, ("recheck_ppm", 1_000_001, 0, 1_000_000)),
        ],
    );
}

#[test]
fn refuses_offers_out_of_bounds() {
    refuses(
        offer(),
        vec![
            case(|o: &mut Offer| o.price = Wei(WEI_MAX + 1), ("price", WEI_MAX + 1, 0, WEI_MAX)),
            case(|o: &mut Offer| o.performance = 0, ("performance", 0, 1, U64)),
            case(|o: &mut Offer| o.slots = 0, ("slots", 0, 1, 1024)),
            case(|o: &mut Offer| o.slots = 1025, ("slots", 1025, 1, 1024)),
        ],
    );
}

#[test]
fn refuses_agreements_out_of_bounds() {
    refuses(
        agreement(),
        vec![
            case(|a: &mut Agreement| a.subtasks.clear(), ("subtasks", 0, 1, 256)),
            case(|a: &mut Agreement| a.subtasks = (0..257).map(subtask).collect(), ("subtasks", 257, 1, 256)),
            case(|a: &mut Agreement| a.price = Wei(WEI_MAX + 1), ("price", WEI_MAX + 1, 0, WEI_MAX)),
            case(|a: &mut Agreement| a.fuel_rate = 0, ("fuel_rate", 0, 1, U64)),
            case(|a: &mut Agreement| a.subtask_timeout_s = 0, ("subtask_timeout", 0, 1, 86_400)),
            case(|a: &mut Agreement| a.subtasks[1].value = Wei(WEI_MAX - 4), ("value", WEI_MAX + 1, 0, WEI_MAX)),
            case(|a: &mut Agreement| a.subtasks[1].value = Wei(u128::MAX), ("value", u128::MAX, 0, WEI_MAX)),
        ],
    );
    let twice = Agreement { subtasks: vec![subtask(3), subtask(3)], ..agreement() };
    assert_eq!(twice.check(), Err(DocumentError::Repeated(3)));
    assert_eq!(Agreement { subtasks: (0..256).map(subtask).collect(), ..agreement() }.check(), Ok(()));
}

#[test]
fn refuses_a_fee_for_nobody_to_the_payer_or_above_what_a_channel_holds() {
    let app = |author, fee| AppFee { author, fee: Wei(fee) };
    refuses(
        agreement(),
        vec![
            case(move |a: &mut Agreement| a.app = app(Address::ZERO, 1), ("fee", 1, 0, 0)),
            case(|a: &mut Agreement| a.app.fee = Wei(WEI_MAX / 2 + 1), ("fees", WEI_MAX + 1, 0, WEI_MAX)),
            case(|a: &mut Agreement| a.app.fee = Wei(u128::MAX), ("fees", u128::MAX, 0, WEI_MAX)),
        ],
    );
    refuses(
        header(),
        vec![
            case(move |h: &mut Header| h.app = app(Address::ZERO, 1), ("fee", 1, 0, 0)),
            case(|h: &mut Header| h.app.fee = Wei(WEI_MAX + 1), ("fees", WEI_MAX + 1, 0, WEI_MAX)),
        ],
    );
    let itself = app(key(3).address(), 1);
    assert_eq!(Agreement { app: itself, ..agreement() }.check(), Err(DocumentError::PaysItself("author")));
    assert_eq!(Header { app: itself, ..header() }.check(), Err(DocumentError::PaysItself("author")));
    assert_eq!(Header { app: AppFee::NONE, ..header() }.check(), Ok(()));
    assert_eq!(Agreement { app: AppFee::NONE, ..agreement() }.check(), Ok(()));
    assert_eq!(Agreement { app: app(key(4).address(), WEI_MAX / 2), ..agreement() }.check(), Ok(()));
}

#[test]
fn an_author_without_a_fee_has_no_channel_and_one_with_a_fee_has() {
    assert_eq!(agreement().author_channel(), Some(ChannelId { payer: key(3).address(), payee: key(5).address() }));
    let free = AppFee { author: key(5).address(), fee: Wei::ZERO };
    assert_eq!(Agreement { app: free, ..agreement() }.author_channel(), None);
    assert_eq!(Agreement { app: AppFee::NONE, ..agreement() }.author_channel(), None);
    assert_eq!(agreement().app.of(4), Wei(12));
    assert_eq!(AppFee { fee: Wei::MAX, ..free }.of(2), Wei::MAX);
}

#[test]
fn refuses_reports_out_of_bounds() {
    let long = "x".repeat(1025);
    refuses(
        report(),
        vec![
            case(|r: &mut Report| r.results.clear(), ("results", 0, 1, 256)),
            case(|r: &mut Report| r.results = (0..257).map(completed).collect(), ("results", 257, 1, 256)),
            case(move |r: &mut Report| r.results[0] = failed(0, long.clone()), ("message length", 1025, 0, 1024)),
        ],
    );
    let twice = Report { results: vec![completed(3), failed(3, String::new())], ..report() };
    assert_eq!(twice.check(), Err(DocumentError::Repeated(3)));
    assert_eq!(Report { results: vec![failed(3, "x".repeat(1024))], ..report() }.check(), Ok(()));
}

#[test]
fn refuses_verdicts_out_of_bounds() {
    let many = (0..257).map(|index| (index, Decision::Accepted)).collect::<Vec<_>>();
    refuses(
        verdict(),
        vec![
            case(|v: &mut Verdict| v.decisions.clear(), ("decisions", 0, 1, 256)),
            case(move |v: &mut Verdict| v.decisions = many.clone(), ("decisions", 257, 1, 256)),
        ],
    );
    let twice = Verdict { decisions: vec![(3, Decision::Accepted), (3, Decision::Late)], ..verdict() };
    assert_eq!(twice.check(), Err(DocumentError::Repeated(3)));
}

#[test]
fn refuses_vouchers_out_of_bounds() {
    refuses(
        voucher(),
        vec![
            case(|v: &mut Voucher| v.epoch = 0, ("epoch", 0, 1, U32)),
            case(|v: &mut Voucher| v.cumulative = Wei(WEI_MAX + 1), ("cumulative", WEI_MAX + 1, 0, WEI_MAX)),
        ],
    );
    assert_eq!(cancel().check(), Ok(()));
}

#[test]
fn refuses_promises_out_of_bounds() {
    let year_36812 = DEADLINE_MAX as u128;
    refuses(
        promise(),
        vec![
            case(|p: &mut Promise| p.amount = Wei(0), ("amount", 0, 1, WEI_MAX)),
            case(|p: &mut Promise| p.amount = Wei(WEI_MAX + 1), ("amount", WEI_MAX + 1, 1, WEI_MAX)),
            case(|p: &mut Promise| p.deadline = ChainTime(1 << 40), ("deadline", year_36812 + 1, 0, year_36812)),
        ],
    );
    let to_nobody = Promise { provider: Address::ZERO, ..promise() };
    assert_eq!(to_nobody.check(), Err(DocumentError::Nobody("provider")));
    let from_nobody = Receipt { requestor: Address::ZERO, ..receipt() };
    assert_eq!(from_nobody.check(), Err(DocumentError::Nobody("requestor")));
    assert_eq!(receipt().check(), Ok(()));
}

#[test]
fn refuses_rulings_out_of_bounds() {
    let too_much = (|r: &mut Ruling| r.amount = Wei(WEI_MAX + 1), ("amount", WEI_MAX + 1, 0, WEI_MAX));
    refuses(ruling(), vec![case(too_much.0, too_much.1)]);
    let of_nobody = Ruling { requestor: Address::ZERO, ..ruling() };
    assert_eq!(of_nobody.check(), Err(DocumentError::Nobody("requestor")));
    assert_eq!(Ruling { amount: Wei::ZERO, ..ruling() }.check(), Ok(()));
}

#[test]
fn refuses_rotations_out_of_bounds() {
    let address = Address::repeat_byte;
    refuses(
        rotation(),
        vec![
            case(|r: &mut Rotation| r.keys.clear(), ("keys", 0, 1, 16)),
            case(move |r: &mut Rotation| r.keys = (1..18).map(address).collect(), ("keys", 17, 1, 16)),
            case(|r: &mut Rotation| r.threshold = 0, ("threshold", 0, 1, 2)),
            case(|r: &mut Rotation| r.threshold = 3, ("threshold", 3, 1, 2)),
        ],
    );
    for keys in [[2, 1], [2, 2]] {
        let unordered = Rotation { keys: keys.map(address).to_vec(), ..rotation() };
        assert_eq!(unordered.check(), Err(DocumentError::NotAscending("keys")));
    }
    let nobody = Rotation { keys: vec![Address::ZERO, address(1)], ..rotation() };
    assert_eq!(nobody.check(), Err(DocumentError::Nobody("a key")));
    let most = Rotation { keys: (1..17).map(address).collect(), threshold: 16, nonce: U256::MAX };
    assert_eq!(most.check(), Ok(()));
    assert_eq!(CancelRotation { nonce: U256::ZERO }.check(), Ok(()));
}

#[test]
fn refuses_to_sign_or_to_believe_what_is_out_of_bounds() {
    let zero = Voucher { epoch: 0, ..voucher() };
    assert!(matches!(sign(zero, &chain(), &key(3)), Err(SignatureError::OutOfBounds(_))));
    let signature = key(3).sign_digest(&zero.digest(&chain())).unwrap();
    let signed = Signed { document: zero, signature };
    assert!(matches!(signed.authenticate(&chain()), Err(SignatureError::OutOfBounds(_))));
}

#[test]
fn the_largest_documents_fit_a_message() {
    let results =
        (0..SUBTASKS_PER_AGREEMENT_MAX as u32).map(|index| failed(u32::MAX - index, "x".repeat(TEXT_BYTES_MAX)));
    let report = sign(Report { results: results.collect(), ..report() }, &chain(), &key(2)).unwrap();
    assert!(Message::Report(report.into_signed()).encode().is_ok());
    let largest =
        |index| AgreedSubtask { index: u32::MAX - index, input: ContentHash(hash(255)), value: Wei(WEI_MAX / 256) };
    let app = AppFee { author: Address::repeat_byte(255), fee: Wei(WEI_MAX / 256) };
    let subtasks = (0..SUBTASKS_PER_AGREEMENT_MAX as u32).map(largest).collect();
    let agreement = sign(Agreement { subtasks, app, ..agreement() }, &chain(), &key(1)).unwrap();
    assert!(Message::Agreement(agreement.into_signed()).encode().is_ok());
    let largest = Header {
        nonce: u64::MAX,
        module_bytes: ByteCount(u64::MAX),
        subtasks: SUBTASKS_PER_TASK_MAX,
        max_price: Wei::MAX,
        min_perf: u64::MAX,
        fuel_max: Fuel(u64::MAX),
        memory_max: ByteCount(u64::MAX),
        output_max: ByteCount(u64::MAX),
        recheck_ppm: 1_000_000,
        deadline: ChainTime(u64::MAX),
        app: AppFee { author: Address::repeat_byte(255), fee: Wei::MAX },
        ..header()
    };
    let signed = sign(largest, &chain(), &key(1)).unwrap().into_signed();
    assert!(message::encode_header(&signed).unwrap().len() <= HEADER_BYTES_MAX);
}

#[test]
fn the_value_of_an_agreement_is_the_sum_or_nothing() {
    assert_eq!(agreement().value(), Some(Wei(10)));
    let mut rich = agreement();
    rich.subtasks[0].value = Wei::MAX;
    assert_eq!(rich.value(), None);
    assert_eq!(agreement().subtask(1), Some(&subtask(1)));
    assert_eq!(agreement().subtask(2), None);
    assert_eq!(agreement().channel(), ChannelId { payer: key(3).address(), payee: key(4).address() });
}
