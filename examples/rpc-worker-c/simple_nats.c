#include "simple_nats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  nats_sid sid;
  nats_callback *callback;
} subscription;

/* An instance is entered once at a time, so this needs no care. */
static subscription *subscriptions;
static size_t count;

static plugin_string_t borrowed(const char *text) {
  return (plugin_string_t){(uint8_t *)text, strlen(text)};
}

bool nats_fail(nats_error *error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->text, sizeof error->text, format, arguments);
  va_end(arguments);
  return false;
}

/* The case of the WIT variant `error`, and what it says. */
static bool refused(nats_error *error, simple_nats_client_types_error_t *why) {
  static const char *const names[] = {
      "subject-invalid", "header-invalid", "name-invalid",         "payload-too-large",
      "permission-denied", "quota-exceeded", "unknown-client",     "unknown-subscription",
      "buffer-full",     "timeout",        "no-responders",        "cancelled",
      "connection-lost", "closed",         "connect-failed",       "other"};
  const char *name = why->tag < sizeof names / sizeof *names ? names[why->tag] : "unknown error";
  const plugin_string_t *text = NULL;
  switch (why->tag) {
    case SIMPLE_NATS_CLIENT_TYPES_ERROR_SUBJECT_INVALID:
    case SIMPLE_NATS_CLIENT_TYPES_ERROR_HEADER_INVALID:
    case SIMPLE_NATS_CLIENT_TYPES_ERROR_NAME_INVALID:
    case SIMPLE_NATS_CLIENT_TYPES_ERROR_PERMISSION_DENIED:
    case SIMPLE_NATS_CLIENT_TYPES_ERROR_QUOTA_EXCEEDED:
    case SIMPLE_NATS_CLIENT_TYPES_ERROR_CONNECT_FAILED:
    case SIMPLE_NATS_CLIENT_TYPES_ERROR_OTHER:
      text = &why->val.other;
      break;
    case SIMPLE_NATS_CLIENT_TYPES_ERROR_PAYLOAD_TOO_LARGE:
      nats_fail(error, "%s: the limit is %" PRIu64 " bytes", name, why->val.payload_too_large);
      return false;
  }
  if (text != NULL) {
    nats_fail(error, "%s: %.*s", name, (int)text->len, (const char *)text->ptr);
  } else {
    nats_fail(error, "%s", name);
  }
  simple_nats_client_types_error_free(why);
  return false;
}

bool nats_connect(const char *server, nats_client *client, nats_error *error) {
  plugin_string_t address = borrowed(server != NULL ? server : "");
  simple_nats_client_client_connect_options_t options = {0};
  simple_nats_client_types_error_t why;
  return simple_nats_client_client_connect(server != NULL ? &address : NULL, &options, client,
                                           &why) ||
         refused(error, &why);
}

bool nats_subscribe(nats_client client, const char *subject, const char *queue_group,
                    nats_callback *callback, nats_sid *sid, nats_error *error) {
  subscription *more = realloc(subscriptions, (count + 1) * sizeof *more);
  if (more == NULL) return nats_fail(error, "out of memory");
  subscriptions = more;

  plugin_string_t pattern = borrowed(subject);
  plugin_string_t group = borrowed(queue_group != NULL ? queue_group : "");
  simple_nats_client_types_error_t why;
  subscription new = {0, callback};
  if (!simple_nats_client_subscriber_subscribe(client, &pattern,
                                               queue_group != NULL ? &group : NULL, &new.sid,
                                               &why)) {
    return refused(error, &why);
  }
  subscriptions[count++] = new;
  if (sid != NULL) *sid = new.sid;
  return true;
}

static void forget(nats_sid sid) {
  for (size_t at = 0; at < count; at++) {
    if (subscriptions[at].sid == sid) {
      subscriptions[at] = subscriptions[--count];
      return;
    }
  }
}

bool nats_unsubscribe(nats_sid sid, uint64_t max_messages, nats_error *error) {
  simple_nats_client_types_error_t why;
  if (!simple_nats_client_subscriber_unsubscribe(sid, &max_messages, &why)) {
    return refused(error, &why);
  }
  if (max_messages == 0) forget(sid);
  return true;
}

