// Nodes (aspen_node_*).
#include <cstring>
#include <latch>
#include <memory>
#include <system_error>

#include "capi/node_handle.h"
#include "capi/options.h"
#include "core/base/limits.h"

using aspen::Code;
using aspen::Error;
using aspen::Result;
using aspen::capi::NodeHandle;
using aspen::capi::OpResult;
using aspen::capi::OpState;
using aspen::node::NodeFacts;
using aspen::node::NodeOptions;

namespace {

constexpr int64_t kOpenTimeoutDefault = 30 * aspen::kSecond;
constexpr int64_t kHeartbeatDefault = 50 * aspen::kMillisecond;
constexpr int64_t kElectionDefault = 300 * aspen::kMillisecond;
constexpr int64_t kHeartbeatMin = aspen::kMillisecond;
constexpr int64_t kElectionMax = 60 * aspen::kSecond;
constexpr int64_t kDeadVoterElections = 10;
constexpr uint32_t kDriftPpmMax = 100'000;

std::string text_or_empty(const char* text) {
  return text != nullptr ? text : "";
}

Result<> require(const std::string& value, const char* what, const char* mode) {
  if (!value.empty()) return {};
  return aspen::fail(Code::INVALID_ARGUMENT, "mode {} needs `{}`", mode, what);
}

Result<> forbid(const std::string& value, const char* what, const char* mode) {
  if (value.empty()) return {};
  return aspen::fail(Code::INVALID_ARGUMENT, "mode {} takes no `{}`", mode, what);
}

Result<> check_mode(const NodeOptions& options, int32_t mode) {
  switch (mode) {
    case ASPEN_MODE_EMBEDDED:
      ASPEN_CHECK(require(options.dir, "dir", "EMBEDDED"));
      ASPEN_CHECK(forbid(options.listen, "listen", "EMBEDDED"));
      return forbid(options.ticket, "ticket", "EMBEDDED");
    case ASPEN_MODE_FOUND:
      ASPEN_CHECK(require(options.dir, "dir", "FOUND"));
      ASPEN_CHECK(forbid(options.ticket, "ticket", "FOUND"));
      return require(options.listen, "listen", "FOUND");
    case ASPEN_MODE_JOIN:
      ASPEN_CHECK(require(options.dir, "dir", "JOIN"));
      ASPEN_CHECK(forbid(options.restore_from, "restore_from", "JOIN"));
      return require(options.listen, "listen", "JOIN");
    case ASPEN_MODE_CLIENT:
      ASPEN_CHECK(require(options.ticket, "ticket", "CLIENT"));
      ASPEN_CHECK(forbid(options.listen, "listen", "CLIENT"));
      ASPEN_CHECK(forbid(options.restore_from, "restore_from", "CLIENT"));
      return forbid(options.dir, "dir", "CLIENT");
    default:
      return aspen::fail(Code::INVALID_ARGUMENT, "mode {} is unknown; 0 to 3", mode);
  }
}

Result<> within(uint64_t value, uint64_t low, uint64_t high, const char* what) {
  if (value == 0 || (value >= low && value <= high)) return {};
  return aspen::fail(Code::INVALID_ARGUMENT, "{} is {}; 0 for the default, or {} to {}", what, value, low,
                     high);
}

// Requires: the times that `options` has already are valid.
Result<> convert_store_options(const aspen_node_options_t& in, NodeOptions& options) {
  if (in.history_revisions > 0) options.history.keep_revisions = in.history_revisions;
  if (in.history_ns > 0) options.history.keep_time = in.history_ns;
  if (in.history_ns < 0) options.history = {};
  if (in.dead_voter_ns != 0 && in.dead_voter_ns / kDeadVoterElections < options.election) {
    return aspen::fail(Code::INVALID_ARGUMENT,
                       "dead_voter_ns is {}; 0 for never, or at least {} elections of {}", in.dead_voter_ns,
                       kDeadVoterElections, options.election);
  }
  options.dead_voter_after = in.dead_voter_ns;
  ASPEN_CHECK(within(in.journal_segment_bytes, aspen::limits::kJournalSegmentBytes,
                     aspen::limits::kJournalSegmentBytesMax, "journal_segment_bytes"));
  options.journal_segment_bytes = in.journal_segment_bytes;
  ASPEN_CHECK(within(in.clock_drift_ppm_max, 1, kDriftPpmMax, "clock_drift_ppm_max"));
  options.clock_drift_ppm_max = in.clock_drift_ppm_max;
  options.lease_reads = in.lease_reads != 0;
  options.member_reads = in.member_reads != 0;
  return {};
}

Result<NodeOptions> convert(const aspen_node_options_t& in) {
  NodeOptions options;
  options.mode = static_cast<aspen::node::Mode>(in.mode);
  options.dir = text_or_empty(in.dir);
  options.listen = text_or_empty(in.listen);
  options.advertise = text_or_empty(in.advertise);
  options.ticket = text_or_empty(in.ticket);
  options.restore_from = text_or_empty(in.restore_from);
  ASPEN_CHECK(check_mode(options, in.mode));
  if (in.open_timeout_ns < 0 || in.heartbeat_ns < 0 || in.election_ns < 0) {
    return aspen::fail(Code::INVALID_ARGUMENT, "times must not be negative");
  }
  options.open_timeout = in.open_timeout_ns > 0 ? in.open_timeout_ns : kOpenTimeoutDefault;
  options.heartbeat = in.heartbeat_ns > 0 ? in.heartbeat_ns : kHeartbeatDefault;
  options.election = in.election_ns > 0 ? in.election_ns : kElectionDefault;
  if (options.heartbeat < kHeartbeatMin || options.election > kElectionMax) {
    return aspen::fail(Code::INVALID_ARGUMENT,
                       "heartbeat_ns is {}, at least {}; election_ns is {}, at most {}", options.heartbeat,
                       kHeartbeatMin, options.election, kElectionMax);
  }
  if (options.election / 4 < options.heartbeat) {
    return aspen::fail(Code::INVALID_ARGUMENT, "election_ns is {}; at least 4 heartbeats of {}",
                       options.election, options.heartbeat);
  }
  ASPEN_CHECK(convert_store_options(in, options));
  return options;
}

OpResult failed(Error error) {
  OpResult result;
  result.error = std::move(error);
  return result;
}

// Completes an operation whose answer is text.
auto complete_text(std::shared_ptr<OpState> state) {
  return [state = std::move(state)](Result<std::string> text) {
    if (!text) return state->complete(failed(text.error()));
    OpResult result;
    result.text = std::move(*text);
    state->complete(std::move(result));
  };
}

}  // namespace

