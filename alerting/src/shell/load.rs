//! From the texts of files to groups and routes, or what is wrong with them. Pure.

use std::sync::Arc;

use tarn_model::tenant::TenantId;
use tarn_query::{Engine, SqlError};

use crate::options::{Options, SourceFile, Sources};
use crate::problem::{Problem, any_error};
use crate::route::Config;
use crate::rules::{ParseOptions, RuleGroup, parse, parse_group, shipped};
use crate::slo::compile;
use crate::slo::ledger::run::source::query_of;
use crate::slo::{self, Objective};
use crate::template::notify::Templates;
use crate::template::rule::check;

/// Whom to tell where the settings name no routes: nobody; alerts are shown.
const ROUTES_DEFAULT: &str = "route:\n  receiver: default\nreceivers:\n  - name: default\n";

/// What the files say.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) groups: Vec<RuleGroup>,
    /// Whose rules are among them.
    pub(crate) objectives: Vec<Arc<Objective>>,
    /// `None` where the file has a mistake.
    pub(crate) routes: Option<Arc<Config>>,
    /// Templates of notifications; where a file has a mistake, those that are shipped.
    pub(crate) templates: Arc<Templates>,
}

impl Loaded {
    /// Reads all files. What has an error is left out of what is returned.
    pub(crate) fn of(sources: &Sources, options: &Options) -> (Self, Vec<Problem>) {
        let mut problems = sources.unreadable.clone();
        let templates = Arc::new(templates(&sources.templates, &mut problems));
        let (groups, objectives) = (Vec::new(), Vec::new());
        let mut loaded = Self { groups, objectives, routes: None, templates };
        let parsing =
            ParseOptions { strict: options.strict, check: &check, ..ParseOptions::default() };
        let own = sources.rules.iter().map(|file| (file.name.as_str(), file.text.as_str()));
        let shipped: &[(&str, &str)] = if options.shipped_rules { &shipped::FILES } else { &[] };
        for (name, text) in shipped.iter().copied().chain(own) {
            let parsed = parse(name, text, &parsing);
            loaded.groups.extend(parsed.groups);
            problems.extend(parsed.problems);
        }
        for SourceFile { name, text } in &sources.slos {
            let (objectives, found) = slo::parse(name, text);
            problems.extend(found);
            for objective in objectives {
                // Rules of an objective are ordinary rules of the file that it stands in.
                let parsed = parse(name, &compile::rules(&objective), &parsing);
                loaded.groups.extend(parsed.groups);
                problems.extend(parsed.problems);
                loaded.objectives.push(Arc::new(objective));
            }
        }
        for SourceFile { name, text } in &sources.set {
            let parsed = parse_group(name, text, &parsing);
            problems.extend(parsed.problems);
            for group in parsed.groups {
                match loaded.groups.iter().any(|known| known.key() == group.key()) {
                    true => problems.push(taken(name, &group.name)),
                    false => loaded.groups.push(group),
                }
            }
        }
        problems.extend(twice(&loaded.objectives));
        loaded.routes = routes(sources, options, &mut problems);
        (loaded, problems)
    }
}

impl Loaded {
    /// Leaves out objectives whose conditions over rows are no SQL, with their rules: the ledger could
    /// count nothing for them.
    pub(crate) async fn check_events(&mut self, engine: &Engine, problems: &mut Vec<Problem>) {
        let tenant = TenantId::default_tenant();
        let mut refused = Vec::new();
        for objective in &self.objectives {
            let Some(query) = query_of(objective) else { continue };
            let name = &*objective.name;
            match engine.sql_over(&tenant, &[], &query).await {
                Err(SqlError::Invalid { message, .. }) => {
                    refused.push(Arc::clone(objective));
                    problems.push(Problem {
                        file: objective.file.to_string(),
                        line: objective.line,
                        column: 1,
                        message: format!("conditions of objective {name:?}: {message}"),
                        warning: false,
                    });
                }
                Ok(_) => {}
                // Nothing is known against them.
                Err(error) => tracing::warn!(name, %error, "conditions could not be checked"),
            }
        }
        for objective in &refused {
            let groups = compile::GROUPS.map(|kind| compile::group_name(objective, kind));
            self.groups.retain(|g| {
                *g.file != *objective.file || !groups.iter().any(|name| **name == *g.name)
            });
        }
        self.objectives.retain(|objective| !refused.iter().any(|r| Arc::ptr_eq(r, objective)));
    }
}

/// A group that was set has the name of one in a file.
pub(super) fn taken(namespace: &str, name: &str) -> Problem {
    Problem {
        file: namespace.to_owned(),
        line: 1,
        column: 1,
        message: format!("a rule file {namespace:?} has a group {name:?} already"),
        warning: false,
    }
}

/// Finds objectives whose names stand in several files: they would share a ledger.
fn twice(objectives: &[Arc<Objective>]) -> Vec<Problem> {
    let is_second = |(at, objective): &(usize, &Arc<Objective>)| {
        objectives.iter().take(*at).any(|before| before.name == objective.name)
    };
    let second = objectives.iter().enumerate().filter(is_second);
    let problem = |(_, objective): (usize, &Arc<Objective>)| Problem {
        file: objective.file.to_string(),
        line: objective.line,
        column: 1,
        message: format!("objective {:?} is there twice", &*objective.name),
        warning: false,
    };
    second.map(problem).collect()
}

/// Returns routes to nobody.
pub(super) fn routes_default() -> Arc<Config> {
    let (config, _) = Config::parse("built-in routes", ROUTES_DEFAULT, false);
    Arc::new(config.expect("the text is a constant, which a test reads"))
}

/// Returns the templates that are shipped.
pub(super) fn templates_default() -> Templates {
    Templates::parse(&[]).expect("the shipped templates parse, which a test reads")
}

fn templates(files: &[SourceFile], problems: &mut Vec<Problem>) -> Templates {
    let files: Vec<(&str, &str)> = files.iter().map(|f| (&*f.name, &*f.text)).collect();
    Templates::parse(&files).unwrap_or_else(|found| {
        problems.extend(found);
        templates_default()
    })
}

fn routes(
    sources: &Sources,
    options: &Options,
    problems: &mut Vec<Problem>,
) -> Option<Arc<Config>> {
    let (name, text) = match (&sources.alertmanager, &options.alertmanager_config) {
        (Some(file), _) => (file.name.as_str(), file.text.as_str()),
        // The settings name a file that could not be read, which is among the problems.
        (None, Some(_)) => return None,
        (None, None) => ("built-in routes", ROUTES_DEFAULT),
    };
    let (config, found) = Config::parse(name, text, options.strict);
    let usable = !any_error(&found);
    problems.extend(found);
    config.filter(|_| usable).map(Arc::new)
}

/// Returns everything that is wrong with the files, as a server would find it at its start.
pub fn check_sources(sources: &Sources, options: &Options) -> Vec<Problem> {
    Loaded::of(sources, options).1
}

#[cfg(test)]
mod tests;
