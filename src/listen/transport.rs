//! What a connection begins with: its first byte tells whether it is TLS, and the port knows what it
//! should be.
//!
//! Who speaks plain HTTP to a port of TLS is a person with the wrong scheme, and is told so in the
//! only language it understands.

use std::io;
use std::sync::Arc;

use rustls::ServerConnection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsStream};
use tracing::debug;

use super::Port;
use super::peer::Peer;
use crate::tls::wire::Wire;
use crate::tls::{Tls, names};

/// The first byte of a record of a handshake.
const HANDSHAKE: u8 = 0x16;
/// What HTTP is answered on a port of TLS.
const SPEAKS_HTTPS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Content-Length: 23\r\nConnection: close\r\n\r\nthis port speaks https\n";
/// Of what is left unread, so that the answer is not lost on its way.
const REST_BYTES_MAX: usize = 64 << 10;

/// Waits for the first byte, and encrypts the connection where the port does. `None` where nothing
/// more can be said over it.
pub(super) async fn begin(
    mut stream: TcpStream,
    peer: Peer,
    port: Port,
    tls: Option<&Tls>,
) -> Option<(Wire, Peer)> {
    // The builder waits for the first bytes to tell the protocol, without a limit of its own.
    let mut byte = [0];
    if stream.peek(&mut byte).await.ok()? == 0 {
        return None;
    }
    let (address, port_name) = (peer.address, port.label());
    match tls {
        None if byte == [HANDSHAKE] => {
            debug!(%address, port = port_name, "TLS on a port without, see listen.tls");
            None
        }
        None => Some((Wire::Plain(stream), peer)),
        Some(_) if byte[0].is_ascii_uppercase() => {
            debug!(%address, port = port_name, "plain HTTP on a port of TLS");
            if let Err(error) = refuse(&mut stream).await {
                debug!(%address, %error, "the refusal was not sent");
            }
            None
        }
        Some(tls) => match TlsAcceptor::from(tls.config(port)).accept(stream).await {
            Ok(stream) => {
                let peer = named(&peer, stream.get_ref().1);
                Some((Wire::Tls(Box::new(TlsStream::Server(stream))), peer))
            }
            Err(error) => {
                tls.handshake_failed();
                debug!(%address, port = port_name, %error, "no TLS with a client");
                None
            }
        },
    }
}

/// Tells a client of plain HTTP, and reads on for as long as the caller allows.
async fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(SPEAKS_HTTPS).await?;
    stream.shutdown().await?;
    let (mut rest, mut buffer) = (REST_BYTES_MAX, [0; 4096]);
    while rest > 0 {
        match stream.read(&mut buffer).await? {
            0 => break,
            read => rest = rest.saturating_sub(read),
        }
    }
    Ok(())
}

/// Adds what the handshake has proved.
fn named(peer: &Peer, session: &ServerConnection) -> Peer {
    let shown = session.peer_certificates().and_then(|chain| chain.first());
    let certificate = shown.and_then(names::of_client).map(Arc::new);
    Peer { address: peer.address, tls: true, certificate }
}
