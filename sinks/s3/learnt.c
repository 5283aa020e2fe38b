#include "sinks/s3/learnt.h"

#include "pipeline/base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* A difference of the clocks that is less than this is no reason for a refusal: AWS allows 15 minutes. */
#define CLOCK_DIFFERENCE_LEAST (60 * NSEC_PER_SEC)
/* A clock that is further away is broken, or nonsense, and sums with it might overflow. */
#define CLOCK_DIFFERENCE_MOST (10 * 366 * 24 * 3600 * NSEC_PER_SEC)

enum place_state {
    PLACE_HOME,     /* as it was configured */
    PLACE_FOLLOWED, /* the region that the store named */
    PLACE_RETURNED, /* that was wrong as well: as it was configured, for good */
};

struct s3_learnt {
    pthread_mutex_t lock;
    struct s3_where where;
    const struct s3_place *home;
    struct s3_place followed; /* made once */
    enum place_state state;
    nsec clock_error;
    unsigned clock_number; /* how often it was corrected */
    bool no_checksums, no_whole;
};

/* The bits of a manner's number. */
enum { AWAY = 1, NO_CHECKSUMS = 2, NO_WHOLE = 4, CLOCK_SHIFT = 3 };

bool s3_manner_no_checksums(unsigned number)
{
    return number & NO_CHECKSUMS;
}

bool s3_manner_no_whole(unsigned number)
{
    return number & NO_WHOLE;
}

struct s3_learnt *s3_learnt_new(const struct s3_where *where, const struct s3_place *home)
{
    struct s3_learnt *l = mem_alloc(sizeof(*l));

    pthread_mutex_init(&l->lock, NULL);
    l->where = *where;
    l->home = home;
    return l;
}

void s3_learnt_free(struct s3_learnt **l)
{
    if (!*l)
        return;
    s3_address_release(&(*l)->followed.address);
    pthread_mutex_destroy(&(*l)->lock);
    MEM_CLEAR(*l);
}

void s3_learnt_now(struct s3_learnt *l, struct s3_manner *out)
{
    bool away;

    pthread_mutex_lock(&l->lock);
    away = l->state == PLACE_FOLLOWED;
    *out = (struct s3_manner){.place = away ? &l->followed : l->home,
                              .clock_error = l->clock_error,
                              .no_checksums = l->no_checksums,
                              .number = l->clock_number << CLOCK_SHIFT | (l->no_checksums ? NO_CHECKSUMS : 0U) |
                                        (l->no_whole ? NO_WHOLE : 0U) | (away ? AWAY : 0U)};
    pthread_mutex_unlock(&l->lock);
}

/* The followed place is made before the first request is sent there, and never changes. */
const struct s3_place *s3_learnt_place(struct s3_learnt *l, unsigned number)
{
    return number & AWAY ? &l->followed : l->home;
}

static bool follow(struct s3_learnt *l, const char *region)
{
    struct s3_where there = l->where;
    struct err e;

    there.region = region;
    if (!s3_address_is_region(region) || s3_address_init(&l->followed.address, &there, &e) < 0)
        return false;
    snprintf(l->followed.region, sizeof(l->followed.region), "%s", region);
    l->state = PLACE_FOLLOWED;
    return true;
}

bool s3_learnt_region(struct s3_learnt *l, unsigned number, const char *region)
{
    bool otherwise = false, away = number & AWAY;

    pthread_mutex_lock(&l->lock);
    if (away) {
        l->state = PLACE_RETURNED;
    } else if (l->state == PLACE_HOME) {
        otherwise = follow(l, region);
    } else {
        otherwise = l->state == PLACE_FOLLOWED;
    }
    pthread_mutex_unlock(&l->lock);
    return otherwise;
}

bool s3_learnt_clock(struct s3_learnt *l, unsigned number, nsec clock_error)
{
    bool otherwise;

    pthread_mutex_lock(&l->lock);
    otherwise = number >> CLOCK_SHIFT != l->clock_number; /* another request has corrected it meanwhile */
    if (!otherwise && llabs(clock_error) <= CLOCK_DIFFERENCE_MOST &&
        llabs(clock_error - l->clock_error) >= CLOCK_DIFFERENCE_LEAST) {
        l->clock_error = clock_error;
        l->clock_number++;
        otherwise = true;
    }
    pthread_mutex_unlock(&l->lock);
    return otherwise;
}

void s3_learnt_no_checksums(struct s3_learnt *l)
{
    pthread_mutex_lock(&l->lock);
    l->no_checksums = true;
    pthread_mutex_unlock(&l->lock);
}

void s3_learnt_no_whole(struct s3_learnt *l)
{
    pthread_mutex_lock(&l->lock);
    l->no_whole = true;
    pthread_mutex_unlock(&l->lock);
}
