//! The keys of the kinds of receivers that are read but not notified, and of their globals.
//!
//! One table instead of fourteen structs: their values are checked, their secrets hidden, and that is
//! all that happens to them.

use super::connection;
use super::section::Section;

/// A key and what its value is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Text(&'static str),
    Texts(&'static str),
    Flag(&'static str),
    Number(&'static str),
    Duration(&'static str),
    Url(&'static str),
    /// With the key of the file it may be in.
    Secret(&'static str, &'static str),
    /// A URL with a token in it, with the key of the file it may be in.
    SecretUrl(&'static str, &'static str),
    /// Any names, texts.
    Map(&'static str),
    /// Anything.
    Any(&'static str),
    Section(&'static str, &'static [Field]),
    Sections(&'static str, &'static [Field]),
    Http(&'static str),
}

use Field::{
    Any, Duration, Flag, Http, Map, Number, Secret, SecretUrl, Sections, Text, Texts, Url,
};

impl Field {
    /// Returns the key.
    pub(super) fn name(self) -> &'static str {
        match self {
            Text(key)
            | Texts(key)
            | Flag(key)
            | Number(key)
            | Duration(key)
            | Url(key)
            | Secret(key, _)
            | SecretUrl(key, _)
            | Map(key)
            | Any(key)
            | Field::Section(key, _)
            | Sections(key, _)
            | Http(key) => key,
        }
    }

    fn file(self) -> Option<&'static str> {
        match self {
            Secret(_, file) | SecretUrl(_, file) => Some(file),
            _ => None,
        }
    }
}

/// A kind of receiver that is only checked.
#[derive(Debug)]
pub(super) struct Schema {
    /// Without `_configs`.
    pub(super) kind: &'static str,
    pub(super) list: &'static str,
    pub(super) send_resolved: bool,
    pub(super) fields: &'static [Field],
    /// Of each of these, one must be written; the last one is the key below `global` that will do.
    pub(super) required: &'static [(&'static [&'static str], &'static str)],
}

/// Checks the values of the keys.
pub(super) fn check(section: &mut Section<'_>, fields: &'static [Field]) {
    for field in fields {
        match *field {
            Text(key) => drop(section.text(key)),
            Texts(key) => drop(section.texts(key)),
            Flag(key) => drop(section.flag(key)),
            Number(key) => drop(section.number(key)),
            Duration(key) => drop(section.duration(key)),
            Url(key) => drop(section.url(key)),
            Secret(key, file) => drop(section.secret(key, file)),
            SecretUrl(key, file) => drop(section.secret_url(key, file)),
            Map(key) => drop(section.text_map(key)),
            Any(key) => drop(section.get(key)),
            Field::Section(key, fields) => {
                if let Some(mut inner) = section.section(key) {
                    check(&mut inner, fields);
                    inner.finish();
                }
            }
            Sections(key, fields) => {
                for mut inner in section.sections(key) {
                    check(&mut inner, fields);
                    inner.finish();
                }
            }
            Http(key) => drop(connection::http(section, key)),
        }
    }
}

/// Checks that what is required is written, here or below `global`.
pub(super) fn require(section: &Section<'_>, schema: &Schema, globals: &[&'static str]) {
    for (keys, global) in schema.required {
        let here = keys.iter().any(|key| section.has(key) || has_file(section, schema, key));
        if !here && !globals.contains(global) {
            let keys = keys.join(" or ");
            let hint =
                if global.is_empty() { String::new() } else { format!(", or global {global}") };
            section.error(format!("missing {keys} in {}{hint}", section.name));
        }
    }
}

fn has_file(section: &Section<'_>, schema: &Schema, key: &str) -> bool {
    let field = schema.fields.iter().find(|field| field.name() == key);
    field.and_then(|field| field.file()).is_some_and(|file| section.has(file))
}

/// Keys below `global` that belong to kinds which are only checked.
pub(super) const GLOBAL: &[Field] = &[
    Url("jira_api_url"),
    Url("opsgenie_api_url"),
    Secret("opsgenie_api_key", "opsgenie_api_key_file"),
    Url("wechat_api_url"),
    Secret("wechat_api_secret", "wechat_api_secret_file"),
    Text("wechat_api_corp_id"),
    Url("victorops_api_url"),
    Secret("victorops_api_key", "victorops_api_key_file"),
    Url("telegram_api_url"),
    Secret("telegram_bot_token", "telegram_bot_token_file"),
    Url("webex_api_url"),
    Url("rocketchat_api_url"),
    Secret("rocketchat_token", "rocketchat_token_file"),
    Secret("rocketchat_token_id", "rocketchat_token_id_file"),
    SecretUrl("mattermost_webhook_url", "mattermost_webhook_url_file"),
];

/// The kinds.
pub(super) const KINDS: &[Schema] = &[
    Schema {
        kind: "discord",
        list: "discord_configs",
        send_resolved: true,
        fields: &[
            Http("http_config"),
            SecretUrl("webhook_url", "webhook_url_file"),
            Text("content"),
            Text("title"),
            Text("message"),
            Text("username"),
            Text("avatar_url"),
        ],
        required: &[(&["webhook_url"], "")],
    },
    Schema {
        kind: "incidentio",
        list: "incidentio_configs",
        send_resolved: true,
        fields: &[
            Http("http_config"),
            SecretUrl("url", "url_file"),
            Secret("alert_source_token", "alert_source_token_file"),
            Number("max_alerts"),
            Duration("timeout"),
        ],
        required: &[(&["url"], "")],
    },
    Schema {
        kind: "jira",
        list: "jira_configs",
        send_resolved: true,
        fields: &[
            Http("http_config"),
            Url("api_url"),
            Text("api_type"),
            Text("project"),
            Any("summary"),
            Any("description"),
            Texts("labels"),
            Text("priority"),
            Text("issue_type"),
            Text("reopen_transition"),
            Text("resolve_transition"),
            Text("wont_fix_resolution"),
            Duration("reopen_duration"),
            Any("fields"),
        ],
        required: &[(&["api_url"], "jira_api_url"), (&["project"], ""), (&["issue_type"], "")],
    },
    Schema {
        kind: "mattermost",
        list: "mattermost_configs",
        send_resolved: true,
        fields: &[
            Http("http_config"),
            SecretUrl("webhook_url", "webhook_url_file"),
            Text("channel"),
            Text("username"),
            Text("text"),
            Text("fallback"),
            Text("color"),
            Text("pretext"),
            Text("author_name"),
            Text("author_link"),
            Text("author_icon"),
            Text("title"),
            Text("title_link"),
            Sections("fields", FIELD),
            Text("thumb_url"),
            Text("footer"),
            Text("footer_icon"),
            Text("image_url"),
            Text("icon_url"),
            Text("icon_emoji"),
            Sections("attachments", ATTACHMENT),
            Text("type"),
            Field::Section("props", &[Text("card")]),
            Field::Section(
                "priority",
                &[Text("priority"), Flag("requested_ack"), Flag("persistent_notifications")],
            ),
        ],
        required: &[(&["webhook_url"], "mattermost_webhook_url")],
    },
    Schema {
        kind: "msteams",
        list: "msteams_configs",
        send_resolved: true,
        fields: &[
            Http("http_config"),
            SecretUrl("webhook_url", "webhook_url_file"),
            Text("title"),
            Text("summary"),
            Text("text"),
        ],
        required: &[(&["webhook_url"], "")],
    },
    Schema {
        kind: "msteamsv2",
        list: "msteamsv2_configs",
        send_resolved: true,
        fields: &[
            Http("http_config"),
            SecretUrl("webhook_url", "webhook_url_file"),
            Text("title"),
            Text("text"),
        ],
        required: &[(&["webhook_url"], "")],
    },
    Schema {
        kind: "opsgenie",
        list: "opsgenie_configs",
        send_resolved: true,
        fields: &[
            Http("http_config"),
            Secret("api_key", "api_key_file"),
            Url("api_url"),
            Text("message"),
            Text("description"),
            Text("source"),
            Map("details"),
            Text("entity"),
            Sections("responders", &[Text("id"), Text("name"), Text("username"), Text("type")]),
            Text("actions"),
            Text("tags"),
            Text("note"),
            Text("priority"),
            Flag("update_alerts"),
        ],
        required: &[(&["api_key"], "opsgenie_api_key")],
    },
    Schema {
        kind: "pushover",
        list: "pushover_configs",
        send_resolved: true,
        fields: &[
            Http("http_config"),
            Secret("user_key", "user_key_file"),
            Secret("token", "token_file"),
            Text("title"),
            Text("message"),
            Text("url"),
            Text("url_title"),
            Text("device"),
            Text("sound"),
            Text("priority"),
            Duration("retry"),
            Duration("expire"),
            Duration("ttl"),
            Flag("html"),
            Flag("monospace"),
        ],
        required: &[(&["user_key"], ""), (&["token"], "")],
    },
    Schema {
        kind: "rocketchat",
        list: "rocketchat_configs",
        send_resolved: false,
        fields: &[
            Http("http_config"),
            Url("api_url"),
            Secret("token_id", "token_id_file"),
            Secret("token", "token_file"),
            Text("channel"),
            Text("color"),
            Text("title"),
            Text("title_link"),
            Text("text"),
            Sections("fields", FIELD),
            Flag("short_fields"),
            Text("emoji"),
            Text("icon_url"),
            Text("image_url"),
            Text("thumb_url"),
            Flag("link_names"),
            Sections(
                "actions",
                &[
                    Text("type"),
                    Text("text"),
                    Text("url"),
                    Text("imageurl"),
                    Flag("iswebview"),
                    Text("webviewheightratio"),
                    Text("msg"),
                    Flag("msginchatwindow"),
                    Text("msgprocessingtype"),
                ],
            ),
        ],
        required: &[(&["token"], "rocketchat_token"), (&["token_id"], "rocketchat_token_id")],
    },
    Schema {
        kind: "sns",
        list: "sns_configs",
        send_resolved: true,
        fields: &[
            Http("http_config"),
            Text("api_url"),
            Field::Section(
                "sigv4",
                &[
                    Text("region"),
                    Text("access_key"),
                    Secret("secret_key", "secret_key_file"),
                    Text("profile"),
                    Text("role_arn"),
                    Text("external_id"),
                    Flag("use_fips_sts_endpoint"),
                ],
            ),
            Text("topic_arn"),
            Text("phone_number"),
            Text("target_arn"),
            Text("subject"),
            Text("message"),
            Map("attributes"),
            Flag("use_aws_http_client"),
        ],
        required: &[(&["topic_arn", "phone_number", "target_arn"], "")],
    },
    Schema {
        kind: "telegram",
        list: "telegram_configs",
        send_resolved: true,
        fields: &[
            Http("http_config"),
            Url("api_url"),
            Secret("bot_token", "bot_token_file"),
            Number("chat_id"),
            Text("chat_id_file"),
            Number("message_thread_id"),
            Text("message"),
            Flag("disable_notifications"),
            Text("parse_mode"),
        ],
        required: &[(&["bot_token"], "telegram_bot_token"), (&["chat_id", "chat_id_file"], "")],
    },
    Schema {
        kind: "victorops",
        list: "victorops_configs",
        send_resolved: true,
        fields: &[
            Http("http_config"),
            Secret("api_key", "api_key_file"),
            Url("api_url"),
            Text("routing_key"),
            Text("message_type"),
            Text("state_message"),
            Text("entity_display_name"),
            Text("monitoring_tool"),
            Map("custom_fields"),
        ],
        required: &[(&["api_key"], "victorops_api_key"), (&["routing_key"], "")],
    },
    Schema {
        kind: "webex",
        list: "webex_configs",
        send_resolved: true,
        fields: &[Http("http_config"), Url("api_url"), Text("message"), Text("room_id")],
        required: &[(&["room_id"], ""), (&["http_config"], "")],
    },
    Schema {
        kind: "wechat",
        list: "wechat_configs",
        send_resolved: false,
        fields: &[
            Http("http_config"),
            Secret("api_secret", "api_secret_file"),
            Text("corp_id"),
            Text("message"),
            Url("api_url"),
            Text("to_user"),
            Text("to_party"),
            Text("to_tag"),
            Text("agent_id"),
            Text("message_type"),
        ],
        required: &[(&["api_secret"], "wechat_api_secret"), (&["corp_id"], "wechat_api_corp_id")],
    },
];

const FIELD: &[Field] = &[Text("title"), Text("value"), Flag("short")];

const ATTACHMENT: &[Field] = &[
    Text("fallback"),
    Text("color"),
    Text("pretext"),
    Text("text"),
    Text("author_name"),
    Text("author_link"),
    Text("author_icon"),
    Text("title"),
    Text("title_link"),
    Sections("fields", FIELD),
    Text("thumb_url"),
    Text("footer"),
    Text("footer_icon"),
    Text("image_url"),
];
