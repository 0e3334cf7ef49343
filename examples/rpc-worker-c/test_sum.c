#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "sum.h"

static char why[256];

static long long sum(const char *text) {
  long long result;
  assert(sum_of(text, strlen(text), &result, why, sizeof why));
  return result;
}

static const char *refusal(const char *text) {
  long long result;
  assert(!sum_of(text, strlen(text), &result, why, sizeof why));
  return why;
}

int main(void) {
  assert(sum("1 2 3") == 6);
  assert(sum(" -4\n4 ") == 0);
  assert(strcmp(refusal("1 two"), "\"two\" is no integer") == 0);
  assert(strcmp(refusal(""), "no numbers to add") == 0);
  assert(strcmp(refusal("9223372036854775807 1"), "the sum is too large") == 0);
  assert(strstr(refusal("99999999999999999999"), "is no integer") != NULL);
  printf("ok\n");
}
