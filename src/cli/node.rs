//! `tarn node`: who writes to the bucket, as a running server knows it.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;

use crate::cli::client::{Server, block_on};
use crate::cli::print;
use crate::cli::remote::succeeded;

/// `tarn node …`
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List who writes to the bucket: id, state, epoch, committed position, label.
    List(Server),
    /// Give up a node whose data folder is lost, so that answers are no longer marked as partial for
    /// its sake. Rows that it had not committed are lost with its disk.
    Forget(ForgetArgs),
}

/// `tarn node forget`
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// Id of the node, 32 hex digits: see `tarn node list`.
    #[arg(value_name = "ID", value_parser = id)]
    node: String,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Deserialize)]
struct Nodes {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    label: String,
    state: String,
    epoch: u64,
    committed: u64,
    own: bool,
}

/// Runs the command.
///
/// # Errors
/// What the server answered, if it was not what was asked for.
pub(crate) fn run(command: &NodeCommand) -> anyhow::Result<()> {
    match command {
        NodeCommand::List(server) => {
            let answer = block_on(server.send(Method::GET, "/api/v1/nodes", None, ""))?;
            let Nodes { nodes } =
                serde_json::from_str(&succeeded(&answer)?).context("read the list of nodes")?;
            nodes.iter().for_each(|node| print(line(node)));
        }
        NodeCommand::Forget(ForgetArgs { node, server }) => {
            let path = format!("/-/forget?node={node}");
            print(succeeded(&block_on(server.send(Method::POST, &path, None, ""))?)?);
        }
    }
    Ok(())
}

fn line(node: &Node) -> String {
    let Node { id, label, state, epoch, committed, own } = node;
    let own = if *own { "  (this server)" } else { "" };
    format!("{id}  {state}  epoch {epoch}  committed {committed}  {label:?}{own}")
}

fn id(text: &str) -> Result<String, String> {
    let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if hex { Ok(text.to_owned()) } else { Err("must be 32 hex digits".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_one_line() {
        let text = r#"{"nodes":[{"id":"0a","label":"eu-1","state":"live","epoch":7,"committed":42,
            "own":true},{"id":"0b","label":"","state":"lost","epoch":1,"committed":0,"own":false}]}"#;
        let Nodes { nodes } = serde_json::from_str(text).unwrap();
        let lines: Vec<String> = nodes.iter().map(line).collect();
        assert_eq!(
            lines,
            [
                "0a  live  epoch 7  committed 42  \"eu-1\"  (this server)",
                "0b  lost  epoch 1  committed 0  \"\""
            ]
        );
        assert!(id("x").is_err() && id(&"0f".repeat(16)).is_ok());
    }
}
