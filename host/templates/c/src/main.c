/* Greets whoever asks on `{{name}}.greet`, and tells on `{{name}}.greeted`. */

#include <stdio.h>
#include <string.h>

#include "greeting.h"
#include "simple_nats.h"

static bool on_greet(nats_client client, const nats_message *message, nats_error *error) {
  char answer[128];
  if (!greeting((const char *)message->payload.ptr, message->payload.len, answer,
                sizeof answer)) {
    return nats_fail(error, "nobody to greet, or a name too long");
  }
  return nats_respond(message, answer, strlen(answer), error) &&
         nats_publish(client, "{{name}}.greeted", answer, strlen(answer), error);
}

bool nats_start(nats_error *error) {
  nats_client client;
  if (!nats_connect(NULL, &client, error)) return false;
  if (!nats_subscribe(client, "{{name}}.greet", "greeters", on_greet, NULL, error)) return false;
  printf("ready to greet\n");
  return true;
}
