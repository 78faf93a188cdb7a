#include "bridge.h"

#include <string.h>

enum { EVENTS_PER_POLL = 64 };

static void read_entry(const aspen_op_t* op, size_t index, aspen_go_entry_t* entry) {
  if (aspen_op_entry(op, index, &entry->entry) == ASPEN_OK) entry->lease = aspen_op_entry_lease(op, index);
}

static void read_result(const aspen_event_t* event, aspen_go_result_t* result) {
  memset(result, 0, sizeof *result);
  const aspen_op_t* op = event->op;
  result->tag = event->tag;
  result->op = event->op;
  result->status = event->status;
  result->message = aspen_op_message(op);
  result->applied = aspen_op_applied(op);
  result->retryable = aspen_op_retryable(op);
  result->revision = aspen_op_revision(op); /* a watch that fails tells from where it could go on */
  result->text = aspen_op_text(op);         /* so does a verification that has found damage */
  if (event->status != ASPEN_OK) return;
  result->continuation = aspen_op_continuation(op, &result->continuation_size);
  result->entry_count = aspen_op_entry_count(op);
  result->result_count = aspen_op_result_count(op);
  if (result->entry_count > 0) read_entry(op, 0, &result->first);
  if (aspen_op_change_count(op) > 0) aspen_op_change(op, 0, &result->first_existed, NULL);
  result->failed_condition = aspen_op_failed_condition(op);
  result->succeeded = aspen_op_succeeded(op);
  result->more = aspen_op_more(op);
}

size_t aspen_go_drain(aspen_cq_t* queue, aspen_go_result_t* results, size_t max) {
  aspen_event_t events[EVENTS_PER_POLL];
  size_t done = 0;
  while (done < max) {
    size_t room = max - done < EVENTS_PER_POLL ? max - done : EVENTS_PER_POLL;
    size_t count = aspen_cq_poll(queue, events, room);
    if (count == 0) break;
    for (size_t i = 0; i < count; ++i) read_result(&events[i], &results[done++]);
  }
  return done;
}

void aspen_go_entries(const aspen_op_t* op, size_t first, aspen_go_entry_t* entries, size_t count) {
  for (size_t i = 0; i < count; ++i) read_entry(op, first + i, &entries[i]);
}

void aspen_go_results(const aspen_op_t* op, size_t first, aspen_result_t* results, size_t count) {
  for (size_t i = 0; i < count; ++i) aspen_op_result(op, first + i, &results[i]);
}

void aspen_go_events(const aspen_op_t* op, size_t first, aspen_watch_event_t* events, size_t count) {
  for (size_t i = 0; i < count; ++i) aspen_op_watch_event(op, first + i, &events[i]);
}

void aspen_go_leases(const aspen_op_t* op, size_t first, aspen_lease_t* leases, size_t count) {
  for (size_t i = 0; i < count; ++i) aspen_op_lease_at(op, first + i, &leases[i]);
}

static aspen_call_options_t call_options(int32_t consistency, int64_t timeout_ns) {
  aspen_call_options_t options;
  aspen_call_options_init(&options, sizeof options);
  options.consistency = consistency;
  options.timeout_ns = timeout_ns;
  return options;
}

