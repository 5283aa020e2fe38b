/* staging_view.c -- what others ask of the staging of a stream: it changes nothing. */
#include "pipeline/delivery/staging.h"

bool staging_is_empty(const struct staging *s)
{
    return s->step == STAGING_IDLE && s->parcels == 0;
}

bool staging_is_away(const struct staging *s)
{
    return s->removes || s->step == STAGING_WORK || s->step == STAGING_JOURNAL;
}

bool staging_has_parcels(const struct staging *s)
{
    return s->step == STAGING_IDLE || s->step == STAGING_PIECE;
}

size_t staging_partitions(const struct staging *s)
{
    return s->stage ? s->stage->open[STAGE_RECORDS] : 0;
}

size_t staging_waiting(const struct staging *s)
{
    size_t open = s->stage ? stage_open_count(s->stage) + staging_holds(s) : 0;

    return s->parcels > open ? s->parcels - open : 0;
}

struct delivery_trouble staging_trouble(const struct staging *s)
{
    return (struct delivery_trouble){.since = s->held_since,
                                     .wants_mending = true,
                                     .code = "ProcessingFailed",
                                     .message = s->held_message,
                                     .hint = "give the stream a `backup`",
                                     .at_backup = false};
}
