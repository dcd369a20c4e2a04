//! Debian's amtool and Alertmanager beside ours: the same files are accepted, the same labels are
//! routed to the same receivers, the same alerts make the same messages.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tarn_alerting::alert::Alert;
use tarn_alerting::route::{Config, DispatchOptions, Dispatcher, Flush, NEVER_MS, Silence};
use tarn_model::labels::{Label, LabelSet};
use tarn_model::matcher::Matcher;

const ROUTES: &str = r#"
route:
  receiver: default
  routes:
    - matchers: [severity="critical", team=~"a|b"]
      receiver: pager
      continue: true
      routes:
        - match: {team: a}
          receiver: pager-a
        - match_re: {service: 'ma.*'}
          receiver: pager-mail
    - matchers: ['{team!="b", service=~".+"}']
      receiver: services
    - matchers: [team!~"a|c"]
      receiver: rest
      routes:
        - receiver: quiet
          matchers: [severity=none]
          continue: true
        - receiver: loud
          matchers: [severity=""]
receivers: [{name: default}, {name: pager}, {name: pager-a}, {name: pager-mail}, {name: services},
            {name: rest}, {name: quiet}, {name: loud}]
"#;

/// Returns what a tool prints, and whether it was content; nothing where it is not installed.
fn tool(name: &str, args: &[&str]) -> Option<(bool, String)> {
    let output = Command::new(name).args(args).stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

fn no_amtool() -> bool {
    tool("amtool", &["--version"]).is_none()
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    let written = write(&path, text);
    assert!(written.is_ok(), "{written:?}");
    path.to_string_lossy().into_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file for another program, in a folder of the test"
)]
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(path, text)
}

/// All combinations of these, the absent value included, are 64 label sets.
fn label_sets() -> Vec<Vec<(&'static str, &'static str)>> {
    let values = [
        ("severity", ["critical", "none", "warning", ""]),
        ("team", ["a", "b", "c", ""]),
        ("service", ["mail", "maths", "web", ""]),
    ];
    let mut sets: Vec<Vec<(&str, &str)>> = vec![Vec::new()];
    for (name, values) in values {
        let with = |set: &Vec<(&'static str, &'static str)>| {
            values.map(|value| [set.clone(), vec![(name, value)]].concat())
        };
        sets = sets.iter().flat_map(with).collect();
    }
    sets
}

#[test]
fn labels_are_routed_as_amtool_routes_them() {
    if no_amtool() {
        println!("skipped: no amtool");
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let path = file(folder.path(), "am.yml", ROUTES);
    let config = Config::parse(&path, ROUTES, false).0.expect("configuration");
    for set in label_sets() {
        let set: Vec<_> = set.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let args: Vec<String> = set.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut all = vec!["config", "routes", "test", "--config.file", path.as_str()];
        all.extend(args.iter().map(String::as_str));
        let (_, theirs) = tool("amtool", &all).expect("amtool runs");
        let labels = LabelSet::from_pairs(&set);
        let ours = config.tree.routes(&labels).into_iter();
        let ours: Vec<&str> = ours.map(|at| &*config.tree.nodes[at].receiver).collect();
        // Below it stands a warning about flags.
        assert_eq!(Some(ours.join(",").as_str()), theirs.lines().next(), "{labels}");
    }
}

#[test]
fn files_are_accepted_and_refused_as_by_amtool() {
    if no_amtool() {
        println!("skipped: no amtool");
        return;
    }
    let base = "receivers: [{name: r}]\n";
    let hook = "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: ";
    let cases = [
        ROUTES.to_owned(),
        String::new(),
        format!("route: {{receiver: r}}\n{base}"),
        format!("route: {{receiver: x}}\n{base}"),
        format!("route: {{receiver: r, group_by: ['...', a]}}\n{base}"),
        format!("route: {{receiver: r, group_by: [a, a]}}\n{base}"),
        format!("route: {{receiver: r, group_interval: 0s}}\n{base}"),
        format!("route: {{receiver: r, group_wait: 0s}}\n{base}"),
        format!("route: {{receiver: r, repeat_interval: 1 hour}}\n{base}"),
        format!("route: {{receiver: r, matchers: [a=b]}}\n{base}"),
        format!("route: {{receiver: r, continue: true}}\n{base}"),
        format!("route: {{receiver: r, typo: 1}}\n{base}"),
        format!("route: {{receiver: r, routes: [{{matchers: ['a=~(']}}]}}\n{base}"),
        format!("route: {{receiver: r, routes: [{{matchers: ['a=~b', c!=d]}}]}}\n{base}"),
        format!("route: {{receiver: r, routes: [{{mute_time_intervals: [x]}}]}}\n{base}"),
        "route: {receiver: r}\nreceivers: [{name: r}, {name: r}]\n".to_owned(),
        format!("{hook}[{{url: 'http://x/'}}]}}]\n"),
        format!("{hook}[{{url: 'x'}}]}}]\n"),
        format!("{hook}[{{}}]}}]\n"),
        format!(
            "{hook}[{{url: 'http://x/', http_config: {{bearer_token: a, basic_auth: {{}}}}}}]}}]\n"
        ),
        "route: {receiver: r}\nreceivers: [{name: r, slack_configs: [{channel: c}]}]\n".to_owned(),
        "route: {receiver: r}\nreceivers: [{name: r, email_configs: [{to: a@b}]}]\n".to_owned(),
        "route: {receiver: r}\nreceivers: [{name: r, pagerduty_configs: [{}]}]\n".to_owned(),
        "route: {receiver: r}\nreceivers: [{name: r, opsgenie_configs: [{}]}]\n".to_owned(),
        format!(
            "route: {{receiver: r}}\n{base}time_intervals: [{{name: a, time_intervals: [{{weekdays: ['monday:friday'], times: [{{start_time: '09:00', end_time: '17:00'}}]}}]}}]\n"
        ),
        format!(
            "route: {{receiver: r}}\n{base}time_intervals: [{{name: a, time_intervals: [{{weekdays: ['friday:monday']}}]}}]\n"
        ),
        format!(
            "route: {{receiver: r}}\n{base}time_intervals: [{{name: a, time_intervals: [{{location: Moon/Sea}}]}}]\n"
        ),
        format!(
            "route: {{receiver: r}}\n{base}inhibit_rules: [{{source_match: {{a: b}}, target_match_re: {{c: 'd|e'}}, equal: [x]}}]\n"
        ),
        format!("route: {{receiver: r}}\n{base}inhibit_rules: [{{source_match_re: {{a: '('}}}}]\n"),
    ];
    let folder = tempfile::tempdir().expect("folder");
    for text in &cases {
        let path = file(folder.path(), "am.yml", text);
        let (accepted, theirs) = tool("amtool", &["check-config", &path]).expect("amtool runs");
        let (config, problems) = Config::parse(&path, text, false);
        assert_eq!(config.is_some(), accepted, "{text}\namtool: {theirs}\nours: {problems:?}");
    }
}

/// Ends the program that it holds.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

const GROUPS: &str = "
route: {receiver: hook, group_by: [alertname], group_wait: 2s, group_interval: 4s, repeat_interval: 1h}
receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:PORT/', send_resolved: true}]}]
inhibit_rules: [{source_matchers: [s=critical], target_matchers: [s=warning], equal: [c]}]
";

/// What happens: after how many seconds, which alerts fire, which have ended.
type Step = (
    u64,
    &'static [&'static [(&'static str, &'static str)]],
    &'static [&'static [(&'static str, &'static str)]],
);

