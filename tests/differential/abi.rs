//! The contracts as the compiler describes them, so that no declaration of ours is between.

pub mod token {
    alloy_sol_types::sol!(Gnt, "../contracts/artifacts/GNT.json");
    pub use Gnt::*;
}

pub mod channels {
    alloy_sol_types::sol!(PaymentChannels, "../contracts/artifacts/PaymentChannels.json");
    pub use PaymentChannels::*;
}

pub mod concent {
    alloy_sol_types::sol!(ConcentDeposit, "../contracts/artifacts/ConcentDeposit.json");
    pub use ConcentDeposit::*;
    pub use IConcentDeposit::{Promise, Terms};
}

pub mod registry {
    alloy_sol_types::sol!(AppRegistry, "../contracts/artifacts/AppRegistry.json");
    pub use AppRegistry::*;
    pub use IAppRegistry::App;
}

/// The name of the error in the bytes of a revert.
pub fn error_name(data: &[u8]) -> &'static str {
    let Some(selector) = data.first_chunk::<4>().copied() else { return "Silent" };
    token::GntErrors::name_by_selector(selector)
        .or_else(|| channels::PaymentChannelsErrors::name_by_selector(selector))
        .or_else(|| concent::ConcentDepositErrors::name_by_selector(selector))
        .or_else(|| registry::AppRegistryErrors::name_by_selector(selector))
        .unwrap_or("Unknown")
}