aspen_go_started_t aspen_go_open(const aspen_node_options_t* numbers, const char* dir, const char* listen,
                                 const char* advertise, const char* ticket, const char* restore_from,
                                 aspen_cq_t* queue, uint64_t tag) {
  aspen_node_options_t options = *numbers;
  options.struct_size = sizeof options;
  options.dir = dir;
  options.listen = listen;
  options.advertise = advertise;
  options.ticket = ticket;
  options.restore_from = restore_from;
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_node_open(&options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_close(aspen_node_t* node, aspen_cq_t* queue, uint64_t tag) {
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_node_close(node, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_ticket(aspen_node_t* node, int64_t valid_ns, aspen_cq_t* queue, uint64_t tag) {
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_node_ticket(node, valid_ns, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_status(aspen_node_t* node, int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag) {
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_node_status(node, timeout_ns, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_get(aspen_node_t* node, const uint8_t* key, size_t key_size, int32_t consistency,
                                int64_t staleness_ns, uint64_t revision, int64_t timeout_ns,
                                aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(consistency, timeout_ns);
  options.revision = revision;
  options.staleness_ns = staleness_ns;
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_kv_get(node, key, key_size, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_put(aspen_node_t* node, const uint8_t* key, size_t key_size, const uint8_t* value,
                                size_t value_size, uint64_t lease, uint8_t previous, int64_t timeout_ns,
                                aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  options.lease = lease;
  options.previous = previous;
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_kv_put(node, key, key_size, value, value_size, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_delete(aspen_node_t* node, const uint8_t* key, size_t key_size, uint8_t previous,
                                   int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  options.previous = previous;
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_kv_delete(node, key, key_size, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_cas(aspen_node_t* node, const uint8_t* key, size_t key_size, int32_t comparison,
                                const uint8_t* expected, size_t expected_size, uint64_t revision,
                                const uint8_t* value, size_t value_size, uint64_t lease, int64_t timeout_ns,
                                aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  options.lease = lease;
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_kv_cas(node, key, key_size, comparison, expected, expected_size, revision, value,
                                value_size, &options, queue, tag, &started.op);
  return started;
}

static void set_bytes(const void** data, size_t* size, const uint8_t* given, int64_t given_size) {
  if (given_size < 0) return;
  *data = given;
  *size = (size_t)given_size;
}

static aspen_range_options_t range_options(const uint8_t* prefix, int64_t prefix_size, const uint8_t* start,
                                           int64_t start_size, const uint8_t* end, int64_t end_size,
                                           uint64_t limit, uint8_t reverse, uint8_t keys_only) {
  aspen_range_options_t options;
  aspen_range_options_init(&options, sizeof options);
  set_bytes(&options.prefix, &options.prefix_size, prefix, prefix_size);
  set_bytes(&options.start, &options.start_size, start, start_size);
  set_bytes(&options.end, &options.end_size, end, end_size);
  options.limit = limit;
  options.reverse = reverse;
  options.keys_only = keys_only;
  return options;
}

aspen_go_started_t aspen_go_range(aspen_node_t* node, const uint8_t* prefix, int64_t prefix_size,
                                  const uint8_t* start, int64_t start_size, const uint8_t* end,
                                  int64_t end_size, const uint8_t* continuation, int64_t continuation_size,
                                  uint64_t limit, uint8_t reverse, uint8_t keys_only, int32_t consistency,
                                  int64_t staleness_ns, uint64_t revision, int64_t timeout_ns,
                                  aspen_cq_t* queue, uint64_t tag) {
  aspen_range_options_t options =
      range_options(prefix, prefix_size, start, start_size, end, end_size, limit, reverse, keys_only);
  set_bytes(&options.continuation, &options.continuation_size, continuation, continuation_size);
  options.consistency = consistency;
  options.staleness_ns = staleness_ns;
  options.revision = revision;
  options.timeout_ns = timeout_ns;
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_kv_range(node, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_apply(aspen_node_t* node, const aspen_batch_t* batch, int64_t timeout_ns,
                                  aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_kv_apply(node, batch, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_txn_branch(aspen_node_t* node, aspen_txn_t* parent, const uint8_t* prefix,
                                       size_t prefix_size, int64_t timeout_ns, aspen_cq_t* queue,
                                       uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_txn_branch(node, parent, prefix, prefix_size, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_txn_get(aspen_txn_t* txn, const uint8_t* key, size_t key_size, int64_t timeout_ns,
                                    aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_txn_get(txn, key, key_size, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_txn_range(aspen_txn_t* txn, const uint8_t* prefix, int64_t prefix_size,
                                      const uint8_t* start, int64_t start_size, const uint8_t* end,
                                      int64_t end_size, const uint8_t* continuation,
                                      int64_t continuation_size, uint64_t limit, uint8_t reverse,
                                      uint8_t keys_only, int64_t timeout_ns, aspen_cq_t* queue,
                                      uint64_t tag) {
  aspen_range_options_t options =
      range_options(prefix, prefix_size, start, start_size, end, end_size, limit, reverse, keys_only);
  set_bytes(&options.continuation, &options.continuation_size, continuation, continuation_size);
  options.timeout_ns = timeout_ns;
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_txn_range(txn, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_txn_commit(aspen_txn_t* txn, int64_t timeout_ns, aspen_cq_t* queue,
                                       uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_txn_commit(txn, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_watch_open(aspen_node_t* node, const uint8_t* key, int64_t key_size,
                                       const uint8_t* prefix, int64_t prefix_size, const uint8_t* start,
                                       int64_t start_size, const uint8_t* end, int64_t end_size,
                                       uint64_t revision, uint8_t previous, uint8_t no_puts,
                                       uint8_t no_deletes, int64_t progress_ns, uint64_t buffer_bytes,
                                       int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag) {
  aspen_watch_options_t options;
  aspen_watch_options_init(&options, sizeof options);
  set_bytes(&options.key, &options.key_size, key, key_size);
  set_bytes(&options.prefix, &options.prefix_size, prefix, prefix_size);
  set_bytes(&options.start, &options.start_size, start, start_size);
  set_bytes(&options.end, &options.end_size, end, end_size);
  options.revision = revision;
  options.previous = previous;
  options.no_puts = no_puts;
  options.no_deletes = no_deletes;
  options.progress_ns = progress_ns;
  options.buffer_bytes = buffer_bytes;
  options.timeout_ns = timeout_ns;
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_watch_open(node, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_watch_next(aspen_watch_t* watch, aspen_cq_t* queue, uint64_t tag) {
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_watch_next(watch, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_lease_grant(aspen_node_t* node, int64_t ttl_ns, int64_t timeout_ns,
                                        aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_lease_grant(node, ttl_ns, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_lease_revoke(aspen_node_t* node, uint64_t lease, int64_t timeout_ns,
                                         aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_lease_revoke(node, lease, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_lease_keep_alive(aspen_node_t* node, uint64_t lease, int64_t timeout_ns,
                                             aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_lease_keep_alive(node, lease, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_lease_info(aspen_node_t* node, uint64_t lease, const uint8_t* continuation,
                                       size_t continuation_size, int64_t timeout_ns, aspen_cq_t* queue,
                                       uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status =
      aspen_lease_info(node, lease, continuation, continuation_size, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_lease_list(aspen_node_t* node, uint64_t after, int64_t timeout_ns,
                                       aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_lease_list(node, after, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_lease_keep(aspen_node_t* node, uint64_t lease, aspen_cq_t* queue, uint64_t tag) {
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_lease_keep(node, lease, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_compact(aspen_node_t* node, uint64_t revision, int64_t timeout_ns,
                                    aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_kv_compact(node, revision, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_quota_set(aspen_node_t* node, const uint8_t* prefix, size_t prefix_size,
                                      uint64_t bytes_max, uint64_t keys_max, int64_t timeout_ns,
                                      aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status =
      aspen_quota_set(node, prefix, prefix_size, bytes_max, keys_max, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_quota_list(aspen_node_t* node, int64_t timeout_ns, aspen_cq_t* queue,
                                       uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_quota_list(node, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_member_remove(aspen_node_t* node, const char* node_id, int64_t timeout_ns,
                                          aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_member_remove(node, node_id, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_leader_transfer(aspen_node_t* node, const char* node_id, int64_t timeout_ns,
                                            aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_leader_transfer(node, node_id, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_backup(aspen_node_t* node, const char* dir, int32_t stream, int32_t consistency,
                                   int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag) {
  aspen_backup_options_t options;
  aspen_backup_options_init(&options, sizeof options);
  options.stream = stream;
  options.consistency = consistency;
  options.timeout_ns = timeout_ns;
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_backup(node, dir, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_verify(const char* dir, aspen_cq_t* queue, uint64_t tag) {
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_verify(dir, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_index_create(aspen_node_t* node, const char* name, const uint8_t* prefix,
                                         size_t prefix_size, const char* extractor, int64_t timeout_ns,
                                         aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status =
      aspen_index_create(node, name, prefix, prefix_size, extractor, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_index_drop(aspen_node_t* node, const char* name, int64_t timeout_ns,
                                       aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_index_drop(node, name, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_index_list(aspen_node_t* node, int64_t timeout_ns, aspen_cq_t* queue,
                                       uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_index_list(node, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_index_scan(aspen_node_t* node, const char* name, const uint8_t* value,
                                       int64_t value_size, const uint8_t* start, int64_t start_size,
                                       const uint8_t* end, int64_t end_size, const uint8_t* continuation,
                                       int64_t continuation_size, uint64_t limit, uint8_t reverse,
                                       uint8_t keys_only, int64_t timeout_ns, aspen_cq_t* queue,
                                       uint64_t tag) {
  aspen_index_scan_options_t options;
  aspen_index_scan_options_init(&options, sizeof options);
  set_bytes(&options.value, &options.value_size, value, value_size);
  set_bytes(&options.start, &options.start_size, start, start_size);
  set_bytes(&options.end, &options.end_size, end, end_size);
  set_bytes(&options.continuation, &options.continuation_size, continuation, continuation_size);
  options.limit = limit;
  options.reverse = reverse;
  options.keys_only = keys_only;
  options.timeout_ns = timeout_ns;
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_index_scan(node, name, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_directory_open(aspen_node_t* node, const uint8_t* path, size_t path_size,
                                           int32_t how, const uint8_t* layer, size_t layer_size,
                                           int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status =
      aspen_directory_open(node, path, path_size, how, layer, layer_size, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_directory_list(aspen_node_t* node, const uint8_t* path, size_t path_size,
                                           const char* after, int64_t timeout_ns, aspen_cq_t* queue,
                                           uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_directory_list(node, path, path_size, after, 0, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_directory_move(aspen_node_t* node, const uint8_t* from, size_t from_size,
                                           const uint8_t* to, size_t to_size, int64_t timeout_ns,
                                           aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status =
      aspen_directory_move(node, from, from_size, to, to_size, &options, queue, tag, &started.op);
  return started;
}

aspen_go_started_t aspen_go_directory_remove(aspen_node_t* node, const uint8_t* path, size_t path_size,
                                             int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag) {
  aspen_call_options_t options = call_options(ASPEN_READ_LINEARIZABLE, timeout_ns);
  aspen_go_started_t started = {NULL, 0};
  started.status = aspen_directory_remove(node, path, path_size, &options, queue, tag, &started.op);
  return started;
}

int32_t aspen_go_batch_compare(aspen_batch_t* batch, int32_t target, int32_t relation, const uint8_t* key,
                               size_t key_size, const uint8_t* end, int64_t end_size, const uint8_t* value,
                               size_t value_size, uint64_t number) {
  aspen_compare_t compare;
  aspen_compare_init(&compare, sizeof compare);
  compare.target = target;
  compare.relation = relation;
  compare.key = key;
  compare.key_size = key_size;
  set_bytes(&compare.end, &compare.end_size, end, end_size);
  compare.value = value;
  compare.value_size = value_size;
  compare.number = number;
  return aspen_batch_compare(batch, &compare);
}

int32_t aspen_go_batch_range(aspen_batch_t* batch, const uint8_t* prefix, int64_t prefix_size,
                             const uint8_t* start, int64_t start_size, const uint8_t* end, int64_t end_size,
                             uint64_t limit, uint8_t reverse, uint8_t keys_only) {
  aspen_range_options_t options =
      range_options(prefix, prefix_size, start, start_size, end, end_size, limit, reverse, keys_only);
  return aspen_batch_range(batch, &options);
}
