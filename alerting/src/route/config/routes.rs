//! The sections `route` and `inhibit_rules`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tarn_model::labels::{Label, LabelSet, is_legacy_label_name};
use tarn_model::map::HashSet;
use tarn_model::matcher::{MatchOp, Matcher};

use super::super::interval::TimeInterval;
use super::super::keys::matchers_key;
use super::super::matchers;
use super::super::tree::{GroupBy, Node, Tree};
use super::section::Section;
use super::{InhibitRule, InhibitSource};

/// Routes below each other; deeper files are not written by people.
const DEPTH_MAX: usize = 64;

/// What routes may name.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) receivers: &'a HashSet<Arc<str>>,
    pub(super) intervals: &'a BTreeMap<Arc<str>, Vec<TimeInterval>>,
}

/// Reads the tree of routes.
pub(super) fn tree(root: Section<'_>, known: &Known<'_>) -> Tree {
    check_root(&root);
    let defaults = Node {
        id: Arc::from(""),
        key: Arc::from(""),
        matchers: Vec::new(),
        continues: false,
        receiver: Arc::from(""),
        group_by: GroupBy::Labels(BTreeSet::new()),
        group_wait_ms: 30_000,
        group_wait_written: false,
        group_interval_ms: 300_000,
        repeat_interval_ms: 4 * 3_600_000,
        mute: Vec::new(),
        active: Vec::new(),
        labels: LabelSet::default(),
        children: Vec::new(),
    };
    let mut tree = Tree { nodes: Vec::new() };
    node(root, &defaults, 0, known, &mut tree, 0);
    tree
}

fn check_root(root: &Section<'_>) {
    if !root.has("receiver") {
        root.error("root route must specify a default receiver");
    }
    for key in ["match", "match_re", "matchers"] {
        if root.has(key) {
            root.context.error(root.place(key), "root route must not have any matchers");
        }
    }
    for (key, what) in [("mute_time_intervals", "mute"), ("active_time_intervals", "active")] {
        if root.has(key) {
            let text = format!("root route must not have any {what} time intervals");
            root.context.error(root.place(key), text);
        }
    }
}

/// Reads a route and those below it; `place` is its place among its siblings.
fn node(
    mut section: Section<'_>,
    parent: &Node,
    place: usize,
    known: &Known<'_>,
    tree: &mut Tree,
    depth: usize,
) -> Option<usize> {
    if depth > DEPTH_MAX {
        section.error(format!("routes are nested deeper than {DEPTH_MAX}"));
        return None;
    }
    let matchers = route_matchers(&mut section);
    let own = matchers_key(&matchers);
    let (key, id) = match depth {
        0 => (own.clone(), own),
        _ => (format!("{}/{own}", parent.key), format!("{}/{own}/{place}", parent.id)),
    };
    let mut node_here = Node {
        id: id.into(),
        key: key.into(),
        matchers,
        continues: section.flag("continue").unwrap_or(false),
        receiver: receiver(&mut section, parent, known),
        mute: interval_names(&mut section, "mute_time_intervals", known),
        active: interval_names(&mut section, "active_time_intervals", known),
        labels: labels(&mut section, &parent.labels),
        children: Vec::new(),
        ..parent.clone()
    };
    if depth == 0 && node_here.continues {
        section.context.error(section.place("continue"), "cannot have continue in root route");
    }
    if let Some(group_by) = group_by(&mut section) {
        node_here.group_by = group_by;
    }
    times(&mut section, &mut node_here);
    let at = tree.nodes.len();
    tree.nodes.push(node_here.clone());
    let mut children = Vec::new();
    for (place, child) in section.sections("routes").into_iter().enumerate() {
        children.extend(node(child, &node_here, place, known, tree, depth + 1));
    }
    if let Some(node) = tree.nodes.get_mut(at) {
        node.children = children;
    }
    section.finish();
    Some(at)
}

fn receiver(section: &mut Section<'_>, parent: &Node, known: &Known<'_>) -> Arc<str> {
    match section.text("receiver").filter(|name| !name.is_empty()) {
        None => Arc::clone(&parent.receiver),
        Some(name) => {
            if !known.receivers.contains(name.as_str()) {
                let text = format!("undefined receiver {name:?} used in route");
                section.context.error(section.place("receiver"), text);
            }
            name.into()
        }
    }
}

fn interval_names(
    section: &mut Section<'_>,
    key: &'static str,
    known: &Known<'_>,
) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    for (at, name) in section.texts(key).unwrap_or_default() {
        if !known.intervals.contains_key(name.as_str()) {
            let text = format!("undefined time interval {name:?} used in route");
            section.context.error(at, text);
        }
        names.push(Arc::from(name));
    }
    names
}

fn labels(section: &mut Section<'_>, inherited: &LabelSet) -> LabelSet {
    let mut labels: Vec<Label> = inherited.iter().cloned().collect();
    labels.extend(section.text_map("labels").into_iter().map(|(_, name, value)| {
        // Later ones of the same name win.
        Label::new(name, value)
    }));
    LabelSet::new(labels)
}

