/* Answers requests on `rpc.sum`, and publishes each sum on `rpc.sum.done`. As
 * one of the queue group `workers` it gets its share of the requests. */

#include <stdio.h>

#include "simple_nats.h"
#include "sum.h"

static bool on_request(nats_client client, const nats_message *message, nats_error *error) {
  long long sum;
  if (!sum_of((const char *)message->payload.ptr, message->payload.len, &sum, error->text,
              sizeof error->text)) {
    return false;
  }
  char answer[32];
  int length = snprintf(answer, sizeof answer, "%lld", sum);
  return nats_respond(message, answer, (size_t)length, error) &&
         nats_publish(client, "rpc.sum.done", answer, (size_t)length, error);
}

bool nats_start(nats_error *error) {
  nats_client client;
  if (!nats_connect(NULL, &client, error)) return false;
  if (!nats_subscribe(client, "rpc.sum", "workers", on_request, NULL, error)) return false;
  printf("rpc-worker answers on rpc.sum\n");
  return true;
}
