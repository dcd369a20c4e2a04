//! Fills the configuration in four rounds and collects what is wrong with any of them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_saphyr::{Location, Spanned};
use tarn_model::limits::Limits;
use tarn_model::secret::Secret;
use tarn_model::units::ByteSize;
use tarn_storage::options::RetentionRule;

use crate::auth::audit;

use super::keys::{KEYS, Key, blank};
use super::tree::{self, Node};
use super::{Config, Origin, Problem, Problems, Setting, overrides, secret};
use crate::auth::file as auth_file;
use crate::tls;

/// Read when no file is named, if it is there.
const FILE_DEFAULT: &str = "tarn.yaml";

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// The file that was named; it must exist then.
    pub(crate) file: Option<PathBuf>,
    /// The environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Flags: key and text.
    pub(crate) flags: Vec<(&'static str, String)>,
}

/// Reads all sources.
///
/// # Errors
/// Everything that is wrong in any of them.
pub(crate) fn load(sources: &Sources) -> Result<Config, Problems> {
    let mut round = Round { settings: Vec::new(), problems: Vec::new() };
    let limits = Limits::default();
    for key in KEYS {
        round.settings.push((key, (key.default)(&limits), Origin::Default));
    }
    round.file(sources.file.as_deref());
    for (name, value) in &sources.env {
        round.variable(name, value);
    }
    for (name, text) in &sources.flags {
        if let Some(key) = KEYS.iter().find(|k| k.name == *name) {
            round.settings.push((key, text.clone(), Origin::Flag(format!("--{}", key.flag()))));
        }
    }
    let mut config = round.finish()?;
    config.storage.bucket.platform = platform(&sources.env);
    Ok(config)
}

/// Returns the variables by which clouds tell their programs who they are.
fn platform(env: &[(OsString, OsString)]) -> Vec<(String, Secret)> {
    let named = env.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
    let ours = named.filter(|(name, value)| {
        let known = ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|cloud| name.starts_with(cloud));
        (known || *name == "IDENTITY_ENDPOINT") && !value.is_empty()
    });
    ours.map(|(name, value)| (name.to_owned(), Secret::fixed(format!("env:{name}"), value)))
        .collect()
}

struct Round {
    settings: Vec<(&'static Key, String, Origin)>,
    problems: Vec<Problem>,
}

impl Round {
    fn file(&mut self, named: Option<&Path>) {
        let path = named.unwrap_or(Path::new(FILE_DEFAULT));
        let whole = || Origin::File { path: path.to_owned(), line: 1, column: 1 };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && named.is_none() => return,
            Err(e) => return self.problem(whole(), "", format!("cannot be read: {e}")),
        };
        match tree::parse(&text) {
            Ok(Node::Map(entries)) => self.section(path, "", entries),
            Ok(Node::Text(_) | Node::List(_)) => {
                self.problem(whole(), "", "must be sections such as `listen:`".to_owned());
            }
            Err(unreadable) => {
                let origin = unreadable.at.map_or_else(whole, |at| at_location(path, at));
                self.problem(origin, "", unreadable.message);
            }
        }
    }

    /// Walks one section; `above` is its name with a dot at the end, or empty.
    fn section(
        &mut self,
        path: &Path,
        above: &str,
        entries: Vec<(Spanned<String>, Spanned<Node>)>,
    ) {
        for (name, node) in entries {
            let full = format!("{above}{}", name.value);
            let origin = at_location(path, node.referenced);
            let key = KEYS.iter().find(|k| k.name == full);
            let prefix = format!("{full}.");
            let is_section = KEYS.iter().any(|k| k.name.starts_with(&prefix));
            match (key, node.value) {
                (Some(key), Node::Text(text)) => self.settings.push((key, text, origin)),
                (Some(key), Node::List(items)) => self.list(key, path, items, origin),
                (Some(key), Node::Map(entries)) if key.takes == secret::TAKES => {
                    self.secret(key, entries, origin);
                }
                (Some(key), Node::Map(_)) => {
                    self.problem(origin, key.name, format!("takes {}, not a section", key.takes));
                }
                (None, Node::Map(inner)) if is_section => self.section(path, &prefix, inner),
                (None, Node::Text(text)) if is_section && text.is_empty() => {}
                (None, _) if is_section => {
                    self.problem(origin, &full, "is a section, not a value".to_owned());
                }
                (None, _) => {
                    let origin = at_location(path, name.referenced);
                    self.problem(origin, &full, unknown(&full, KEYS.iter().map(|k| k.name)));
                }
            }
        }
    }

    fn list(&mut self, key: &'static Key, path: &Path, items: Vec<Spanned<Node>>, origin: Origin) {
        let mut texts = Vec::new();
        for item in items {
            match item.value {
                Node::Text(text) if key.takes.starts_with("list") => texts.push(text),
                _ => {
                    let origin = at_location(path, item.referenced);
                    let message = format!("takes {}, not a list of other things", key.takes);
                    return self.problem(origin, key.name, message);
                }
            }
        }
        self.settings.push((key, texts.join(","), origin));
    }

    /// Takes `{file: /path}`, `{env: NAME}` or `{credential: name}`.
    fn secret(
        &mut self,
        key: &'static Key,
        mut entries: Vec<(Spanned<String>, Spanned<Node>)>,
        origin: Origin,
    ) {
        match (entries.pop(), entries.is_empty()) {
            (Some((source, Spanned { value: Node::Text(place), .. })), true)
                if secret::SOURCES.contains(&source.value.as_str()) =>
            {
                self.settings.push((key, format!("{}:{place}", source.value), origin));
            }
            _ => {
                let message = "takes one of {file: /path}, {env: NAME}, {credential: name}";
                self.problem(origin, key.name, message.to_owned());
            }
        }
    }

