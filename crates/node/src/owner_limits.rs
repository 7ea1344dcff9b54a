//! What a provider's owner lets it do, in words.

use crate::config::BYTES_PER_MBIT;
use crate::owner::OwnerSettings;
use crate::settings::{PeerLists, ProviderConfig};
use golem_net::Bandwidth;

/// How many nodes of a list are named. Reason: it is one line.
const NODES_NAMED_MAX: usize = 5;

/// What the owner lets the node do at most, each in a few words.
pub(crate) fn owner_limits(config: &ProviderConfig) -> Vec<String> {
    let mut limits = vec![
        format!("{}, {} % of a core each", slots_text(config.slots), config.cpu_percent),
        format!("{} of memory a subtask, {} in all", config.memory_max, config.memory_at_once()),
        format!("{} of output a subtask", config.output_max),
        format!("{} of disk for contents, {} for compiled programs", config.content_max, config.modules_max),
    ];
    let Bandwidth { download, upload } = config.network.bandwidth;
    for (rate, what) in [(download, "fetched"), (upload, "served")] {
        limits.extend(rate.map(|rate| format!("{} Mbit/s {what}", rate.get() / BYTES_PER_MBIT)));
    }
    let OwnerSettings { hours, yield_percent } = &config.owner;
    if !hours.are_always() {
        limits.push(format!("rented out {hours} by this machine's clock"));
    }
    limits.extend(yield_percent.map(|percent| format!("none while others take {percent} % of its processors")));
    if !config.programs.is_empty() {
        let programs: Vec<String> = config.programs.iter().map(|program| program.to_string()).collect();
        limits.push(format!("only the programs {}", programs.join(", ")));
    }
    if config.identity_bits > 0 {
        limits.push(format!("only for keys with {} bits of work in them", config.identity_bits));
    }
    let PeerLists { allow, deny } = &config.peers;
    for (list, what) in [(allow, "only for"), (deny, "not for")] {
        if !list.is_empty() {
            let (named, rest) = list.split_at(list.len().min(NODES_NAMED_MAX));
            let mut nodes: Vec<String> = named.iter().map(|node| node.to_string()).collect();
            nodes.extend((!rest.is_empty()).then(|| format!("{} more", rest.len())));
            limits.push(format!("{what} {}", nodes.join(", ")));
        }
    }
    limits
}

fn slots_text(slots: u16) -> String {
    if slots == 1 { "1 slot".to_owned() } else { format!("{slots} slots") }
}
