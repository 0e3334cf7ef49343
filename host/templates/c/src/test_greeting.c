#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "greeting.h"

int main(void) {
  char answer[32];
  assert(greeting(" Ada\n", 5, answer, sizeof answer));
  assert(strcmp(answer, "hello Ada") == 0);
  assert(!greeting(" ", 1, answer, sizeof answer));
  assert(!greeting("a name that is longer than the answer", 37, answer, sizeof answer));
  printf("ok\n");
  return 0;
}
