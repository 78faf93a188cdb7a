// What the Go package calls instead of aspen.h where one crossing from Go to C can do the work of many.
//
// A crossing costs as much as a few dozen instructions and keeps a thread of the scheduler busy, so finished
// operations are taken from the queue many at a time, each with everything Go reads of it in one struct, and
// starting one takes its options as plain numbers and gives two values back at once.
#ifndef ASPEN_GO_BRIDGE_H
#define ASPEN_GO_BRIDGE_H

#include <aspen.h>

// What starting an operation gave: no operation when status is not ASPEN_OK.
typedef struct aspen_go_started {
  aspen_op_t* op;
  int32_t status;
} aspen_go_started_t;

// An entry of a finished operation, with all that is told of it.
typedef struct aspen_go_entry {
  aspen_entry_t entry;
  uint64_t lease;
} aspen_go_entry_t;

// A finished operation. What it points to is borrowed from the operation.
typedef struct aspen_go_result {
  uint64_t tag;
  aspen_op_t* op;
  const char* message;
  const char* text;
  const uint8_t* continuation;
  size_t continuation_size;
  size_t entry_count;
  size_t result_count;
  aspen_go_entry_t first; /* zero without entries */
  uint64_t revision;
  int64_t failed_condition;
  int32_t status;
  int32_t applied;
  uint8_t retryable;
  uint8_t succeeded;
  uint8_t more;
  uint8_t first_existed; /* of the first change */
} aspen_go_result_t;

// Takes up to `max` finished operations from the queue, without waiting, and returns how many.
size_t aspen_go_drain(aspen_cq_t* queue, aspen_go_result_t* results, size_t max);

// Reads `count` entries of a finished operation, from the one with index `first` on.
void aspen_go_entries(const aspen_op_t* op, size_t first, aspen_go_entry_t* entries, size_t count);

// The same of what the operations of a batch came to.
void aspen_go_results(const aspen_op_t* op, size_t first, aspen_result_t* results, size_t count);

// The same of what a watch tells, and of leases.
void aspen_go_events(const aspen_op_t* op, size_t first, aspen_watch_event_t* events, size_t count);
void aspen_go_leases(const aspen_op_t* op, size_t first, aspen_lease_t* leases, size_t count);