/* `try_publish` is the cheaper one; where it says no, `publish` waits or tells why. */
static bool publish(nats_client client, plugin_string_t subject, const void *payload,
                    size_t length, nats_error *error) {
  plugin_list_u8_t bytes = {(uint8_t *)payload, length};
  simple_nats_client_types_error_t why;
  return simple_nats_client_publisher_try_publish(client, &subject, &bytes) ||
         simple_nats_client_publisher_publish(client, &subject, &bytes, &why) ||
         refused(error, &why);
}

bool nats_publish(nats_client client, const char *subject, const void *payload, size_t length,
                  nats_error *error) {
  return publish(client, borrowed(subject), payload, length, error);
}

bool nats_respond(const nats_message *message, const void *payload, size_t length,
                  nats_error *error) {
  if (!message->reply_to.is_some) return nats_fail(error, "the message has no reply-to");
  return publish(message->client, message->reply_to.val, payload, length, error);
}

/* A text for the host, which takes nothing but UTF-8: other bytes become `?`. */
static void hand_over(nats_error *error, plugin_string_t *text) {
  unsigned char *at = (unsigned char *)error->text;
  while (*at != 0) {
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3
                  : at[0] < 0xf5 ? 4 : 0;
    for (size_t tail = 1; tail < length; tail++) {
      if ((at[tail] & 0xc0) != 0x80) length = 0;
    }
    /* Too long for what it is, half of a pair, or past the last character. */
    if ((length == 3 && at[0] == 0xe0 && at[1] < 0xa0) ||
        (length == 3 && at[0] == 0xed && at[1] >= 0xa0) ||
        (length == 4 && at[0] == 0xf0 && at[1] < 0x90) ||
        (length == 4 && at[0] == 0xf4 && at[1] >= 0x90)) {
      length = 0;
    }
    if (length == 0) *at = '?';
    at += length > 0 ? length : 1;
  }
  plugin_string_dup(text, error->text);
}

/* The exports. What they are handed is theirs to free. */

bool exports_simple_nats_client_lifecycle_start(plugin_string_t *err) {
  /* What is printed goes to the host's log line by line. */
  setvbuf(stdout, NULL, _IOLBF, 0);
  nats_error error = {{0}};
  if (nats_start(&error)) return true;
  hand_over(&error, err);
  return false;
}

void exports_simple_nats_client_lifecycle_stop(void) { nats_stop(); }

bool exports_simple_nats_client_handler_on_message(
    exports_simple_nats_client_handler_message_t *message, plugin_string_t *err) {
  nats_error error = {{0}};
  bool done = true;
  for (size_t at = 0; at < count; at++) {
    if (subscriptions[at].sid == message->sid) {
      done = subscriptions[at].callback(message->client, message, &error);
      break;
    }
  }
  exports_simple_nats_client_handler_message_free(message);
  if (!done) hand_over(&error, err);
  return done;
}

void exports_simple_nats_client_handler_on_reply(
    uint64_t id, exports_simple_nats_client_handler_result_option_message_error_t *reply,
    bool last) {
  nats_reply(id, reply, last);
  exports_simple_nats_client_handler_result_option_message_error_free(reply);
}

void exports_simple_nats_client_handler_on_event(
    nats_client client, exports_simple_nats_client_handler_event_t *event) {
  if (event->tag == SIMPLE_NATS_CLIENT_TYPES_EVENT_SUBSCRIPTION_ENDED) {
    forget(event->val.subscription_ended.f0);
  }
  nats_event(client, event);
  exports_simple_nats_client_handler_event_free(event);
}

void exports_simple_nats_client_handler_on_timer(uint64_t id) { nats_timer(id); }

__attribute__((weak)) void nats_stop(void) {}
__attribute__((weak)) void nats_reply(
    uint64_t id, exports_simple_nats_client_handler_result_option_message_error_t *reply,
    bool last) {
  (void)id, (void)reply, (void)last;
}
__attribute__((weak)) void nats_event(nats_client client,
                                      exports_simple_nats_client_handler_event_t *event) {
  (void)client, (void)event;
}
__attribute__((weak)) void nats_timer(uint64_t id) { (void)id; }
