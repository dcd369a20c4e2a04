// Sends one signal with the OpenTelemetry SDK and its own retries.
//
// Every row carries `run.id` and a number, so that a test can say which arrived. Prints one line of
// JSON: how many rows the SDK took, and how many log records or spans the server has acknowledged.

import { parseArgs } from "node:util";
import { setTimeout as pause } from "node:timers/promises";
import { SpanStatusCode, context, trace } from "@opentelemetry/api";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const { values: args } = parseArgs({
  options: {
    signal: { type: "string" },
    protocol: { type: "string" }, // grpc, http (protobuf) or json
    compression: { type: "string" },
    endpoint: { type: "string" },
    count: { type: "string" },
    run: { type: "string" },
    pause: { type: "string", default: "0" },
  },
});
const count = Number(args.count);
const resource = resourceFromAttributes({ "service.name": "sdk-node", "service.version": "1.2.3" });

async function exporter() {
  const kind = { grpc: "grpc", http: "proto", json: "http" }[args.protocol];
  const noun = { logs: "logs", traces: "trace", metrics: "metrics" }[args.signal];
  const name = { logs: "OTLPLogExporter", traces: "OTLPTraceExporter", metrics: "OTLPMetricExporter" };
  const module = await import(`@opentelemetry/exporter-${noun}-otlp-${kind}`);
  const url = kind === "grpc" ? args.endpoint : `${args.endpoint}/v1/${args.signal}`;
  const made = new module[name[args.signal]]({ url, compression: args.compression, timeoutMillis: 30_000 });
  return counting(made);
}

let acknowledged = 0;

/** Counts what the server has acknowledged: this SDK gives up on a batch after some tries. */
function counting(made) {
  const send = made.export.bind(made);
  made.export = (items, done) =>
    send(items, (result) => {
      if (result.code === 0 && Array.isArray(items)) acknowledged += items.length;
      done(result);
    });
  return made;
}

const batches = { scheduledDelayMillis: 50, maxExportBatchSize: 64, exportTimeoutMillis: 60_000 };

async function sendLogs() {
  const processor = new BatchLogRecordProcessor({ exporter: await exporter(), ...batches });
  const provider = new LoggerProvider({ resource, processors: [processor] });
  const logger = provider.getLogger("sdk-test", "1.0");
  for (let n = 0; n < count; n++) {
    logger.emit({
      severityNumber: SeverityNumber.WARN,
      severityText: "WARN",
      body: `row ${n} of the run, größer als vorher`,
      attributes: { "run.id": args.run, n, even: n % 2 === 0, list: ["a", "b"] },
    });
    if (Number(args.pause) > 0) await pause(Number(args.pause) * 1000);
  }
  await provider.forceFlush();
  await provider.shutdown();
}

async function sendTraces() {
  const provider = new NodeTracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor(await exporter(), batches)],
  });
  const tracer = provider.getTracer("sdk-test", "1.0");
  for (let n = 0; n < count / 2; n++) {
    const parent = tracer.startSpan(`parent ${n % 5}`, { kind: 1 });
    parent.setAttributes({ "run.id": args.run, n: 2 * n, ratio: 0.5 });
    parent.addEvent("checked", { step: n });
    const inside = trace.setSpan(context.active(), parent);
    const child = tracer.startSpan("child", {}, inside);
    child.setAttributes({ "run.id": args.run, n: 2 * n + 1 });
    if (n % 7 === 0) {
      child.recordException(new TypeError(`wrong value ${n}`));
      child.setStatus({ code: SpanStatusCode.ERROR, message: "wrong value" });
    }
    child.end();
    parent.end();
    if (Number(args.pause) > 0) await pause(Number(args.pause) * 1000);
  }
  await provider.forceFlush();
  await provider.shutdown();
}

async function sendMetrics() {
  const reader = new PeriodicExportingMetricReader({
    exporter: await exporter(),
    exportIntervalMillis: 200,
    exportTimeoutMillis: 200,
  });
  const provider = new MeterProvider({ resource, readers: [reader] });
  const meter = provider.getMeter("sdk-test", "1.0");
  const counter = meter.createCounter("sdk.rows", { unit: "{row}", description: "Rows sent." });
  const histogram = meter.createHistogram("sdk.duration", { unit: "s", description: "Durations." });
  for (let n = 0; n < count; n++) {
    counter.add(1, { "run.id": args.run });
    histogram.record(n / count, { "run.id": args.run });
    if (Number(args.pause) > 0) await pause(Number(args.pause) * 1000);
  }
  await provider.forceFlush();
  await provider.shutdown();
}

// A flush fails with the errors of batches that were given up long before; the count tells them.
await { logs: sendLogs, traces: sendTraces, metrics: sendMetrics }[args.signal]().catch(() => {});
console.log(JSON.stringify({ sent: count, acknowledged }));