const A1: &[(&str, &str)] = &[("alertname", "A"), ("i", "1"), ("s", "warning"), ("c", "x")];
const A2: &[(&str, &str)] = &[("alertname", "A"), ("i", "2"), ("s", "warning"), ("c", "y")];
const A3: &[(&str, &str)] = &[("alertname", "A"), ("i", "3"), ("c", "z")];
const B1: &[(&str, &str)] = &[("alertname", "B"), ("s", "critical"), ("c", "x")];
const Q1: &[(&str, &str)] = &[("alertname", "Q"), ("quiet", "yes")];

const SCRIPT: &[Step] =
    &[(0, &[A1, A2, B1, Q1], &[]), (4, &[A3], &[B1]), (8, &[], &[A2, A3]), (12, &[], &[A1, Q1])];

/// How long after the last step the last message comes.
const TAIL: Duration = Duration::from_secs(4);

/// A message: group, whether anything fires, and each alert with whether it does.
type Message = (String, bool, BTreeMap<String, bool>);

fn post(port: u16, path: &str, body: &serde_json::Value) -> std::io::Result<String> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Takes one request and returns its body.
fn take(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")?;
    Ok(body)
}

fn their_message(body: &[u8]) -> Message {
    let body: serde_json::Value = serde_json::from_slice(body).expect("a webhook's body");
    let alerts = body["alerts"].as_array().expect("alerts").iter().map(|alert| {
        let fingerprint = alert["fingerprint"].as_str().unwrap_or_default().to_owned();
        (fingerprint, alert["status"] == "firing")
    });
    let key = body["groupKey"].as_str().unwrap_or_default().to_owned();
    (key, body["status"] == "firing", alerts.collect())
}

fn our_message(flush: &Flush) -> Message {
    let alerts = flush.alerts.iter();
    let alerts =
        alerts.map(|alert| (alert.fingerprint().to_string(), alert.ends_ms == NEVER_MS)).collect();
    (flush.group_key.clone(), flush.is_firing(), alerts)
}

fn text_of(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).expect("a time").to_string()
}

