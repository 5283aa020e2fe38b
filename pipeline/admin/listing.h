/* listing.h -- which streams are listed, and in which order: what the console's table and /api/streams are asked for.
 *
 *     /?search=web&health=retrying&sort=-in&page=2
 *
 * Pure. Ownership: the caller's; listing_release(). A query is borrowed.
 */
#ifndef PIPELINE_ADMIN_LISTING_H
#define PIPELINE_ADMIN_LISTING_H

#include "pipeline/admin/page.h"

/* As asked for; NULL: not said. */
struct listing_query {
    const char *search; /* part of a name, an input or a destination, in either case */
    const char *health; /* ok, failing, retrying, blocked; `trouble`: all but ok */
    const char *sort;   /* a column, with - before it: the largest first; NULL: trouble first, then by name */
    const char *page;   /* from 1 on */
    const char *limit;  /* streams on a page */
};

struct listing {
    size_t *at; /* which streams of the snapshot, those of this page */
    size_t count;
    size_t matches, first; /* how many there are on all pages, and how many stand before this one */
    size_t page, pages;    /* from 1 on; of how many, 1 at least */
};

/* What is no column, no number or no state counts as not said. `limit`: streams on a page when the query does not say it; ADMIN_LIST_MAX at
 * most. */
void listing_make(struct listing *l, const struct snapshot *snap, const struct listing_query *q, size_t limit);
void listing_release(struct listing *l);

/* The columns there are: name, health, in, out, spooled, freshness, failures, last. NULL behind the last one. */
const char *listing_column(size_t i);

#endif
