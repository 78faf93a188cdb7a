/* The header as C99, and the sizes and offsets that callers compiled against it rely on (64-bit). */
#include <aspen.h>

#define SAME(name, condition) typedef char name[(condition) ? 1 : -1]

SAME(pointers_are_64_bit, sizeof(void*) == 8);
SAME(event_size, sizeof(aspen_event_t) == 32);
SAME(event_op, offsetof(aspen_event_t, op) == 8);
SAME(event_status, offsetof(aspen_event_t, status) == 16);
SAME(node_options_size, sizeof(aspen_node_options_t) == 112);
SAME(node_options_mode, offsetof(aspen_node_options_t, mode) == 4);
SAME(node_options_dir, offsetof(aspen_node_options_t, dir) == 8);
SAME(node_options_listen, offsetof(aspen_node_options_t, listen) == 16);
SAME(node_options_advertise, offsetof(aspen_node_options_t, advertise) == 24);
SAME(node_options_ticket, offsetof(aspen_node_options_t, ticket) == 32);
SAME(node_options_open_timeout, offsetof(aspen_node_options_t, open_timeout_ns) == 40);
SAME(node_options_heartbeat, offsetof(aspen_node_options_t, heartbeat_ns) == 48);
SAME(node_options_election, offsetof(aspen_node_options_t, election_ns) == 56);
SAME(node_options_first_release, offsetof(aspen_node_options_t, history_revisions) == 64);
SAME(node_options_drift, offsetof(aspen_node_options_t, clock_drift_ppm_max) == 96);
SAME(node_options_restore, offsetof(aspen_node_options_t, restore_from) == 104);
SAME(backup_options_size, sizeof(aspen_backup_options_t) == 24);
SAME(backup_options_stream, offsetof(aspen_backup_options_t, stream) == 16);
SAME(backup_options_consistency, offsetof(aspen_backup_options_t, consistency) == 4);
SAME(backup_options_timeout, offsetof(aspen_backup_options_t, timeout_ns) == 8);
SAME(call_options_size, sizeof(aspen_call_options_t) == 48);
SAME(call_options_timeout, offsetof(aspen_call_options_t, timeout_ns) == 8);
SAME(call_options_first_release, offsetof(aspen_call_options_t, revision) == 16);
SAME(call_options_previous, offsetof(aspen_call_options_t, previous) == 32);
SAME(entry_size, sizeof(aspen_entry_t) == 56);
SAME(entry_value, offsetof(aspen_entry_t, value) == 16);
SAME(entry_version, offsetof(aspen_entry_t, version) == 48);
SAME(range_options_size, sizeof(aspen_range_options_t) == 112);
SAME(range_options_prefix, offsetof(aspen_range_options_t, prefix) == 16);
SAME(range_options_continuation, offsetof(aspen_range_options_t, continuation) == 64);
SAME(range_options_limit, offsetof(aspen_range_options_t, limit) == 80);
SAME(range_options_first_release, offsetof(aspen_range_options_t, revision) == 96);
SAME(range_options_keys_only, offsetof(aspen_range_options_t, keys_only) == 89);
SAME(compare_size, sizeof(aspen_compare_t) == 72);
SAME(compare_key, offsetof(aspen_compare_t, key) == 16);
SAME(compare_number, offsetof(aspen_compare_t, number) == 64);
SAME(result_size, sizeof(aspen_result_t) == 40);
SAME(result_previous, offsetof(aspen_result_t, previous_revision) == 8);
SAME(result_entries, offsetof(aspen_result_t, entry_begin) == 24);
SAME(quota_size, sizeof(aspen_quota_t) == 48);
SAME(lease_size, sizeof(aspen_lease_t) == 32);
SAME(lease_remaining, offsetof(aspen_lease_t, remaining_ns) == 16);
SAME(conflict_size, sizeof(aspen_conflict_t) == 32);
SAME(watch_options_size, sizeof(aspen_watch_options_t) == 104);
SAME(watch_options_key, offsetof(aspen_watch_options_t, key) == 8);
SAME(watch_options_revision, offsetof(aspen_watch_options_t, revision) == 72);
SAME(watch_event_size, sizeof(aspen_watch_event_t) == 136);
SAME(watch_event_revision, offsetof(aspen_watch_event_t, revision) == 8);
SAME(watch_event_entry, offsetof(aspen_watch_event_t, entry) == 24);
SAME(watch_event_previous, offsetof(aspen_watch_event_t, previous) == 80);
SAME(index_scan_options, sizeof(aspen_index_scan_options_t) == 88);
SAME(index_scan_options_value, offsetof(aspen_index_scan_options_t, value) == 16);
SAME(tuple_item_size, sizeof(aspen_tuple_item_t) == 48);
SAME(tuple_item_data, offsetof(aspen_tuple_item_t, data) == 8);
SAME(tuple_item_int, offsetof(aspen_tuple_item_t, int_value) == 24);
SAME(tuple_item_float, offsetof(aspen_tuple_item_t, float_value) == 40);

int main(void) {
  return ASPEN_OK;
}