    /// Takes `TARN_SECTION__KEY`. Variables without a double underscore are not settings.
    fn variable(&mut self, name: &OsString, value: &OsString) {
        let Some(name) = name.to_str().filter(|n| n.starts_with("TARN_") && n.contains("__"))
        else {
            return;
        };
        let origin = Origin::Env(name.to_owned());
        match (KEYS.iter().find(|k| k.env() == name), value.to_str()) {
            (Some(key), Some(text)) => self.settings.push((key, text.to_owned(), origin)),
            (Some(key), None) => self.problem(origin, key.name, "is not UTF-8".to_owned()),
            (None, _) => {
                let names: Vec<String> = KEYS.iter().map(Key::env).collect();
                let message = unknown(name, names.iter().map(String::as_str));
                self.problem(origin, "", message);
            }
        }
    }

    fn problem(&mut self, origin: Origin, key: &str, message: String) {
        self.problems.push(Problem { origin, key: key.to_owned(), message });
    }

    fn finish(mut self) -> Result<Config, Problems> {
        let mut config = blank();
        let mut last: Vec<Setting> = Vec::new();
        for (key, text, origin) in std::mem::take(&mut self.settings) {
            if let Err(message) = (key.set)(&mut config, &text) {
                self.problem(origin.clone(), key.name, message);
            }
            last.retain(|s| s.key != key.name);
            let text = if key.takes == secret::TAKES { secret::shown(&text) } else { text };
            last.push(Setting { key: key.name, text, origin });
        }
        self.check_together(&config, &last);
        self.check_tls(&config.listen.tls, &last);
        if !self.problems.is_empty() {
            return Err(Problems(self.problems));
        }
        if config.limits.memory_budget == ByteSize(0) {
            config.limits.memory_budget = crate::host::memory_budget();
        }
        config.storage.retention.rules = config.retention.rules();
        let audit = RetentionRule {
            tenant: Some(audit::tenant()),
            signal: None,
            matchers: Vec::new(),
            keep: config.audit.keep,
        };
        config.storage.retention.rules.insert(0, audit);
        let file = config.tenants.limits_file.clone();
        if !file.is_empty() {
            let tenants = overrides::load(Path::new(&file), &config)?;
            config.limits.overrides.replace(tenants);
        }
        config.changed = last.into_iter().filter(|s| s.origin != Origin::Default).collect();
        Ok(config)
    }

    /// Checks the settings of TLS, and the files that they name.
    fn check_tls(&mut self, options: &tls::Options, last: &[Setting]) {
        let mut wrong = options.contradictions();
        if wrong.is_empty() && options.is_on() {
            wrong.extend(tls::files::check(options));
        }
        for tls::files::Wrong { key, message } in wrong {
            let origin = last.iter().find(|s| s.key == key).map(|s| s.origin.clone());
            self.problem(origin.unwrap_or(Origin::Default), key, message);
        }
    }

    /// Checks what concerns two keys at once.
    fn check_together(&mut self, config: &Config, last: &[Setting]) {
        let origin = |key: &str| {
            last.iter().find(|s| s.key == key).map_or(Origin::Default, |s| s.origin.clone())
        };
        let listeners = config.listen.addresses();
        for (number, (port, address)) in listeners.iter().enumerate() {
            let key = port.key();
            let open = config.is_open() && !address.ip().to_canonical().is_loopback();
            if open && !config.listen.insecure_bind {
                let message = format!(
                    "{address} is reachable from other machines and auth.login is off; leave that at \
                     auto, use 127.0.0.1:{}, or --insecure-bind if the network is trusted",
                    address.port()
                );
                self.problem(origin(key), key, message);
            }
            let same = |(_, other): &&(_, SocketAddr)| other == address && address.port() != 0;
            if let Some((other, _)) = listeners[..number].iter().find(same) {
                let other = other.key();
                self.problem(origin(key), key, format!("{address} is that of {other} already"));
            }
        }
        if !config.auth.file.is_empty()
            && let Err(message) = auth_file::read(Path::new(&config.auth.file))
        {
            let message = format!("{}: {message}", config.auth.file);
            self.problem(origin("auth.file"), "auth.file", message);
        }
        let (segment, log) = (config.storage.wal_segment_bytes, config.storage.wal_bytes_max);
        if segment.0.saturating_mul(2) > log.0 {
            let message = format!("{log} holds less than two segments of {segment}");
            self.problem(origin("wal.size_max"), "wal.size_max", message);
        }
    }
}

pub(super) fn at_location(path: &Path, at: Location) -> Origin {
    Origin::File { path: path.to_owned(), line: at.line(), column: at.column() }
}

/// Says that a name is unknown, and which one it may have been meant to be.
pub(super) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known.map(|k| (distance(name, k), k)).min_by_key(|(d, _)| *d);
    match nearest {
        Some((d, near)) if d <= name.len() / 3 => {
            format!("is not a setting; did you mean {near}?")
        }
        _ => "is not a setting; `tarn config reference` lists them".to_owned(),
    }
}

/// Levenshtein distance: how many letters must change, come or go.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let swap = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = swap.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
