//! The authors' fees, as a provider sees to them: it works only where a channel pays the author too, and keeps the author's
//! vouchers, since an author is not there when they are signed.

use super::interface::{ProviderEffect, ProviderEvent};
use super::machine::{Provider, Step};
use crate::record::{Record, RecoverError, Table, read};
use golem_payments::{Accepted, PayeeLedger};
use golem_protocol::limits::VOUCHERS_PER_ANSWER_MAX;
use golem_protocol::*;
use serde::{Deserialize, Serialize};

/// The most authors' channels kept track of. Reason: opening one costs its payer gas; those without a voucher go first.
pub(super) const FEE_ACCOUNTS_MAX: usize = 65_536;
/// How long until a channel is looked at again that does not cover a voucher, in milliseconds. Reason: the chain as it is
/// confirmed here may be behind what the requestor saw.
const LOOK_AGAIN_MS: u64 = 5_000;
/// How old the look at an author's channel may be that an agreement rests on, in milliseconds. Reason: nobody tells of its
/// changes here, and a payer's close takes longer than this and the agreement together.
const LOOK_LIFE_MS: u64 = 600_000;

/// One channel towards an author: what is held of it, and whether it kept up with what was accepted here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FeeAccount {
    pub ledger: PayeeLedger,
    /// Fees of what was accepted here that no voucher covers.
    pub owed: Wei,
    /// Growth of the vouchers ahead of the verdicts that accept. Never more than the fees of what is open here: what other
    /// providers of the same task bring must not stand for what was accepted here later.
    pub ahead: Wei,
    /// A voucher that the chain, as known here, does not pay. Taken again whenever the channel was looked at.
    pub unsettled: Option<Signed<Voucher>>,
    /// What claims brought that a reorg took back. Their vouchers are the author's all the same, who claims by them again:
    /// when that comes back here, by a claim or a voucher, it brings nothing more.
    pub undone: Wei,
    /// When the chain was last looked at; never in this run where there is nothing.
    #[serde(skip)]
    pub looked: Option<LocalTime>,
    /// When to look again.
    #[serde(skip)]
    pub look_again: LocalTime,
}

impl FeeAccount {
    fn of(ledger: PayeeLedger) -> FeeAccount {
        FeeAccount {
            ledger,
            owed: Wei::ZERO,
            ahead: Wei::ZERO,
            unsettled: None,
            undone: Wei::ZERO,
            looked: None,
            look_again: LocalTime(0),
        }
    }

    /// What is owed to the author and keeps work back. Once the channel has ended nothing does: only its author can end it
    /// without a long delay.
    fn withheld(&self) -> Wei {
        if self.ledger.state().deposit > Wei::ZERO { self.owed } else { Wei::ZERO }
    }

    fn pay(&mut self, amount: Wei, open: Wei) {
        let again = self.undone.min(amount);
        self.undone = self.undone.saturating_sub(again);
        let amount = amount.saturating_sub(again);
        let covered = self.owed.min(amount);
        self.owed = self.owed.saturating_sub(covered);
        self.ahead = self.ahead.saturating_add(amount.saturating_sub(covered)).min(open);
    }

    fn accept(&mut self, fees: Wei, open: Wei) {
        let covered = self.ahead.min(fees);
        self.ahead = self.ahead.saturating_sub(covered).min(open);
        self.owed = self.owed.saturating_add(fees.saturating_sub(covered));
    }

    /// The higher of what could not be taken yet and `voucher`.
    fn keep_unsettled(&mut self, voucher: &Authentic<Voucher>) {
        let known = self.unsettled.as_ref().map(|known| (known.document.epoch, known.document.cumulative));
        if known.is_none_or(|known| known < (voucher.epoch, voucher.cumulative)) {
            self.unsettled = Some(voucher.signed().clone());
        }
    }

