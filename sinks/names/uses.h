/* uses.h -- what the options of a destination that may hold !{...} use of a record: which partition keys, and its time.
 *
 * From the options alone: nothing is opened, so it can be asked where secrets are not there. A text with a mistake is read as far
 * as the mistake, which its sink reports.
 *
 * Ownership  slices point into the options. Pure functions.
 */
#ifndef SINKS_NAMES_USES_H
#define SINKS_NAMES_USES_H

#include "sinks/names/pieces.h"
#include "sinks/sink.h"

struct key_use {
    enum key_source source;
    struct slice name;
    const char *option; /* that uses it first */
    size_t bounded;     /* how often it stands in the text with a bound */
};

struct key_uses {
    struct key_use key[PARTITION_KEYS_MAX];
    size_t count;
    bool too_many; /* more than fit */
    /* Of the text with a bound (none: room 0): what it leaves for values, and how they are put in. */
    size_t room;
    enum partition_form form;
    struct partition_place place[PARTITION_PLACES_MAX]; /* in their order */
    size_t place_count;
    /* Of the times, if there are any: the finest that they show, whether with the offset, in which zone. */
    const char *timed; /* an option that has one; NULL: none has */
    enum time_unit unit;
    bool offset;
    const char *timezone;
};

/* `stream`: its name, which names of objects have in them. */
void key_uses_of(const struct sink_ops *ops, const void *conf, const char *stream, struct key_uses *out);

#endif
