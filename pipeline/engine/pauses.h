/* pauses.h -- which destinations of a stream are paused, for one that is closed and opened again: a pause is the outlet's, and goes with it.
 *
 * Threads    note, again: who changes the stream. engine_note_pauses(): any.
 */
#ifndef PIPELINE_ENGINE_PAUSES_H
#define PIPELINE_ENGINE_PAUSES_H

#include "pipeline/delivery/stream.h"
#include "pipeline/settings/settings.h"

#include <stddef.h>

struct engine;

struct engine_pauses {
    size_t count;
    struct {
        char outlet[SPOOL_READER_NAME_MAX + 1];
        nsec since; /* wall; 0: it is not */
    } of[SPOOL_READERS_MAX];
};

void pauses_note(const struct stream *st, struct engine_pauses *p);
/* Before it is started. */
void pauses_again(struct stream *st, const struct engine_pauses *p);
/* Of a stream that is there; else of none. */
void engine_note_pauses(struct engine *en, const char *name, struct engine_pauses *p);

/* What the outlet of this name is called in `conf`; NULL: it goes. The first of a stream, and its only one, is no other for having a name
 * now, or for having none any more (stream_spool.c). */
const char *pauses_name_in(const struct stream_settings *conf, const char *name);

#endif
