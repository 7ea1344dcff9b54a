//! Units: money, time and resources, each a type of its own so that none is taken for another.

use alloy_primitives::U256;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Wei in one GNT: the token has 18 decimals.
pub const WEI_PER_GNT: u128 = 1_000_000_000_000_000_000;
/// The most a 96-bit amount holds; every amount in a contract has this width.
pub const WEI_MAX: u128 = (1 << 96) - 1;

/// An amount of GNT in its smallest unit.
///
/// Units: 1e-18 GNT. Shape: in JSON a decimal string, on the wire a varint.
/// Arithmetic is by name; there is no `+`, because an overflow must be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wei(pub u128);

impl Wei {
    /// Nothing.
    pub const ZERO: Wei = Wei(0);
    /// The largest amount that the contracts can hold in one field.
    pub const MAX: Wei = Wei(WEI_MAX);

    /// Whole GNT as wei; `None` where it would not fit 96 bits.
    pub fn from_gnt(gnt: u64) -> Option<Wei> {
        Wei((gnt as u128).checked_mul(WEI_PER_GNT)?).bounded()
    }

    /// The sum, or `None` above [`Wei::MAX`].
    pub fn checked_add(self, other: Wei) -> Option<Wei> {
        Wei(self.0.checked_add(other.0)?).bounded()
    }

    /// The difference, or `None` below zero.
    pub fn checked_sub(self, other: Wei) -> Option<Wei> {
        self.0.checked_sub(other.0).map(Wei)
    }

    /// The difference, or zero where it would be negative.
    pub fn saturating_sub(self, other: Wei) -> Wei {
        Wei(self.0.saturating_sub(other.0))
    }

    /// The sum, held at [`Wei::MAX`].
    pub fn saturating_add(self, other: Wei) -> Wei {
        self.checked_add(other).unwrap_or(Wei::MAX)
    }

    /// The product, or `None` above [`Wei::MAX`].
    pub fn checked_mul(self, times: u64) -> Option<Wei> {
        Wei(self.0.checked_mul(times as u128)?).bounded()
    }

    /// The value itself where it fits 96 bits.
    pub fn bounded(self) -> Option<Wei> {
        (self.0 <= WEI_MAX).then_some(self)
    }

    /// `ceil(self * numerator / denominator)`, or `None` on overflow or a zero denominator.
    ///
    /// Used for "price per hour times seconds": rounding is up, in favour of the one who works.
    pub fn ratio_rounded_up(self, numerator: u64, denominator: u128) -> Option<Wei> {
        if denominator == 0 {
            return None;
        }
        // 192 bits at most, so that nothing wraps.
        let product = U256::from(self.0) * U256::from(numerator);
        let quotient = u128::try_from(product.div_ceil(U256::from(denominator))).ok()?;
        Wei(quotient).bounded()
    }

    /// The amount in GNT with up to 18 decimals and no trailing zeros: `0.25`.
    pub fn to_gnt_string(self) -> String {
        let (whole, part) = (self.0 / WEI_PER_GNT, self.0 % WEI_PER_GNT);
        if part == 0 {
            return whole.to_string();
        }
        let decimals = format!("{part:018}");
        format!("{whole}.{}", decimals.trim_end_matches('0'))
    }

    /// Reads an amount in GNT such as `1`, `0.25` or `.5`.
    pub fn parse_gnt(text: &str) -> Result<Wei, AmountError> {
        let bad = || AmountError::Malformed(text.chars().take(64).collect());
        let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        if (whole.is_empty() && part.is_empty()) || !whole.chars().chain(part.chars()).all(|c| c.is_ascii_digit()) {
            return Err(bad());
        }
        if part.len() > 18 {
            return Err(AmountError::TooPrecise(text.chars().take(64).collect()));
        }
        let too_large = || AmountError::TooLarge(text.chars().take(64).collect());
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_large())? };
        let part: u128 = format!("{part:0<18}").parse().map_err(|_| bad())?;
        whole
            .checked_mul(WEI_PER_GNT)
            .and_then(|wei| wei.checked_add(part))
            .and_then(|wei| Wei(wei).bounded())
            .ok_or_else(too_large)
    }
}

/// Why a text is not an amount of GNT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a decimal number.
    #[error("`{0}` is not an amount of GNT; write a number such as 1 or 0.25")]
    Malformed(String),
    /// More decimals than the token has.
    #[error("`{0}` has more than the 18 decimals that GNT has")]
    TooPrecise(String),
    /// More than 96 bits of wei.
    #[error("`{0}` GNT is more than a channel can hold (about 79 thousand million GNT)")]
    TooLarge(String),
}

impl fmt::Display for Wei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} GNT", self.to_gnt_string())
    }
}

impl Serialize for Wei {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(&self.0) } else { s.serialize_u128(self.0) }
    }
}

impl<'de> Deserialize<'de> for Wei {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let amount = if d.is_human_readable() {
            let text = String::deserialize(d)?;
            text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a decimal string of wei")))?
        } else {
            u128::deserialize(d)?
        };
        Wei(amount).bounded().ok_or_else(|| D::Error::custom("an amount of more than 96 bits"))
    }
}

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $ctor:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            #[doc = concat!("A value of this unit, named: `", stringify!($name), "::", stringify!($ctor), "`.")]
            pub const fn $ctor(value: u64) -> Self {
                $name(value)
            }
            /// The sum, held at the largest value.
            pub const fn saturating_add(self, other: u64) -> Self {
                $name(self.0.saturating_add(other))
            }
            /// `self - earlier`, or 0 where it would be negative.
            pub const fn saturating_sub(self, other: Self) -> u64 {
                self.0.saturating_sub(other.0)
            }
        }
    };
}

unit! {
    /// Time as the chain tells it: the timestamp of the newest block. Decides who owns money.
    ///
    /// Units: seconds since 1970.
    ChainTime, from_secs
}
unit! {
    /// Time as one run of a node tells it: what has passed since it began, however this machine's clock is set meanwhile.
    /// Decides when to send again, never who owns money.
    ///
    /// Units: milliseconds since 1970, as this machine's clock had it when the run began.
    LocalTime, from_millis
}
unit! {
    /// Work: what the sandbox counts while it runs a module; the same for the same input on every machine.
    Fuel, from_units
}
unit! {
    /// A number of bytes.
    ByteCount, from_bytes
}

impl fmt::Display for ByteCount {
    /// In the largest of bytes, KiB, MiB and GiB of which it is a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.iter().find(|(bits, _)| self.0 > 0 && self.0.trailing_zeros() >= *bits) {
            Some((bits, name)) => write!(f, "{} {name}", self.0 >> bits),
            None if self.0 == 1 => f.write_str("1 byte"),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

/// Both clocks at the moment of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// This run's clock, milliseconds.
    pub local: LocalTime,
    /// The chain's clock, seconds.
    pub chain: ChainTime,
}
