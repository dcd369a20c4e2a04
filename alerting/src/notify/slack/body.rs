//! A message in Slack's shape: one attachment with what the configuration says.

use serde_json::{Map, Value, json};

use super::super::render::{Writer, cut};
use crate::route::config::SlackConfig;
use crate::route::config::receivers::{SlackAction, SlackConfirm, SlackField};

/// Slack cuts titles here.
const TITLE_CHARS_MAX: usize = 1024;
/// Slack refuses longer texts of a message.
const TEXT_CHARS_MAX: usize = 30_000;
/// What is written in mrkdwn if nobody says.
const MRKDWN_IN: [&str; 3] = ["fallback", "pretext", "text"];

/// Writes the message.
pub(super) fn message(config: &SlackConfig, writer: &mut Writer<'_>) -> Value {
    let mut fields = Map::new();
    put(&mut fields, "channel", writer.text("channel", &config.channel));
    put(&mut fields, "username", writer.text("username", &config.username));
    put(&mut fields, "icon_emoji", writer.text("icon_emoji", &config.icon_emoji));
    put(&mut fields, "icon_url", writer.text("icon_url", &config.icon_url));
    put(&mut fields, "text", writer.text("message_text", &config.message_text));
    if config.link_names {
        fields.insert("link_names".to_owned(), true.into());
    }
    fields.insert("attachments".to_owned(), json!([attachment(config, writer)]));
    fields.into()
}

fn attachment(config: &SlackConfig, writer: &mut Writer<'_>) -> Value {
    let mut fields = Map::new();
    let title = cut(&writer.summary("title", &config.title), TITLE_CHARS_MAX);
    put(&mut fields, "title", title);
    put(&mut fields, "title_link", writer.text("title_link", &config.title_link));
    put(&mut fields, "pretext", writer.text("pretext", &config.pretext));
    put(&mut fields, "text", cut(&writer.text("text", &config.text), TEXT_CHARS_MAX));
    put(&mut fields, "fallback", writer.summary("fallback", &config.fallback));
    put(&mut fields, "callback_id", writer.text("callback_id", &config.callback_id));
    let color = writer.text_or("color", &config.color, || "danger".to_owned());
    put(&mut fields, "color", color);
    put(&mut fields, "image_url", writer.text("image_url", &config.image_url));
    put(&mut fields, "thumb_url", writer.text("thumb_url", &config.thumb_url));
    put(&mut fields, "footer", writer.text("footer", &config.footer));
    let of_config = |f: &SlackField| field(f, config.short_fields, writer);
    let written: Vec<Value> = config.fields.iter().map(of_config).collect();
    list(&mut fields, "fields", written);
    let written: Vec<Value> = config.actions.iter().map(|a| action(a, writer)).collect();
    list(&mut fields, "actions", written);
    let mrkdwn: Vec<Value> = match config.mrkdwn_in.is_empty() {
        true => MRKDWN_IN.iter().map(|part| (*part).into()).collect(),
        false => config.mrkdwn_in.iter().map(|part| part.as_str().into()).collect(),
    };
    list(&mut fields, "mrkdwn_in", mrkdwn);
    fields.into()
}

fn field(field: &SlackField, short: bool, writer: &mut Writer<'_>) -> Value {
    json!({
        "title": writer.text("fields.title", &field.title),
        "value": writer.text("fields.value", &field.value),
        "short": field.short.unwrap_or(short),
    })
}

fn action(action: &SlackAction, writer: &mut Writer<'_>) -> Value {
    let mut fields = Map::new();
    put(&mut fields, "type", writer.text("actions.type", &action.kind));
    put(&mut fields, "text", writer.text("actions.text", &action.text));
    put(&mut fields, "url", writer.text("actions.url", &action.url));
    put(&mut fields, "style", writer.text("actions.style", &action.style));
    put(&mut fields, "name", writer.text("actions.name", &action.name));
    put(&mut fields, "value", writer.text("actions.value", &action.value));
    if let Some(confirmed) = &action.confirm {
        fields.insert("confirm".to_owned(), confirm(confirmed, writer));
    }
    fields.into()
}

fn confirm(confirm: &SlackConfirm, writer: &mut Writer<'_>) -> Value {
    let mut fields = Map::new();
    put(&mut fields, "title", writer.text("confirm.title", &confirm.title));
    put(&mut fields, "text", writer.text("confirm.text", &confirm.text));
    put(&mut fields, "ok_text", writer.text("confirm.ok_text", &confirm.ok_text));
    put(&mut fields, "dismiss_text", writer.text("confirm.dismiss_text", &confirm.dismiss_text));
    fields.into()
}

/// Takes the pictures out; returns whether there were any.
pub(super) fn without_images(message: &mut Value) -> bool {
    let mut had = false;
    if let Some(fields) = message.as_object_mut() {
        had |= fields.remove("icon_url").is_some();
    }
    let attachments = message["attachments"].as_array_mut();
    for fields in attachments.into_iter().flatten().filter_map(Value::as_object_mut) {
        for image in ["image_url", "thumb_url"] {
            had |= fields.remove(image).is_some();
        }
    }
    had
}

/// Leaves a bare text.
pub(super) fn strip(message: &mut Value, text: &str) {
    if let Some(fields) = message.as_object_mut() {
        fields.remove("attachments");
        fields.insert("text".to_owned(), cut(text, 3_000).into());
    }
}

fn put(fields: &mut Map<String, Value>, name: &str, text: String) {
    if !text.is_empty() {
        fields.insert(name.to_owned(), text.into());
    }
}

fn list(fields: &mut Map<String, Value>, name: &str, values: Vec<Value>) {
    if !values.is_empty() {
        fields.insert(name.to_owned(), values.into());
    }
}
