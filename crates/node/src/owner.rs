//! When the machine is its owner's: outside of the hours it is rented out, and while the owner's own programs need it.

use serde::{Deserialize, Deserializer};
use std::time::{Duration, Instant};
use std::{fmt, fs};

/// The most spans of hours in the settings. Reason: two for every day of the week.
const SPANS_MAX: usize = 14;
/// How often the machine is looked at. Reason: an owner who sits down waits no longer, and a look costs a millisecond.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long the owner's programs must have been quiet until work is taken again. Reason: pauses while somebody reads.
const QUIET: Duration = Duration::from_secs(60);
const DAY_MIN: u16 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// When a machine is rented out, by its own clock.
///
/// Shape: texts such as `22:00-06:00` for every day, or `mon-fri 22:00-06:00` and `sat,sun` for whole days; a span that ends
/// before it begins ends the day after. None at all is always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours(Vec<Span>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// Bit 0 is Monday.
    days: u8,
    from_min: u16,
    to_min: u16,
}

/// Why a text is no span of hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a time to rent out; write \"22:00-06:00\", with days \"mon-fri 22:00-06:00\", or \"sat,sun\" for whole days"
)]
pub struct HoursError {
    /// The text.
    pub text: String,
}

impl Hours {
    /// Whether it is rented out at any hour.
    pub(crate) fn are_always(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads spans. Errors: the first that is none, or more than two for each day.
    pub fn parse(texts: &[String]) -> Result<Hours, HoursError> {
        match texts.get(SPANS_MAX) {
            Some(text) => Err(HoursError { text: text.clone() }),
            None => texts.iter().map(|text| Span::parse(text)).collect::<Result<_, _>>().map(Hours),
        }
    }

    /// Whether the machine is rented out at a day of the week, 0 for Monday, and a minute of it.
    fn contain(&self, day: u8, minute: u16) -> bool {
        self.0.is_empty() || self.0.iter().any(|span| span.contains(day, minute))
    }

    fn contain_now(&self) -> bool {
        let now = jiff::Zoned::now();
        let day = now.weekday().to_monday_zero_offset() as u8;
        self.contain(day, now.hour() as u16 * 60 + now.minute() as u16)
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spans: Vec<String> = self.0.iter().map(Span::to_string).collect();
        f.write_str(&spans.join(", "))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> =
            DAYS.iter().enumerate().filter(|(day, _)| self.days >> day & 1 == 1).map(|(_, name)| *name).collect();
        if days.len() < DAYS.len() {
            write!(f, "{} ", days.join(","))?;
        }
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, "{}-{}", clock(self.from_min), clock(self.to_min))
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hours, D::Error> {
        Hours::parse(&Vec::<String>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Span {
    fn parse(text: &str) -> Result<Span, HoursError> {
        let span = || {
            let text = text.trim();
            if let Some(days) = day_bits(text) {
                return Some(Span { days, from_min: 0, to_min: DAY_MIN });
            }
            let (days, times) = text.rsplit_once(' ').unwrap_or(("mon-sun", text));
            let (from, to) = times.split_once('-')?;
            let (from_min, to_min) = (minute(from)?, minute(to)?);
            (from_min != to_min && from_min < DAY_MIN).then_some(Span { days: day_bits(days)?, from_min, to_min })
        };
        span().ok_or_else(|| HoursError { text: text.chars().take(60).collect() })
    }

    fn contains(&self, day: u8, minute: u16) -> bool {
        let on = |day: u8| self.days >> (day % 7) & 1 == 1;
        if self.from_min < self.to_min {
            return on(day) && (self.from_min..self.to_min).contains(&minute);
        }
        (on(day) && minute >= self.from_min) || (on(day + 6) && minute < self.to_min)
    }
}

/// `mon-fri`, `sat,sun`, `wed`.
fn day_bits(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name.trim());
    let mut bits = 0;
    for part in text.to_ascii_lowercase().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let count = (last + 7 - first) % 7;
        (first..=first + count).for_each(|day| bits |= 1 << (day % 7));
    }
    Some(bits)
}

/// `HH:MM` as a minute of the day; 24:00 is its end.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number =
        |text: &str| (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?;
    let (hour, minute): (u16, u16) = (number(hour)?, number(minute)?);
    let at = hour * 60 + minute;
    (minute < 60 && at <= DAY_MIN).then_some(at)
}

/// The processors' time, in the kernel's ticks, since the machine started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spent {
    all: u64,
    idle: u64,
    /// By this process and those it started.
    ours: u64,
}

impl Spent {
    /// The share of all processors that others used since an earlier look, in percent.
    fn others_percent(&self, before: &Spent) -> u64 {
        let all = self.all.saturating_sub(before.all);
        let busy = all.saturating_sub(self.idle.saturating_sub(before.idle));
        let others = busy.saturating_sub(self.ours.saturating_sub(before.ours));
        (others * 100).checked_div(all).unwrap_or(0)
    }

    /// What the kernel says; `None` where it has no `/proc`.
    fn now() -> Option<Spent> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let (all, idle) = all_and_idle(&stat)?;
        let own = std::process::id();
        let mut ours = 0;
        for entry in fs::read_dir("/proc").ok()?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            // One that has just ended is not there any more, and counted with its parent.
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            ours += ticks_of(&stat).filter(|(parent, _)| pid == own || *parent == own).map_or(0, |(_, ticks)| ticks);
        }
        Some(Spent { all, idle, ours })
    }
}

/// Source: proc(5), the `cpu` line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; what guests
/// use is in user already.
fn all_and_idle(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|number| number.parse().ok()).collect();
    Some((ticks.iter().sum(), ticks.get(3)? + ticks.get(4)?))
}

