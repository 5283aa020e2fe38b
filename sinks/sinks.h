/* sinks.h -- the sinks by name, for registry.c only. Everybody else goes through sink_find() and sink_at(). */
#ifndef SINKS_SINKS_H
#define SINKS_SINKS_H

#include "sinks/sink.h"

extern const struct sink_ops sink_elasticsearch;
extern const struct sink_ops sink_file;
extern const struct sink_ops sink_http;
extern const struct sink_ops sink_s3;

#endif
