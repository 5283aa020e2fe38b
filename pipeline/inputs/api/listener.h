/* listener.h -- the API that is open in a program, for its inputs. */
#ifndef PIPELINE_INPUTS_API_LISTENER_H
#define PIPELINE_INPUTS_API_LISTENER_H

#include "pipeline/inputs/api/api.h"

/* NULL: it is not open. */
struct api *api_of(struct listeners *all);

#endif
