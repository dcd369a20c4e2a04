//! amtool, as Debian ships it, against our API: alerts, silences, configuration, status.

use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use parking_lot::Mutex;
use tarn_alerting::api::alertmanager_v2::{
    AlertmanagerState, Change, Endpoint, NotChanged, handle, uuid,
};
use tarn_alerting::route::{Config, DispatchOptions, Dispatcher};
use tarn_model::tenant::TenantId;

const CONFIG: &str = "
route:
  receiver: hook
  group_by: [alertname]
  routes: [{receiver: other, matchers: ['team=~\"a|b\"']}]
receivers:
  - name: hook
    webhook_configs: [{url: 'http://127.0.0.1:9/?token=secret'}]
    slack_configs: [{api_url: 'https://hooks.example.org/secret', channel: '#x', text: '{{ .Status }}'}]
  - name: other
";

#[derive(Debug)]
struct Owner {
    dispatcher: Mutex<Dispatcher>,
    made: Mutex<u128>,
}

#[expect(clippy::disallowed_methods, reason = "amtool looks at the machine's clock")]
fn wall_ms() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the year 292 million")
}

#[async_trait]
impl AlertmanagerState for Owner {
    fn now_ms(&self) -> i64 {
        wall_ms()
    }

    fn started_ms(&self) -> i64 {
        wall_ms()
    }

    fn ask(&self, _tenant: &TenantId, question: &mut dyn FnMut(&Dispatcher)) {
        question(&self.dispatcher.lock());
    }

    async fn change(&self, _: &TenantId, change: Change) -> Result<Option<String>, NotChanged> {
        let mut made = self.made.lock();
        *made += 1;
        let done = change.apply(&mut self.dispatcher.lock(), &uuid(*made), wall_ms());
        done.map(|(id, _)| id).map_err(NotChanged::Refused)
    }
}

fn routes(owner: &Arc<Owner>) -> Router {
    Endpoint::ALL.iter().fold(Router::new(), |router, endpoint| {
        let owner = Arc::clone(owner);
        let answer = move |request: Request| {
            let state: Arc<dyn AlertmanagerState> = Arc::<Owner>::clone(&owner);
            handle(state, *endpoint, TenantId::default_tenant(), request)
        };
        router.route(&format!("/api/v2{}", endpoint.path()), any(answer))
    })
}

/// Runs amtool and returns what it prints.
fn amtool(url: &str, args: &[&str]) -> String {
    let mut command = Command::new("amtool");
    command.arg(format!("--alertmanager.url={url}")).args(args);
    let output = command.output().expect("amtool runs");
    let (out, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "amtool {args:?}\n{out}{error}");
    out.into_owned()
}

fn session(url: &str) {
    amtool(url, &["alert", "add", "Down", "team=a", "instance=i1", "--annotation=x=y"]);
    amtool(url, &["alert", "add", "Slow", "instance=i2"]);
    let all = amtool(url, &["alert", "query", "-o", "extended"]);
    assert!(all.contains("Down") && all.contains("Slow") && all.contains("active"), "{all}");
    let one = amtool(url, &["alert", "query", "team=~a.*"]);
    assert!(one.contains("Down") && !one.contains("Slow"), "{one}");
    let other = amtool(url, &["alert", "query", "--receiver=other"]);
    assert!(other.contains("Down") && !other.contains("Slow"), "{other}");

    let add = ["silence", "add", "alertname=Down", "--author=me", "--comment=why", "--duration=1h"];
    let id = amtool(url, &add).trim().to_owned();
    assert_eq!(id.len(), 36, "{id}");
    let silences = amtool(url, &["silence", "query"]);
    assert!(silences.contains(&id) && silences.contains("why"), "{silences}");
    let active = amtool(url, &["alert", "query"]);
    assert!(!active.contains("Down") && active.contains("Slow"), "{active}");
    let quiet = amtool(url, &["alert", "query", "--silenced"]);
    assert!(quiet.contains("Down"), "{quiet}");
    amtool(url, &["silence", "update", &id, "--duration=2h", "--comment=longer"]);
    assert!(amtool(url, &["silence", "query"]).contains("longer"));
    amtool(url, &["silence", "expire", &id]);
    assert!(!amtool(url, &["silence", "query"]).contains(&id));
    assert!(amtool(url, &["silence", "query", "--expired"]).contains(&id));
    assert!(amtool(url, &["alert", "query"]).contains("Down"));

    let shown = amtool(url, &["config", "show"]);
    assert!(shown.contains("hook") && !shown.contains("secret\""), "{shown}");
    assert!(!shown.contains("token=secret") && !shown.contains("org/secret"), "{shown}");
    let tree = amtool(url, &["config", "routes", "show"]);
    assert!(tree.contains("other"), "{tree}");
    assert_eq!(amtool(url, &["config", "routes", "test", "team=b"]).trim(), "other");
    assert!(amtool(url, &["cluster", "show"]).contains("disabled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn amtool_works_against_our_api() {
    if Command::new("amtool").arg("--version").output().is_err() {
        println!("skipped: no amtool");
        return;
    }
    let (config, problems) = Config::parse("am.yml", CONFIG, false);
    let config = Arc::new(config.unwrap_or_else(|| panic!("{problems:?}")));
    let dispatcher = Dispatcher::new(config, DispatchOptions::default(), wall_ms());
    let owner = Arc::new(Owner { dispatcher: Mutex::new(dispatcher), made: Mutex::new(0) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let server = axum::serve(listener, routes(&owner));
    tokio::select! {
        ended = async { server.await } => panic!("the server ended: {ended:?}"),
        done = tokio::task::spawn_blocking(move || session(&url)) => done.expect("all works"),
    }
}
