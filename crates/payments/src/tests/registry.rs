use crate::registry::*;
use golem_protocol::{Address, B256, ChainTime, Wei};

const AUTHOR: Address = Address::repeat_byte(0xaa);
const MODULE: B256 = B256::repeat_byte(1);
const METADATA: B256 = B256::repeat_byte(2);

fn at(secs: u64) -> ChainTime {
    ChainTime(secs)
}

fn published(fee: u128) -> AppRegistry {
    let mut registry = AppRegistry::new(100);
    registry.publish(AUTHOR, MODULE, METADATA, Wei(fee), at(1)).unwrap();
    registry
}

#[test]
fn refuses_what_names_nothing_or_was_never_published() {
    let mut registry = AppRegistry::new(100);
    let zero = B256::ZERO;
    assert_eq!(registry.publish(AUTHOR, zero, METADATA, Wei(1), at(1)), Err(RegistryError::ZeroDigest));
    assert_eq!(registry.publish(AUTHOR, MODULE, zero, Wei(1), at(1)), Err(RegistryError::ZeroDigest));
    let absent = RegistryError::NotPublished { author: AUTHOR, module: MODULE };
    assert_eq!(registry.describe(AUTHOR, MODULE, METADATA, at(1)), Err(absent.clone()));
    assert_eq!(registry.set_fee(AUTHOR, MODULE, Wei(1), at(1)), Err(absent.clone()));
    assert_eq!(registry.retire(AUTHOR, MODULE, at(1)), Err(absent.clone()));
    assert_eq!(registry, AppRegistry::new(100));

    let mut registry = published(5);
    let twice = RegistryError::AlreadyPublished { author: AUTHOR, module: MODULE };
    assert_eq!(registry.publish(AUTHOR, MODULE, METADATA, Wei(1), at(2)), Err(twice));
    assert_eq!(registry.describe(AUTHOR, MODULE, B256::ZERO, at(2)), Err(RegistryError::ZeroDigest));
    let other = Address::repeat_byte(0xbb);
    let foreign = RegistryError::NotPublished { author: other, module: MODULE };
    assert_eq!(registry.set_fee(other, MODULE, Wei(1), at(2)), Err(foreign));
    registry.retire(AUTHOR, MODULE, at(2)).unwrap();
    assert_eq!(registry.retire(AUTHOR, MODULE, at(2)), Err(absent));
}

#[test]
fn a_fee_falls_at_once_and_rises_with_notice() {
    let mut registry = published(50);
    registry.set_fee(AUTHOR, MODULE, Wei(80), at(10)).unwrap();
    let fee = |registry: &AppRegistry, secs| registry.app(AUTHOR, MODULE, at(secs)).fee;
    assert_eq!((fee(&registry, 109), fee(&registry, 110)), (Wei(50), Wei(80)));
    registry.set_fee(AUTHOR, MODULE, Wei(30), at(20)).unwrap();
    assert_eq!((fee(&registry, 20), fee(&registry, 1000)), (Wei(30), Wei(30)), "the rise is replaced");
}

#[test]
fn publishing_again_is_no_way_around_the_notice() {
    let mut registry = published(50);
    registry.retire(AUTHOR, MODULE, at(10)).unwrap();
    registry.publish(AUTHOR, MODULE, METADATA, Wei(80), at(11)).unwrap();
    let app = registry.app(AUTHOR, MODULE, at(11));
    let expected = App { metadata: METADATA, fee: Wei(50), next_fee: Wei(80), next_fee_at: at(111), published: true };
    assert_eq!(app, expected);
    assert_eq!(registry.app(AUTHOR, MODULE, at(111)), App { fee: Wei(80), next_fee_at: at(0), ..app });
}
