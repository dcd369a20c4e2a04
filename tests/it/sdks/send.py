"""Sends one signal with the OpenTelemetry SDK and its own retries.

Every row carries `run.id` and a number, so that a test can say which arrived. Prints one line of
JSON: how many rows the SDK took, and how many log records or spans the server has acknowledged.
"""

import argparse
import json
import time

from opentelemetry.sdk.resources import Resource


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--signal", choices=["logs", "traces", "metrics"], required=True)
    parser.add_argument("--protocol", choices=["grpc", "http"], required=True)
    parser.add_argument("--compression", choices=["gzip", "none"], required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between rows")
    return parser.parse_args()


def exporter(args):
    """Makes the exporter of a signal; gRPC takes host and port, HTTP the whole address."""
    if args.protocol == "grpc":
        from grpc import Compression
        from opentelemetry.exporter.otlp.proto.grpc import _log_exporter, metric_exporter, trace_exporter

        compression = Compression.Gzip if args.compression == "gzip" else Compression.NoCompression
        made = {
            "logs": _log_exporter.OTLPLogExporter,
            "traces": trace_exporter.OTLPSpanExporter,
            "metrics": metric_exporter.OTLPMetricExporter,
        }[args.signal]
        return counting(made(endpoint=args.endpoint, insecure=True, compression=compression, timeout=30))
    from opentelemetry.exporter.otlp.proto.http import Compression, _log_exporter, metric_exporter, trace_exporter

    compression = Compression.Gzip if args.compression == "gzip" else Compression.NoCompression
    made = {
        "logs": _log_exporter.OTLPLogExporter,
        "traces": trace_exporter.OTLPSpanExporter,
        "metrics": metric_exporter.OTLPMetricExporter,
    }[args.signal]
    return counting(
        made(endpoint=f"{args.endpoint}/v1/{args.signal}", compression=compression, timeout=30)
    )


acknowledged = 0


def counting(made):
    """Counts what the server has acknowledged."""
    send = made.export

    def export(items, *more, **named):
        global acknowledged
        result = send(items, *more, **named)
        if result.name == "SUCCESS" and hasattr(items, "__len__"):
            acknowledged += len(items)
        return result

    made.export = export
    return made


def send_logs(args, resource):
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(
        BatchLogRecordProcessor(exporter(args), schedule_delay_millis=50, max_export_batch_size=64)
    )
    logger = provider.get_logger("sdk-test", "1.0")
    for n in range(args.count):
        logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                observed_timestamp=time.time_ns(),
                severity_number=SeverityNumber.WARN,
                severity_text="WARN",
                body=f"row {n} of the run, größer als vorher",
                attributes={"run.id": args.run, "n": n, "even": n % 2 == 0, "list": ["a", "b"]},
            )
        )
        time.sleep(args.pause)
    flushed = provider.force_flush(60_000)
    provider.shutdown()
    return flushed


def send_traces(args, resource):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, Status, StatusCode

    provider = TracerProvider(resource=resource)
    provider.add_span_processor(
        BatchSpanProcessor(exporter(args), schedule_delay_millis=50, max_export_batch_size=64)
    )
    tracer = provider.get_tracer("sdk-test", "1.0")
    for n in range(args.count // 2):
        with tracer.start_as_current_span(f"parent {n % 5}", kind=SpanKind.SERVER) as parent:
            parent.set_attributes({"run.id": args.run, "n": 2 * n, "ratio": 0.5})
            parent.add_event("checked", {"step": n})
            with tracer.start_as_current_span("child") as child:
                child.set_attributes({"run.id": args.run, "n": 2 * n + 1})
                if n % 7 == 0:
                    child.record_exception(ValueError(f"wrong value {n}"))
                    child.set_status(Status(StatusCode.ERROR, "wrong value"))
        time.sleep(args.pause)
    flushed = provider.force_flush(60_000)
    provider.shutdown()
    return flushed


def send_metrics(args, resource):
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    reader = PeriodicExportingMetricReader(exporter(args), export_interval_millis=200)
    provider = MeterProvider(resource=resource, metric_readers=[reader])
    meter = provider.get_meter("sdk-test", "1.0")
    counter = meter.create_counter("sdk.rows", unit="{row}", description="Rows sent.")
    histogram = meter.create_histogram("sdk.duration", unit="s", description="Durations.")
    for n in range(args.count):
        counter.add(1, {"run.id": args.run})
        histogram.record(n / args.count, {"run.id": args.run})
        time.sleep(args.pause)
    flushed = provider.force_flush(60_000)
    provider.shutdown()
    return flushed


def main():
    args = options()
    resource = Resource.create({"service.name": "sdk-python", "service.version": "1.2.3"})
    send = {"logs": send_logs, "traces": send_traces, "metrics": send_metrics}[args.signal]
    flushed = send(args, resource)
    print(json.dumps({"sent": args.count, "flushed": bool(flushed), "acknowledged": acknowledged}))


main()
