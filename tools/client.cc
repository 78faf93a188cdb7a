#include "tools/client.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "tools/bytes_text.h"

namespace aspen::tools {

Failure failure_of(const aspen_op_t* op, Kind kind) {
  Failure failure;
  failure.code = aspen_op_status(op);
  failure.message = aspen_op_message(op);
  if (failure.message.empty()) failure.message = aspen_error_text(failure.code);
  if (kind == Kind::WRITE) failure.maybe_applied = aspen_op_applied(op) == ASPEN_APPLIED_MAYBE;
  return failure;
}

Failure refused(int32_t status) {
  return Failure{status, aspen_error_text(status), std::nullopt, {}};
}

int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

Deadline::Deadline(int64_t timeout_ns) : end_ns_(monotonic_ns() + timeout_ns) {}

int64_t Deadline::left_ns() const {
  return std::max<int64_t>(end_ns_ - monotonic_ns(), 1'000'000);
}

Result<std::string> read_ticket(const std::string& given) {
  std::string text = given;
  if (given.starts_with('@')) {
    TOOLS_TRY(text, read_file(given.substr(1)));
  }
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) {
    return fail_hint(ASPEN_TICKET_INVALID, fmt::format("the ticket {} is empty", given), "");
  }
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Result<std::string> ticket_of(const Common& common) {
  if (!common.ticket.empty()) return read_ticket(common.ticket);
  if (const char* environment = std::getenv("ASPEN_TICKET"); environment && *environment) {
    return read_ticket(environment);
  }
  return fail_hint(
      kUsage, "no ticket: a command needs one to find the network",
      "--ticket TICKET, --ticket @FILE or $ASPEN_TICKET; `aspen up` starts a network and prints one");
}

Result<Node> open_client(const Common& common, const Deadline& deadline, Kind kind) {
  TOOLS_TRY(const std::string ticket, ticket_of(common));
  aspen_node_options_t options;
  aspen_node_options_init(&options, sizeof options);
  options.mode = ASPEN_MODE_CLIENT;
  options.ticket = ticket.c_str();
  options.open_timeout_ns = deadline.left_ns();
  Result<Op> op =
      call(Kind::READ, [&](aspen_op_t** out) { return aspen_node_open(&options, nullptr, 0, out); });
  if (!op) {
    if (kind == Kind::WRITE) op.error().maybe_applied = false;
    return std::unexpected(std::move(op).error());
  }
  return Node(aspen_op_take_node(op->get()));
}

aspen_call_options_t call_options(const Deadline& deadline, const ReadArguments& read) {
  aspen_call_options_t options;
  aspen_call_options_init(&options, sizeof options);
  options.timeout_ns = deadline.left_ns();
  options.consistency = read.consistency();
  options.staleness_ns = read.age_max_ns;
  options.revision = read.revision;
  return options;
}

}  // namespace aspen::tools
