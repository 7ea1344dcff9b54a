//! What is varied: axes, the points on them, and the cells where points of all axes meet.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The most cells of one experiment. Reason: each is run at least twice, and nobody reads a table of more.
pub const CELLS_MAX: usize = 2_000;

/// What a policy is set at: both sides, all groups.
const POLICY_PATHS: [&str; 2] = ["providers.*.policy", "requestors.*.policy"];

/// An axis as a file gives it: one path with values, or named points that each set several paths, or policies.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AxisSpec {
    /// The name of its column; the path, where there is one.
    axis: Option<String>,
    /// What it is, for people; the name, where nothing is given.
    label: Option<String>,
    /// The unit of its values.
    #[serde(default)]
    unit: String,
    /// The path below `[scenario]` that the values are put at.
    path: Option<String>,
    /// The values, in the order they are shown.
    values: Option<Vec<Value>>,
    /// Points that set several paths together, or are called something else than their value.
    points: Option<Vec<PointSpec>>,
    /// Names of policies, for both sides and all groups.
    policies: Option<Vec<String>>,
    /// Where all points but the first are played: there, of other axes, and nowhere else.
    #[serde(default)]
    only: BTreeMap<String, Vec<Value>>,
}

/// A named point on an axis.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PointSpec {
    name: String,
    set: Table,
}

/// One direction in which an experiment varies.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The name of its column.
    pub name: String,
    /// What it is, for people.
    pub label: String,
    /// The unit of its values; empty where there is none.
    pub unit: String,
    /// In the order they are shown.
    pub points: Vec<Point>,
    /// Where all but the first of them are played; everywhere, where nothing is said.
    pub only: Option<Only>,
}

/// Points of an axis that do not meet all points of the others: so what is varied one thing at a time costs a few cells
/// and not a multiple of them all.
#[derive(Clone, Debug, PartialEq)]
pub struct Only {
    /// The name of the first point, which meets all.
    pub first: String,
    /// Of other axes, the names of the points that the rest meet.
    pub at: BTreeMap<String, Vec<String>>,
}

/// One point on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// What it is called in tables and on the command line.
    pub name: String,
    /// Where it lies on a scale, if it is a number.
    pub number: Option<f64>,
    /// What it changes in the scenario: paths and values.
    pub set: Vec<(String, Value)>,
}

impl Axis {
    /// Whether every point is a number.
    pub fn is_numeric(&self) -> bool {
        self.points.iter().all(|point| point.number.is_some())
    }

