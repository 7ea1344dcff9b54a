//! Where it is written down which contracts are used on a chain.
//!
//! ```text
//! --deployment FILE or golem.toml           the one that is named, and no other
//! DATA FOLDER/deployments/ID.json           what `golem deploy` wrote, or somebody was given
//! CHECKOUT/contracts/deployments/ID.json    where the present folder is in a checkout
//! in this program                           what the checkout had when it was built
//! ```

use anyhow::{Context as _, bail};
use golem_chain::{ChainError, Deployment, Rpc, RpcConfig};
use golem_node::folder::Folder;
use golem_protocol::Address;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What tells a checkout of ours from any other folder.
const CHECKOUT_MARK: &str = "contracts/artifacts/PaymentChannels.json";
/// The chain of `golem devnet` and of every anvil: each is another one, gone with its process, and the addresses in the
/// checkout are those that a new devnet has.
const DEVELOPMENT_CHAIN: u64 = 31_337;
/// Only the chain's id is asked for, so how often blocks come need not be measured.
const UNUSED_POLL: Duration = Duration::from_secs(1);

/// `contracts/deployments` of the checkout that the present folder is in.
fn checkout() -> Option<PathBuf> {
    let mark = golem_devnet::find_upwards(Path::new(CHECKOUT_MARK))?;
    Some(mark.parent()?.parent()?.join("deployments"))
}

fn in_checkout(chain_id: u64) -> Option<PathBuf> {
    Some(checkout()?.join(format!("{chain_id}.json")))
}

/// Where `golem deploy` writes, unless it is told: where nodes of this checkout, or of this data folder, look.
pub fn place(folder: &Folder, chain_id: u64) -> PathBuf {
    match in_checkout(chain_id) {
        Some(file) if chain_id != DEVELOPMENT_CHAIN => file,
        _ => folder.deployment_file(chain_id),
    }
}

/// A file that was named.
pub fn load(file: &Path) -> anyhow::Result<Deployment> {
    if !file.exists() {
        bail!(
            "there is no deployment file {}: name the one that `golem devnet` or `golem deploy` wrote with \
             --deployment FILE, or name none, and what is known of the chain is used",
            file.display()
        );
    }
    Ok(Deployment::load(file)?)
}

/// The contracts that are used on the chain behind an RPC: the first that are written down and really there.
pub async fn find(folder: &Folder, rpc_url: &str) -> anyhow::Result<Deployment> {
    let mut config = RpcConfig::new(rpc_url);
    config.poll_interval = Some(UNUSED_POLL);
    let rpc = match Rpc::connect(config).await {
        Ok(rpc) => rpc,
        // What is on disk can be shown without a chain, as long as it is clear which chain is meant.
        Err(error @ ChainError::RpcUnreachable { .. }) => match only_one(folder)? {
            Some(deployment) => return Ok(deployment),
            None => return Err(error.into()),
        },
        Err(error) => return Err(error.into()),
    };
    let chain_id = rpc.chain_id();
    let mut looked = Vec::new();
    let files = [Some(folder.deployment_file(chain_id)), in_checkout(chain_id)];
    for file in files.into_iter().flatten() {
        let shown = file.display().to_string();
        if !file.exists() {
            looked.push(format!("there is no {shown}"));
            continue;
        }
        let deployment = Deployment::load(&file)?;
        match is_there(&rpc, deployment.channels).await? {
            true => return Ok(deployment),
            false => looked.push(absent(&shown, &deployment)),
        }
    }
    match Deployment::known(chain_id)? {
        Some(deployment) if is_there(&rpc, deployment.channels).await? => return Ok(deployment),
        Some(deployment) => looked.push(absent("this program", &deployment)),
        None => looked.push("this program knows of none by itself".to_owned()),
    }
    bail!(
        "which contracts are used on chain {chain_id} is not known: {}; deploy them with `golem deploy`, or name the \
         file of those who did with --deployment FILE",
        looked.join(", ")
    )
}

fn absent(shown: &str, deployment: &Deployment) -> String {
    format!("{shown} says PaymentChannels is at {} and nothing is there", deployment.channels)
}

async fn is_there(rpc: &Rpc, address: Address) -> anyhow::Result<bool> {
    let code: String = rpc.request("eth_getCode", (address, "latest")).await?;
    Ok(code.len() > "0x".len())
}

/// The deployment in a data folder that has one.
fn only_one(folder: &Folder) -> anyhow::Result<Option<Deployment>> {
    let deployments = folder.deployments();
    if !deployments.is_dir() {
        return Ok(None);
    }
    let cannot = || format!("cannot list {}", deployments.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&deployments).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    match files.as_slice() {
        [file] => Ok(Some(Deployment::load(file)?)),
        _ => Ok(None),
    }
}
