//! Span names as labels: bounded in number, without ids.
//!
//! A name with an id in it (`GET /users/5417`) would make a series per user. Parts of a name that are
//! ids become `<id>`; what is left is taken as it comes, 500 names per service.

use std::sync::Arc;

use tarn_model::map::{HashMap, HashSet};

/// Names of one service.
const NAMES_MAX: usize = 500;
/// Services of one tenant.
const SERVICES_MAX: usize = 2000;
/// What is beyond.
pub(super) const OTHER: &str = "<other>";
/// What stands for an id.
const ID: &str = "<id>";
/// Hexadecimal digits that make an id although they are letters only.
const HEX_MIN: usize = 16;

/// The names in use.
#[derive(Debug, Default)]
pub(super) struct Names {
    services: HashMap<Arc<str>, HashSet<Arc<str>>>,
}

impl Names {
    /// Returns the labels for service and name of a span.
    pub(super) fn bounded(&mut self, service: &Arc<str>, name: &Arc<str>) -> (Arc<str>, Arc<str>) {
        if !self.services.contains_key(service) {
            if self.services.len() >= SERVICES_MAX {
                return (OTHER.into(), OTHER.into());
            }
            self.services.insert(Arc::clone(service), HashSet::default());
        }
        let Some(names) = self.services.get_mut(service) else {
            return (OTHER.into(), OTHER.into());
        };
        if !names.contains(name) {
            if names.len() >= NAMES_MAX {
                return (Arc::clone(service), OTHER.into());
            }
            names.insert(Arc::clone(name));
        }
        (Arc::clone(service), Arc::clone(name))
    }

    /// Forgets all names but these.
    pub(super) fn retain<'a>(&mut self, used: impl Iterator<Item = (&'a Arc<str>, &'a Arc<str>)>) {
        self.services.clear();
        for (service, name) in used {
            self.services.entry(Arc::clone(service)).or_default().insert(Arc::clone(name));
        }
    }
}

/// Puts `<id>` in the place of each part of a name that is one: a number, or long hexadecimal digits.
pub(super) fn without_ids(name: &str) -> Arc<str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut out = String::new();
    let mut rest = name;
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at(start);
        let (part, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(if is_id(part) { ID } else { part });
        rest = after;
    }
    out.push_str(rest);
    out.into()
}

fn is_id(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let hex = part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let all_digits = digits > 0 && digits == part.len();
    // A single digit is mostly a version, or a number of something.
    (all_digits && digits > 1) || (hex && (digits > 1 && part.len() >= 8 || part.len() >= HEX_MIN))
}

#[cfg(test)]
mod tests;
