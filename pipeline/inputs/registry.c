/* registry.c -- the inputs there are. The API is not one of them: it is one server for all streams (api.h). */
#include "pipeline/inputs/input.h"

#include <string.h>

extern const struct input_ops tail_ops, stdin_ops, sqs_ops;

static const struct input_ops *const inputs[] = {&tail_ops, &stdin_ops, &sqs_ops};

const struct input_ops *input_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(inputs); i++)
        if (strcmp(inputs[i]->name, name) == 0)
            return inputs[i];
    return NULL;
}

const struct input_ops *input_at(size_t index)
{
    return index < ARRAY_LEN(inputs) ? inputs[index] : NULL;
}
