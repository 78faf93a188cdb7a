// aspen.h as C++ values: handles that free themselves, and calls that wait and give a Result.
//
//   TOOLS_TRY(Node node, open_client(common));
//   TOOLS_TRY(Op op, call(Kind::WRITE, [&](aspen_op_t** op) {
//     return aspen_kv_put(node.get(), "k", 1, "v", 1, nullptr, nullptr, 0, op);
//   }));
//   uint64_t revision = aspen_op_revision(op.get());
//
// Thread safety: as in aspen.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tools/failure.h"

namespace aspen::tools {

struct Deleter {
  void operator()(aspen_op_t* op) const { aspen_op_free(op); }
  void operator()(aspen_node_t* node) const { aspen_node_free(node); }
  void operator()(aspen_cq_t* queue) const { aspen_cq_free(queue); }
  void operator()(aspen_batch_t* batch) const { aspen_batch_free(batch); }
  void operator()(aspen_watch_t* watch) const { aspen_watch_free(watch); }
};
using Op = std::unique_ptr<aspen_op_t, Deleter>;
using Node = std::unique_ptr<aspen_node_t, Deleter>;  // closes, waiting, when it goes
using Queue = std::unique_ptr<aspen_cq_t, Deleter>;
using Batch = std::unique_ptr<aspen_batch_t, Deleter>;
using Watch = std::unique_ptr<aspen_watch_t, Deleter>;

enum class Kind { READ, WRITE };

// The failure of a completed operation whose status is not OK.
Failure failure_of(const aspen_op_t* op, Kind kind);
// The failure of a call that made no operation.
Failure refused(int32_t status);

// Starts an operation, waits for it, and gives it back when its status is OK.
template <typename Start>
Result<Op> call(Kind kind, Start start) {
  aspen_op_t* raw = nullptr;
  if (const int32_t status = start(&raw); status != ASPEN_OK) return std::unexpected(refused(status));
  Op op(raw);
  aspen_op_wait(op.get(), -1);
  if (aspen_op_status(op.get()) != ASPEN_OK) return std::unexpected(failure_of(op.get(), kind));
  return op;
}

// What the options that every command shares were set to.
struct Common {
  std::string ticket;  // text, @FILE, or empty: $ASPEN_TICKET
  Format format = Format::TABLE;
  int64_t timeout_ns = 10'000'000'000;
};

// The time a command may take altogether.
class Deadline {
 public:
  explicit Deadline(int64_t timeout_ns);
  // At least 1 ms, because 0 means "the default" in aspen.h.
  int64_t left_ns() const;

 private:
  int64_t end_ns_;
};

int64_t monotonic_ns();

// A ticket as given on the command line: its text, or @FILE.
Result<std::string> read_ticket(const std::string& given);
// The ticket of --ticket or $ASPEN_TICKET.
Result<std::string> ticket_of(const Common& common);

// A storeless node that uses the network of the ticket. When that fails, what it was wanted for did not
// happen: a failure for Kind::WRITE says so.
Result<Node> open_client(const Common& common, const Deadline& deadline, Kind kind = Kind::READ);

// How a read was asked for.
struct ReadArguments {
  bool stale = false;
  int64_t age_max_ns = 0;  // 0: --stale says
  uint64_t revision = 0;

  int32_t consistency() const { return stale || age_max_ns > 0 ? ASPEN_READ_STALE : ASPEN_READ_LINEARIZABLE; }
};

aspen_call_options_t call_options(const Deadline& deadline, const ReadArguments& read = {});

}  // namespace aspen::tools
