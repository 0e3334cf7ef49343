/* The worker's sums. They know no NATS, so a test needs no host. */
#ifndef SUM_H
#define SUM_H

#include <stdbool.h>
#include <stddef.h>

/* `1 2 3` gives 6. Where it answers false, `why` is filled in. */
bool sum_of(const char *text, size_t length, long long *sum, char *why, size_t size);

#endif
