//! Settings that hold a secret: where it comes from, and how it is read.
//!
//! `file:/run/secrets/key` (in `tarn.yaml` also `{file: /run/secrets/key}`) is read whenever the
//! secret is needed, so a file that is replaced counts without a restart. `env:NAME` is a variable,
//! `credential:name` a file of systemd's `LoadCredential=`. Any other text is the secret itself,
//! which works and is warned about.

use std::path::Path;

use tarn_model::error::{Error, Result};
use tarn_model::secret::Secret;

/// What a setting of this kind takes.
pub(crate) const TAKES: &str = "secret";
/// Where a secret comes from that stands in the settings themselves.
const INLINE: &str = "inline";
/// The folder in which systemd puts credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Sources that may stand in front of a colon, or as the key of a small map.
pub(super) const SOURCES: [&str; 3] = ["file", "env", "credential"];

/// Parses a setting; empty means none.
pub(crate) fn parse(text: &str) -> Option<Secret> {
    if text.is_empty() {
        return None;
    }
    let found = text.split_once(':').filter(|(source, _)| SOURCES.contains(source));
    let Some((source, place)) = found else {
        return Some(Secret::fixed(INLINE, text));
    };
    let place = place.to_owned();
    Some(match source {
        "file" => Secret::new(text, move || read(Path::new(&place))),
        "env" => Secret::new(text, move || variable(&place)),
        _ => Secret::new(text, move || read(&Path::new(&variable(CREDENTIALS)?).join(&place))),
    })
}

/// Returns what may be shown of a setting.
pub(super) fn shown(text: &str) -> String {
    parse(text).map_or_else(String::new, |secret| secret.to_string())
}

/// Returns whether a setting, as it is shown, stands in the settings themselves.
pub(super) fn is_inline(shown: &str) -> bool {
    shown == Secret::fixed(INLINE, "").to_string()
}

fn read(path: &Path) -> Result<String> {
    let failed = |e| Error::invalid(format!("{} cannot be read", path.display())).with_source(e);
    Ok(std::fs::read_to_string(path).map_err(failed)?.trim_end_matches(['\n', '\r']).to_owned())
}

fn variable(name: &str) -> Result<String> {
    let failed = |e| Error::invalid(format!("the variable {name}")).with_source(e);
    let value = std::env::var_os(name).ok_or_else(|| Error::invalid("it is not set"));
    let value =
        value.and_then(|value| value.into_string().map_err(|_| Error::invalid("it is no text")));
    value.map_err(failed)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write the files they read")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_each_time_and_nothing_shows_its_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let secret = parse(&format!("file:{}", path.display())).expect("a secret");
        let error = secret.read().expect_err("no file yet").message();
        assert!(error.contains("cannot be read") && error.contains("No such file"), "{error}");
        for value in ["first", "second"] {
            std::fs::write(&path, format!("{value}\n")).expect("writes");
            assert_eq!(secret.read().expect("reads"), value);
        }
        assert_eq!(shown("hunter2"), "<secret inline>");
        assert!(is_inline(&shown("hunter2")) && !is_inline(&shown("env:KEY")));
        assert_eq!(shown("env:KEY"), "<secret env:KEY>");
        assert_eq!(shown(""), "");
        assert_eq!(parse("a:b").expect("inline").read().expect("reads"), "a:b");
    }
}
