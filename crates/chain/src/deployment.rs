//! Which contracts are used on a chain, as a file.

use crate::error::ChainError;
use alloy::primitives::Address;
use golem_protocol::ChainRef;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

/// Where the contracts are on one chain.
///
/// Shape: as JSON, the deployment file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// The token.
    pub gnt: Address,
    /// The faucet, on a test network that has one.
    pub faucet: Option<Address>,
    /// `PaymentChannels`.
    pub channels: Address,
    /// `ConcentDeposit`, where Concent is used.
    pub concent_deposit: Option<Address>,
    /// `AppRegistry`.
    pub app_registry: Option<Address>,
    /// Seconds between a payer's request to close and the end of the channel.
    pub close_delay_s: u32,
    /// The block in which `PaymentChannels` was deployed, or where nobody knows an earlier one: nothing of ours is older.
    pub block: u64,
}

/// The longest deployment file that is read: a few addresses take less than 1 KiB.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The files of `contracts/deployments` as they were when this program was built.
const KNOWN: &[&str] = &include!(concat!(env!("OUT_DIR"), "/deployments.rs"));

impl Deployment {
    /// What signatures are bound to.
    pub fn chain_ref(&self) -> ChainRef {
        ChainRef { chain_id: self.chain_id, channels: self.channels }
    }

    /// The deployment on a chain that this program knows by itself; `None` where it knows of none.
    ///
    /// Errors: `DeploymentFile`.
    pub fn known(chain_id: u64) -> Result<Option<Deployment>, ChainError> {
        for text in KNOWN {
            let deployment: Deployment = serde_json::from_str(text).map_err(|e| ChainError::DeploymentFile {
                path: "that was built into this program".into(),
                reason: e.to_string(),
            })?;
            if deployment.chain_id == chain_id {
                return Ok(Some(deployment));
            }
        }
        Ok(None)
    }

    /// Reads a deployment file.
    ///
    /// Errors: `DeploymentFile`.
    pub fn load(path: &Path) -> Result<Deployment, ChainError> {
        let broken = |reason: String| ChainError::DeploymentFile { path: path.display().to_string(), reason };
        let bytes = std::fs::metadata(path).map_err(|e| broken(e.to_string()))?.len();
        if bytes > FILE_BYTES_MAX {
            return Err(broken(format!("it has {bytes} bytes, and {FILE_BYTES_MAX} is the most")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| broken(e.to_string()))?;
        serde_json::from_str(&text).map_err(|e| broken(e.to_string()))
    }

    /// Writes the deployment file, whole or not at all.
    ///
    /// Errors: `DeploymentFile`.
    pub fn save(&self, path: &Path) -> Result<(), ChainError> {
        let broken = |reason: String| ChainError::DeploymentFile { path: path.display().to_string(), reason };
        let text = serde_json::to_string_pretty(self).map_err(|e| broken(e.to_string()))?;
        let unfinished = path.with_extension(format!("tmp{}", std::process::id()));
        let written = std::fs::File::create(&unfinished).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        });
        written.and_then(|()| std::fs::rename(&unfinished, path)).map_err(|e| {
            let _ = std::fs::remove_file(&unfinished);
            broken(e.to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_by_itself_what_is_in_the_repository() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/deployments"));
        let mut known = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let deployment = Deployment::load(&path).unwrap();
            assert_eq!(path.file_stem().unwrap().to_str(), Some(deployment.chain_id.to_string().as_str()));
            assert_eq!(Deployment::known(deployment.chain_id).unwrap(), Some(deployment));
            known += 1;
        }
        assert!(known > 0 && known == KNOWN.len());
        assert_eq!(Deployment::known(u64::MAX).unwrap(), None);
    }
}
