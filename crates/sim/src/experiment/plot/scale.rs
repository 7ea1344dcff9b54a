//! From values to places, and the values worth naming on the way.

/// How values are spread over a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spacing {
    /// Equal differences, equal lengths.
    Linear,
    /// Equal ratios, equal lengths.
    Log,
}

/// A range of values laid over a range of places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    spacing: Spacing,
    values: (f64, f64),
    places: (f64, f64),
    /// Whether what lies below the least is drawn on it.
    floored: bool,
}

/// From this ratio of the greatest to the least on, positive values are spread by ratio.
const LOG_FROM: f64 = 40.0;

/// So much of a step may lie beyond the ends. Reason: what is a hair below 0 is not worth a step of white.
const SLACK: f64 = 0.1;

impl Scale {
    /// Over all these values, with round ends.
    pub(super) fn round(values: impl Iterator<Item = f64>, places: (f64, f64)) -> Scale {
        let (low, high) = ends(values);
        let step = step(high - low);
        let values = ((low / step + SLACK).floor() * step, (high / step - SLACK).ceil() * step);
        Scale { spacing: Spacing::Linear, values, places, floored: false }
    }

    /// By ratio from a value up, which stands for all that is less, to a little above the greatest.
    pub(super) fn ratio(values: impl Iterator<Item = f64>, least: f64, places: (f64, f64)) -> Scale {
        let high = values.filter(|value| value.is_finite()).fold(least * 10.0, f64::max);
        Scale { spacing: Spacing::Log, values: (least, high * 1.3), places, floored: true }
    }

    /// Over these values and no more.
    pub(super) fn even(values: impl Iterator<Item = f64>, places: (f64, f64)) -> Scale {
        Scale { spacing: Spacing::Linear, values: ends(values), places, floored: false }
    }

    /// Over these values and no more; by ratio where they span orders of magnitude.
    pub(super) fn tight(values: impl Iterator<Item = f64> + Clone, places: (f64, f64)) -> Scale {
        let positive = values.clone().filter(|value| value.is_finite()).all(|value| value > 0.0);
        let (low, high) = ends(values);
        let spacing = if positive && low > 0.0 && high / low >= LOG_FROM { Spacing::Log } else { Spacing::Linear };
        Scale { spacing, values: (low, high), places, floored: false }
    }

    /// Where a value lies.
    pub(super) fn at(&self, value: f64) -> f64 {
        let bend = |value: f64| if self.spacing == Spacing::Log { libm::log(value) } else { value };
        let value = if self.floored { value.max(self.values.0) } else { value };
        let (low, high) = (bend(self.values.0), bend(self.values.1));
        let share = (bend(value) - low) / (high - low);
        self.places.0 + share * (self.places.1 - self.places.0)
    }

    /// What a value is called.
    pub(super) fn name(&self, value: f64) -> String {
        let least = self.floored && value <= self.values.0;
        if least { format!("\u{2264} {}", short(value)) } else { short(value) }
    }

    /// The values worth naming.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let (low, high) = self.values;
        if self.spacing == Spacing::Log {
            return log_ticks(low, high);
        }
        let step = step(high - low);
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        // From whole numbers, so that 0.3 is not 0.30000000000000004.
        (first..=last).map(|number| tidy(number as f64 * step)).collect()
    }
}

fn tidy(value: f64) -> f64 {
    format!("{value:.12}").parse().unwrap_or(value)
}

/// The least and the greatest, apart from each other.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    if high - low <= 1e-9 * low.abs().max(high.abs()) {
        let room = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
        return (low - room, high + room);
    }
    (low, high)
}

/// A step of 1, 2 or 5 times a power of ten that makes four to eight of them.
fn step(span: f64) -> f64 {
    let rough = span / 5.0;
    let power = libm::pow(10.0, libm::log10(rough).floor());
    let lead = rough / power;
    let nice = if lead < 1.5 {
        1.0
    } else if lead < 3.5 {
        2.0
    } else if lead < 7.5 {
        5.0
    } else {
        10.0
    };
    nice * power
}

fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let powers = (libm::log10(low).floor() as i32)..=(libm::log10(high).ceil() as i32);
    let leads: &[f64] = if high / low > 900.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let all = powers.flat_map(|power| leads.iter().map(move |lead| tidy_log(lead * libm::pow(10.0, f64::from(power)))));
    all.filter(|value| *value >= low * 0.999 && *value <= high * 1.001).collect()
}

fn tidy_log(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

/// A number with as many digits as a reader wants: three that count, thousands with a gap, and a dash for none.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return "-".into();
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e9).contains(&size) {
        return trimmed_exponent(&format!("{value:.2e}"));
    }
    // Digits after the point, so that three count.
    let after = (2 - libm::log10(size).floor() as i32).clamp(0, 8) as usize;
    let text = format!("{value:.after$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole = grouped(whole);
    if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
}

fn trimmed_exponent(text: &str) -> String {
    match text.split_once('e') {
        Some((lead, exponent)) if lead.contains('.') => {
            format!("{}e{exponent}", lead.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text.to_owned(),
    }
}

/// Thousands apart, by a gap that does not break: from five digits on.
fn grouped(whole: &str) -> String {
    let digits = whole.trim_start_matches('-').len();
    if digits < 5 {
        return whole.to_owned();
    }
    let mut text = String::new();
    for (position, digit) in whole.chars().enumerate() {
        let left = whole.len() - position;
        if position > 0 && left.is_multiple_of(3) && digit != '-' && !text.ends_with('-') {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_values() {
        let scale = Scale::round([0.02, 0.93].into_iter(), (0.0, 100.0));
        assert_eq!(scale.ticks(), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!((scale.at(0.0), scale.at(1.0)), (0.0, 100.0));
        assert_eq!(Scale::round([-0.01, 1.01].into_iter(), (0.0, 100.0)).ticks(), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        let scale = Scale::round([5.0, 5.0].into_iter(), (0.0, 1.0));
        assert!(scale.ticks().len() > 2, "{:?}", scale.ticks());
        assert!(Scale::round([f64::NAN].into_iter(), (0.0, 1.0)).ticks().len() > 2);
    }

    #[test]
    fn spreads_orders_of_magnitude_by_ratio() {
        let scale = Scale::tight([0.01, 1.0].into_iter(), (0.0, 100.0));
        assert!((scale.at(0.1) - 50.0).abs() < 1e-9);
        assert_eq!(scale.ticks(), [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]);
        assert_eq!(Scale::tight([0.0, 1.0].into_iter(), (0.0, 100.0)).at(0.1), 10.0);
        assert_eq!(Scale::even([0.25, 28.25].into_iter(), (0.0, 100.0)).at(14.25), 50.0);
    }

    #[test]
    fn what_is_less_than_the_least_lies_on_it() {
        let scale = Scale::ratio([0.0, 0.5, 1_000.0].into_iter(), 1.0, (0.0, 90.0));
        assert_eq!((scale.at(0.0), scale.at(0.5)), (0.0, 0.0));
        assert!(scale.at(1_000.0) > 80.0, "{scale:?}");
        assert_eq!(scale.ticks(), [1.0, 10.0, 100.0, 1_000.0]);
        assert_eq!((scale.name(1.0), scale.name(10.0)), ("\u{2264} 1".into(), "10".into()));
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (value, text) in [
            (0.0, "0"),
            (0.123_456, "0.123"),
            (0.001_234, "0.00123"),
            (2.0, "2"),
            (12.345, "12.3"),
            (1_234.5, "1234"),
            (-1_234_567.0, "-1\u{202f}234\u{202f}567"),
            (123_456.0, "123\u{202f}456"),
            (0.000_012, "1.2e-5"),
            (4e12, "4e12"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