/// The script in ours, on a clock of its own.
fn ours(text: &str) -> Vec<Message> {
    let config = Arc::new(Config::parse("am.yml", text, false).0.expect("configuration"));
    let options = DispatchOptions { compat: true, ..DispatchOptions::default() };
    let mut dispatcher = Dispatcher::new(config, options, 0);
    let silence = Silence {
        id: String::new(),
        matcher_sets: vec![vec![Matcher::equal("quiet", "yes")]],
        starts_ms: 0,
        ends_ms: 1 << 40,
        updated_ms: 0,
        created_by: String::new(),
        comment: String::new(),
        annotations: BTreeMap::new(),
    };
    dispatcher.set_silence(silence, "s", 0).expect("silence");
    let mut messages = Vec::new();
    let mut until = |dispatcher: &mut Dispatcher, until_ms: i64| {
        while let Some(due_ms) = dispatcher.next_due_ms().filter(|due_ms| *due_ms <= until_ms) {
            messages.extend(dispatcher.advance(due_ms).flushes.iter().map(our_message));
        }
    };
    let mut last_ms = 0;
    for (seconds, firing, ended) in SCRIPT {
        last_ms = i64::try_from(*seconds).expect("small") * 1000;
        until(&mut dispatcher, last_ms);
        let alert = |pairs: &&[(&'static str, &'static str)], ends_ms| Alert {
            labels: pairs.iter().map(|(name, value)| Label::new(*name, *value)).collect(),
            annotations: LabelSet::default(),
            starts_ms: 0,
            ends_ms,
            timeout: false,
            updated_ms: last_ms,
            generator_url: String::new(),
        };
        let mut alerts: Vec<Alert> = firing.iter().map(|one| alert(one, 1 << 40)).collect();
        alerts.extend(ended.iter().map(|one| alert(one, last_ms)));
        dispatcher.receive(alerts, last_ms);
    }
    until(&mut dispatcher, last_ms + i64::try_from(TAIL.as_millis()).expect("small"));
    messages
}

fn start(folder: &Path, text: &str) -> Option<(Program, u16)> {
    let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
    let config = file(folder, "am.yml", text);
    let program = Command::new("prometheus-alertmanager")
        .arg(format!("--config.file={config}"))
        .arg(format!("--storage.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let program = Program(program);
    let started = Instant::now_for_test();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(60), "Alertmanager did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some((program, port))
}

/// The twin runs on the machine's clock, and so does this test.
trait Now {
    fn now_for_test() -> Self;
}

impl Now for Instant {
    #[expect(clippy::disallowed_methods, reason = "the twin runs on the machine's clock")]
    fn now_for_test() -> Self {
        Self::now()
    }
}

#[expect(clippy::disallowed_methods, reason = "the twin runs on the machine's clock")]
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the year 292 million")
}

/// The script in theirs, on the machine's clock.
fn play(port: u16) {
    let (started, begin_ms) = (Instant::now_for_test(), wall_ms());
    let silence = serde_json::json!({
        "matchers": [{"name": "quiet", "value": "yes", "isRegex": false, "isEqual": true}],
        "startsAt": text_of(begin_ms), "endsAt": text_of(begin_ms + 3_600_000),
        "createdBy": "test", "comment": "test",
    });
    post(port, "/api/v2/silences", &silence).expect("silence");
    for (seconds, firing, ended) in SCRIPT {
        std::thread::sleep(Duration::from_secs(*seconds).saturating_sub(started.elapsed()));
        let alert = |pairs: &&[(&'static str, &'static str)], ends_ms: i64| {
            let labels: BTreeMap<_, _> = pairs.iter().copied().collect();
            serde_json::json!({"labels": labels, "startsAt": text_of(begin_ms),
                "endsAt": text_of(ends_ms)})
        };
        let now_ms = wall_ms();
        let mut alerts: Vec<_> = firing.iter().map(|one| alert(one, now_ms + 3_600_000)).collect();
        alerts.extend(ended.iter().map(|one| alert(one, now_ms)));
        let answer = post(port, "/api/v2/alerts", &alerts.into()).expect("alerts");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // A little more than the tail, for a machine with much to do.
    std::thread::sleep(TAIL + Duration::from_secs(1));
}

/// The messages of each group, in order.
type ByGroup = BTreeMap<String, Vec<(bool, BTreeMap<String, bool>)>>;

fn by_group(messages: Vec<Message>) -> ByGroup {
    let mut groups = ByGroup::new();
    for (key, firing, alerts) in messages {
        groups.entry(key).or_default().push((firing, alerts));
    }
    groups
}

#[test]
fn the_same_alerts_make_the_same_messages() {
    let sink = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = sink.local_addr().expect("address").port();
    let text = GROUPS.replace("PORT", &port.to_string());
    let folder = tempfile::tempdir().expect("folder");
    let Some((program, their_port)) = start(folder.path(), &text) else {
        println!("skipped: no prometheus-alertmanager");
        return;
    };
    let theirs = Mutex::new(Vec::new());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for mut stream in sink.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let body = take(&mut stream).expect("a request");
                theirs.lock().push(their_message(&body));
            }
        });
        play(their_port);
        drop(program);
        over.store(true, Ordering::SeqCst);
        TcpStream::connect(("127.0.0.1", port)).expect("wakes the sink");
    });
    let (ours, theirs) = (by_group(ours(&text)), by_group(theirs.into_inner()));
    assert_eq!(ours, theirs);
    assert!(ours.values().map(Vec::len).sum::<usize>() >= 5, "the script tells something");
}
