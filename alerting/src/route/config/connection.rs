//! The sections `http_config` and `tls_config`.

use tarn_model::secret::Secret;

use super::http::{
    Auth, Credential, HeaderValue, HttpConfig, OAuth2Config, ProxyConfig, TlsConfig,
};
use super::section::Section;
use super::yaml::Node;

/// Reads `http_config`; nothing where it is not written.
pub(super) fn http(parent: &mut Section<'_>, key: &'static str) -> Option<HttpConfig> {
    let mut section = parent.section(key)?;
    let auth = auth(&mut section);
    let config = HttpConfig {
        auth,
        tls: tls(&mut section, "tls_config").unwrap_or_default(),
        proxy: proxy(&mut section),
        follow_redirects: section.flag("follow_redirects").unwrap_or(true),
        enable_http2: section.flag("enable_http2").unwrap_or(true),
        headers: headers(&mut section),
    };
    section.finish();
    Some(config)
}

fn auth(section: &mut Section<'_>) -> Auth {
    let mut found: Vec<(&'static str, Auth)> = Vec::new();
    if let Some(mut basic) = section.section("basic_auth") {
        let username = match (basic.text("username"), basic.secret_file("username_file")) {
            (Some(_), Some(_)) => {
                basic.error("at most one of username & username_file must be configured");
                None
            }
            (Some(name), None) => Some(Credential::Text(name)),
            (None, file) => file.map(Credential::File),
        };
        let password = basic.secret("password", "password_file");
        basic.finish();
        found.push(("basic_auth", Auth::Basic { username, password }));
    }
    if let Some(mut header) = section.section("authorization") {
        let scheme = header.text("type").filter(|word| !word.is_empty());
        let scheme = scheme.unwrap_or_else(|| "Bearer".to_owned());
        if scheme.eq_ignore_ascii_case("basic") {
            let text = "authorization type cannot be set to \"basic\", use basic_auth instead";
            header.context.error(header.place("type"), text);
        }
        let credentials = header.secret("credentials", "credentials_file");
        header.finish();
        found.push(("authorization", Auth::Header { scheme, credentials }));
    }
    if let Some(oauth2) = section.section("oauth2") {
        found.push(("oauth2", Auth::OAuth2(Box::new(self::oauth2(oauth2)))));
    }
    if let Some(token) = section.secret("bearer_token", "bearer_token_file") {
        let (scheme, credentials) = ("Bearer".to_owned(), Some(token));
        found.push(("bearer_token", Auth::Header { scheme, credentials }));
    }
    if let [(first, _), (second, _), ..] = found.as_slice() {
        section.error(format!("at most one of {first} & {second} must be configured"));
    }
    found.into_iter().next().map(|(_, auth)| auth).unwrap_or_default()
}

fn oauth2(mut section: Section<'_>) -> OAuth2Config {
    let client_id = section.text_or("client_id", "");
    let client_secret = section.secret("client_secret", "client_secret_file");
    let token_url = section.url("token_url").unwrap_or_default();
    if client_id.is_empty() {
        section.error("oauth2 client_id must be configured");
    }
    if token_url.is_empty() && !section.has("token_url") {
        section.error("oauth2 token_url must be configured");
    }
    let scopes = section.texts("scopes").unwrap_or_default();
    let params = section.text_map("endpoint_params");
    let config = OAuth2Config {
        client_id,
        client_secret,
        scopes: scopes.into_iter().map(|(_, scope)| scope).collect(),
        token_url,
        endpoint_params: params.into_iter().map(|(_, name, value)| (name, value)).collect(),
        tls: tls(&mut section, "tls_config").unwrap_or_default(),
        proxy: proxy(&mut section),
    };
    section.finish();
    config
}

/// Reads `tls_config`; nothing where it is not written.
pub(super) fn tls(parent: &mut Section<'_>, key: &'static str) -> Option<TlsConfig> {
    let mut section = parent.section(key)?;
    let mut version = |key: &'static str| {
        let text = section.text_or(key, "");
        if !matches!(text.as_str(), "" | "TLS10" | "TLS11" | "TLS12" | "TLS13") {
            let text = format!("unknown TLS version {text:?}, expected TLS10 to TLS13");
            section.context.error(section.place(key), text);
        }
        text
    };
    let (min_version, max_version) = (version("min_version"), version("max_version"));
    let config = TlsConfig {
        ca: section.secret("ca", "ca_file"),
        cert: section.secret("cert", "cert_file"),
        key: section.secret("key", "key_file"),
        server_name: section.text_or("server_name", ""),
        insecure_skip_verify: section.flag("insecure_skip_verify").unwrap_or(false),
        min_version,
        max_version,
    };
    if config.cert.is_some() != config.key.is_some() {
        section.error("a client certificate and its key must be configured together");
    }
    section.finish();
    Some(config)
}

fn proxy(section: &mut Section<'_>) -> ProxyConfig {
    let proxy = ProxyConfig {
        url: section.secret("proxy_url", "proxy_url_file"),
        no_proxy: section.text_or("no_proxy", ""),
        from_environment: section.flag("proxy_from_environment").unwrap_or(false),
        connect_headers: connect_headers(section),
    };
    if proxy.url.is_some() && proxy.from_environment {
        let text = "if proxy_from_environment is configured, proxy_url must not be configured";
        section.context.error(section.place("proxy_from_environment"), text);
    }
    if proxy.url.is_none() && !proxy.no_proxy.is_empty() {
        let text = "if no_proxy is configured, proxy_url must also be configured";
        section.context.error(section.place("no_proxy"), text);
    }
    proxy
}

fn connect_headers(section: &mut Section<'_>) -> Vec<(String, Secret)> {
    let mut headers = Vec::new();
    for (name, value) in section.map("proxy_connect_header") {
        let Node::List(values) = &value.node else {
            section.context.error(value.at, "proxy_connect_header: expected a list of values");
            continue;
        };
        for value in values {
            section.context.hide(value.at);
            let Some(text) = value.text() else { continue };
            headers.push((name.name.clone(), Secret::fixed("proxy_connect_header", text)));
        }
    }
    headers
}

fn headers(section: &mut Section<'_>) -> Vec<(String, HeaderValue)> {
    let mut headers = Vec::new();
    let context = section.context;
    for (name, value) in section.map("http_headers") {
        let Some(mut header) = Section::open(context, format!("header {}", name.name), value)
        else {
            continue;
        };
        let mut add = |value| headers.push((name.name.clone(), value));
        for (_, text) in header.texts("values").unwrap_or_default() {
            add(HeaderValue::Text(text));
        }
        for (at, text) in header.texts("secrets").unwrap_or_default() {
            context.hide(at);
            add(HeaderValue::Secret(Secret::fixed(format!("header {}", name.name), text)));
        }
        for (_, path) in header.texts("files").unwrap_or_default() {
            add(HeaderValue::Secret(header.secret_in(&path)));
        }
        header.finish();
    }
    headers
}
