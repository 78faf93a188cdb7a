/* Puts keys and gets them back, waiting for each operation.
 *
 * usage: put_get TICKET RECORD COUNT
 *
 * RECORD gets one JSON line per acknowledged write. */
#include <aspen.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Waits for `op` and gives it back, or says why it failed and ends the program. */
static aspen_op_t* finish(aspen_op_t* op) {
  aspen_op_wait(op, -1);
  if (aspen_op_status(op) != ASPEN_OK) {
    fprintf(stderr, "%s: %s\n", aspen_error_name(aspen_op_status(op)), aspen_op_message(op));
    exit(1);
  }
  return op;
}

static aspen_node_t* connect_with(const char* ticket) {
  aspen_node_options_t options;
  aspen_op_t* op;
  aspen_node_t* node;
  aspen_node_options_init(&options, sizeof options);
  options.mode = ASPEN_MODE_CLIENT;
  options.ticket = ticket;
  aspen_node_open(&options, NULL, 0, &op);
  node = aspen_op_take_node(finish(op));
  aspen_op_free(op);
  return node;
}

int main(int argc, char** argv) {
  aspen_call_options_t options;
  aspen_node_t* node;
  FILE* record;
  if (argc != 4 || (record = fopen(argv[2], "w")) == NULL) {
    fprintf(stderr, "usage: put_get TICKET RECORD COUNT\n");
    return 2;
  }
  aspen_call_options_init(&options, sizeof options);
  options.timeout_ns = INT64_C(30000000000);
  node = connect_with(argv[1]);
  for (int i = 0; i < atoi(argv[3]); ++i) {
    aspen_op_t* op;
    aspen_entry_t entry;
    char key[32];
    char value[32];
    double started = now(CLOCK_MONOTONIC);
    snprintf(key, sizeof key, "c/%d", i);
    snprintf(value, sizeof value, "value %d", i);
    aspen_kv_put(node, key, strlen(key), value, strlen(value), &options, NULL, 0, &op);
    aspen_op_free(finish(op));
    fprintf(record, "{\"key\":\"%s\",\"value\":\"%s\",\"t\":%.6f,\"us\":%.0f}\n", key, value,
            now(CLOCK_REALTIME), (now(CLOCK_MONOTONIC) - started) * 1e6);
    fflush(record);

    aspen_kv_get(node, key, strlen(key), &options, NULL, 0, &op);
    if (aspen_op_entry(finish(op), 0, &entry) != ASPEN_OK || entry.value_size != strlen(value) ||
        memcmp(entry.value, value, entry.value_size) != 0) {
      fprintf(stderr, "%s was put and does not read back\n", key);
      return 1;
    }
    aspen_op_free(op);
  }
  aspen_node_free(node);
  return fclose(record) == 0 ? 0 : 1;
}