void aspen_node_options_init(aspen_node_options_t* options, size_t struct_size) {
  aspen::capi::init_options(options, struct_size);
}

int32_t aspen_node_open(const aspen_node_options_t* options, aspen_cq_t* queue, uint64_t tag,
                        aspen_op_t** op) {
  if (op == nullptr) return ASPEN_INVALID_ARGUMENT;
  *op = nullptr;
  aspen_node_options_t copy;
  if (options == nullptr ||
      !aspen::capi::read_options(options, &copy, offsetof(aspen_node_options_t, history_revisions)))
    return ASPEN_INVALID_ARGUMENT;
  auto state = aspen::capi::make_op(queue, tag, op);
  auto converted = convert(copy);
  if (!converted) {
    state->complete(failed(converted.error()));
    return ASPEN_OK;
  }
  auto handle = std::make_shared<NodeHandle>();
  state->hold_node(handle);
  state->set_cancel([weak = std::weak_ptr(handle)] {
    if (auto node = weak.lock(); node != nullptr && !node->forked()) node->node->close([](Result<>) {});
  });
  // Whoever hears of the completion may take the node, on any thread: it has to be in place by then.
  auto in_place = std::make_shared<std::latch>(1);
  auto opened = [state, in_place, facts = &handle->facts](Result<NodeFacts> opened) {
    in_place->wait();
    // Cancelling an open closes the node, also one that has just come up.
    if (state->cancel_requested()) opened = aspen::fail(Code::CANCELLED, "the open was cancelled");
    if (opened) *facts = std::move(*opened);
    state->complete(opened ? OpResult{} : failed(opened.error()));
  };
  try {
    handle->node = aspen::node::Node::start(std::move(*converted), opened);
    in_place->count_down();
  } catch (const std::system_error& e) {
    state->complete(
        failed(Error(Code::IO, fmt::format("the process is out of threads or descriptors: {}", e.what()))));
  }
  return ASPEN_OK;
}

aspen_node_t* aspen_op_take_node(aspen_op_t* op) {
  if (op == nullptr) return nullptr;
  auto node = op->state->take_node();
  return node != nullptr ? new aspen_node{std::move(node)} : nullptr;
}

int32_t aspen_node_close(aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  if (op == nullptr) return ASPEN_INVALID_ARGUMENT;
  *op = nullptr;
  if (node == nullptr || node->handle->forked()) return ASPEN_INVALID_ARGUMENT;
  auto state = aspen::capi::make_op(queue, tag, op);
  node->handle->node->close(
      [state](Result<> closed) { state->complete(closed ? OpResult{} : failed(closed.error())); });
  return ASPEN_OK;
}

void aspen_node_free(aspen_node_t* node) {
  delete node;
}

const char* aspen_node_id(const aspen_node_t* node) {
  return node != nullptr ? node->handle->facts.id.c_str() : "";
}

const char* aspen_node_address(const aspen_node_t* node) {
  return node != nullptr ? node->handle->facts.address.c_str() : "";
}

int32_t aspen_node_ticket(aspen_node_t* node, int64_t valid_ns, aspen_cq_t* queue, uint64_t tag,
                          aspen_op_t** op) {
  if (op == nullptr) return ASPEN_INVALID_ARGUMENT;
  *op = nullptr;
  if (node == nullptr || valid_ns < 0 || node->handle->forked()) return ASPEN_INVALID_ARGUMENT;
  auto state = aspen::capi::make_op(queue, tag, op);
  node->handle->node->ticket(valid_ns, complete_text(state));
  return ASPEN_OK;
}

int32_t aspen_node_status(aspen_node_t* node, int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag,
                          aspen_op_t** op) {
  if (op == nullptr) return ASPEN_INVALID_ARGUMENT;
  *op = nullptr;
  if (node == nullptr || node->handle->forked()) return ASPEN_INVALID_ARGUMENT;
  auto state = aspen::capi::make_op(queue, tag, op);
  auto id = node->handle->node->status(aspen::capi::timeout_or_default(timeout_ns), complete_text(state));
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}
