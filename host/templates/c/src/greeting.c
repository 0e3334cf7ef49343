#include "greeting.h"

#include <ctype.h>
#include <stdio.h>

bool greeting(const char *name, size_t length, char *answer, size_t size) {
  while (length > 0 && isspace((unsigned char)name[0])) name++, length--;
  while (length > 0 && isspace((unsigned char)name[length - 1])) length--;
  if (length == 0 || length >= size) return false;
  int written = snprintf(answer, size, "hello %.*s", (int)length, name);
  return written > 0 && (size_t)written < size;
}
