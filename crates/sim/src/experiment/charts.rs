//! Which plots show an experiment: metrics over what is varied, series over time, and who earns what.

use super::plot::{Line, Mark, Plot, Trace};
use super::results::{Results, is_time, metric_info};
use super::vary::Axis;
use crate::market::{AgentRow, Side};

/// The most lines of a plot. Reason: nobody tells more apart.
const LINES_MAX: usize = 6;
/// The most plots of one metric, side by side. Reason: what varies in more directions is for the table.
const PANELS_MAX: usize = 4;
/// Into how many parts providers are split by merit.
const MERIT_PARTS: usize = 10;

/// A plot and where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// The name of its file, without an ending.
    pub file: String,
    /// What it shows.
    pub about: About,
    /// The plot.
    pub plot: Plot,
}

/// What a plot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A metric over what is varied.
    Metric,
    /// Something over time.
    Time,
    /// Who earns what.
    Earnings,
}

/// Which axis goes where.
struct Layout {
    /// To the right.
    x: Option<usize>,
    /// Lines.
    lines: Option<usize>,
    /// One point of each other axis: a plot for each combination.
    panels: Vec<Vec<(usize, usize)>>,
}

/// All plots of an experiment, in the order they are shown.
pub fn charts(results: &Results) -> Vec<Chart> {
    let layout = layout(results);
    let mut charts = metric_charts(results, &layout);
    charts.extend(time_charts(results, &layout));
    charts.extend(earning_charts(results, &layout));
    // Different plots must not overwrite each other's files.
    let mut seen = std::collections::BTreeMap::new();
    for chart in &mut charts {
        let times: &mut usize = seen.entry(chart.file.clone()).or_default();
        *times += 1;
        if *times > 1 {
            chart.file = format!("{}-{times}", chart.file);
        }
    }
    charts
}

fn layout(results: &Results) -> Layout {
    let axes = &results.experiment.axes;
    let show = &results.experiment.show;
    let named = |name: &Option<String>| axes.iter().position(|axis| Some(&axis.name) == name.as_ref());
    let several = |number: &usize| axes.get(*number).is_some_and(|axis| axis.points.len() > 1);
    let numeric = || (0..axes.len()).find(|n| several(n) && axes.get(*n).is_some_and(Axis::is_numeric));
    let x =
        named(&show.x).or_else(numeric).or_else(|| (0..axes.len()).find(several)).or((!axes.is_empty()).then_some(0));
    let policy = || axes.iter().position(|axis| axis.name == "policy");
    let other = || (0..axes.len()).rev().find(several);
    let lines = named(&show.lines).or_else(policy).filter(|n| Some(*n) != x).or_else(other).filter(|n| Some(*n) != x);
    let mut panels = vec![Vec::new()];
    for (number, axis) in axes.iter().enumerate().filter(|(number, _)| Some(*number) != x && Some(*number) != lines) {
        panels = panels
            .iter()
            .flat_map(|panel: &Vec<(usize, usize)>| {
                (0..axis.points.len()).map(|point| panel.iter().copied().chain([(number, point)]).collect())
            })
            .collect();
    }
    Layout { x, lines, panels: spread(panels, PANELS_MAX) }
}

/// At most so many of some things: the first, the last, and some between.
fn spread<T>(things: Vec<T>, most: usize) -> Vec<T> {
    let n = things.len();
    if n <= most {
        return things;
    }
    let chosen: Vec<usize> = (0..most).map(|i| i * (n - 1) / (most - 1).max(1)).collect();
    things.into_iter().enumerate().filter(|(number, _)| chosen.contains(number)).map(|(_, thing)| thing).collect()
}

impl Results {
    /// The cell at these points of these axes.
    fn cell_at(&self, place: &[(usize, usize)]) -> Option<usize> {
        self.experiment
            .cells
            .iter()
            .position(|cell| place.iter().all(|(axis, point)| cell.points.get(*axis) == Some(point)))
    }

    fn point_name(&self, axis: usize, point: usize) -> &str {
        let axis = self.experiment.axes.get(axis);
        axis.and_then(|axis| axis.points.get(point)).map_or("", |point| point.name.as_str())
    }

