/* preset.h -- the services that the http sink knows by name: one row each, with address, header, format and limits.
 *
 * Most take Firehose's own protocol at an address made for it, which keeps records as they are; the others have a
 * format of their own.
 */
#ifndef SINKS_ENDPOINT_PRESET_H
#define SINKS_ENDPOINT_PRESET_H

#include "config/bind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum endpoint_shape {
    SHAPE_UNSET,
    SHAPE_FIREHOSE,
    SHAPE_LINES,
    SHAPE_JSON_ARRAY,
    SHAPE_RAW,
    SHAPE_SPLUNK_EVENT,
    SHAPE_SPLUNK_RAW,
    SHAPE_LOKI,
    SHAPE_OTLP,
};

struct preset {
    const char *name;
    enum endpoint_shape shape;
    const char *url;  /* {site} is replaced; NULL: the user's own, option `url` is required */
    const char *site; /* default of option `site`; NULL: required when url has {site} */
    const char *site_help;
    const char *path;                    /* appended to a user's url that has no path; may be NULL */
    const char *key_header, *key_prefix; /* how access_key goes into a request; NULL: it takes none */
    uint64_t body_limit;                 /* before compression */
};

enum { PRESET_NONE }; /* row 0: a plain HTTP endpoint */

extern const struct cfg_choice preset_choices[];

/* By the value of preset_choices. */
const struct preset *preset_at(int index);

/* What to write for this address, to be pasted, told by what its service is known for; false: it is of no service that is known.
 * `url` may be NULL. */
bool preset_hint(const char *url, char *out, size_t size);

#endif
