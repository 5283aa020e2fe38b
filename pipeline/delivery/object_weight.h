/* object_weight.h -- how large a batch may be so that its object weighs what it is to weigh (buffer.compressed_size).
 *
 * A batch is cut before anything is compressed, so this is an estimate: what the last objects took in, by what they weighed. It counts whatever
 * happens in between: transforms, format, codec. Objects that weigh little count little, so a quiet hour of small ones does not spoil it; what
 * is older than about one object of the wanted size is forgotten. Until something is known a byte counts as a byte: the first object is
 * small, not large.
 *
 * That no object weighs more than twice what it is to weigh is the encoder's work (encoder_in.body_max), which can stop: a batch that turns out
 * heavier becomes several objects.
 *
 * Threads    one. Ownership: embedded; zeroed: nothing is known.
 */
#ifndef PIPELINE_DELIVERY_OBJECT_WEIGHT_H
#define PIPELINE_DELIVERY_OBJECT_WEIGHT_H

#include <stdint.h>

/* Of what an object is to weigh, so much is the most. */
#define OBJECT_WEIGHT_MOST 2

struct object_weight {
    double came, weighed; /* bytes */
};

/* Of `came` bytes objects were made that weigh so much together. 0: none was made, and nothing is learnt. */
void object_weight_note(struct object_weight *w, uint64_t wanted, uint64_t came, uint64_t weighed);

/* So many bytes make an object of the wanted weight, at most `most`, at least one. */
uint64_t object_weight_bytes(const struct object_weight *w, uint64_t wanted, uint64_t most);

#endif
