"""OpenTelemetry's own SDK sends numbered logs, spans and one counter: otel.py http|grpc ENDPOINT TOKEN FIRST COUNT"""

import logging
import sys

from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

kind, endpoint, token, first, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
headers = {"authorization": "Bearer " + token}
if kind == "http":
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    to = [{"endpoint": f"{endpoint}/v1/{signal}", "headers": headers} for signal in ("logs", "traces", "metrics")]
    to[0]["compression"] = Compression.Gzip
else:
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    to = [{"endpoint": endpoint, "headers": tuple(headers.items()), "insecure": True} for _ in range(3)]
    to[0]["compression"] = grpc.Compression.Gzip

resource = Resource.create({"service.name": "numbers-" + kind})
logs, spans = LoggerProvider(resource=resource), TracerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(**to[0]), max_queue_size=10 * count))
spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(**to[1]), max_queue_size=10 * count))
metrics = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter(**to[2]), export_interval_millis=600000)])

log = logging.getLogger("numbers")
log.addHandler(LoggingHandler(logger_provider=logs))
log.setLevel(logging.INFO)
tracer, counter = spans.get_tracer("numbers"), metrics.get_meter("numbers").create_counter("numbers")
for n in range(first, first + count):
    with tracer.start_as_current_span(f"span-{n}", attributes={"n": n}):
        log.info("log-%d", n)
        counter.add(1)
for provider in (logs, spans, metrics):
    provider.shutdown()
