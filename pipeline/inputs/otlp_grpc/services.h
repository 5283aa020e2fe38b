/* services.h -- what clients may call, by its name: OTLP's services, and gRPC's own question whether a service works (grpc.health.v1), as balancers
 * and Kubernetes ask it, without a token.
 *
 * Pure. Threads: any.
 */
#ifndef PIPELINE_INPUTS_OTLP_GRPC_SERVICES_H
#define PIPELINE_INPUTS_OTLP_GRPC_SERVICES_H

#include "pipeline/base/slice.h"
#include "pipeline/inputs/otlp/schema.h"

#include <stdbool.h>

/* Of "/package.Service/Method". False: it is none of OTLP's. */
bool services_signal(const char *path, enum otlp_signal *signal);

bool services_is_health(const char *path);
enum { SERVICES_HEALTH_MAX = 256 };        /* bytes of a HealthCheckRequest */
#define SERVICES_SERVING SLICE("\x08\x01") /* HealthCheckResponse { status: SERVING } */

enum services_asked { SERVICES_DAMAGED, SERVICES_ALL, SERVICES_ONE, SERVICES_UNKNOWN };
/* What a HealthCheckRequest asks for: the server, the service of a signal, one that nobody has here. */
enum services_asked services_read_health(struct slice message, enum otlp_signal *signal);

#endif