fn group_by(section: &mut Section<'_>) -> Option<GroupBy> {
    let names = section.texts("group_by")?;
    let mut labels: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut all = None;
    for (at, name) in names {
        if name == "..." {
            all = Some(at);
        } else if name.is_empty() {
            section.context.error(at, "invalid label name \"\" in group_by list");
        } else if !labels.insert(name.as_str().into()) {
            section.context.error(at, format!("duplicated label {name:?} in group_by"));
        }
    }
    match all {
        Some(at) if !labels.is_empty() => {
            let text = "cannot have wildcard group_by (`...`) and other labels at the same time";
            section.context.error(at, text);
            None
        }
        Some(_) => Some(GroupBy::All),
        None => Some(GroupBy::Labels(labels)),
    }
}

fn times(section: &mut Section<'_>, node: &mut Node) {
    if let Some(wait) = section.duration("group_wait") {
        node.group_wait_ms = millis(wait);
        node.group_wait_written = true;
    }
    let mut interval = |key, into: &mut i64| match section.duration(key) {
        Some(Duration::ZERO) => {
            section.context.error(section.place(key), format!("{key} cannot be zero"));
        }
        Some(duration) => *into = millis(duration),
        None => {}
    };
    interval("group_interval", &mut node.group_interval_ms);
    interval("repeat_interval", &mut node.repeat_interval_ms);
    if node.repeat_interval_ms < node.group_interval_ms && section.has("repeat_interval") {
        let text = "repeat_interval is shorter than group_interval: repeats come at the latter";
        section.context.warn(section.place("repeat_interval"), text);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn route_matchers(section: &mut Section<'_>) -> Vec<Matcher> {
    let mut all = listed(section, "matchers");
    all.extend(deprecated(section, "match", MatchOp::Equal));
    all.extend(deprecated(section, "match_re", MatchOp::Regex));
    all
}

/// Reads a list of texts with matchers.
fn listed(section: &mut Section<'_>, key: &'static str) -> Vec<Matcher> {
    let mut all = Vec::new();
    for (at, text) in section.texts(key).unwrap_or_default() {
        match matchers::parse(&text) {
            Ok(parsed) => {
                if let Some(warning) = parsed.warning {
                    section.context.warn(at, warning);
                }
                all.extend(parsed.matchers);
            }
            Err(mistake) => section.context.error(at, mistake),
        }
    }
    all
}

/// Reads a map of label names to values or regular expressions.
fn deprecated(section: &mut Section<'_>, key: &'static str, op: MatchOp) -> Vec<Matcher> {
    let mut all = Vec::new();
    for (name, value) in section.map(key) {
        if !is_legacy_label_name(&name.name) {
            section.context.error(name.at, format!("invalid label name {:?}", name.name));
            continue;
        }
        let Some(text) = value.text() else {
            let text = format!("{key}: the value for {:?} must be a text", name.name);
            section.context.error(value.at, text);
            continue;
        };
        match Matcher::new(&name.name, op, text) {
            Ok(matcher) => all.push(matcher),
            Err(error) => section.context.error(value.at, error.message()),
        }
    }
    all
}

/// Reads a rule of `inhibit_rules`.
pub(super) fn inhibit_rule(mut section: Section<'_>) -> InhibitRule {
    let name = section.text_or("name", "");
    let mut matchers = listed(&mut section, "source_matchers");
    matchers.extend(deprecated(&mut section, "source_match", MatchOp::Equal));
    matchers.extend(deprecated(&mut section, "source_match_re", MatchOp::Regex));
    let mut target = listed(&mut section, "target_matchers");
    target.extend(deprecated(&mut section, "target_match", MatchOp::Equal));
    target.extend(deprecated(&mut section, "target_match_re", MatchOp::Regex));
    let equal = label_names(&mut section, "equal");
    let mut sources: Vec<InhibitSource> = Vec::new();
    for mut source in section.sections("sources") {
        let matchers = listed(&mut source, "matchers");
        if matchers.iter().all(Matcher::matches_empty) {
            source.error("at least one matcher of a source must not match the empty string");
        }
        let equal = label_names(&mut source, "equal");
        source.finish();
        sources.push(InhibitSource { matchers, equal });
    }
    if sources.is_empty() {
        sources.push(InhibitSource { matchers, equal });
    } else if !matchers.is_empty() || !equal.is_empty() {
        let text = "sources cannot be combined with source_match, source_match_re, \
                    source_matchers, or equal";
        section.context.error(section.place("sources"), text);
    }
    section.finish();
    InhibitRule { name, sources, target }
}

fn label_names(section: &mut Section<'_>, key: &'static str) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    for (at, name) in section.texts(key).unwrap_or_default() {
        if name.is_empty() {
            section.context.error(at, format!("invalid label name \"\" in {key} list"));
        }
        names.push(name.into());
    }
    names
}
