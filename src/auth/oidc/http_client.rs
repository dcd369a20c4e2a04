//! The guarded client, in the form in which the protocol asks for one.

use std::pin::Pin;
use std::sync::Arc;

use http::{Response, StatusCode};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use tarn_alerting::egress::Client;
use tarn_model::error::{Error, Result};
use url::Url;

/// Sends requests to a provider.
#[derive(Debug)]
pub(super) struct Http(pub(super) Arc<Client>);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse>> + Send>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(send(Arc::clone(&self.0), request))
    }
}

async fn send(client: Arc<Client>, request: HttpRequest) -> Result<HttpResponse> {
    let (parts, body) = request.into_parts();
    let url = Url::parse(&parts.uri.to_string());
    let url = url.map_err(|e| Error::invalid("read an address").with_source(e))?;
    let answer = client.send(parts.method, &url, &parts.headers, body.into()).await?;
    let mut response = Response::new(answer.body.to_vec());
    *response.status_mut() = StatusCode::from_u16(answer.status)
        .map_err(|e| Error::invalid("read a status").with_source(e))?;
    *response.headers_mut() = answer.headers;
    Ok(response)
}
