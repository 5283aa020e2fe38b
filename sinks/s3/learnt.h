/* learnt.h -- what the answers of a store have taught: that the bucket is in another region than was said, what time it is there,
 * and that it does not know checksums, or not those of whole uploads.
 *
 * A region is followed once: where requests for it are refused for their region, too, those for the configured one go on. The clock is
 * corrected as often as the store says that it differs, by not more than ten years.
 *
 * Ownership  s3_learnt_free(). Threads: any; it has a lock of its own. A place stays where it is until then.
 */
#ifndef SINKS_S3_LEARNT_H
#define SINKS_S3_LEARNT_H

#include "pipeline/base/clock.h"
#include "pipeline/aws/s3/address.h"

#include <stdbool.h>

#define S3_REGION_MAX 64 /* with NUL */

/* Where requests go, and the region that they are signed for. */
struct s3_place {
    struct s3_address address;
    char region[S3_REGION_MAX];
};

/* How a request is made; its number goes with the request, and comes back with the answer. */
struct s3_manner {
    const struct s3_place *place;
    nsec clock_error; /* to be added to our clock */
    bool no_checksums;
    unsigned number;
};

/* Of the manner's number: the store knows no checksums; none that can be of a whole upload. */
bool s3_manner_no_checksums(unsigned number);
bool s3_manner_no_whole(unsigned number);

struct s3_learnt;

/* `where`: of the configured place; with another region it is the followed one. Borrowed, and so is `home`. */
struct s3_learnt *s3_learnt_new(const struct s3_where *where, const struct s3_place *home);
void s3_learnt_free(struct s3_learnt **l);

void s3_learnt_now(struct s3_learnt *l, struct s3_manner *out);
/* The same for the manner that an answer's request was made in. */
const struct s3_place *s3_learnt_place(struct s3_learnt *l, unsigned number);

/* A request made in manner `number` was refused with this. True: the next one will be made otherwise. */
bool s3_learnt_region(struct s3_learnt *l, unsigned number, const char *region);
bool s3_learnt_clock(struct s3_learnt *l, unsigned number, nsec clock_error);
void s3_learnt_no_checksums(struct s3_learnt *l);
void s3_learnt_no_whole(struct s3_learnt *l);

#endif
