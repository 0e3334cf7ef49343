// nats.c as its examples show it: a callback for each subscription.
//
// usage: nats-c HOST:PORT NAME CLIENTS later|soon
//
// `soon` writes each message at once instead of leaving it to the thread that
// gathers several: quicker for one message, dearer for many.

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    uint64_t count, bytes;
} Tally;

static void check(natsStatus status) {
    if (status != NATS_OK) {
        fprintf(stderr, "nats.c: %s\n", natsStatus_GetText(status));
        exit(1);
    }
}

static void tell(natsConnection *client, natsMsg *message, Tally *tally, uint64_t bytes) {
    tally->count += 1;
    tally->bytes += bytes;
    const char *reply_to = natsMsg_GetReply(message);
    if (reply_to != NULL) {
        char text[64];
        int length = snprintf(text, sizeof text, "%llu %llu", (unsigned long long)tally->count,
                              (unsigned long long)tally->bytes);
        check(natsConnection_Publish(client, reply_to, text, length));
    }
}

static void on_input(natsConnection *client, natsSubscription *sub, natsMsg *message, void *tally) {
    (void)sub;
    tell(client, message, tally, (uint64_t)natsMsg_GetDataLength(message));
    natsMsg_Destroy(message);
}

static void on_headers(natsConnection *client, natsSubscription *sub, natsMsg *message,
                       void *tally) {
    (void)sub;
    const char *value = NULL;
    check(natsMsgHeader_Get(message, "Trace-Id", &value));
    tell(client, message, tally, strlen(value));
    natsMsg_Destroy(message);
}

static void on_echo(natsConnection *client, natsSubscription *sub, natsMsg *message, void *none) {
    (void)sub, (void)none;
    check(natsConnection_Publish(client, natsMsg_GetReply(message), natsMsg_GetData(message),
                                 natsMsg_GetDataLength(message)));
    natsMsg_Destroy(message);
}

// The numbers of an order, such as `[10000,16]`.
static int numbers(natsMsg *message, const char *format, unsigned *first, unsigned *second) {
    char text[64];
    snprintf(text, sizeof text, "%.*s", natsMsg_GetDataLength(message), natsMsg_GetData(message));
    return sscanf(text, format, first, second);
}

static char *filled(unsigned size) {
    char *payload = malloc(size + 1);
    if (payload == NULL) {
        exit(1);
    }
    return memset(payload, 'x', size);
}

static void on_publish(natsConnection *client, natsSubscription *sub, natsMsg *order, void *none) {
    (void)sub, (void)none;
    unsigned count = 0, size = 0;
    numbers(order, "[%u,%u]", &count, &size);
    char *payload = filled(size);
    for (unsigned i = 0; i < count; i++) {
        check(natsConnection_Publish(client, "bench.out", payload, (int)size));
    }
    check(natsConnection_Publish(client, natsMsg_GetReply(order), "", 0));
    free(payload);
    natsMsg_Destroy(order);
}

// One after the other: the library has no request that calls back.
static void on_request(natsConnection *client, natsSubscription *sub, natsMsg *order, void *none) {
    (void)sub, (void)none;
    unsigned count = 0, size = 0;
    numbers(order, "[%u,%u", &count, &size);
    char *payload = filled(size);
    for (unsigned i = 0; i < count; i++) {
        natsMsg *answer = NULL;
        check(natsConnection_Request(&answer, client, "bench.service", payload, (int)size, 10000));
        natsMsg_Destroy(answer);
    }
    check(natsConnection_Publish(client, natsMsg_GetReply(order), "", 0));
    free(payload);
    natsMsg_Destroy(order);
}

static void serve(const char *url, const char *name, bool soon) {
    natsOptions *options = NULL;
    natsConnection *client = NULL;
    natsSubscription *sub = NULL;
    check(natsOptions_Create(&options));
    check(natsOptions_SetURL(options, url));
    check(natsOptions_SetName(options, name));
    check(natsOptions_SetSendAsap(options, soon));
    check(natsConnection_Connect(&client, options));
    Tally *input = calloc(2, sizeof(Tally));
    check(natsConnection_Subscribe(&sub, client, "bench.in", on_input, &input[0]));
    check(natsConnection_Subscribe(&sub, client, "bench.headers", on_headers, &input[1]));
    check(natsConnection_Subscribe(&sub, client, "bench.echo", on_echo, NULL));
    check(natsConnection_Subscribe(&sub, client, "bench.publish", on_publish, NULL));
    check(natsConnection_Subscribe(&sub, client, "bench.request", on_request, NULL));
    check(natsConnection_Flush(client));
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: nats-c HOST:PORT NAME CLIENTS later|soon\n");
        return 2;
    }
    char url[128], name[128];
    snprintf(url, sizeof url, "nats://%s", argv[1]);
    for (int i = 0; i < atoi(argv[3]); i++) {
        snprintf(name, sizeof name, "%s-%d", argv[2], i);
        serve(url, name, strcmp(argv[4], "soon") == 0);
    }
    for (;;) {
        pause();
    }
}
