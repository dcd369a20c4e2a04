// Ready texts for every usual sender, with the real address in them.

export interface Addresses {
  /** `host:port` of OTLP over gRPC, over HTTP, and of everything else. */
  grpc: string;
  http: string;
  all: string;
  /** `http://host:port/` of this page's server. */
  origin: string;
}

export interface Snippet {
  id: string;
  title: string;
  language: string;
  text: (at: Addresses) => string;
  note?: string;
}

export const SNIPPETS: readonly Snippet[] = [
  {
    id: "sdk", title: "OpenTelemetry SDK", language: "sh",
    text: ({ http }) => `export OTEL_SERVICE_NAME=checkout
export OTEL_EXPORTER_OTLP_ENDPOINT=http://${http}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`,
    note: "Every SDK reads these. On this machine the endpoint is the default anyway: the name alone is enough.",
  },
  {
    id: "python", title: "Python", language: "sh",
    text: ({ http }) => `pip install opentelemetry-distro opentelemetry-exporter-otlp-proto-http
opentelemetry-bootstrap -a install
OTEL_SERVICE_NAME=checkout OTEL_EXPORTER_OTLP_ENDPOINT=http://${http} \\
  OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED=true \\
  opentelemetry-instrument --logs_exporter otlp python app.py`,
  },
  {
    id: "node", title: "Node", language: "sh",
    text: ({ http }) => `npm install @opentelemetry/auto-instrumentations-node
OTEL_SERVICE_NAME=checkout OTEL_EXPORTER_OTLP_ENDPOINT=http://${http} \\
  OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_LOGS_EXPORTER=otlp OTEL_METRICS_EXPORTER=otlp \\
  node --require @opentelemetry/auto-instrumentations-node/register app.js`,
  },
  {
    id: "java", title: "Java", language: "sh",
    text: ({ http }) => `curl -LO https://github.com/open-telemetry/opentelemetry-java-instrumentation/releases/latest/download/opentelemetry-javaagent.jar
OTEL_SERVICE_NAME=checkout OTEL_EXPORTER_OTLP_ENDPOINT=http://${http} \\
  java -javaagent:opentelemetry-javaagent.jar -jar app.jar`,
  },
  {
    id: "collector", title: "Collector", language: "yaml",
    text: ({ grpc }) => `exporters:
  otlp/tarn: { endpoint: "${grpc}", tls: { insecure: true } }
service:
  pipelines:
    logs:    { receivers: [otlp], exporters: [otlp/tarn] }
    traces:  { receivers: [otlp], exporters: [otlp/tarn] }
    metrics: { receivers: [otlp], exporters: [otlp/tarn] }`,
  },
  {
    id: "prometheus", title: "Prometheus", language: "yaml",
    text: ({ origin }) => `remote_write:
- url: ${origin}api/v1/write`,
    note: "Remote write 1.0 and 2.0, with native histograms, exemplars and metadata.",
  },
  {
    id: "fluentbit", title: "Fluent Bit", language: "yaml",
    text: ({ http }) => `pipeline:
  inputs:
  - { name: tail, path: /var/log/*.log, tag: files }
  outputs:
  - name: opentelemetry
    match: "*"
    host: ${http.split(":")[0]}
    port: ${http.split(":")[1]}
    logs_uri: /v1/logs`,
  },
  {
    id: "curl", title: "curl", language: "sh",
    text: ({ http }) => `curl http://${http}/v1/logs -H 'Content-Type: application/json' -d '{"resourceLogs":[{"resource":{"attributes":[
  {"key":"service.name","value":{"stringValue":"hello"}}]},"scopeLogs":[{"logRecords":[
  {"severityText":"INFO","body":{"stringValue":"hello from curl"}}]}]}]}'`,
    note: "{} means: it is on disk.",
  },
  {
    id: "grafana", title: "Grafana", language: "yaml",
    text: ({ origin }) => `apiVersion: 1
datasources:
- { name: Tarn, type: prometheus, url: "${origin}", isDefault: true }
- { name: Tarn alerts, type: alertmanager, url: "${origin}", jsonData: { implementation: prometheus } }`,
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
