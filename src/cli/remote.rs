//! Commands that tell a running server what to do: `tarn flush`, `tarn block repair`.

use anyhow::bail;
use http::Method;

use crate::cli::client::{Answer, Server, block_on};
use crate::cli::print;

/// `tarn flush`.
///
/// # Errors
/// What the server answered, if it was not that the flush is committed.
pub(crate) fn flush(server: &Server) -> anyhow::Result<()> {
    let answer = block_on(server.send(Method::POST, "/-/flush", None, ""))?;
    print(succeeded(&answer)?);
    Ok(())
}

/// `tarn block repair`, for one tenant where one is named.
///
/// # Errors
/// What the server answered; that something still cannot be written.
pub(crate) async fn repair(server: &Server) -> anyhow::Result<()> {
    let path = {
        // Gone before anything is waited for: it cannot be sent between threads.
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(server.tenant.iter().map(|tenant| ("tenant", tenant)));
        format!("/-/repair?{}", form.finish())
    };
    let answer = server.send(Method::POST, &path, None, "").await?;
    let text = succeeded(&answer)?;
    let report: serde_json::Value = serde_json::from_str(&text)?;
    print(&text);
    match report["failed"].as_array().map_or(0, Vec::len) {
        0 => Ok(()),
        failed => bail!("{failed} objects still cannot be written as blocks"),
    }
}

/// Returns the text of an answer.
///
/// # Errors
/// The whole answer, where it is not a success.
pub(crate) fn succeeded(answer: &Answer) -> anyhow::Result<String> {
    let text = String::from_utf8_lossy(&answer.body).trim_end().to_owned();
    if !answer.status.is_success() {
        bail!("the server answered {}: {text}", answer.status);
    }
    Ok(text)
}