    /// What is worth most to the author, as far as known here.
    fn best(&self) -> Option<&Signed<Voucher>> {
        let newer = self.unsettled.as_ref().filter(|voucher| voucher.document.epoch > self.ledger.state().epoch);
        newer.or_else(|| self.ledger.best())
    }

    fn record(&self) -> Option<Record> {
        Record::put(Table::Author, &key(&self.ledger.channel()), self).ok()
    }
}

/// As versions before wrote it, which did not know what reorgs took back.
#[derive(Deserialize)]
struct FeeAccountBefore {
    ledger: PayeeLedger,
    owed: Wei,
    ahead: Wei,
    unsettled: Option<Signed<Voucher>>,
}

/// Reads an account, also one of a version before.
pub(super) fn read_account(record: &Record) -> Result<FeeAccount, RecoverError> {
    read::<FeeAccount>(record).or_else(|error| {
        let before = read::<FeeAccountBefore>(record).map_err(|_| error)?;
        let FeeAccountBefore { ledger, owed, ahead, unsettled } = before;
        Ok(FeeAccount { owed, ahead, unsettled, ..FeeAccount::of(ledger) })
    })
}

/// By payer, then author.
fn key(channel: &ChannelId) -> Vec<u8> {
    [channel.payer.as_slice(), channel.payee.as_slice()].concat()
}

impl Provider {
    /// The author's channel of an agreement, where it is another's than ours.
    pub(super) fn fee_channel(&self, agreement: &Agreement) -> Option<ChannelId> {
        agreement.author_channel().filter(|channel| channel.payee != self.settings.payee)
    }

    /// Fees of all that is agreed here and not decided.
    fn open_fees(&self, channel: &ChannelId) -> Wei {
        let deals = self.deals.values().filter(|deal| deal.agreement.author_channel().as_ref() == Some(channel));
        deals.fold(Wei::ZERO, |sum, deal| sum.saturating_add(deal.open_fees()))
    }

    /// Whether the author's channel pays for this agreement on top of everything else that is open here, and paid for
    /// all that was accepted here.
    pub(super) fn fees_covered(&self, agreement: &Agreement, now: Now) -> Result<(), RefusalReason> {
        let Some(channel) = self.fee_channel(agreement) else { return Ok(()) };
        let refused = |text: &str| Err(RefusalReason::Channel(text.into()));
        let Some(account) = self.fee_accounts.get(&channel) else {
            return refused("the channel to the app's author is not open");
        };
        if account.withheld() > Wei::ZERO {
            return Err(RefusalReason::FeeUnpaid { author: channel.payee, owed: account.owed });
        }
        if account.looked.is_none_or(|looked| now.local.saturating_sub(looked) > LOOK_LIFE_MS) {
            return refused("the channel to the app's author could not be looked at");
        }
        let needed = agreement.app.of(agreement.subtasks.len()).saturating_add(self.open_fees(&channel));
        let until = agreement.deadline.max(now.chain).saturating_add(self.settings.claim_margin_s);
        let (ledger, epoch) = (&account.ledger, account.ledger.state().epoch);
        let covered = ledger.covers(epoch, needed, until);
        covered.map_err(|error| RefusalReason::Channel(format!("the app's author: {error}")))
    }

    /// What the author is owed for work accepted here, where that keeps more of it back.
    pub(super) fn fees_withheld(&self, agreement: &Agreement) -> Option<(Address, Wei)> {
        let channel = self.fee_channel(agreement)?;
        let owed = self.fee_accounts.get(&channel)?.withheld();
        (owed > Wei::ZERO).then_some((channel.payee, owed))
    }

    pub(super) fn take_author_voucher(&mut self, from: NodeId, voucher: Signed<Voucher>, now: Now, step: &mut Step) {
        let unpaid = |detail: String| ProviderEvent::Unpaid { requestor: from, detail };
        let voucher = match voucher.authenticate(&self.settings.chain) {
            Ok(voucher) => voucher,
            Err(error) => return step.say(unpaid(format!("the author's voucher: {error}"))),
        };
        let channel = voucher.channel();
        // Nothing is kept of a channel that no agreement here named.
        if !self.fee_accounts.contains_key(&channel) {
            let detail = format!("a voucher of {} for {}, who is no author here", channel.payer, channel.payee);
            return step.say(unpaid(detail));
        }
        self.take_for_author(&channel, &voucher, now, step);
    }

