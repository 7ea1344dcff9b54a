//! Who did how much, as the deals say.

use super::world::*;
use golem_protocol::*;

#[test]
fn each_share_is_what_its_provider_earned_and_their_sum_is_what_was_spent_through_crashes() {
    for seed in 0..seeds() {
        let natures = [Nature::Honest, Nature::Honest, Nature::Cheat];
        let mut world = World::new(seed, order(40, 40 * 14_000, Pricing::Tender), &natures, WILD);
        world.run(3_600_000);
        let status = world.requestor.tasks()[0].clone();
        let shares = world.requestor.paid_shares();
        let paid = shares.values().fold(Wei::ZERO, |sum, share| sum.saturating_add(share.paid));
        assert_eq!((paid, status.fees), (status.spent, Wei::ZERO), "seed {seed}");
        for ((header, provider), share) in &shares {
            assert_eq!(*header, world.header, "seed {seed}");
            let host = world.providers.iter().find(|host| host.machine.node() == *provider).unwrap();
            let ledger = &host.machine.ledgers()[0];
            let told = (share.paid, share.payee, share.price);
            assert_eq!(told, (ledger.earned(), ledger.channel().payee, host.policy.price), "seed {seed}");
        }
        let subtasks: u32 = shares.values().map(|share| share.subtasks).sum();
        assert!(subtasks <= status.done + status.copies && subtasks > 0, "seed {seed}");
    }
}
