//! The twin of `AppRegistry`: what authors ask for their apps, and from when on.
//!
//! No money is in it, but its fees become legs of agreements; the differential test holds it against the contract.

use golem_protocol::{Address, B256, ChainTime, Wei};
use std::collections::BTreeMap;

/// An app, as `app(author, module)` shows it. All zero where it was never published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct App {
    /// Digest of what describes it.
    pub metadata: B256,
    /// What a subtask costs now.
    pub fee: Wei,
    /// What it will cost; the same where no rise is announced.
    pub next_fee: Wei,
    /// From when on; 0 where no rise is announced.
    pub next_fee_at: ChainTime,
    /// Whether its author stands by it.
    pub published: bool,
}

/// All apps of one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRegistry {
    fee_notice_s: u32,
    apps: BTreeMap<(Address, B256), App>,
}

impl AppRegistry {
    /// The contract just deployed.
    pub fn new(fee_notice_s: u32) -> AppRegistry {
        AppRegistry { fee_notice_s, apps: BTreeMap::new() }
    }

    /// An app as it is now: a rise that has come is the fee.
    pub fn app(&self, author: Address, module: B256, now: ChainTime) -> App {
        let stored = self.apps.get(&(author, module)).copied().unwrap_or_default();
        if stored.next_fee_at.0 == 0 || now < stored.next_fee_at {
            return stored;
        }
        App { fee: stored.next_fee, next_fee_at: ChainTime(0), ..stored }
    }

    /// `publish` by `author`.
    ///
    /// Errors: the contract's, in its order. Nothing changes then; the same holds for all that follow.
    pub fn publish(
        &mut self,
        author: Address,
        module: B256,
        metadata: B256,
        fee: Wei,
        now: ChainTime,
    ) -> Result<(), RegistryError> {
        if module == B256::ZERO || metadata == B256::ZERO {
            return Err(RegistryError::ZeroDigest);
        }
        let before = self.app(author, module, now);
        if before.published {
            return Err(RegistryError::AlreadyPublished { author, module });
        }
        // One that comes back is no way around the notice.
        let first = before.metadata == B256::ZERO;
        let fee_now = if first { fee } else { before.fee };
        let app = App { metadata, published: true, fee: fee_now, ..before };
        self.apps.insert((author, module), self.with_fee(app, fee, now));
        Ok(())
    }

    /// `describe` by `author`.
    pub fn describe(
        &mut self,
        author: Address,
        module: B256,
        metadata: B256,
        now: ChainTime,
    ) -> Result<(), RegistryError> {
        let app = self.published(author, module, now)?;
        if metadata == B256::ZERO {
            return Err(RegistryError::ZeroDigest);
        }
        self.apps.insert((author, module), App { metadata, ..app });
        Ok(())
    }

    /// `setFee` by `author`: at once if it is lowered, with notice if it is raised.
    pub fn set_fee(&mut self, author: Address, module: B256, fee: Wei, now: ChainTime) -> Result<(), RegistryError> {
        let app = self.published(author, module, now)?;
        self.apps.insert((author, module), self.with_fee(app, fee, now));
        Ok(())
    }

    /// `retire` by `author`.
    pub fn retire(&mut self, author: Address, module: B256, now: ChainTime) -> Result<(), RegistryError> {
        let app = self.published(author, module, now)?;
        self.apps.insert((author, module), App { published: false, ..app });
        Ok(())
    }

    fn published(&self, author: Address, module: B256, now: ChainTime) -> Result<App, RegistryError> {
        let app = self.app(author, module, now);
        if app.published { Ok(app) } else { Err(RegistryError::NotPublished { author, module }) }
    }

    fn with_fee(&self, current: App, fee: Wei, now: ChainTime) -> App {
        if fee > current.fee {
            let next_fee_at = now.saturating_add(self.fee_notice_s as u64);
            return App { next_fee: fee, next_fee_at, ..current };
        }
        App { fee, next_fee: fee, next_fee_at: ChainTime(0), ..current }
    }
}

/// Why a call of `AppRegistry` reverts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The digest zero names nothing.
    #[error("the digest zero names no module and no metadata")]
    ZeroDigest,
    /// Never published, or retired.
    #[error("{author} published no module {module}, or retired it")]
    NotPublished {
        /// Who.
        author: Address,
        /// Which.
        module: B256,
    },
    /// Published before.
    #[error("{author} published module {module} already")]
    AlreadyPublished {
        /// Who.
        author: Address,
        /// Which.
        module: B256,
    },
}
