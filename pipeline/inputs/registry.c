/* registry.c -- the inputs there are, and the listeners that they share. */
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/listener.h"

#include <string.h>

extern const struct input_ops api_ops;
extern const struct input_ops tail_ops, stdin_ops, sqs_ops, sns_ops, stomp_ops, kafka_ops, kinesis_ops, mqtt_ops,
    amqp10_ops, amqp091_ops, http_input_ops, splunk_hec_ops, otlp_ops, otlp_grpc_ops, journald_ops;

extern const struct input_ops elasticsearch_bulk_ops;
extern const struct input_ops loki_ops;
extern const struct input_ops syslog_ops, statsd_ops;
extern const struct input_ops exec_ops, fifo_ops, forward_ops;

extern const struct listener_ops api_listener_ops, servers_listener_ops, listen_listener_ops;

/* One that needs a library may be left out when sluice is built (optional_input() in CMakeLists.txt): its row is
 * {"kafka", SLUICE_KAFKA ? &kafka_ops : NULL}. */
/* clang-format off */
static const struct {
    const char *name;
    const struct input_ops *ops;
} inputs[] = {
    {"api", &api_ops},
    {"tail", &tail_ops},
    {"stdin", &stdin_ops},
    {"exec", &exec_ops},
    {"fifo", &fifo_ops},
    {"sqs", &sqs_ops},
    {"sns", &sns_ops},
    {"http", &http_input_ops},
    {"splunk_hec", &splunk_hec_ops},
    {"forward", &forward_ops},
    {"elasticsearch_bulk", &elasticsearch_bulk_ops},
    {"loki", &loki_ops},
    {"otlp", &otlp_ops},
    {"otlp_grpc", SLUICE_GRPC ? &otlp_grpc_ops : NULL},
    {"syslog", &syslog_ops},
    {"statsd", &statsd_ops},
    {"stomp", &stomp_ops},
    {"kafka", SLUICE_KAFKA ? &kafka_ops : NULL},
    {"kinesis", &kinesis_ops},
    {"mqtt", &mqtt_ops},
    {"amqp10", SLUICE_AMQP10 ? &amqp10_ops : NULL},
    {"amqp091", SLUICE_AMQP091 ? &amqp091_ops : NULL},
    {"journald", SLUICE_JOURNALD ? &journald_ops : NULL},
};
/* clang-format on */

static const struct listener_ops *const listeners[] = {&api_listener_ops, &servers_listener_ops, &listen_listener_ops};

const struct listener_ops *listener_at(size_t index)
{
    return index < ARRAY_LEN(listeners) ? listeners[index] : NULL;
}

const struct input_ops *input_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(inputs); i++)
        if (strcmp(inputs[i].name, name) == 0)
            return inputs[i].ops;
    return NULL;
}

const struct input_ops *input_at(size_t index)
{
    for (size_t i = 0; i < ARRAY_LEN(inputs); i++)
        if (inputs[i].ops && index-- == 0)
            return inputs[i].ops;
    return NULL;
}

const char *input_left_out(size_t index)
{
    for (size_t i = 0; i < ARRAY_LEN(inputs); i++)
        if (!inputs[i].ops && index-- == 0)
            return inputs[i].name;
    return NULL;
}
