/* paths.h -- what agents ask Elasticsearch for besides the bulk API, before they begin to send, and what makes them go on.
 *
 * They look who is there and which version it is, whether its licence will do, and whether it is well; and they put templates, policies,
 * pipelines and data streams there, or look whether these are there already. A stream has no use for any of it: what is asked for is there, and
 * what is put is taken and forgotten.
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_ELASTICSEARCH_BULK_PATHS_H
#define PIPELINE_INPUTS_ELASTICSEARCH_BULK_PATHS_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

enum bulk_path {
    BULK_PATH_NONE, /* nothing that is answered here */
    BULK_PATH_BULK,
    BULK_PATH_ROOT,
    BULK_PATH_LICENSE,
    BULK_PATH_XPACK,
    BULK_PATH_HEALTH,
    BULK_PATH_NODES,
    BULK_PATH_THERE, /* it is asked whether something is there */
    BULK_PATH_TAKEN, /* it is put there */
};

/* *index: of BULK_PATH_BULK, the index in the path; empty: none. */
enum bulk_path bulk_path_of(const char *method, const char *path, struct slice *index);

/* The body of a good answer, for all but BULK_PATH_NONE and BULK_PATH_BULK. -1: there is no room. */
MUST_CHECK int bulk_path_reply(enum bulk_path path, const char *version, struct buf *out);

#endif
