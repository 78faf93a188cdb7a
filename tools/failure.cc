#include "tools/failure.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace aspen::tools {
namespace {

// What usually helps, by code. Empty: the message says it all.
std::string usual_hint(int32_t code) {
  switch (code) {
    case ASPEN_LIMIT_EXCEEDED:
      return "`aspen version -o json` lists the limits";
    case ASPEN_PERMISSION_DENIED:
      return "ask a member of the network for a ticket that allows this";
    case ASPEN_NOT_A_MEMBER:
    case ASPEN_WRONG_PEER:
      return "is the ticket of this network? see `aspen ticket inspect TICKET`";
    case ASPEN_GRANT_EXPIRED:
      return "ask a member of the network for a new ticket";
    case ASPEN_TICKET_INVALID:
      return "copy the whole ticket, from `aspen up` or the ready line of `aspen node`; it starts with "
             "aspen1";
    case ASPEN_DEADLINE_EXCEEDED:
    case ASPEN_UNAVAILABLE:
    case ASPEN_NOT_LEADER:
      return "are a majority of the nodes running? see `aspen status`; --timeout allows more time";
    case ASPEN_CONNECTION_LOST:
    case ASPEN_OVERLOADED:
    case ASPEN_SESSION_EXPIRED:
      return "try again";
    case ASPEN_IN_USE:
      return "end the other process, or choose another --dir or --listen";
    case ASPEN_WRONG_NODE:
      return "choose the --dir this node was made in, or an empty one for a new node";
    case ASPEN_CORRUPT:
      return "to start afresh, join as a new node with an empty --dir; keep the damaged one until then";
    case ASPEN_IO:
      return "look at the disk: space, permissions, the kernel log";
    case ASPEN_COMPACTED:
      return "the oldest revisions are forgotten; ask for a later one";
    case ASPEN_INTERNAL:
      return "please report this, with what you did";
    default:
      return "";
  }
}

const char* code_name(int32_t code) {
  return code == kUsage ? "USAGE" : aspen_error_name(code);
}

}  // namespace

int Failure::exit_code() const {
  if (code == kUsage) return kExitUsage;
  return code == ASPEN_NOT_FOUND ? kExitNo : kExitFailed;
}

void print_failure(const Failure& failure, Format format) {
  const std::string hint = failure.hint.empty() ? usual_hint(failure.code) : failure.hint;
  const bool retryable = failure.code > 0 && aspen_error_retryable(failure.code);
  if (format == Format::JSON) {
    nlohmann::ordered_json error = {{"code", code_name(failure.code)}, {"number", failure.code},
                                    {"message", failure.message},      {"applied", nullptr},
                                    {"retryable", retryable},          {"hint", hint}};
    if (failure.code < 0) error["number"] = nullptr;
    if (failure.maybe_applied) error["applied"] = *failure.maybe_applied ? "maybe" : "no";
    const auto replace = nlohmann::json::error_handler_t::replace;
    fmt::print(stderr, "{}\n", nlohmann::ordered_json{{"error", error}}.dump(-1, ' ', false, replace));
    return;
  }
  fmt::print(stderr, "error: {}\n", failure.message);
  if (failure.code > 0) {
    fmt::print(stderr, "  code     {}, {}{}\n", code_name(failure.code), aspen_error_text(failure.code),
               retryable ? " (a retry may succeed)" : "");
  }
  if (failure.maybe_applied) {
    fmt::print(stderr, "  applied  {}\n",
               *failure.maybe_applied ? "maybe: it may take effect, now or later; read the key to know"
                                      : "no: nothing was changed");
  }
  if (!hint.empty()) fmt::print(stderr, "  hint     {}\n", hint);
}

}  // namespace aspen::tools