    /// Points of an axis, by number; one, where there is no axis.
    fn points_of(&self, axis: Option<usize>) -> Vec<Option<(usize, usize)>> {
        match axis.and_then(|number| Some((number, self.experiment.axes.get(number)?))) {
            Some((number, axis)) => (0..axis.points.len()).map(|point| Some((number, point))).collect(),
            None => vec![None],
        }
    }

    fn place_title(&self, place: &[(usize, usize)]) -> String {
        let name = |(axis, point): &(usize, usize)| {
            let label = self.experiment.axes.get(*axis).map_or("", |axis| axis.label.as_str());
            // A name says enough; a number needs to be told of what.
            let point_name = self.point_name(*axis, *point);
            if point_name.parse::<f64>().is_ok() { format!("{label} {point_name}") } else { point_name.to_owned() }
        };
        place.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

fn with_unit(name: &str, unit: &str) -> String {
    if unit.is_empty() { name.to_owned() } else { format!("{name} ({unit})") }
}

/// `unpaid_share` as people write it.
pub(super) fn spoken(name: &str) -> String {
    for (unit, _) in [("_gnt", 0), ("_hours", 0), ("_h", 0)] {
        if let Some(name) = name.strip_suffix(unit) {
            return name.replace('_', " ");
        }
    }
    name.replace('_', " ")
}

/// Between what every value of a metric or series is.
fn bounds(name: &str) -> (f64, f64) {
    let any = (f64::NEG_INFINITY, f64::INFINITY);
    match name {
        // Of what a planner gains, who can gain less than others or nothing; of what is paid; of copies beyond the first.
        "surplus_share"
        | "checking_cost_share"
        | "disputes_cost_share"
        | "deposits_cost_share"
        | "copies_share"
        | "overpaid_share"
        | "rerun_share" => any,
        "utilisation" | "share_of_work" | "cheat_share_last_quarter" | "deadbeat_share_last_quarter" => (0.0, 1.0),
        _ if name.ends_with("_share") => (0.0, 1.0),
        "open_subtasks" | "online_slots" => (0.0, f64::INFINITY),
        _ if is_time(name) => (0.0, f64::INFINITY),
        _ => any,
    }
}

fn slug(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' });
    plain.collect::<String>().to_lowercase().split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn titled(what: &str, place: &str) -> String {
    let mut letters = what.chars();
    let what: String = letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default();
    if place.is_empty() { what } else { format!("{what}: {place}") }
}

fn metric_charts(results: &Results, layout: &Layout) -> Vec<Chart> {
    let Some((x, axis)) = layout.x.and_then(|x| Some((x, results.experiment.axes.get(x)?))) else { return Vec::new() };
    let mut charts = Vec::new();
    for metric in results.experiment.shown() {
        let unit = metric_info(metric).map_or("", |info| info.unit);
        for panel in &layout.panels {
            let lines = results.points_of(layout.lines).into_iter().enumerate().map(|(look, line)| {
                let points = (0..axis.points.len()).filter_map(|at| {
                    let place: Vec<(usize, usize)> = panel.iter().copied().chain(line).chain([(x, at)]).collect();
                    let cell = results.cell_at(&place)?;
                    let estimate = results.estimate(cell, metric);
                    if is_time(metric) && results.cells.get(cell)?.seeds.len() > estimate.n {
                        return None;
                    }
                    let number = axis.points.get(at)?.number.filter(|_| axis.is_numeric()).unwrap_or(at as f64);
                    Some(Mark::wide(number, estimate.mean, estimate.half_width).within(bounds(metric)))
                });
                let name = line.map_or_else(String::new, |(axis, point)| results.place_title(&[(axis, point)]));
                Line { name, look, points: points.collect(), trace: Trace::Joined }
            });
            let lines: Vec<Line> = spread(lines.collect(), LINES_MAX);
            if lines.iter().all(|line| line.points.iter().all(|mark| !mark.y.is_finite())) {
                continue;
            }
            let categories =
                if axis.is_numeric() { Vec::new() } else { axis.points.iter().map(|p| p.name.clone()).collect() };
            let place = results.place_title(panel);
            charts.push(Chart {
                file: slug(&format!("{metric} {place}")),
                about: About::Metric,
                plot: Plot {
                    title: titled(&spoken(metric), &place),
                    x_label: with_unit(&axis.label, &axis.unit),
                    y_label: match is_time(metric) {
                        true => format!("{}, where all runs have it", with_unit(&spoken(metric), unit)),
                        false => with_unit(&spoken(metric), unit),
                    },
                    categories,
                    lines,
                    y_include: vec![0.0],
                    ..Plot::default()
                },
            });
        }
    }
    charts
}

/// A panel for each line of the other plots (a policy), in which the points along the bottom become lines.
fn time_charts(results: &Results, layout: &Layout) -> Vec<Chart> {
    let mut names: Vec<(&str, &str)> = Vec::new();
    for band in results.cells.iter().flat_map(|cell| &cell.bands) {
        if !names.contains(&(band.name, band.unit)) {
            names.push((band.name, band.unit));
        }
    }
    let first = layout.panels.first().cloned().unwrap_or_default();
    let mut charts = Vec::new();
    for (name, unit) in names {
        for panel in spread(results.points_of(layout.lines), PANELS_MAX) {
            let fixed: Vec<(usize, usize)> = first.iter().copied().chain(panel).collect();
            let xs = spread(results.points_of(layout.x), LINES_MAX);
            let all: Vec<Line> = xs
                .iter()
                .enumerate()
                .filter_map(|(look, x)| {
                    let place: Vec<(usize, usize)> = fixed.iter().copied().chain(*x).collect();
                    let line = x.map_or_else(String::new, |x| results.place_title(&[x]));
                    band_line(results, results.cell_at(&place)?, (name, "all"), line, look)
                })
                .collect();
            let mut add = |lines: Vec<Line>, place: String| {
                if lines.is_empty() {
                    return;
                }
                charts.push(Chart {
                    file: slug(&format!("time {name} {place}")),
                    about: About::Time,
                    plot: Plot {
                        title: titled(&spoken(name), &place),
                        x_label: "time (days)".into(),
                        y_label: with_unit(&spoken(name), unit),
                        lines,
                        y_include: vec![0.0],
                        ..Plot::default()
                    },
                });
            };
            add(all, results.place_title(&fixed));
            // Group by group, where there are several, at one point: the one in the middle.
            let Some(x) = xs.get(xs.len() / 2) else { continue };
            let place: Vec<(usize, usize)> = fixed.iter().copied().chain(*x).collect();
            let Some(cell) = results.cell_at(&place) else { continue };
            let groups = results.cells.get(cell).into_iter().flat_map(|cell| &cell.bands);
            let groups: Vec<String> =
                groups.filter(|band| band.name == name && band.group != "all").map(|band| band.group.clone()).collect();
            let lines = groups.iter().enumerate();
            let lines = lines.filter_map(|(look, group)| band_line(results, cell, (name, group), group.clone(), look));
            add(spread(lines.collect(), LINES_MAX), results.place_title(&place));
        }
    }
    charts
}

fn band_line(results: &Results, cell: usize, (name, group): (&str, &str), line: String, look: usize) -> Option<Line> {
    let band = results.cells.get(cell)?.bands.iter().find(|band| band.name == name && band.group == group)?;
    let points = band.points.iter().filter(|point| point.n > 0);
    let points: Vec<Mark> =
        points.map(|p| Mark::wide(p.hour / 24.0, p.mean, p.half_width()).within(bounds(name))).collect();
    (!points.is_empty()).then_some(Line { name: line, look, points, trace: Trace::Curve })
}

fn earning_charts(results: &Results, layout: &Layout) -> Vec<Chart> {
    let first = layout.panels.first().cloned().unwrap_or_default();
    let mut charts = Vec::new();
    for panel in spread(results.points_of(layout.lines), PANELS_MAX) {
        let fixed: Vec<(usize, usize)> = first.iter().copied().chain(panel).collect();
        let cells: Vec<(usize, String)> = spread(results.points_of(layout.x), LINES_MAX)
            .into_iter()
            .filter_map(|x| {
                let place: Vec<(usize, usize)> = fixed.iter().copied().chain(x).collect();
                Some((results.cell_at(&place)?, x.map_or_else(String::new, |x| results.place_title(&[x]))))
            })
            .collect();
        let place = results.place_title(&fixed);
        let mut add = |file: &str, title: &str, (x_label, y_label): (&str, &str), categories, of: LineOf<'_>| {
            let lines: Vec<Line> = cells
                .iter()
                .enumerate()
                .map(|(look, (cell, name))| of(*cell, name.clone(), look))
                .filter(|line| !line.points.is_empty())
                .collect();
            if lines.is_empty() {
                return;
            }
            charts.push(Chart {
                file: slug(&format!("{file} {place}")),
                about: About::Earnings,
                plot: Plot {
                    title: titled(title, &place),
                    x_label: x_label.into(),
                    y_label: y_label.into(),
                    categories,
                    lines,
                    y_include: vec![0.0],
                    ..Plot::default()
                },
            });
        };
        let merit = ("merit: tenth of the providers by speed over cost", "profit of one (GNT)");
        add("profit-by-merit", "profit by merit", merit, Vec::new(), &|cell, name, look| {
            by_merit(results, cell, name, look)
        });
        let lorenz = ("share of the providers, poorest first", "share of all earnings");
        add("lorenz", "who has how much of the earnings", lorenz, Vec::new(), &|cell, name, look| {
            lorenz_line(results, cell, name, look)
        });
        let groups = provider_groups(results, cells.first().map(|(cell, _)| *cell));
        if groups.len() > 1 {
            let labels = ("group", "profit of one provider (GNT)");
            add("profit-by-group", "profit by group", labels, groups.clone(), &|cell, name, look| {
                by_group(results, cell, name, look)
            });
        }
    }
    charts
}

type LineOf<'a> = &'a dyn Fn(usize, String, usize) -> Line;

fn providers(results: &Results, cell: usize) -> Vec<&AgentRow> {
    let agents = results.cells.get(cell).map_or(&[][..], |runs| runs.agents.as_slice());
    agents.iter().filter(|agent| agent.side == Side::Provider).collect()
}

fn provider_groups(results: &Results, cell: Option<usize>) -> Vec<String> {
    let cell = cell.and_then(|cell| results.experiment.cells.get(cell));
    cell.map(|cell| cell.scenario.providers.iter().map(|group| group.name.clone()).collect()).unwrap_or_default()
}

fn by_merit(results: &Results, cell: usize, name: String, look: usize) -> Line {
    let mut agents = providers(results, cell);
    agents.retain(|agent| agent.behaviour == "honest" && agent.cost_gnt_per_hour > 0.0);
    agents.sort_by(|a, b| (a.speed / a.cost_gnt_per_hour).total_cmp(&(b.speed / b.cost_gnt_per_hour)));
    let part = agents.len().div_ceil(MERIT_PARTS).max(1);
    let points = agents.chunks(part).enumerate().map(|(number, chunk)| {
        let profits: Vec<f64> = chunk.iter().map(|agent| agent.profit_gnt).collect();
        let estimate = super::stats::Estimate::of(&profits);
        Mark::wide(number as f64 + 1.0, estimate.mean, estimate.half_width)
    });
    Line { name, look, points: points.collect(), trace: Trace::Joined }
}

fn lorenz_line(results: &Results, cell: usize, name: String, look: usize) -> Line {
    let mut earned: Vec<f64> = providers(results, cell).iter().map(|agent| agent.earned_gnt).collect();
    earned.sort_by(f64::total_cmp);
    let (total, n): (f64, f64) = (earned.iter().sum(), earned.len() as f64);
    if total <= 0.0 {
        return Line::default();
    }
    let mut sum = 0.0;
    let mut points = vec![Mark::bare(0.0, 0.0)];
    let step = (earned.len() / 100).max(1);
    for (number, amount) in earned.iter().enumerate() {
        sum += amount;
        if (number + 1).is_multiple_of(step) || number + 1 == earned.len() {
            points.push(Mark::bare((number as f64 + 1.0) / n, sum / total));
        }
    }
    Line { name, look, points, trace: Trace::Curve }
}

fn by_group(results: &Results, cell: usize, name: String, look: usize) -> Line {
    let agents = providers(results, cell);
    let groups = provider_groups(results, Some(cell));
    let points = (0..groups.len()).filter_map(|group| {
        let of_group = agents.iter().filter(|agent| agent.group as usize == group);
        let profits: Vec<f64> = of_group.map(|agent| agent.profit_gnt).collect();
        let estimate = super::stats::Estimate::of(&profits);
        (estimate.n > 0).then(|| Mark::wide(group as f64, estimate.mean, estimate.half_width))
    });
    Line { name, look, points: points.collect(), trace: Trace::Joined }
}