/// The parent of a process, and its ticks with those of its ended children.
///
/// Source: proc(5), `/proc/PID/stat`: after the name in brackets the fields 3 (state), 4 (parent), 14 to 17 (utime,
/// stime, cutime, cstime).
fn ticks_of(stat: &str) -> Option<(u32, u64)> {
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|ticks| ticks.parse::<u64>().unwrap_or(0)).sum();
    Some((fields.get(1)?.parse().ok()?, ticks))
}

/// What the owner set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerSettings {
    /// When the machine is rented out.
    pub hours: Hours,
    /// From which share of all processors on, in percent, the owner's programs have the machine for themselves; `None`
    /// leaves it to the system, where ours have the lowest priority.
    pub yield_percent: Option<u8>,
}

/// Watches for the owner.
pub(crate) struct OwnerWatch {
    settings: OwnerSettings,
    next: Option<Instant>,
    before: Option<Spent>,
    busy_at: Option<Instant>,
    percent: u64,
}

impl OwnerWatch {
    pub(crate) fn new(settings: OwnerSettings) -> OwnerWatch {
        OwnerWatch { settings, next: None, before: None, busy_at: None, percent: 0 }
    }

    /// Why the machine is the owner's now, if it is. `None` in the outer place: it is too soon to look again.
    pub(crate) fn look(&mut self, now: Instant) -> Option<Option<String>> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = Some(now + LOOK_EVERY);
        if !self.settings.hours.contain_now() {
            return Some(Some("it is outside of the hours that its owner rents it out".to_owned()));
        }
        Some(self.settings.yield_percent.and_then(|percent| self.yields(Spent::now()?, percent, now)))
    }

    fn yields(&mut self, spent: Spent, percent: u8, now: Instant) -> Option<String> {
        if let Some(before) = self.before.replace(spent) {
            self.percent = spent.others_percent(&before);
            if self.percent >= u64::from(percent) {
                self.busy_at = Some(now);
            }
        }
        let busy = self.busy_at.is_some_and(|at| now.duration_since(at) < QUIET);
        busy.then(|| "its owner is using the machine".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(texts: &[&str]) -> Hours {
        Hours::parse(&texts.iter().map(|text| text.to_string()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn rents_out_always_where_no_hours_are_set() {
        assert!(hours(&[]).contain(3, 700) && hours(&[]).contain_now());
    }

    #[test]
    fn rents_out_at_night_until_the_morning_after() {
        let nights = hours(&["mon-fri 22:00-06:30", "sat,sun 00:00-24:00"]);
        let at = |day, hour: u16, minute: u16| nights.contain(day, hour * 60 + minute);
        assert!(at(0, 22, 0) && at(0, 23, 59) && at(1, 0, 0) && at(1, 6, 29));
        assert!(!at(0, 21, 59) && !at(1, 6, 30) && !at(2, 12, 0));
        assert!(!at(0, 3, 0), "Sunday's night is the weekend's, which ends at midnight");
        assert!(at(5, 3, 0), "Friday's goes into Saturday, which is rented out anyway");
        assert!(at(6, 12, 0) && at(5, 23, 59));
        assert!(hours(&["sat-mon 10:00-11:00"]).contain(6, 610), "days go round the end of the week");
        assert_eq!(hours(&["sat,sun"]), hours(&["sat,sun 00:00-24:00"]), "whole days");
    }

    #[test]
    fn says_the_hours_that_were_set() {
        let said = hours(&["mon-wed 22:00-06:30", "sat,sun 00:00-24:00", "07:00-08:00"]).to_string();
        assert_eq!(said, "mon,tue,wed 22:00-06:30, sat,sun 00:00-24:00, 07:00-08:00");
        assert!(hours(&[]).are_always());
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "22-06",
            "25:00-06:00",
            "22:60-06:00",
            "22:00-22:00",
            "24:00-06:00",
            "someday 22:00-06:00",
            "someday",
            "2:00-06:00",
        ] {
            assert_eq!(Hours::parse(&[text.to_owned()]), Err(HoursError { text: text.to_owned() }), "{text}");
        }
        assert!(Hours::parse(&vec!["22:00-06:00".to_owned(); SPANS_MAX + 1]).is_err());
    }

    #[test]
    fn counts_what_others_use_and_not_what_we_do() {
        let before = Spent { all: 1_000, idle: 500, ours: 100 };
        assert_eq!(Spent { all: 1_200, idle: 540, ours: 140 }.others_percent(&before), 60);
        assert_eq!(before.others_percent(&before), 0);
        let stat = "cpu  10 20 30 400 50 6 7 8 9 9\ncpu0 1 2 3 4 5 6 7 8\n";
        assert_eq!(all_and_idle(stat), Some((531, 450)));
        let own = "42 (a (strange) name) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0";
        assert_eq!(ticks_of(own), Some((7, 127)));
        assert_eq!(ticks_of("nonsense"), None);
    }

    #[test]
    fn yields_at_once_and_takes_work_again_after_a_quiet_minute() {
        let mut watch = OwnerWatch::new(OwnerSettings { hours: Hours::default(), yield_percent: Some(50) });
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let spent = |all, idle| Spent { all, idle, ours: 0 };
        assert_eq!(watch.yields(spent(0, 0), 50, at(0)), None);
        assert!(watch.yields(spent(100, 40), 50, at(5)).is_some(), "60 of 100");
        assert!(watch.yields(spent(200, 140), 50, at(10)).is_some(), "a pause is no end");
        assert_eq!(watch.yields(spent(300, 240), 50, at(66)), None);
    }

    #[test]
    fn looks_at_this_very_machine() {
        let Some(spent) = Spent::now() else { return };
        assert!(spent.all > 0 && spent.ours <= spent.all, "{spent:?}");
    }
}
