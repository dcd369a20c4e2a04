//! Commands that tell a running server what to do: `tarn flush`, `tarn healthcheck`.

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

/// `tarn healthcheck`, for container images without a shell.
///
/// # Errors
/// Why the server is not ready.
pub(crate) fn healthcheck(server: &Server) -> anyhow::Result<()> {
    let answer = block_on(server.send(Method::GET, "/readyz?verbose", None, ""))?;
    print(succeeded(&answer)?);
    Ok(())
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
