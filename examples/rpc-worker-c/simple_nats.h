/* NATS for a plugin in C: connect, subscribe with a callback, publish. What is
 * not here can be called as generated, from plugin.h.
 *
 * Functions that can fail answer whether they did not, and say why in `error`.
 * Texts given to them are not kept. */
#ifndef SIMPLE_NATS_H
#define SIMPLE_NATS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin.h"

typedef uint32_t nats_client;
typedef uint64_t nats_sid;

/* subject, reply_to, headers, status, payload; none of the texts ends with 0.
 * Valid during the callback. */
typedef simple_nats_client_types_message_t nats_message;

/* Why something was not done. */
typedef struct {
  char text[256];
} nats_error;

/* Handles a message. If it fails, the requester is told the error. */
typedef bool nats_callback(nats_client client, const nats_message *message, nats_error *error);

/* Fills in an error; answers false. */
bool nats_fail(nats_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Connects to `server`; to the host's own if that is NULL. */
bool nats_connect(const char *server, nats_client *client, nats_error *error);

/* `queue_group` and `sid` may be NULL. */
bool nats_subscribe(nats_client client, const char *subject, const char *queue_group,
                    nats_callback *callback, nats_sid *sid, nats_error *error);

/* Ends a subscription, after so many messages; 0: now. */
bool nats_unsubscribe(nats_sid sid, uint64_t max_messages, nats_error *error);

bool nats_publish(nats_client client, const char *subject, const void *payload, size_t length,
                  nats_error *error);

/* Answers whoever asked. */
bool nats_respond(const nats_message *message, const void *payload, size_t length,
                  nats_error *error);

/* The plugin's own: connects and subscribes. */
bool nats_start(nats_error *error);

/* These may be left out. */
void nats_stop(void);
void nats_reply(uint64_t id,
                exports_simple_nats_client_handler_result_option_message_error_t *reply, bool last);
void nats_event(nats_client client, exports_simple_nats_client_handler_event_t *event);
void nats_timer(uint64_t id);

#endif
