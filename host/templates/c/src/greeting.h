/* What calls no host can be tested like any other C. */
#ifndef GREETING_H
#define GREETING_H

#include <stdbool.h>
#include <stddef.h>

/* Answers whether there is somebody to greet and room for it. */
bool greeting(const char *name, size_t length, char *answer, size_t size);

#endif
