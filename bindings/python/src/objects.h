// The objects of aspen.h as Python sees them: Queue, Op, Node, Batch, Txn. One method per C function; what
// they mean, their defaults and their errors are decided in Python (aspen/_calls.py).
//
// Keys and values are `bytes` and are copied by the engine before a call returns. A call that the C library
// refuses outright (it would be a fault of this package) raises RuntimeError; everything else is the status
// of the operation.
//
// Thread safety: every method may be called from any thread; waits give up the GIL. No engine thread ever
// runs Python.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <string>

#include "handle.h"

namespace aspen::python {

namespace py = pybind11;

class Queue {
 public:
  Queue();
  int fd() const { return aspen_cq_fd(handle_.get()); }
  // The tags of all completed operations, oldest first.
  py::list poll();
  aspen_cq_t* get() const { return handle_.get(); }

 private:
  Handle<aspen_cq_t, aspen_cq_free> handle_;
};

class Node;
class Txn;

class Op {
 public:
  explicit Op(aspen_op_t* op) : handle_(op) {}
  aspen_op_t* get() const { return handle_.get(); }

  // True when complete, false when `timeout_ns` (negative: no limit) passed first. Runs the handlers of
  // signals that arrive meanwhile and raises what they raise.
  bool wait(int64_t timeout_ns);
  // (key, value, create_revision, mod_revision, version, lease) each.
  py::list entries() const;
  // (existed, previous_revision) each.
  py::list changes() const;
  // (kind, existed, succeeded, more, previous_revision, count, entry_begin, entry_end) each.
  py::list results() const;
  // (start, end) each.
  py::list conflicts() const;
  py::bytes continuation() const;
  std::optional<Node> take_node();
  std::optional<Txn> take_txn();

 private:
  Handle<aspen_op_t, aspen_op_free> handle_;
};

struct NodeOptions {
  int32_t mode = ASPEN_MODE_EMBEDDED;
  std::optional<std::string> dir, listen, advertise, ticket;
  std::optional<std::string> restore_from;
  int64_t open_timeout_ns = 0, heartbeat_ns = 0, election_ns = 0;
  uint64_t history_revisions = 0;
  int64_t history_ns = 0, dead_voter_ns = 0;
  uint64_t journal_segment_bytes = 0;
  uint32_t clock_drift_ppm_max = 0;
  bool lease_reads = false, member_reads = false;
};

struct CallOptions {
  int64_t timeout_ns = 0;
  int32_t consistency = ASPEN_READ_LINEARIZABLE;
  int64_t staleness_ns = 0;
  uint64_t revision = 0, lease = 0;
  bool previous = false;
};

struct RangeOptions {
  std::optional<py::bytes> prefix, start, end, continuation;
  uint64_t limit = 0;
  bool reverse = false, keys_only = false;
  CallOptions call;
};

struct Compare {
  int32_t target, relation;
  py::bytes key;
  std::optional<py::bytes> end;  // with it: of every key from `key` to this one
  py::bytes value;
  uint64_t number;
};

class Batch {
 public:
  Batch();
  void put(const py::bytes& key, const py::bytes& value, uint64_t lease, bool previous);
  void remove(const py::bytes& key, bool previous);
  void remove_range(const py::bytes& start, const py::bytes& end, bool previous);
  void get(const py::bytes& key);
  void range(const RangeOptions& options);
  void check(const py::bytes& key, int32_t comparison, const py::bytes& expected, uint64_t revision);
  void compare(const Compare& compare);
  void otherwise();
  void begin();
  void end();
  aspen_batch_t* handle() const { return handle_.get(); }

 private:
  Handle<aspen_batch_t, aspen_batch_free> handle_;
};

// Where a completion goes: the queue (null: waited for by the operation itself) and its tag.
struct Completion {
  Queue* queue;
  uint64_t tag;
};

class Node {
 public:
  explicit Node(aspen_node_t* node) : handle_(node) {}
  Node(Node&&) noexcept = default;
  // Closes an open node and waits for it, without the GIL.
  ~Node();

  std::string id() const { return aspen_node_id(handle_.get()); }
  std::string address() const { return aspen_node_address(handle_.get()); }

  static Op open(const NodeOptions& options, Completion to);
  Op close(Completion to);
  Op ticket(int64_t valid_ns, Completion to);
  Op status(int64_t timeout_ns, Completion to);
  Op get(const py::bytes& key, CallOptions options, Completion to);
  Op put(const py::bytes& key, const py::bytes& value, CallOptions options, Completion to);
  Op remove(const py::bytes& key, CallOptions options, Completion to);
  Op cas(const py::bytes& key, int32_t comparison, const py::bytes& expected, uint64_t revision,
         const py::bytes& value, CallOptions options, Completion to);
  Op range(const RangeOptions& options, Completion to);
  Op apply(const Batch& batch, CallOptions options, Completion to);
  Txn transaction();
  // `parent` null: of the store.
  Op branch(const Txn* parent, const py::bytes& prefix, int64_t timeout_ns, Completion to);
  aspen_node_t* handle() const { return handle_.get(); }

 private:
  Handle<aspen_node_t, aspen_node_free> handle_;
};

// A transaction or a branch.
class Txn {
 public:
  // Why a change was refused; none: it was not.
  struct Refused {
    int32_t status;
    std::string message;
  };

  explicit Txn(aspen_txn_t* txn) : handle_(txn) {}
  Txn(Txn&&) noexcept = default;
  // The last transaction of a node that was freed closes that, so without the GIL.
  ~Txn();

  void reset();
  Op get(const py::bytes& key, int64_t timeout_ns, Completion to);
  Op range(const RangeOptions& options, Completion to);
  std::optional<Refused> put(const py::bytes& key, const py::bytes& value, uint64_t lease);
  std::optional<Refused> remove(const py::bytes& key);
  std::optional<Refused> remove_range(const py::bytes& start, const py::bytes& end);
  Op commit(int64_t timeout_ns, Completion to);
  aspen_txn_t* handle() const { return handle_.get(); }

 private:
  std::optional<Refused> changed(int32_t status);

  Handle<aspen_txn_t, aspen_txn_free> handle_;
};

Op ticket_inspect(const std::string& ticket);

}  // namespace aspen::python
