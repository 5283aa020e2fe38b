/* syslog.h -- a line of syslog, cut into its fields.
 *
 * Ownership  slices point into the line; a field that is not there, or is "-", has .p NULL.
 * Threads    plain values; pure functions.
 */
#ifndef TRANSFORMS_TEXT_SYSLOG_H
#define TRANSFORMS_TEXT_SYSLOG_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

/* RFC 5424, or RFC 3164 with its many forms (with or without <priority>). */
struct syslog_line {
    int priority; /* -1: none */
    int version;  /* 0: RFC 3164 */
    struct slice time, host, app, proc_id, msg_id, data, message;
};

MUST_CHECK bool syslog_parse(struct syslog_line *out, struct slice line);

/* Structured data, or its "-", off the front. False: it is none, and *rest may have moved. */
MUST_CHECK bool syslog_take_data(struct slice *rest, struct slice *data);

struct syslog_parameter {
    struct slice element, name, value; /* value: as written */
    bool escaped;                      /* \" \\ \] */
};

struct syslog_data {
    struct slice rest, element;
};

/* Over the structured data, `[id name="value" ...][...]`, which syslog_parse() has checked. An element without
 * parameters is given once, with an empty name. */
void syslog_data_open(struct syslog_data *d, struct slice data);
bool syslog_data_next(struct syslog_data *d, struct syslog_parameter *out);

const char *syslog_facility(int priority);
const char *syslog_severity(int priority);

#endif
