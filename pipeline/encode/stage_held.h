/* stage_held.h -- a record that a transform holds back, as a record of the parcel that has all of these (STAGE_HELD).
 *
 *     name u32 | origin u32 | facts u32 (lengths, little-endian) | name | origin | facts | what is held of the record
 *
 * Its number and arrival are the parcel's origin of it. Pure functions.
 */
#ifndef PIPELINE_ENCODE_STAGE_HELD_H
#define PIPELINE_ENCODE_STAGE_HELD_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/encode/record_list.h"
#include "transforms/transform.h"

#include <stdbool.h>

/* Appended. -1: there is no room. */
MUST_CHECK int stage_held_write(const struct transform_kept *held, struct buf *out);
/* Borrowed from the bytes. False: it is none. */
MUST_CHECK bool stage_held_read(struct slice bytes, const struct record_origin *from, struct transform_kept *out);

#endif
