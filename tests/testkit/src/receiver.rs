//! Receivers of notifications that misbehave as told: an HTTP server by hand, because no library
//! hangs up in the middle on purpose, and a small SMTP server.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is done with one request.
#[derive(Debug, Clone)]
pub enum Act {
    /// It is answered: status, headers, body.
    Answer(u16, Vec<(String, String)>, String),
    /// It is answered after a while.
    Late(Duration, Box<Act>),
    /// The connection is reset.
    Reset,
    /// The connection is closed in order, without an answer.
    Close,
    /// Half an answer, then the end.
    HalfAnswer,
    /// Nothing, for ever.
    Hang,
    /// The head of an answer at once, its body a byte at a time, this long apart.
    SlowBody(Duration, String),
    /// A body without end.
    Endless,
}

impl Act {
    /// Answers with a status and a body.
    pub fn answer(status: u16, body: &str) -> Self {
        Self::Answer(status, Vec::new(), body.to_owned())
    }

    /// Answers with a status and `Retry-After`.
    pub fn retry_after(status: u16, seconds: &str) -> Self {
        let header = ("Retry-After".to_owned(), seconds.to_owned());
        Self::Answer(status, vec![header], String::new())
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Received {
    /// When its last byte came.
    pub at: Instant,
    /// Method and path.
    pub line: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
}

impl Received {
    /// Returns a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Parses the body.
    ///
    /// # Panics
    /// Where it is not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

#[derive(Debug)]
struct Script {
    acts: VecDeque<Act>,
    then: Act,
    received: Vec<Received>,
}

/// An HTTP receiver on loopback.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Starts one that does `acts`, one per request, and `then` for ever.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(acts: impl IntoIterator<Item = Act>, then: Act) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen")?;
        let address = listener.local_addr()?;
        let acts = acts.into_iter().collect();
        let script = Arc::new(Mutex::new(Script { acts, then, received: Vec::new() }));
        let shared = Arc::clone(&script);
        let task = tokio::spawn(async move {
            // Connections end with the receiver, not with the test.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&shared);
                connections.spawn(async move { serve(stream, &script).await });
            }
        });
        Ok(Self { address, script, task })
    }

    /// Returns the address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Changes what is done from now on.
    pub fn then(&self, then: Act) {
        self.script.lock().then = then;
    }

    /// Returns what came.
    pub fn received(&self) -> Vec<Received> {
        self.script.lock().received.clone()
    }

