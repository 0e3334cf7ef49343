#include "sum.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool integer(const char *word, size_t length, long long *number) {
  char digits[32];
  if (length >= sizeof digits) return false;
  memcpy(digits, word, length);
  digits[length] = 0;
  char *end;
  errno = 0;
  *number = strtoll(digits, &end, 10);
  return errno == 0 && end == digits + length;
}

bool sum_of(const char *text, size_t length, long long *sum, char *why, size_t size) {
  size_t at = 0, words = 0;
  *sum = 0;
  while (true) {
    while (at < length && isspace((unsigned char)text[at])) at++;
    size_t begin = at;
    while (at < length && !isspace((unsigned char)text[at])) at++;
    if (begin == at) break;

    int shown = at - begin < 40 ? (int)(at - begin) : 40;
    long long number;
    if (!integer(text + begin, at - begin, &number)) {
      snprintf(why, size, "\"%.*s\" is no integer", shown, text + begin);
      return false;
    }
    if (__builtin_add_overflow(*sum, number, sum)) {
      snprintf(why, size, "the sum is too large");
      return false;
    }
    words++;
  }
  if (words == 0) snprintf(why, size, "no numbers to add");
  return words > 0;
}
