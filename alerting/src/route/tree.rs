//! The tree of routes, flat, with everything inherited written out.
//!
//! An alert is tried depth first. Of the children that match, the first one takes it, and those after
//! it only where it says `continue`; a node none of whose children match takes the alert itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use tarn_model::labels::LabelSet;
use tarn_model::matcher::Matcher;

/// All routes; the first is the root.
#[derive(Debug, Clone)]
pub struct Tree {
    /// In the order of the file, parents before their children.
    pub nodes: Vec<Node>,
}

/// A route.
#[derive(Debug, Clone)]
pub struct Node {
    /// What tells it from all others: its key and its place among its siblings, for every level.
    pub id: Arc<str>,
    /// The matchers of its path, joined by `/`: the beginning of the key of its groups.
    pub key: Arc<str>,
    /// What an alert must satisfy.
    pub matchers: Vec<Matcher>,
    /// Whether siblings after it are tried when it took the alert.
    pub continues: bool,
    /// Whom it tells.
    pub receiver: Arc<str>,
    /// What its groups have in common.
    pub group_by: GroupBy,
    /// How long a new group waits for more, ms.
    pub group_wait_ms: i64,
    /// Whether the file says so, here or above.
    pub group_wait_written: bool,
    /// How often a group is looked at after that, ms.
    pub group_interval_ms: i64,
    /// After which time an unchanged group is told again, ms.
    pub repeat_interval_ms: i64,
    /// Times in which it is mute; not inherited.
    pub mute: Vec<Arc<str>>,
    /// Times in which alone it is active; empty: always; not inherited.
    pub active: Vec<Arc<str>>,
    /// Labels for templates.
    pub labels: LabelSet,
    /// Its children, as places in [`Tree::nodes`].
    pub children: Vec<usize>,
}

/// What the alerts of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// All labels: every alert is a group.
    All,
    /// These labels, as far as an alert has them.
    Labels(BTreeSet<Arc<str>>),
}

impl GroupBy {
    /// Returns the labels of the group that an alert belongs to.
    pub fn labels_of(&self, alert: &LabelSet) -> LabelSet {
        match self {
            Self::All => alert.clone(),
            Self::Labels(names) => alert.filtered(|label| names.contains(&label.name)),
        }
    }
}

impl Tree {
    /// Returns the routes an alert ends in, as places in [`Self::nodes`]; never none.
    pub fn routes(&self, labels: &LabelSet) -> Vec<usize> {
        let mut found = Vec::new();
        self.walk(0, labels, &mut found);
        if found.is_empty() {
            found.push(0);
        }
        found
    }

    /// Adds the routes below and at `at`; returns whether it matches. The depth is bounded by that
    /// of the file.
    fn walk(&self, at: usize, labels: &LabelSet, found: &mut Vec<usize>) -> bool {
        let Some(node) = self.nodes.get(at) else { return false };
        if !node.matchers.iter().all(|matcher| matcher.matches_labels(labels)) {
            return false;
        }
        let before = found.len();
        for child in &node.children {
            let took = self.walk(*child, labels, found);
            if took && !self.nodes.get(*child).is_some_and(|child| child.continues) {
                break;
            }
        }
        if found.len() == before {
            found.push(at);
        }
        true
    }
}