// `numbers` has what is no text.
aspen_go_started_t aspen_go_open(const aspen_node_options_t* numbers, const char* dir, const char* listen,
                                 const char* advertise, const char* ticket, const char* restore_from,
                                 aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_close(aspen_node_t* node, aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_ticket(aspen_node_t* node, int64_t valid_ns, aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_status(aspen_node_t* node, int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag);

aspen_go_started_t aspen_go_get(aspen_node_t* node, const uint8_t* key, size_t key_size, int32_t consistency,
                                int64_t staleness_ns, uint64_t revision, int64_t timeout_ns,
                                aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_put(aspen_node_t* node, const uint8_t* key, size_t key_size, const uint8_t* value,
                                size_t value_size, uint64_t lease, uint8_t previous, int64_t timeout_ns,
                                aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_delete(aspen_node_t* node, const uint8_t* key, size_t key_size, uint8_t previous,
                                   int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_cas(aspen_node_t* node, const uint8_t* key, size_t key_size, int32_t comparison,
                                const uint8_t* expected, size_t expected_size, uint64_t revision,
                                const uint8_t* value, size_t value_size, uint64_t lease, int64_t timeout_ns,
                                aspen_cq_t* queue, uint64_t tag);
// A negative size is bytes that were not given.
aspen_go_started_t aspen_go_range(aspen_node_t* node, const uint8_t* prefix, int64_t prefix_size,
                                  const uint8_t* start, int64_t start_size, const uint8_t* end,
                                  int64_t end_size, const uint8_t* continuation, int64_t continuation_size,
                                  uint64_t limit, uint8_t reverse, uint8_t keys_only, int32_t consistency,
                                  int64_t staleness_ns, uint64_t revision, int64_t timeout_ns,
                                  aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_apply(aspen_node_t* node, const aspen_batch_t* batch, int64_t timeout_ns,
                                  aspen_cq_t* queue, uint64_t tag);

aspen_go_started_t aspen_go_txn_branch(aspen_node_t* node, aspen_txn_t* parent, const uint8_t* prefix,
                                       size_t prefix_size, int64_t timeout_ns, aspen_cq_t* queue,
                                       uint64_t tag);
aspen_go_started_t aspen_go_txn_get(aspen_txn_t* txn, const uint8_t* key, size_t key_size, int64_t timeout_ns,
                                    aspen_cq_t* queue, uint64_t tag);
// Sizes are as above.
aspen_go_started_t aspen_go_txn_range(aspen_txn_t* txn, const uint8_t* prefix, int64_t prefix_size,
                                      const uint8_t* start, int64_t start_size, const uint8_t* end,
                                      int64_t end_size, const uint8_t* continuation,
                                      int64_t continuation_size, uint64_t limit, uint8_t reverse,
                                      uint8_t keys_only, int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_txn_commit(aspen_txn_t* txn, int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag);

// Sizes are as above.
aspen_go_started_t aspen_go_watch_open(aspen_node_t* node, const uint8_t* key, int64_t key_size,
                                       const uint8_t* prefix, int64_t prefix_size, const uint8_t* start,
                                       int64_t start_size, const uint8_t* end, int64_t end_size,
                                       uint64_t revision, uint8_t previous, uint8_t no_puts,
                                       uint8_t no_deletes, int64_t progress_ns, uint64_t buffer_bytes,
                                       int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_watch_next(aspen_watch_t* watch, aspen_cq_t* queue, uint64_t tag);

aspen_go_started_t aspen_go_lease_grant(aspen_node_t* node, int64_t ttl_ns, int64_t timeout_ns,
                                        aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_lease_revoke(aspen_node_t* node, uint64_t lease, int64_t timeout_ns,
                                         aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_lease_keep_alive(aspen_node_t* node, uint64_t lease, int64_t timeout_ns,
                                             aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_lease_info(aspen_node_t* node, uint64_t lease, const uint8_t* continuation,
                                       size_t continuation_size, int64_t timeout_ns, aspen_cq_t* queue,
                                       uint64_t tag);
aspen_go_started_t aspen_go_lease_list(aspen_node_t* node, uint64_t after, int64_t timeout_ns,
                                       aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_lease_keep(aspen_node_t* node, uint64_t lease, aspen_cq_t* queue, uint64_t tag);

aspen_go_started_t aspen_go_compact(aspen_node_t* node, uint64_t revision, int64_t timeout_ns,
                                    aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_quota_set(aspen_node_t* node, const uint8_t* prefix, size_t prefix_size,
                                      uint64_t bytes_max, uint64_t keys_max, int64_t timeout_ns,
                                      aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_quota_list(aspen_node_t* node, int64_t timeout_ns, aspen_cq_t* queue,
                                       uint64_t tag);
aspen_go_started_t aspen_go_member_remove(aspen_node_t* node, const char* node_id, int64_t timeout_ns,
                                          aspen_cq_t* queue, uint64_t tag);
// `node_id` NULL: any other voter.
aspen_go_started_t aspen_go_leader_transfer(aspen_node_t* node, const char* node_id, int64_t timeout_ns,
                                            aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_backup(aspen_node_t* node, const char* dir, int32_t stream, int32_t consistency,
                                   int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_verify(const char* dir, aspen_cq_t* queue, uint64_t tag);

aspen_go_started_t aspen_go_index_create(aspen_node_t* node, const char* name, const uint8_t* prefix,
                                         size_t prefix_size, const char* extractor, int64_t timeout_ns,
                                         aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_index_drop(aspen_node_t* node, const char* name, int64_t timeout_ns,
                                       aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_index_list(aspen_node_t* node, int64_t timeout_ns, aspen_cq_t* queue,
                                       uint64_t tag);
// Sizes are as above.
aspen_go_started_t aspen_go_index_scan(aspen_node_t* node, const char* name, const uint8_t* value,
                                       int64_t value_size, const uint8_t* start, int64_t start_size,
                                       const uint8_t* end, int64_t end_size, const uint8_t* continuation,
                                       int64_t continuation_size, uint64_t limit, uint8_t reverse,
                                       uint8_t keys_only, int64_t timeout_ns, aspen_cq_t* queue,
                                       uint64_t tag);
aspen_go_started_t aspen_go_directory_open(aspen_node_t* node, const uint8_t* path, size_t path_size,
                                           int32_t how, const uint8_t* layer, size_t layer_size,
                                           int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_directory_list(aspen_node_t* node, const uint8_t* path, size_t path_size,
                                           const char* after, int64_t timeout_ns, aspen_cq_t* queue,
                                           uint64_t tag);
aspen_go_started_t aspen_go_directory_move(aspen_node_t* node, const uint8_t* from, size_t from_size,
                                           const uint8_t* to, size_t to_size, int64_t timeout_ns,
                                           aspen_cq_t* queue, uint64_t tag);
aspen_go_started_t aspen_go_directory_remove(aspen_node_t* node, const uint8_t* path, size_t path_size,
                                             int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag);

// What aspen.h wants as a struct of pointers, which Go may not fill with its own. A negative size is as
// above.
int32_t aspen_go_batch_compare(aspen_batch_t* batch, int32_t target, int32_t relation, const uint8_t* key,
                               size_t key_size, const uint8_t* end, int64_t end_size, const uint8_t* value,
                               size_t value_size, uint64_t number);
int32_t aspen_go_batch_range(aspen_batch_t* batch, const uint8_t* prefix, int64_t prefix_size,
                             const uint8_t* start, int64_t start_size, const uint8_t* end, int64_t end_size,
                             uint64_t limit, uint8_t reverse, uint8_t keys_only);

#endif
