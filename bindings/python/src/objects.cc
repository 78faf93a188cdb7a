#include "objects.h"

#include <algorithm>
#include <array>

#include "c_values.h"
#include "gil.h"

namespace aspen::python {
namespace {

// How long Ctrl-C can go unnoticed in a blocking wait. A completion ends the wait at once.
constexpr int64_t kSignalSliceNs = 50'000'000;
constexpr size_t kEventsPerPoll = 256;

// A data directory opened before a fork leaves RocksDB without its background threads in the child, where the
// next one would wait for them for ever. Refused instead.
constexpr int64_t kNoStore = -1;
std::atomic<int64_t> store_generation{kNoStore};  // the fork generation in which a store was opened

void refuse_store_after_fork(int32_t mode) {
  if (mode == ASPEN_MODE_CLIENT) return;
  int64_t generation = fork_generation.load();
  int64_t opened = store_generation.exchange(generation);
  if (opened == kNoStore || opened == generation) return;
  store_generation.store(opened);
  throw std::runtime_error(
      "this process was forked from one that had opened a data directory; start it with the 'spawn' method, "
      "or "
      "connect to the network as a client");
}

}  // namespace

Queue::Queue()
    : handle_([] {
        aspen_cq_t* queue = nullptr;
        require(aspen_cq_new(&queue), "aspen_cq_new");
        return queue;
      }()) {}

py::list Queue::poll() {
  py::list tags;
  std::array<aspen_event_t, kEventsPerPoll> events;
  size_t count;
  do {
    count = aspen_cq_poll(handle_.get(), events.data(), events.size());
    for (size_t i = 0; i < count; ++i) tags.append(events[i].tag);
  } while (count == events.size());
  return tags;
}

bool Op::wait(int64_t timeout_ns) {
  for (;;) {
    int64_t slice_ns = timeout_ns < 0 ? kSignalSliceNs : std::min(timeout_ns, kSignalSliceNs);
    int32_t status;
    {
      aspen_op_t* op = get();
      GilReleased released;
      status = aspen_op_wait(op, slice_ns);
    }
    if (status == ASPEN_OK) return true;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (timeout_ns < 0) continue;
    timeout_ns -= slice_ns;
    if (timeout_ns <= 0) return false;
  }
}

py::list Op::entries() const {
  size_t count = aspen_op_entry_count(get());
  py::list out(count);
  for (size_t i = 0; i < count; ++i) {
    aspen_entry_t entry;
    require(aspen_op_entry(get(), i, &entry), "aspen_op_entry");
    out[i] = to_tuple(entry, aspen_op_entry_lease(get(), i));
  }
  return out;
}

py::list Op::changes() const {
  size_t count = aspen_op_change_count(get());
  py::list out(count);
  for (size_t i = 0; i < count; ++i) {
    uint8_t existed = 0;
    uint64_t previous_revision = 0;
    require(aspen_op_change(get(), i, &existed, &previous_revision), "aspen_op_change");
    out[i] = py::make_tuple(existed != 0, previous_revision);
  }
  return out;
}

py::list Op::results() const {
  size_t count = aspen_op_result_count(get());
  py::list out(count);
  for (size_t i = 0; i < count; ++i) {
    aspen_result_t result;
    require(aspen_op_result(get(), i, &result), "aspen_op_result");
    out[i] = py::make_tuple(result.kind, result.existed != 0, result.succeeded != 0, result.more != 0,
                            result.previous_revision, result.count, result.entry_begin, result.entry_end);
  }
  return out;
}

py::list Op::conflicts() const {
  size_t count = aspen_op_conflict_count(get());
  py::list out(count);
  for (size_t i = 0; i < count; ++i) {
    aspen_conflict_t conflict;
    require(aspen_op_conflict(get(), i, &conflict), "aspen_op_conflict");
    out[i] = py::make_tuple(to_bytes(conflict.start, conflict.start_size),
                            to_bytes(conflict.end, conflict.end_size));
  }
  return out;
}

py::bytes Op::continuation() const {
  size_t size = 0;
  const uint8_t* data = aspen_op_continuation(get(), &size);
  return to_bytes(data, size);
}

std::optional<Node> Op::take_node() {
  aspen_node_t* node = aspen_op_take_node(get());
  if (node == nullptr) return std::nullopt;
  return std::optional<Node>(std::in_place, node);
}

std::optional<Txn> Op::take_txn() {
  aspen_txn_t* txn = aspen_op_take_txn(get());
  if (txn == nullptr) return std::nullopt;
  return std::optional<Txn>(std::in_place, txn);
}

Batch::Batch()
    : handle_([] {
        aspen_batch_t* batch = nullptr;
        require(aspen_batch_new(&batch), "aspen_batch_new");
        return batch;
      }()) {}

void Batch::put(const py::bytes& key, const py::bytes& value, uint64_t lease, bool previous) {
  Slice k = slice(key), v = slice(value);
  require(aspen_batch_put_with(handle(), k.data, k.size, v.data, v.size, lease, previous ? 1 : 0),
          "aspen_batch_put_with");
}

void Batch::remove(const py::bytes& key, bool previous) {
  Slice k = slice(key);
  require(aspen_batch_delete_with(handle(), k.data, k.size, previous ? 1 : 0), "aspen_batch_delete_with");
}

void Batch::remove_range(const py::bytes& start, const py::bytes& end, bool previous) {
  Slice s = slice(start), e = slice(end);
  require(aspen_batch_delete_range(handle(), s.data, s.size, e.data, e.size, previous ? 1 : 0),
          "aspen_batch_delete_range");
}

void Batch::get(const py::bytes& key) {
  Slice k = slice(key);
  require(aspen_batch_get(handle(), k.data, k.size), "aspen_batch_get");
}

void Batch::range(const RangeOptions& options) {
  aspen_range_options_t out = c_options(options);
  require(aspen_batch_range(handle(), &out), "aspen_batch_range");
}

void Batch::check(const py::bytes& key, int32_t comparison, const py::bytes& expected, uint64_t revision) {
  Slice k = slice(key), e = slice(expected);
  require(aspen_batch_check(handle(), k.data, k.size, comparison, e.data, e.size, revision),
          "aspen_batch_check");
}

void Batch::compare(const Compare& compare) {
  Slice k = slice(compare.key), v = slice(compare.value);
  aspen_compare_t out;
  aspen_compare_init(&out, sizeof out);
  out.target = compare.target;
  out.relation = compare.relation;
  out.key = k.data;
  out.key_size = k.size;
  if (compare.end) {
    Slice e = slice(*compare.end);
    out.end = e.data;
    out.end_size = e.size;
  }
  out.value = v.data;
  out.value_size = v.size;
  out.number = compare.number;
  require(aspen_batch_compare(handle(), &out), "aspen_batch_compare");
}

void Batch::otherwise() {
  require(aspen_batch_else(handle()), "aspen_batch_else");
}

void Batch::begin() {
  require(aspen_batch_begin(handle()), "aspen_batch_begin");
}

void Batch::end() {
  require(aspen_batch_end(handle()), "aspen_batch_end");
}

Node::~Node() {
  if (!handle_.usable()) return;
  GilReleased released;
  [[maybe_unused]] Handle<aspen_node_t, aspen_node_free> closing(std::move(handle_));
}

Op Node::open(const NodeOptions& options, Completion to) {
  refuse_store_after_fork(options.mode);
  aspen_node_options_t out;
  aspen_node_options_init(&out, sizeof out);
  out.mode = options.mode;
  if (options.dir) out.dir = options.dir->c_str();
  if (options.listen) out.listen = options.listen->c_str();
  if (options.advertise) out.advertise = options.advertise->c_str();
  if (options.ticket) out.ticket = options.ticket->c_str();
  out.open_timeout_ns = options.open_timeout_ns;
  out.heartbeat_ns = options.heartbeat_ns;
  out.election_ns = options.election_ns;
  if (options.restore_from) out.restore_from = options.restore_from->c_str();
  out.history_revisions = options.history_revisions;
  out.history_ns = options.history_ns;
  out.dead_voter_ns = options.dead_voter_ns;
  out.journal_segment_bytes = options.journal_segment_bytes;
  out.clock_drift_ppm_max = options.clock_drift_ppm_max;
  out.lease_reads = options.lease_reads ? 1 : 0;
  out.member_reads = options.member_reads ? 1 : 0;
  aspen_op_t* op = nullptr;
  return made(aspen_node_open(&out, queue_of(to), to.tag, &op), op, "aspen_node_open");
}

Op Node::close(Completion to) {
  aspen_op_t* op = nullptr;
  return made(aspen_node_close(handle_.get(), queue_of(to), to.tag, &op), op, "aspen_node_close");
}

Op Node::ticket(int64_t valid_ns, Completion to) {
  aspen_op_t* op = nullptr;
  return made(aspen_node_ticket(handle_.get(), valid_ns, queue_of(to), to.tag, &op), op, "aspen_node_ticket");
}

Op Node::status(int64_t timeout_ns, Completion to) {
  aspen_op_t* op = nullptr;
  return made(aspen_node_status(handle_.get(), timeout_ns, queue_of(to), to.tag, &op), op,
              "aspen_node_status");
}

Op Node::get(const py::bytes& key, CallOptions options, Completion to) {
  Slice k = slice(key);
  aspen_call_options_t c = c_options(options);
  aspen_op_t* op = nullptr;
  return made(aspen_kv_get(handle_.get(), k.data, k.size, &c, queue_of(to), to.tag, &op), op, "aspen_kv_get");
}

Op Node::put(const py::bytes& key, const py::bytes& value, CallOptions options, Completion to) {
  Slice k = slice(key), v = slice(value);
  aspen_call_options_t c = c_options(options);
  aspen_op_t* op = nullptr;
  return made(aspen_kv_put(handle_.get(), k.data, k.size, v.data, v.size, &c, queue_of(to), to.tag, &op), op,
              "aspen_kv_put");
}

Op Node::remove(const py::bytes& key, CallOptions options, Completion to) {
  Slice k = slice(key);
  aspen_call_options_t c = c_options(options);
  aspen_op_t* op = nullptr;
  return made(aspen_kv_delete(handle_.get(), k.data, k.size, &c, queue_of(to), to.tag, &op), op,
              "aspen_kv_delete");
}

Op Node::cas(const py::bytes& key, int32_t comparison, const py::bytes& expected, uint64_t revision,
             const py::bytes& value, CallOptions options, Completion to) {
  Slice k = slice(key), e = slice(expected), v = slice(value);
  aspen_call_options_t c = c_options(options);
  aspen_op_t* op = nullptr;
  return made(aspen_kv_cas(handle_.get(), k.data, k.size, comparison, e.data, e.size, revision, v.data,
                           v.size, &c, queue_of(to), to.tag, &op),
              op, "aspen_kv_cas");
}

Op Node::range(const RangeOptions& options, Completion to) {
  aspen_range_options_t out = c_options(options);
  aspen_op_t* op = nullptr;
  return made(aspen_kv_range(handle_.get(), &out, queue_of(to), to.tag, &op), op, "aspen_kv_range");
}

Op Node::apply(const Batch& batch, CallOptions options, Completion to) {
  aspen_call_options_t c = c_options(options);
  aspen_op_t* op = nullptr;
  return made(aspen_kv_apply(handle_.get(), batch.handle(), &c, queue_of(to), to.tag, &op), op,
              "aspen_kv_apply");
}

Txn Node::transaction() {
  aspen_txn_t* txn = nullptr;
  require(aspen_txn_new(handle_.get(), &txn), "aspen_txn_new");
  return Txn(txn);
}

Op Node::branch(const Txn* parent, const py::bytes& prefix, int64_t timeout_ns, Completion to) {
  Slice p = slice(prefix);
  aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
  aspen_op_t* op = nullptr;
  return made(aspen_txn_branch(handle_.get(), parent == nullptr ? nullptr : parent->handle(), p.data, p.size,
                               &c, queue_of(to), to.tag, &op),
              op, "aspen_txn_branch");
}

Txn::~Txn() {
  if (!handle_.usable()) return;
  GilReleased released;
  [[maybe_unused]] Handle<aspen_txn_t, aspen_txn_free> discarded(std::move(handle_));
}

void Txn::reset() {
  require(aspen_txn_reset(handle()), "aspen_txn_reset");
}

Op Txn::get(const py::bytes& key, int64_t timeout_ns, Completion to) {
  Slice k = slice(key);
  aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
  aspen_op_t* op = nullptr;
  return made(aspen_txn_get(handle(), k.data, k.size, &c, queue_of(to), to.tag, &op), op, "aspen_txn_get");
}

Op Txn::range(const RangeOptions& options, Completion to) {
  aspen_range_options_t out = c_options(options);
  aspen_op_t* op = nullptr;
  return made(aspen_txn_range(handle(), &out, queue_of(to), to.tag, &op), op, "aspen_txn_range");
}

std::optional<Txn::Refused> Txn::put(const py::bytes& key, const py::bytes& value, uint64_t lease) {
  Slice k = slice(key), v = slice(value);
  return changed(aspen_txn_put(handle(), k.data, k.size, v.data, v.size, lease));
}

std::optional<Txn::Refused> Txn::remove(const py::bytes& key) {
  Slice k = slice(key);
  return changed(aspen_txn_delete(handle(), k.data, k.size));
}

std::optional<Txn::Refused> Txn::remove_range(const py::bytes& start, const py::bytes& end) {
  Slice s = slice(start), e = slice(end);
  return changed(aspen_txn_delete_range(handle(), s.data, s.size, e.data, e.size));
}

Op Txn::commit(int64_t timeout_ns, Completion to) {
  aspen_call_options_t c = c_options({.timeout_ns = timeout_ns});
  aspen_op_t* op = nullptr;
  return made(aspen_txn_commit(handle(), &c, queue_of(to), to.tag, &op), op, "aspen_txn_commit");
}

std::optional<Txn::Refused> Txn::changed(int32_t status) {
  if (status == ASPEN_OK) return std::nullopt;
  return Refused{status, aspen_txn_message(handle())};
}

Op ticket_inspect(const std::string& ticket) {
  aspen_op_t* op = nullptr;
  return made(aspen_ticket_inspect(ticket.c_str(), &op), op, "aspen_ticket_inspect");
}

}  // namespace aspen::python
