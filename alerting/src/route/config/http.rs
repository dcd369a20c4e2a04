//! `http_config`: how a receiver is reached over HTTP.

use std::collections::BTreeMap;

use tarn_model::secret::Secret;

/// What an HTTP client of a receiver is made of. Secrets are read anew for each request, so that a
/// file that is replaced counts at once.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Who we say we are.
    pub auth: Auth,
    /// Certificates and names.
    pub tls: TlsConfig,
    /// Through which proxy.
    pub proxy: ProxyConfig,
    /// Whether a redirect is followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 may be spoken.
    pub enable_http2: bool,
    /// Headers added to each request: name and values; a value may be a secret.
    pub headers: Vec<(String, HeaderValue)>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            auth: Auth::None,
            tls: TlsConfig::default(),
            proxy: ProxyConfig::default(),
            follow_redirects: true,
            enable_http2: true,
            headers: Vec::new(),
        }
    }
}

/// The value of a header.
#[derive(Debug, Clone)]
pub enum HeaderValue {
    /// As written.
    Text(String),
    /// From a secret or a file.
    Secret(Secret),
}

/// The header `Authorization`.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// None.
    #[default]
    None,
    /// User and password.
    Basic {
        /// User name.
        username: Option<Credential>,
        /// Password.
        password: Option<Secret>,
    },
    /// A word, such as `Bearer`, and a credential.
    Header {
        /// The word.
        scheme: String,
        /// The credential.
        credentials: Option<Secret>,
    },
    /// A token from an OAuth 2 server.
    OAuth2(Box<OAuth2Config>),
}

/// A name that may be in a file.
#[derive(Debug, Clone)]
pub enum Credential {
    /// As written.
    Text(String),
    /// In a file.
    File(Secret),
}

/// Client credentials of OAuth 2.
#[derive(Debug, Clone)]
pub struct OAuth2Config {
    /// Who the client is.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Option<Secret>,
    /// What it asks for.
    pub scopes: Vec<String>,
    /// Whom it asks.
    pub token_url: String,
    /// Further parameters of the question.
    pub endpoint_params: BTreeMap<String, String>,
    /// TLS towards the server of tokens.
    pub tls: TlsConfig,
    /// Proxy towards the server of tokens.
    pub proxy: ProxyConfig,
}

/// Certificates.
#[derive(Debug, Clone, Default)]
pub struct TlsConfig {
    /// Who signs the server's certificate: PEM text, or in a file.
    pub ca: Option<Secret>,
    /// Our certificate, PEM.
    pub cert: Option<Secret>,
    /// Its key, PEM.
    pub key: Option<Secret>,
    /// Name to expect in the server's certificate; empty: that of the address.
    pub server_name: String,
    /// Whether any certificate is believed.
    pub insecure_skip_verify: bool,
    /// Least version, such as `TLS12`; empty: what the library takes.
    pub min_version: String,
    /// Greatest version; empty: what the library takes.
    pub max_version: String,
}

/// A proxy.
#[derive(Debug, Clone, Default)]
pub struct ProxyConfig {
    /// Address; may hold a password, so it is a secret.
    pub url: Option<Secret>,
    /// Hosts that are reached without it, with commas between.
    pub no_proxy: String,
    /// Whether the environment says which proxy.
    pub from_environment: bool,
    /// Headers of `CONNECT`.
    pub connect_headers: Vec<(String, Secret)>,
}