    /// The point of this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        let number: Option<f64> = name.parse().ok();
        self.points.iter().position(|point| point.name == name || (number.is_some() && point.number == number))
    }

    /// The names of all points, for messages.
    pub fn names(&self) -> String {
        self.points.iter().map(|point| point.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl AxisSpec {
    /// Checks the axis.
    ///
    /// Errors: which axis, and what it lacks.
    pub(super) fn read(self) -> Result<Axis, String> {
        let usual = self.policies.as_ref().map(|_| "policy".to_owned());
        let Some(name) = self.axis.or_else(|| self.path.clone()).or(usual) else {
            let what =
                "a [[vary]] has none of `path`, `axis` and `policies`: give the path below [scenario] that is varied";
            return Err(what.into());
        };
        let points: Vec<Point> = match (self.path, self.values, self.points, self.policies) {
            (Some(path), Some(values), None, None) => {
                values.into_iter().map(|value| point_at(&[&path], value)).collect()
            }
            (None, None, Some(points), None) => points.into_iter().map(PointSpec::read).collect(),
            (None, None, None, Some(policies)) => {
                policies.into_iter().map(|policy| point_at(&POLICY_PATHS, Value::String(policy))).collect()
            }
            _ => {
                return Err(format!(
                    "the axis `{name}` must have either `path` and `values`, or `axis` and `points`, or `policies`"
                ));
            }
        };
        let first = points.first().map(|point| point.name.clone()).unwrap_or_default();
        let at: BTreeMap<String, Vec<String>> =
            self.only.into_iter().map(|(axis, points)| (axis, points.iter().map(value_name).collect())).collect();
        let only = (!at.is_empty()).then_some(Only { first, at });
        let axis = Axis { label: self.label.unwrap_or_else(|| name.clone()), name, unit: self.unit, points, only };
        if axis.points.is_empty() {
            return Err(format!("the axis `{}` has no points: give at least one", axis.name));
        }
        for (position, point) in axis.points.iter().enumerate() {
            if point.name.contains([',', '=']) {
                return Err(format!("the axis `{}`: the name `{}` has a comma or `=` in it", axis.name, point.name));
            }
            if axis.position(&point.name) != Some(position) {
                return Err(format!("the axis `{}` has the point `{}` twice", axis.name, point.name));
            }
        }
        Ok(axis)
    }
}

impl PointSpec {
    fn read(self) -> Point {
        Point { number: self.name.parse().ok(), name: self.name, set: self.set.into_iter().collect() }
    }
}

fn point_at(paths: &[&str], value: Value) -> Point {
    let set = paths.iter().map(|path| ((*path).to_owned(), value.clone())).collect();
    Point { name: value_name(&value), number: value_number(&value), set }
}

/// A value as it stands in a table.
pub(super) fn value_name(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // 0.5 and not 0.50000; 1 and not 1.0.
        Value::Float(number) => format!("{number}"),
        other => other.to_string(),
    }
}

fn value_number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// Puts a value at a dotted path. In a list, a part is the `name` of an entry, its place from 0, or `*` for all of them.
///
/// Errors: what is at the place where the path ends.
pub fn set(table: &mut Table, path: &str, value: Value) -> Result<(), String> {
    let parts: Vec<&str> = path.split('.').collect();
    match parts.split_first() {
        Some((first, rest)) if parts.iter().all(|part| !part.is_empty()) => {
            put(table.entry(*first).or_insert_with(|| Value::Table(Table::new())), rest, &value)
                .map_err(|what| format!("`{path}`: {what}"))
        }
        _ => Err(format!("`{path}` is no path: write names with dots between them")),
    }
}

fn put(at: &mut Value, parts: &[&str], value: &Value) -> Result<(), String> {
    let Some((part, rest)) = parts.split_first() else {
        *at = value.clone();
        return Ok(());
    };
    match at {
        Value::Table(table) => put(table.entry(*part).or_insert_with(|| Value::Table(Table::new())), rest, value),
        Value::Array(entries) if *part == "*" => entries.iter_mut().try_for_each(|entry| put(entry, rest, value)),
        Value::Array(entries) => {
            let names: Vec<String> = entries.iter().filter_map(entry_name).map(str::to_owned).collect();
            let position =
                entries.iter().position(|entry| entry_name(entry) == Some(part)).or_else(|| part.parse().ok());
            match position.and_then(|position| entries.get_mut(position)) {
                Some(entry) => put(entry, rest, value),
                None => Err(format!(
                    "`{part}` is neither the name of an entry of that list ({}), nor its place from 0, nor `*`",
                    names.join(", ")
                )),
            }
        }
        // A name such as "honest" gives way to a variant with parameters.
        Value::String(_) => {
            *at = Value::Table(Table::new());
            put(at, parts, value)
        }
        other => Err(format!("there is {other} where `{part}` is looked for")),
    }
}

/// Whether all that is put at `path` is put anew at `by`, however either is spelled: entries of a list have a place, mostly
/// a name, and all of them are `*`.
pub(super) fn is_replaced(table: &Table, path: &str, by: &str) -> bool {
    let (path, by): (Vec<&str>, Vec<&str>) = (path.split('.').collect(), by.split('.').collect());
    let (Some((first, path)), Some((by_first, by))) = (path.split_first(), by.split_first()) else { return false };
    first == by_first && replaces(table.get(*first), path, by)
}

fn replaces(at: Option<&Value>, path: &[&str], by: &[&str]) -> bool {
    let Some((by_part, by)) = by.split_first() else { return true };
    let Some((part, path)) = path.split_first() else { return false };
    let Some(Value::Array(entries)) = at else {
        return part == by_part && replaces(at.and_then(|at| at.get(*part)), path, by);
    };
    let places = |part: &str| -> Vec<usize> {
        let named = || entries.iter().position(|entry| entry_name(entry) == Some(part));
        match part {
            "*" => (0..entries.len()).collect(),
            part => named().or_else(|| part.parse().ok()).into_iter().collect(),
        }
    };
    let (set, anew) = (places(part), places(by_part));
    !set.is_empty() && set.iter().all(|place| anew.contains(place) && replaces(entries.get(*place), path, by))
}

fn entry_name(entry: &Value) -> Option<&str> {
    entry.get("name").and_then(Value::as_str)
}

/// Refuses an axis whose `only` names what is not there. Asked before points are left out for the small size.
pub(super) fn check_only(axes: &[Axis]) -> Result<(), String> {
    for axis in axes {
        let Some(only) = &axis.only else { continue };
        if only.at.contains_key(&axis.name) {
            return Err(format!("the axis `{0}`: `only` is about other axes, not about `{0}`", axis.name));
        }
        let wanted = only.at.iter().map(|(name, points)| (name.as_str(), points.clone()));
        Place::find(axes, wanted).map_err(|what| format!("the axis `{}`: `only`: {what}", axis.name))?;
    }
    Ok(())
}

/// Whether a cell is played: not where a point of an axis is played elsewhere only.
fn is_played(axes: &[Axis], cell: &[usize]) -> bool {
    let place = || axes.iter().zip(cell);
    place().all(|(axis, at)| {
        let Some(only) = &axis.only else { return true };
        // By position, so that 0.1 is found by 0.10.
        let meets = |other: &str, points: &[String]| match place().find(|(axis, _)| axis.name == other) {
            Some((other, at)) => points.iter().any(|point| other.position(point) == Some(*at)),
            None => true,
        };
        axis.position(&only.first) == Some(*at) || only.at.iter().all(|(other, points)| meets(other, points))
    })
}

/// Which point of each axis, for every cell that is played: the last axis changes first.
pub(super) fn grid(axes: &[Axis]) -> Result<Vec<Vec<usize>>, String> {
    let count = axes.iter().try_fold(1usize, |count, axis| count.checked_mul(axis.points.len()));
    let Some(count) = count.filter(|count| *count <= CELLS_MAX) else {
        return Err(format!("the axes have more than {CELLS_MAX} cells together: leave out points or an axis"));
    };
    let mut cells = Vec::with_capacity(count);
    for mut number in 0..count {
        let mut cell: Vec<usize> = Vec::with_capacity(axes.len());
        for axis in axes.iter().rev() {
            cell.push(number % axis.points.len());
            number /= axis.points.len();
        }
        cell.reverse();
        if is_played(axes, &cell) {
            cells.push(cell);
        }
    }
    Ok(cells)
}

/// Where some of the axes stand: `load=0.3,policy=published`. Empty means everywhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place(pub Vec<(usize, Vec<usize>)>);

impl Place {
    /// Finds axes and points by name.
    ///
    /// Errors: which name is unknown, and which are known.
    pub fn find<'a>(axes: &[Axis], wanted: impl IntoIterator<Item = (&'a str, Vec<String>)>) -> Result<Place, String> {
        let mut place = Place::default();
        for (name, points) in wanted {
            let Some((number, axis)) = axes.iter().enumerate().find(|(_, axis)| axis.name == name) else {
                let known: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
                return Err(format!("there is no axis `{name}`; there are: {}", known.join(", ")));
            };
            let mut positions = Vec::new();
            for point in points {
                match axis.position(&point) {
                    Some(position) => positions.push(position),
                    None => return Err(format!("`{name}` has no point `{point}`; it has: {}", axis.names())),
                }
            }
            place.0.push((number, positions));
        }
        Ok(place)
    }

    /// Whether a cell is there.
    pub fn has(&self, cell: &[usize]) -> bool {
        self.0.iter().all(|(axis, points)| cell.get(*axis).is_some_and(|point| points.contains(point)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(text: &str) -> Result<Vec<Axis>, String> {
        #[derive(Deserialize)]
        struct File {
            vary: Vec<AxisSpec>,
        }
        let file: File = toml::from_str(text).unwrap();
        file.vary.into_iter().map(AxisSpec::read).collect()
    }

    #[test]
    fn cells_are_where_points_of_all_axes_meet() {
        let axes = axes(
            "[[vary]]\npath = 'load'\nvalues = [0.1, 2]\n[[vary]]\naxis = 'who'\npoints = [\
             {name = 'a', set = {'x.y' = 1}}, {name = 'b', set = {'x.y' = 2, z = true}}]",
        )
        .unwrap();
        assert_eq!(grid(&axes).unwrap(), [[0, 0], [0, 1], [1, 0], [1, 1]]);
        assert!(axes[0].is_numeric() && !axes[1].is_numeric());
        assert_eq!((axes[0].position("0.10"), axes[0].position("2"), axes[0].position("3")), (Some(0), Some(1), None));
        let place = Place::find(&axes, [("who", vec!["b".into()])]).unwrap();
        assert!(place.has(&[0, 1]) && !place.has(&[0, 0]));
        assert!(Place::find(&axes, [("what", vec![])]).unwrap_err().contains("there are: load, who"));
        assert!(Place::find(&axes, [("who", vec!["c".into()])]).unwrap_err().contains("it has: a, b"));
    }

    #[test]
    fn one_thing_at_a_time_costs_one_cell_at_a_time() {
        let text = "[[vary]]\npath = 'load'\nvalues = [0.1, 0.3]\n[[vary]]\naxis = 'else'\nonly = { load = [0.30] }\n\
                    points = [{name = 'usual', set = {}}, {name = 'loss', set = {'x' = 1}}, {name = 'cap', set = {'y' = 1}}]\n\
                    [[vary]]\npolicies = ['published', 'golem']";
        let axes = axes(text).unwrap();
        check_only(&axes).unwrap();
        let played = grid(&axes).unwrap();
        assert_eq!(played.len(), 2 * 2 + 2 * 2, "{played:?}");
        assert!(played.contains(&vec![1, 2, 1]) && !played.contains(&vec![0, 2, 1]), "{played:?}");
        // What is left out for the small size does not make the rest meet everything.
        let mut few = axes.clone();
        few[1].points.remove(0);
        assert!(grid(&few).unwrap().iter().all(|cell| cell[0] == 1));
        for (from, to, wanted) in
            [("load = [0.30]", "load = [0.5]", "no point `0.5`"), ("load = [0.30]", "x = []", "no axis `x`")]
        {
            let error = check_only(&self::axes(&text.replace(from, to)).unwrap()).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn refuses_axes_that_are_no_axes() {
        for (text, wanted) in [
            ("[[vary]]\nvalues = [1]", "none of `path`, `axis` and `policies`"),
            ("[[vary]]\npath = 'a'", "`a` must have either"),
            ("[[vary]]\npath = 'a'\nvalues = []", "no points"),
            ("[[vary]]\npath = 'a'\nvalues = [1, 1.0]", "the point `1` twice"),
            ("[[vary]]\npath = 'a'\nvalues = ['x=1']", "comma"),
        ] {
            let error = axes(text).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        let long = format!("[[vary]]\npath = 'a'\nvalues = {:?}\n", (0..50).collect::<Vec<_>>());
        let many = axes(&format!("{long}{}", long.replace("'a'", "'b'"))).unwrap();
        assert!(grid(&many).unwrap_err().contains("more than 2000 cells"));
    }

    #[test]
    fn puts_values_at_paths_into_tables_and_lists() {
        let mut table: Table = toml::from_str("a = 1\n[[who]]\nname = 'evil'\nshare = 0.1\n[b]\nc = 2").unwrap();
        let puts = [("b.c", 3), ("b.d.e", 4), ("who.evil.share", 5), ("who.0.x", 6), ("who.*.y", 8), ("new", 7)];
        for (path, value) in puts {
            set(&mut table, path, Value::Integer(value)).unwrap();
        }
        let wanted = "a = 1\nnew = 7\n[b]\nc = 3\n[b.d]\ne = 4\n[[who]]\nname = 'evil'\nshare = 5\nx = 6\ny = 8";
        assert_eq!(table, toml::from_str::<Table>(wanted).unwrap());
        assert!(set(&mut table, "who.good.share", Value::Integer(1)).unwrap_err().contains("of that list (evil)"));
        assert!(set(&mut table, "a.b", Value::Integer(1)).unwrap_err().contains("there is 1 where"));
        assert!(set(&mut table, "b..c", Value::Integer(1)).is_err());
    }

    #[test]
    fn a_policy_is_put_on_both_sides_and_all_groups() {
        let axes = axes("[[vary]]\npolicies = ['published']").unwrap();
        let mut table: Table = toml::from_str("[[providers]]\n[[providers]]\n[[requestors]]").unwrap();
        for (path, value) in &axes[0].points[0].set {
            set(&mut table, path, value.clone()).unwrap();
        }
        assert_eq!(axes[0].name, "policy");
        assert_eq!(table.to_string().matches("policy = \"published\"").count(), 3);
    }

    #[test]
    fn tells_what_an_axis_puts_anew_however_it_is_spelled() {
        let base: Table = toml::from_str(
            "days = 3\n[[providers]]\nname = \"big\"\nprice = { fixed = 1 }\n[[providers]]\nname = \"small\"\n",
        )
        .unwrap();
        for (path, by, is) in [
            ("days", "days", true),
            ("days", "load", false),
            ("providers.*.load", "providers.*.load", true),
            ("providers.0.load", "providers.*.load", true),
            ("providers.small.load", "providers.1.load", true),
            ("providers.*.load", "providers.big.load", false),
            ("providers.big.load", "providers.small.load", false),
            ("providers.nobody.load", "providers.*.load", false),
            ("providers.big.price.fixed", "providers.*.price", true),
            ("providers.big.price", "providers.*.price.fixed", false),
        ] {
            assert_eq!(is_replaced(&base, path, by), is, "{path} by {by}");
        }
    }
}