    fn take_for_author(&mut self, channel: &ChannelId, voucher: &Authentic<Voucher>, now: Now, step: &mut Step) {
        let open = self.open_fees(channel);
        let Some(account) = self.fee_accounts.get_mut(channel) else { return };
        let before = account.clone();
        let claim_by = now.chain.saturating_add(self.settings.claim_margin_s);
        match account.ledger.accept(voucher, claim_by) {
            Ok(Accepted::Stale) => {}
            Ok(Accepted::Raised(amount)) => {
                account.pay(amount, open);
                let (payer, author, cumulative) = (channel.payer, channel.payee, voucher.cumulative);
                step.say(ProviderEvent::FeePaid { payer, author, amount, cumulative });
            }
            Err(_) => {
                account.keep_unsettled(voucher);
                if account.look_again <= now.local {
                    account.look_again = now.local.saturating_add(LOOK_AGAIN_MS);
                    step.effects.push(ProviderEffect::ReadChannel(*channel));
                }
            }
        }
        if *account != before {
            step.records.extend(account.record());
        }
    }

    /// Sets the fees of what was accepted against what the vouchers beside it brought: what is left is owed.
    pub(super) fn settle_fees(&mut self, channel: &ChannelId, fees: Wei, requestor: NodeId, step: &mut Step) {
        let open = self.open_fees(channel);
        let Some(account) = self.fee_accounts.get_mut(channel) else { return };
        let before = account.clone();
        account.accept(fees, open);
        if account.owed > Wei::ZERO {
            step.say(ProviderEvent::FeeUnpaid { requestor, author: channel.payee, owed: account.owed });
        }
        if *account != before {
            step.records.extend(account.record());
        }
    }

    /// How an author's channel stands. One that no agreement here names is nothing to us.
    pub(super) fn on_author_channel(&mut self, channel: ChannelId, state: ChannelState, now: Now, step: &mut Step) {
        if !self.fee_accounts.contains_key(&channel) {
            let awaited = self.unchecked.values().any(|unchecked| unchecked.awaits.contains(&channel));
            if !awaited || !self.make_room_for_author(step) {
                return;
            }
            self.fee_accounts.insert(channel, FeeAccount::of(PayeeLedger::new(channel)));
        }
        let open = self.open_fees(&channel);
        let Some(account) = self.fee_accounts.get_mut(&channel) else { return };
        account.looked = Some(now.local);
        if *account.ledger.state() != state {
            let (epoch, earned) = (account.ledger.state().epoch, account.ledger.earned());
            if state.epoch > epoch {
                // What was owed in an epoch that is over cannot be paid any more. What is open here may have been paid in it,
                // by a voucher that only others got before it ended: that cannot be found out here, and is not asked for again.
                (account.owed, account.ahead, account.undone) = (Wei::ZERO, open, Wei::ZERO);
            }
            account.ledger.observe(state);
            if state.epoch == epoch {
                // The author claims by a voucher that is still on its way here: when it comes, it brings nothing more. A reorg
                // takes such a claim back, and the author keeps the voucher.
                let now_earned = account.ledger.earned();
                account.undone = account.undone.saturating_add(earned.saturating_sub(now_earned));
                account.pay(now_earned.saturating_sub(earned), open);
            }
            step.records.extend(account.record());
        }
        if let Some(unsettled) = account.unsettled.take() {
            let voucher = unsettled.authenticate(&self.settings.chain);
            step.records.extend(account.record());
            if let Ok(voucher) = voucher {
                self.take_for_author(&channel, &voucher, now, step);
            }
        }
    }

