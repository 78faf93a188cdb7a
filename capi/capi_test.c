/* aspen.h from C99: what a C program does first, with an embedded node. argv[1] is a directory to use. */
#include <aspen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int passed = 0;
static int failed = 0;

static void check(int ok, const char* what, int line) {
  if (ok) {
    ++passed;
    return;
  }
  ++failed;
  printf("capi_test.c:%d: %s\n", line, what);
}
#define CHECK(condition) check((condition) != 0, #condition, __LINE__)

static int32_t finish(aspen_op_t* op) {
  CHECK(aspen_op_wait(op, -1) == ASPEN_OK);
  if (aspen_op_status(op) != ASPEN_OK) printf("note: %s\n", aspen_op_message(op));
  return aspen_op_status(op);
}

static aspen_node_t* open_node(const char* dir) {
  aspen_node_options_t options;
  aspen_op_t* op = NULL;
  aspen_node_t* node;
  aspen_node_options_init(&options, sizeof options);
  options.mode = ASPEN_MODE_EMBEDDED;
  options.dir = dir;
  CHECK(aspen_node_open(&options, NULL, 0, &op) == ASPEN_OK);
  CHECK(finish(op) == ASPEN_OK);
  node = aspen_op_take_node(op);
  CHECK(node != NULL);
  CHECK(aspen_op_take_node(op) == NULL);
  aspen_op_free(op);
  return node;
}

static void put_and_get(aspen_node_t* node) {
  aspen_op_t* op = NULL;
  aspen_entry_t entry;
  CHECK(aspen_kv_put(node, "key\0a", 5, "value", 5, NULL, NULL, 0, &op) == ASPEN_OK);
  CHECK(finish(op) == ASPEN_OK);
  CHECK(aspen_op_succeeded(op));
  CHECK(aspen_op_revision(op) > 0);
  aspen_op_free(op);
  CHECK(aspen_kv_get(node, "key\0a", 5, NULL, NULL, 0, &op) == ASPEN_OK);
  CHECK(finish(op) == ASPEN_OK);
  CHECK(aspen_op_entry(op, 0, &entry) == ASPEN_OK);
  CHECK(entry.value_size == 5 && memcmp(entry.value, "value", 5) == 0);
  CHECK(entry.version == 1);
  CHECK(aspen_op_entry(op, 1, &entry) == ASPEN_NOT_FOUND);
  aspen_op_free(op);
  CHECK(aspen_kv_get(node, "absent", 6, NULL, NULL, 0, &op) == ASPEN_OK);
  CHECK(finish(op) == ASPEN_OK);
  CHECK(aspen_op_entry_count(op) == 0);
  aspen_op_free(op);
}

static void queue(aspen_node_t* node) {
  enum { kPuts = 100 };
  aspen_cq_t* cq = NULL;
  aspen_event_t events[16];
  char seen[kPuts] = {0};
  int total = 0;
  CHECK(aspen_cq_new(&cq) == ASPEN_OK);
  for (uint64_t tag = 0; tag < kPuts; ++tag) {
    aspen_op_t* op = NULL;
    CHECK(aspen_kv_put(node, &tag, sizeof tag, "v", 1, NULL, cq, tag, &op) == ASPEN_OK);
  }
  while (total < kPuts) {
    struct pollfd fd = {aspen_cq_fd(cq), POLLIN, 0};
    size_t taken;
    CHECK(poll(&fd, 1, 10000) == 1);
    taken = aspen_cq_poll(cq, events, 16);
    CHECK(taken > 0);
    if (taken == 0) break;
    for (size_t i = 0; i < taken; ++i) {
      CHECK(events[i].status == ASPEN_OK);
      CHECK(events[i].tag < kPuts && !seen[events[i].tag]);
      seen[events[i].tag] = 1;
      aspen_op_free(events[i].op);
      ++total;
    }
  }
  {
    struct pollfd fd = {aspen_cq_fd(cq), POLLIN, 0};
    CHECK(poll(&fd, 1, 0) == 0);
  }
  CHECK(aspen_cq_wait(cq, 1000000) == ASPEN_DEADLINE_EXCEEDED);
  aspen_cq_free(cq);
}

static void constants(void) {
  for (int32_t code = 1; code <= aspen_error_count(); ++code) {
    CHECK(aspen_error_code(aspen_error_name(code)) == code);
    CHECK(strlen(aspen_error_text(code)) > 0);
  }
  CHECK(strcmp(aspen_error_name(9999), "UNKNOWN") == 0);
  CHECK(aspen_error_code("NO_SUCH") == -1);
  CHECK(aspen_limit_get(ASPEN_LIMIT_KEY_BYTES) == 4096);
  CHECK(aspen_limit_get(0) == 0 && aspen_limit_get(aspen_limit_count() + 1) == 0);
  CHECK(strlen(aspen_version()) > 0 && aspen_abi_version() >= 1);
}

static void null_is_safe(void) {
  aspen_op_t* op = NULL;
  aspen_op_free(NULL);
  aspen_node_free(NULL);
  aspen_cq_free(NULL);
  aspen_batch_free(NULL);
  CHECK(aspen_kv_put(NULL, "k", 1, "v", 1, NULL, NULL, 0, &op) == ASPEN_INVALID_ARGUMENT);
  CHECK(op == NULL);
  CHECK(aspen_node_open(NULL, NULL, 0, &op) == ASPEN_INVALID_ARGUMENT);
  CHECK(aspen_op_status(NULL) == ASPEN_INTERNAL);
  CHECK(aspen_op_message(NULL)[0] == '\0');
}

int main(int argc, char** argv) {
  aspen_node_t* node;
  char command[1024];
  if (argc != 2) return 2;
  snprintf(command, sizeof command, "rm -rf '%s'", argv[1]);
  if (system(command) != 0) return 2;
  constants();
  null_is_safe();
  node = open_node(argv[1]);
  CHECK(strlen(aspen_node_id(node)) == 52);
  CHECK(aspen_node_address(node)[0] == '\0');
  put_and_get(node);
  queue(node);
  aspen_node_free(node);
  if (system(command) != 0) return 2;
  printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