    /// Waits until so many requests came.
    ///
    /// # Errors
    /// Where they do not come in time.
    pub async fn wait_for(&self, count: usize, within: Duration) -> Result<Vec<Received>> {
        let until = Instant::now() + within;
        loop {
            let received = self.received();
            if received.len() >= count {
                return Ok(received);
            }
            if Instant::now() > until {
                bail!("{} requests of {count} within {within:?}", received.len());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Waits until something holds.
///
/// # Errors
/// Where it does not in time.
pub async fn eventually(
    within: Duration,
    what: &str,
    mut holds: impl FnMut() -> bool,
) -> Result<()> {
    let until = Instant::now() + within;
    while !holds() {
        if Instant::now() > until {
            bail!("not within {within:?}: {what}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn serve(stream: TcpStream, script: &Mutex<Script>) {
    let mut stream = BufStream::new(stream);
    while let Ok(request) = request(&mut stream).await {
        let act = {
            let mut script = script.lock();
            script.received.push(request);
            script.acts.pop_front().unwrap_or_else(|| script.then.clone())
        };
        match perform(act, &mut stream).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}

async fn request(stream: &mut BufStream<TcpStream>) -> Result<Received> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            bail!("closed");
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |line: &String| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<_> = lines.iter().skip(1).filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Ok(0), |(_, value)| value.parse())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let line = lines.into_iter().next().context("a request line")?;
    Ok(Received { at: Instant::now(), line, headers, body: body.into() })
}

/// Does one act; returns whether the connection goes on.
async fn perform(act: Act, stream: &mut BufStream<TcpStream>) -> Result<bool> {
    let (wait, act) = match act {
        Act::Late(wait, act) => (wait, *act),
        act => (Duration::ZERO, act),
    };
    tokio::time::sleep(wait).await;
    match act {
        Act::Late(..) => bail!("late twice"),
        Act::Answer(status, headers, body) => {
            let headers: String = headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
            let length = body.len();
            let head = format!("HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
            stream.flush().await?;
            return Ok(true);
        }
        Act::Reset => stream.get_ref().set_zero_linger()?,
        Act::Close => stream.shutdown().await?,
        Act::HalfAnswer => {
            stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 100\r\n\r\nhalf").await?;
            stream.shutdown().await?;
        }
        Act::Hang => std::future::pending().await,
        Act::SlowBody(apart, body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 200 x\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            for byte in body.bytes() {
                stream.flush().await?;
                tokio::time::sleep(apart).await;
                stream.write_u8(byte).await?;
            }
            stream.flush().await?;
            return Ok(true);
        }
        Act::Endless => {
            stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 99999999999\r\n\r\n").await?;
            let chunk = [b'x'; 4096];
            while stream.write_all(&chunk).await.is_ok() {}
        }
    }
    Ok(false)
}

/// What the SMTP server does at a command.
#[derive(Debug, Clone)]
pub enum SmtpAct {
    /// It answers this instead, such as `451 later`.
    Say(&'static str),
    /// It hangs up.
    Drop,
    /// Nothing, for ever.
    Hang,
}

/// A mail that came.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Sender and recipients, as the commands said.
    pub envelope: Vec<String>,
    /// Head and body.
    pub data: String,
}

#[derive(Debug, Default)]
struct SmtpScript {
    /// For the next connections: the command, and what is done at it.
    acts: VecDeque<(&'static str, SmtpAct)>,
    mails: Vec<Mail>,
    connections: usize,
}

/// An SMTP server on loopback, without TLS.
#[derive(Debug)]
pub struct SmtpSink {
    address: SocketAddr,
    script: Arc<Mutex<SmtpScript>>,
    task: JoinHandle<()>,
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SmtpSink {
    /// Starts one that does each act in a connection of its own, and then takes mail. Commands are
    /// `EHLO`, `AUTH`, `MAIL`, `RCPT`, `DATA`, and `.` for the end of a mail.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(acts: impl IntoIterator<Item = (&'static str, SmtpAct)>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen")?;
        let address = listener.local_addr()?;
        let acts = acts.into_iter().collect();
        let script = Arc::new(Mutex::new(SmtpScript { acts, ..SmtpScript::default() }));
        let shared = Arc::clone(&script);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&shared);
                connections.spawn(async move { drop(converse(stream, &script).await) });
            }
        });
        Ok(Self { address, script, task })
    }

    /// Returns the address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what came.
    pub fn mails(&self) -> Vec<Mail> {
        self.script.lock().mails.clone()
    }

    /// Returns how many connections there were.
    pub fn connections(&self) -> usize {
        self.script.lock().connections
    }
}

async fn converse(stream: TcpStream, script: &Mutex<SmtpScript>) -> Result<()> {
    let act = {
        let mut script = script.lock();
        script.connections += 1;
        script.acts.pop_front()
    };
    let mut stream = BufStream::new(stream);
    say(&mut stream, "220 sink").await?;
    let mut envelope = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let command = line.split([' ', ':']).next().unwrap_or("").to_uppercase();
        if let Some((at, act)) = &act
            && *at == command
        {
            misbehave(&mut stream, act).await?;
            continue;
        }
        match &*command {
            "EHLO" => say(&mut stream, "250-sink\r\n250 AUTH PLAIN LOGIN").await?,
            "AUTH" => say(&mut stream, "235 welcome").await?,
            "MAIL" | "RCPT" => {
                envelope.push(line.to_owned());
                say(&mut stream, "250 fine").await?;
            }
            "DATA" => {
                say(&mut stream, "354 go on").await?;
                let data = data(&mut stream).await?;
                if let Some((".", act)) = &act {
                    misbehave(&mut stream, act).await?;
                    continue;
                }
                let envelope = std::mem::take(&mut envelope);
                script.lock().mails.push(Mail { envelope, data });
                say(&mut stream, "250 taken").await?;
            }
            "QUIT" => return say(&mut stream, "221 bye").await,
            _ => say(&mut stream, "250 fine").await?,
        }
    }
}

async fn misbehave(stream: &mut BufStream<TcpStream>, act: &SmtpAct) -> Result<()> {
    match act {
        SmtpAct::Say(text) => say(stream, text).await,
        SmtpAct::Drop => bail!("hangs up"),
        SmtpAct::Hang => std::future::pending().await,
    }
}

async fn data(stream: &mut BufStream<TcpStream>) -> Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            bail!("closed");
        }
        if line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(&line);
    }
}

async fn say(stream: &mut BufStream<TcpStream>, text: &str) -> Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.write_all(b"\r\n").await?;
    stream.flush().await?;
    Ok(())
}
