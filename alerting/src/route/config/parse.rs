//! The file as a whole: sections, and what must hold between them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tarn_model::map::HashSet;

use super::globals::Globals;
use super::section::{Context, Section};
use super::{Config, integrations, intervals, routes, yaml};
use crate::problem::{Problem, any_error};

/// See [`Config::parse`].
pub(super) fn parse(file: &str, text: &str, strict: bool) -> (Option<Config>, Vec<Problem>) {
    let context = Context::new(file);
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err((at, mistake)) => {
            context.error(at, mistake);
            return (None, context.problems());
        }
    };
    let config = Section::open(&context, "the file", &root)
        .and_then(|section| read(&context, section, strict));
    let shown = root.render(&|at| context.mask(at));
    let problems = context.problems();
    let usable = !any_error(&problems);
    (config.filter(|_| usable).map(|config| Config { shown, ..config }), problems)
}

fn read(context: &Context, mut file: Section<'_>, strict: bool) -> Option<Config> {
    let global = file.section("global");
    let globals = Globals::read(context, global);
    let templates = file.texts("templates").unwrap_or_default();
    let templates =
        templates.into_iter().map(|(_, path)| context.beside(&path).to_string_lossy().into_owned());
    let templates: Vec<String> = templates.collect();
    let mut receivers = Vec::new();
    let mut names = HashSet::default();
    for section in file.sections("receivers") {
        let at = section.at;
        let receiver = integrations::receiver(section, &globals, strict);
        if receiver.name.is_empty() {
            context.error(at, "missing name in receiver");
        } else if !names.insert(Arc::clone(&receiver.name)) {
            let text = format!("notification config name {:?} is not unique", &*receiver.name);
            context.error(at, text);
        }
        receivers.push(Arc::new(receiver));
    }
    let mut times = BTreeMap::new();
    intervals::read(&mut file, "mute_time_intervals", &mut times);
    intervals::read(&mut file, "time_intervals", &mut times);
    let inhibit_rules =
        file.sections("inhibit_rules").into_iter().map(routes::inhibit_rule).collect();
    let known = routes::Known { receivers: &names, intervals: &times };
    let tree = match file.section("route") {
        Some(route) => Some(routes::tree(route, &known)),
        None => {
            context.error(file.at, "no route provided in config");
            None
        }
    };
    file.finish();
    Some(Config {
        resolve_timeout: globals.resolve_timeout.unwrap_or(Duration::from_secs(5 * 60)),
        templates,
        tree: tree?,
        receivers,
        inhibit_rules,
        intervals: times,
        shown: String::new(),
    })
}
