/* places.h -- how far objects were read that were not read to their end: in memory, and in the spool, in the same write as their lines.
 *
 *     object_places_find()    is it known how far this one was read? Then it goes on there
 *     object_places_begin()   it is read from its beginning
 *     object_place_moves()    behind a line that the window has taken
 *     object_places_write()   the window's open frame takes no more (window.h: `closing`): where all stand whose lines it has
 *     object_place_leave()    nobody reads it now: it was read to its end, or will be read on later
 *
 * An object whose lines are all in one frame needs no place: the frame has its id. So most objects never have one in the spool.
 *
 * Bounds     OBJECTS_PLACES. The one that was written longest ago goes first: of more objects that nobody came back to, lines come twice.
 * In the spool  one position for each place, under a name of the input's with the place's number. Its text:
 *               1 ORDER IDENTITY OFFSET plain|packed ETAG
 * Ownership  embedded in its owner; holds nothing. Threads: the window's owner.
 */
#ifndef PIPELINE_INPUTS_OBJECTS_PLACES_H
#define PIPELINE_INPUTS_OBJECTS_PLACES_H

#include "pipeline/base/limits.h"
#include "pipeline/inputs/window.h"
#include "pipeline/spool/spool.h"

#include <stdbool.h>
#include <stdint.h>

#define OBJECT_IDENTITY_CHARS 32

struct object_place {
    char identity[OBJECT_IDENTITY_CHARS + 1]; /* of the object; "": it is free */
    char tag[OBJECT_TAG_MAX];                 /* ETag of what was read */
    uint64_t offset;                          /* in its text, unpacked: the next line begins there */
    bool packed;
    uint64_t order;   /* when it was written to the spool; greater: later */
    bool in_use;      /* somebody reads it */
    bool written;     /* to the spool, or to a frame on the way there */
    bool dirty, over; /* lines of it are in the open frame; it was read to its end */
};

struct object_places {
    struct window *window;
    const char *source; /* what their names in the spool begin with */
    struct object_place at[OBJECTS_PLACES];
    uint64_t order;
    unsigned dirty; /* how many */
};

/* Names in the spool: `source`, a space and the place's number. Borrowed. */
void object_places_init(struct object_places *p, struct window *w, const char *source);
/* What the spool says: at the start, and when a frame was refused. Nobody reads. */
void object_places_restore(struct object_places *p, struct spool *spool);

struct object_place *object_places_find(struct object_places *p, const char *identity);  /* in use now; NULL: none */
struct object_place *object_places_begin(struct object_places *p, const char *identity); /* likewise */

/* Is there room in the open frame for a line of it? False: window_cut() first. */
bool object_places_have_room(const struct object_places *p, const struct object_place *x);
void object_place_moves(struct object_places *p, struct object_place *x, uint64_t offset);
void object_places_write(struct object_places *p);
/* `over`: to its end, and its id is in the frame with its last line, or nothing is remembered at all. */
void object_place_leave(struct object_places *p, struct object_place **x, bool over);

#endif
