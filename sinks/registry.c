#include "sinks/sink.h"

#include "pipeline/base/compiler.h"

#include <string.h>

/* One row for each. */
#define SINKS(X)                                                                                                       \
    X(sink_s3)                                                                                                         \
    X(sink_elasticsearch)                                                                                              \
    X(sink_http)                                                                                                       \
    X(sink_file)

#define X(ops) extern const struct sink_ops ops;
SINKS(X)
#undef X

static const struct sink_ops *const ALL[] = {
#define X(ops) &ops,
    SINKS(X)
#undef X
};

const struct sink_ops *sink_at(size_t index)
{
    return index < ARRAY_LEN(ALL) ? ALL[index] : NULL;
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
    for (size_t i = 0; i < ARRAY_LEN(ALL); i++)
        if (strcmp(ALL[i]->name, name) == 0)
            return ALL[i];
    return NULL;
}
