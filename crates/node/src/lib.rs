//! The shell around the pure machines of a deal: sockets, disk, sandbox and chain become inputs, effects become deeds.
//!
//! Start with [`ProviderNode::start`] or [`RequestorNode::start`]; both give a handle to ask, watch and stop.
//!
//! ```text
//!   net ----+                                  +--> Committer (disk), answers Persisted
//!   chain --+--> one loop: machine.apply ------+--> net: send, announce
//!   workers +    one input at a time           +--> chain: read, fund, claim
//!   timer --+                                  +--> workers: fetch, run, keep
//! ```
//!
//! One task owns the machine, the policy and both clocks: this machine's clock decides when to send again; the chain's
//! clock comes from confirmed blocks only, and decides who owns money. Whatever takes long happens in workers that the
//! loop starts, bounds, cancels and joins. Where its owner wants it, all that the machine is told and given, and what it
//! wants done, goes into a [`trace`], which can be replayed.
//!
//! What this crate never does: decide what is legal next in a deal (that is `deal`), what a price is (`market`), parse
//! arguments or print (that is the CLI). It never logs a key or a whole message.

mod api;
mod audience;
pub mod author;
mod chain_link;
pub mod collect;
pub mod config;
mod content;
mod courier;
mod disk;
pub mod error;
mod event_json;
pub mod events;
pub mod evidence;
pub mod folder;
mod gossip;
pub mod identity;
pub mod keystore;
mod lifecycle;
mod metrics;
mod note;
mod origin;
mod owner;
mod owner_limits;
mod pace;
pub mod prepared;
mod progress;
mod proofs;
mod provider_chain;
mod provider_claims;
pub mod provider_handle;
mod provider_loop;
mod provider_node;
mod provider_status;
mod published;
mod requestor_done;
pub mod requestor_handle;
mod requestor_inputs;
mod requestor_loop;
mod requestor_node;
mod requestor_proofs;
mod requestor_room;
mod requestor_status;
mod requestor_tasks;
mod room;
mod saver;
pub mod settings;
mod startup;
pub mod status;
mod told;
pub mod trace;
mod transfer;
mod tx_journal;
mod worker;

pub use author::{AppFeeError, AuthorSearch, FoundVouchers, app_fee, find_author_vouchers};
pub use collect::{Collected, CollectedFile, MergeBy};
pub use error::{
    CollectError, ContentError, NodeStopped, PrepareError, RunTaskError, SettleError, StartError, StopError, TaskError,
};
pub use events::{EventStream, NodeNotice, ProviderNotice, RequestorNotice, Stamped, Watched};
pub use golem_sandbox::Isolation;
pub use golem_sandbox::profile::digest as sandbox_profile;
pub use identity::NodeKeys;
pub use note::{OnRecord, PreviewNote, SourceNote, tasks_on_record};
pub use owner::{Hours, HoursError, OwnerSettings};
pub use prepared::{CheckCost, PreparedContent, PreparedTask, ProviderShare, TaskReport, TaskTerms};
pub use provider_handle::ProviderHandle;
pub use provider_node::ProviderNode;
pub use requestor_handle::{FailedSubtask, Outputs, RequestorHandle, ShownTask, TaskHandle, TaskProgress};
pub use requestor_node::RequestorNode;
pub use settings::{
    ApiSettings, ChainSettings, ChoiceSettings, ClaimOnExit, ClaimSettings, EtherWorth, MEMORY_MAX, MdnsMode,
    NetworkSettings, PeerLists, ProviderConfig, RequestorConfig,
};
pub use startup::RECORD_SCHEMA;
pub use status::{
    Activity, AuthorAccount, ChainStatus, ChannelClose, ClaimSummary, CloseResult, LeftAlone, NamedTask, NetworkStatus,
    PayeeAccount, PayerAccount, PayerClaim, ProviderStatus, RequestorStatus, Totals,
};
