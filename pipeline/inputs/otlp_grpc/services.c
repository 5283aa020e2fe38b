#include "pipeline/inputs/otlp_grpc/services.h"

#include "pipeline/base/protobuf.h"

#include <string.h>

static const char *const services[OTLP_SIGNALS] = {"opentelemetry.proto.collector.logs.v1.LogsService",
                                                   "opentelemetry.proto.collector.metrics.v1.MetricsService",
                                                   "opentelemetry.proto.collector.trace.v1.TraceService"};

static bool find(struct slice name, enum otlp_signal *signal)
{
    for (int i = 0; i < OTLP_SIGNALS; i++)
        if (slice_is(name, services[i])) {
            *signal = (enum otlp_signal)i;
            return true;
        }
    return false;
}

bool services_signal(const char *path, enum otlp_signal *signal)
{
    const char *method = path[0] == '/' ? strchr(path + 1, '/') : NULL;

    return method && strcmp(method, "/Export") == 0 && find(slice_of(path + 1, (size_t)(method - path) - 1), signal);
}

bool services_is_health(const char *path)
{
    return strcmp(path, "/grpc.health.v1.Health/Check") == 0;
}

enum services_asked services_read_health(struct slice message, enum otlp_signal *signal)
{
    struct slice name = SLICE("");
    struct protobuf_field f;

    while (protobuf_next(&message, &f))
        if (f.number == 1 && f.wire == PROTOBUF_BYTES)
            name = f.bytes;
    if (message.n > 0)
        return SERVICES_DAMAGED;
    if (name.n == 0)
        return SERVICES_ALL;
    return find(name, signal) ? SERVICES_ONE : SERVICES_UNKNOWN;
}
