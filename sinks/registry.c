#include "sinks/sink.h"

#include "pipeline/base/compiler.h"

#include <string.h>

extern const struct sink_ops sink_elasticsearch, sink_file, sink_http, sink_s3;

static const struct sink_ops *const SINKS[] = {
    &sink_s3,
    &sink_elasticsearch,
    &sink_http,
    &sink_file,
};

const struct sink_ops *sink_at(size_t index)
{
    return index < ARRAY_LEN(SINKS) ? SINKS[index] : NULL;
}

/* Other names of the same. */
static const struct {
    const char *name;
    const struct sink_ops *ops;
} ALIASES[] = {{"opensearch", &sink_elasticsearch}};

const struct sink_ops *sink_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(ALIASES); i++)
        if (strcmp(ALIASES[i].name, name) == 0)
            return ALIASES[i].ops;
    for (size_t i = 0; i < ARRAY_LEN(SINKS); i++)
        if (strcmp(SINKS[i]->name, name) == 0)
            return SINKS[i];
    return NULL;
}