    /// Channels of which nothing is held and nothing open may be forgotten: the chain still knows them.
    fn make_room_for_author(&mut self, step: &mut Step) -> bool {
        if self.fee_accounts.len() < FEE_ACCOUNTS_MAX {
            return true;
        }
        let in_use: std::collections::BTreeSet<ChannelId> =
            self.deals.values().filter_map(|deal| deal.agreement.author_channel()).collect();
        let spare = self.fee_accounts.iter().find(|(channel, account)| {
            account.ledger.claimable() == Wei::ZERO && account.unsettled.is_none() && !in_use.contains(channel)
        });
        let Some(spare) = spare.map(|(channel, _)| *channel) else { return false };
        step.records.push(Record { table: Table::Author, key: key(&spare), value: None });
        self.fee_accounts.remove(&spare).is_some()
    }

    /// Looks again at channels that do not cover a voucher held for an author.
    pub(super) fn look_at_authors(&mut self, now: Now, step: &mut Step) {
        for (channel, account) in &mut self.fee_accounts {
            if account.unsettled.is_some() && account.withheld() > Wei::ZERO && account.look_again <= now.local {
                account.look_again = now.local.saturating_add(LOOK_AGAIN_MS);
                step.effects.push(ProviderEffect::ReadChannel(*channel));
            }
        }
    }

    pub(super) fn next_look_at_authors(&self) -> Option<LocalTime> {
        let waiting = |account: &&FeeAccount| account.unsettled.is_some() && account.withheld() > Wei::ZERO;
        self.fee_accounts.values().filter(waiting).map(|account| account.look_again).min()
    }

    /// The best vouchers held for an author, of the next payers after one: good for nobody else, and so given to whoever
    /// asks.
    pub fn author_vouchers(&self, author: Address, after: Address) -> Vec<Signed<Voucher>> {
        let theirs = self.fee_accounts.iter().filter(|(channel, _)| channel.payee == author && channel.payer > after);
        theirs.filter_map(|(_, account)| account.best().cloned()).take(VOUCHERS_PER_ANSWER_MAX).collect()
    }

    /// The ledgers of all channels towards authors. None of it is this provider's money.
    pub fn author_ledgers(&self) -> Vec<PayeeLedger> {
        self.fee_accounts.values().map(|account| account.ledger.clone()).collect()
    }

    /// What each author is owed for work accepted here, by channel.
    pub fn fees_owed(&self) -> Vec<(ChannelId, Wei)> {
        self.fee_accounts.iter().map(|(channel, account)| (*channel, account.owed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> FeeAccount {
        FeeAccount::of(PayeeLedger::new(ChannelId { payer: Address::repeat_byte(1), payee: Address::repeat_byte(2) }))
    }

    #[test]
    fn what_a_reorg_took_back_pays_for_nothing_more_when_it_comes_again() {
        let mut account = FeeAccount { undone: Wei(4_500), ..account() };
        account.accept(Wei(500), Wei(1_000));
        account.pay(Wei(4_500), Wei(1_000));
        assert_eq!((account.owed, account.ahead, account.undone), (Wei(500), Wei::ZERO, Wei::ZERO));
        account.pay(Wei(700), Wei(1_000));
        assert_eq!((account.owed, account.ahead), (Wei::ZERO, Wei(200)));
    }

    #[test]
    fn reads_what_versions_before_wrote() {
        let unsettled: Option<Signed<Voucher>> = None;
        let written = (account().ledger, Wei(3), Wei(4), unsettled);
        let record = Record::put(Table::Author, b"key", &written).unwrap();
        let read = read_account(&record).unwrap();
        assert_eq!(read, FeeAccount { owed: Wei(3), ahead: Wei(4), ..account() });
        let now = FeeAccount { undone: Wei(5), ..read };
        assert_eq!(read_account(&now.record().unwrap()).unwrap(), now);
    }
}
