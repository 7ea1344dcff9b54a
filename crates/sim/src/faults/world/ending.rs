//! The end of a world: everybody leaves, and the books are held against each other and against the chain.

use super::{FUNDS, Held, Who, World};
use crate::faults::chain::{CLOSE_DELAY_S, Transaction};
use crate::faults::scenario::RequestorNature;
use golem_deal::ProviderInput;
use golem_protocol::{Address, ChannelId, Wei};

impl World {
    /// The end: everybody claims and leaves, and the books are held against each other and against the chain.
    pub(super) fn settle(&mut self) -> Held {
        self.check_results()?;
        self.mine(self.scenario.confirmations + 1);
        for index in 0..self.providers.len() {
            for ledger in self.providers[index].machine.ledgers() {
                let channel = ledger.channel();
                let state = self.chain.channel(&channel, self.scenario.confirmations);
                let now = self.now_of(Who::Provider(index));
                let host = &mut self.providers[index];
                host.machine.apply(&mut host.policy, ProviderInput::Channel { channel, state }, now);
            }
            self.claim(index, None);
            self.claim_what_is_kept_for_the_author(index);
        }
        self.mine(1);
        self.check_books()?;
        for id in self.channels() {
            self.chain.send(Transaction::RequestClose { payer: id.payer, payee: id.payee });
        }
        self.mine(CLOSE_DELAY_S as usize);
        for id in self.channels() {
            self.chain.send(Transaction::Finalize { id });
        }
        self.mine(1);
        let rest: u128 = self.requestors.iter().map(|host| self.chain.balance(&host.payer())).sum();
        if rest + self.report.paid_wei.0 != FUNDS * self.requestors.len() as u128 {
            return Err(format!("the payers have {rest} wei back, and {} were paid", self.report.paid_wei));
        }
        Ok(())
    }

    /// The author was away all the time: what providers kept for it is enough.
    fn claim_what_is_kept_for_the_author(&mut self, index: usize) {
        // One that is a provider too has in its own node what its own work brought; the rest is with the others.
        let Some(author) = self.scenario.app.payee() else { return };
        for ledger in self.providers[index].machine.author_ledgers() {
            let channel = ledger.channel();
            let (state, now) =
                (self.chain.channel(&channel, self.scenario.confirmations), self.now_of(Who::Provider(index)));
            let host = &mut self.providers[index];
            host.machine.apply(&mut host.policy, ProviderInput::Channel { channel, state }, now);
        }
        let vouchers = self.providers[index].machine.author_vouchers(author, Address::ZERO);
        self.claim_for_author(&vouchers);
    }

    fn mine(&mut self, blocks: usize) {
        for _ in 0..blocks {
            self.chain.mine();
        }
    }

    fn check_results(&mut self) -> Held {
        for (index, host) in self.requestors.iter().enumerate() {
            if host.nature != RequestorNature::Honest {
                continue;
            }
            let is_cut_off = self.is_cut_off(host);
            self.report.cut_off += u64::from(is_cut_off);
            for task in host.machine.tasks() {
                let outputs = host.machine.outputs(task.header);
                if task.failed > 0 || !is_cut_off && outputs.len() != self.scenario.subtasks as usize {
                    return Err(format!("requestor {index} has {} results, and {} failed", outputs.len(), task.failed));
                }
                let wrong = outputs.iter().find(|(n, (output, _))| host.order.inputs.get(**n as usize) != Some(output));
                if let Some((subtask, _)) = wrong {
                    return Err(format!("requestor {index} took a wrong result for subtask {subtask}"));
                }
            }
        }
        Ok(())
    }

    fn check_books(&mut self) -> Held {
        for (index, host) in self.requestors.iter().enumerate() {
            let tasks = host.machine.tasks();
            let spent =
                tasks.iter().fold(Wei::ZERO, |sum, task| sum.saturating_add(task.spent).saturating_add(task.fees));
            let signed = self.checks.signed_by(host.payer());
            // A voucher that a crash kept from leaving is signed again with the next repeat of the report.
            if host.nature == RequestorNature::Honest && spent != signed {
                return Err(format!("requestor {index} has spent {spent}, and signed {signed}"));
            }
        }
        // A payer that closes in the middle can end a channel before its last voucher is there; with one that leaves the
        // author out, deals stay open.
        let stingy = self.requestors.iter().any(|host| host.nature == RequestorNature::Stingy);
        let exactly = self.scenario.faults.close_every_ms == 0 && !stingy;
        for host in &self.providers {
            let paid = self.chain.balance(&host.payee());
            self.report.paid_wei = self.report.paid_wei.saturating_add(Wei(paid));
            let channels: Vec<ChannelId> = self.requestors.iter().map(|r| host.channel_from(r.payer())).collect();
            let signed = channels.iter().fold(Wei::ZERO, |sum, id| sum.saturating_add(self.checks.signed_in_all(*id)));
            if paid > signed.0 || (exactly && paid != signed.0) {
                return Err(format!("{} was paid {paid} wei, and {signed} was signed for it", host.payee()));
            }
        }
        self.check_author(exactly)
    }

    fn check_author(&mut self, exactly: bool) -> Held {
        let Some(author) = self.author() else { return Ok(()) };
        let paid = self.chain.balance(&author);
        let channels = self.requestors.iter().map(|host| ChannelId { payer: host.payer(), payee: author });
        let signed = channels.fold(Wei::ZERO, |sum, id| sum.saturating_add(self.checks.signed_in_all(id)));
        if paid > signed.0 || (exactly && paid != signed.0) {
            return Err(format!("the author was paid {paid} wei, and {signed} was signed for it"));
        }
        self.report.paid_wei = self.report.paid_wei.saturating_add(Wei(paid));
        self.report.fees_wei = Wei(paid);
        let honest = self.requestors.iter().filter(|host| host.nature == RequestorNature::Honest);
        for task in honest.flat_map(|host| host.machine.tasks()) {
            if task.fees > self.scenario.app.of((task.done + task.copies) as usize) {
                return Err(format!(
                    "{} subtasks are done, {} of them again, and {} was signed in fees",
                    task.done, task.copies, task.fees
                ));
            }
        }
        Ok(())
    }
}
