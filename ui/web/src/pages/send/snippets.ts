// Ready texts for every usual sender, with the real address in them.

export interface Addresses {
  /** `host:port` of OTLP over gRPC, over HTTP, and of everything else. */
  grpc: string;
  http: string;
  all: string;
  /** `http://host:port/` of this page's server. */
  origin: string;
  /** `https` where the server's own ports speak TLS. */
  scheme?: "http" | "https";
  /** The API key that senders show, or a word in its place; empty: nobody asks for one. */
  key?: string;
}

/** A line that is there only where a key is asked for. */
const withKey = (key: string | undefined, line: (key: string) => string) => (key ? line(key) : "");
const headers = (key?: string) => withKey(key, (k) => `\nexport OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20${k}"`);
const inline = (key?: string) => withKey(key, (k) => `OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20${k}" \\\n  `);

export interface Snippet {
  id: string;
  title: string;
  language: string;
  text: (at: Addresses) => string;
  note?: string;
  /** What its key must be allowed: it reads; others send. */
  role?: "viewer";
}

/** Stands where the key goes, until there is one. */
export const keyWord = ({ role }: Snippet) => (role === "viewer" ? "YOUR_VIEWER_KEY" : "YOUR_INGEST_KEY");

export const SNIPPETS: readonly Snippet[] = [
  {
    id: "sdk", title: "OpenTelemetry SDK", language: "sh",
    text: ({ http, scheme = "http", key }) => `export OTEL_SERVICE_NAME=checkout
export OTEL_EXPORTER_OTLP_ENDPOINT=${scheme}://${http}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf${headers(key)}`,
    note: "Every SDK reads these. On this machine the endpoint is the default anyway.",
  },
  {
    id: "python", title: "Python", language: "sh",
    text: ({ http, scheme = "http", key }) => `pip install opentelemetry-distro opentelemetry-exporter-otlp-proto-http
opentelemetry-bootstrap -a install
${inline(key)}OTEL_SERVICE_NAME=checkout OTEL_EXPORTER_OTLP_ENDPOINT=${scheme}://${http} \\
  OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED=true \\
  opentelemetry-instrument --logs_exporter otlp python app.py`,
  },
  {
    id: "node", title: "Node", language: "sh",
    text: ({ http, scheme = "http", key }) => `npm install @opentelemetry/auto-instrumentations-node
${inline(key)}OTEL_SERVICE_NAME=checkout OTEL_EXPORTER_OTLP_ENDPOINT=${scheme}://${http} \\
  OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_LOGS_EXPORTER=otlp OTEL_METRICS_EXPORTER=otlp \\
  node --require @opentelemetry/auto-instrumentations-node/register app.js`,
  },
  {
    id: "java", title: "Java", language: "sh",
    text: ({ http, scheme = "http", key }) => `curl -LO https://github.com/open-telemetry/opentelemetry-java-instrumentation/releases/latest/download/opentelemetry-javaagent.jar
${inline(key)}OTEL_SERVICE_NAME=checkout OTEL_EXPORTER_OTLP_ENDPOINT=${scheme}://${http} \\
  java -javaagent:opentelemetry-javaagent.jar -jar app.jar`,
  },
  {
    id: "collector", title: "Collector", language: "yaml",
    text: ({ grpc, scheme, key }) => `exporters:
  otlp/tarn: { endpoint: "${grpc}"${scheme === "https" ? "" : ", tls: { insecure: true }"}${withKey(key, (k) => `, headers: { authorization: "Bearer ${k}" }`)} }
service:
  pipelines:
    logs:    { receivers: [otlp], exporters: [otlp/tarn] }
    traces:  { receivers: [otlp], exporters: [otlp/tarn] }
    metrics: { receivers: [otlp], exporters: [otlp/tarn] }`,
  },
  {
    id: "prometheus", title: "Prometheus", language: "yaml",
    text: ({ origin, key }) => `remote_write:
- url: ${origin}api/v1/write${withKey(key, (k) => `\n  authorization: { credentials: "${k}" }`)}`,
    note: "Remote write 1.0 and 2.0, with native histograms, exemplars and metadata.",
  },
  {
    id: "fluentbit", title: "Fluent Bit", language: "yaml",
    text: ({ http, scheme = "http", key }) => `pipeline:
  inputs:
  - { name: tail, path: /var/log/*.log, tag: files }
  outputs:
  - name: opentelemetry
    match: "*"
    host: ${http.slice(0, http.lastIndexOf(":"))}
    port: ${http.slice(http.lastIndexOf(":") + 1)}
    logs_uri: /v1/logs${scheme === "https" ? "\n    tls: on" : ""}${withKey(key, (k) => `\n    header: Authorization Bearer ${k}`)}`,
  },
  {
    id: "curl", title: "curl", language: "sh",
    text: ({ http, scheme = "http", key }) => `curl ${scheme}://${http}/v1/logs ${withKey(key, (k) => `-H 'Authorization: Bearer ${k}' `)}-H 'Content-Type: application/json' -d '{"resourceLogs":[{"resource":{"attributes":[
  {"key":"service.name","value":{"stringValue":"hello"}}]},"scopeLogs":[{"logRecords":[
  {"severityText":"INFO","body":{"stringValue":"hello from curl"}}]}]}]}'`,
    note: "{} means: it is on disk.",
  },
  {
    id: "grafana", title: "Grafana", language: "yaml",
    role: "viewer",
    text: ({ origin, key }) => `apiVersion: 1
datasources:
- { name: Tarn, type: prometheus, url: "${origin}", isDefault: true${withKey(key, (k) => `,
    jsonData: { httpHeaderName1: Authorization }, secureJsonData: { httpHeaderValue1: "Bearer ${k}" }`)} }
- { name: Tarn alerts, type: alertmanager, url: "${origin}", jsonData: { implementation: prometheus${withKey(key, () => ", httpHeaderName1: Authorization")} }${withKey(key, (k) => `,
    secureJsonData: { httpHeaderValue1: "Bearer ${k}" }`)} }`,
    note: "Grafana asks Tarn as it would ask Prometheus and Alertmanager.",
  },
];

/** Reads `127.0.0.1:4518 (flag --listen.otlp-http)`; a host that means everywhere becomes the page's. */
export function addressOf(setting: string | undefined, host: string, port: string): string {
  const found = /^(\[[^\]]+\]|[^\s:]+):(\d+)/.exec(setting ?? "");
  const given = found?.[1];
  const everywhere = !given || given === "0.0.0.0" || given === "[::]";
  return `${everywhere ? host : given}:${found?.[2] ?? port}`;
}
