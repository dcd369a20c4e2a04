//! The reference page of all settings, printed by `tarn config reference`.
//!
//! A copy lies beside this file (`reference.md`); a test keeps the two equal.

use tarn_model::limits::Limits;

use super::keys::KEYS;
use super::overrides::is_per_tenant;

/// Renders the page as Markdown.
pub(crate) fn page() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         Every setting has a default; Tarn needs no configuration. Later sources win: default, `tarn.yaml` in the\n\
         working folder (or `--config FILE`), environment, flag. Dots are nesting in `tarn.yaml`:\n\n\
         ```yaml\nlisten:\n  http: 127.0.0.1:4320\nflush:\n  age: 5m\n```\n\n\
         Durations are written as Prometheus does (`90s`, `1h30m`), sizes as `64MiB`.\n\
         What may differ between tenants says so: `tenants.limits_file`.\n\
         `tarn check` reads a configuration and prints everything that is wrong with it; `tarn config schema` prints a\n\
         JSON schema of `tarn.yaml` for editors.\n",
    );
    let limits = Limits::default();
    let mut section = "";
    for key in KEYS {
        let own = key.name.split('.').next().unwrap_or_default();
        if own != section {
            section = own;
            page.push_str(&format!("\n## {section}\n"));
        }
        let default = (key.default)(&limits);
        let default = if default.is_empty() { "empty".to_owned() } else { format!("`{default}`") };
        let short = key.short.map(|s| format!(", `--{s}`")).unwrap_or_default();
        let (name, takes, help) = (key.name, key.takes, key.help);
        let (env, flag) = (key.env(), key.flag());
        let own = if is_per_tenant(name) { " Also per tenant." } else { "" };
        page.push_str(&format!(
            "\n### `{name}`\n{help}\n\nTakes {takes}; default {default}. `{env}`, `--{flag}`{short}{own}\n"
        ));
    }
    page
}
