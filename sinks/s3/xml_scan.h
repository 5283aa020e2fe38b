/* xml_scan.h -- reads an XML answer element by element, strictly: what is not well formed is told, never guessed at.
 *
 * For the flat documents that stores answer with. It knows elements and the text of those that hold nothing else;
 * attributes, comments and the prolog are skipped. Document types are refused, and with them all entities but the five
 * of XML itself and character references: no server needs others, and they are what makes XML dangerous. CDATA is
 * refused too.
 *
 * Ownership  embedded in its user; what it answers is borrowed from the text. Threads: one.
 * Invariant  depth <= XML_DEPTH_MAX; each call moves forward in the text, so reading it ends.
 */
#ifndef SINKS_S3_XML_SCAN_H
#define SINKS_S3_XML_SCAN_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

enum xml_event {
    XML_OPEN,  /* an element begins; depth counts it */
    XML_CLOSE, /* it has ended; depth does not count it any more */
    XML_END,   /* the document is whole */
    XML_BAD,   /* cut off, or not XML */
};

struct xml_scan {
    struct slice rest;
    struct slice open[XML_DEPTH_MAX]; /* names of the elements around */
    unsigned depth;
    struct slice name; /* of the last event's element */
    struct slice text; /* XML_CLOSE: what stands in it, as written; empty when that are elements */
    const char *began; /* the text of the innermost element, while it has no elements in it; else NULL */
    bool self_closed;  /* <name/>: its XML_CLOSE comes next */
    bool root_seen;
};

void xml_scan_init(struct xml_scan *x, struct slice document);
enum xml_event xml_scan_next(struct xml_scan *x);

/* Appends the text with its entities decoded. -1: an unknown entity, a remark in it, or out is full. */
MUST_CHECK int xml_decode(struct slice text, struct buf *out);

#endif
