#include "core/lab/history.h"

#include "core/base/assert.h"

namespace aspen::lab {

node::Freshness Operation::freshness() const {
  if (const auto* get = std::get_if<Get>(&call)) return get->freshness;
  if (const auto* range = std::get_if<Range>(&call)) return range->freshness;
  return {};
}

kv::Command WriteCall::command() const {
  kv::Command command;
  for (const Condition& condition : conditions) {
    command.transaction.compares.push_back([&]() -> kv::Compare {
      switch (condition.kind) {
        case Condition::Kind::absent:
          return kv::key_absent(condition.key);
        case Condition::Kind::present:
          return kv::key_present(condition.key);
        case Condition::Kind::value_equals:
          return kv::value_is(condition.key, condition.value);
        case Condition::Kind::mod_revision_equals:
          return kv::mod_revision_is(condition.key, condition.revision);
      }
      return {};
    }());
  }
  command.transaction.then = ops;
  return command;
}

Result<size_t> History::invoke(uint64_t client, TimeNs now, Operation::Call call) {
  if (operations_.size() >= operations_max_) {
    full_ = true;
    return ::aspen::fail(Code::LIMIT_EXCEEDED,
                         "the history has {} operations already; end the run or raise the limit",
                         operations_max_);
  }
  Operation operation{.client = client, .call = std::move(call)};
  operation.invoked = next_order_++;
  operation.invoked_at = now;
  operations_.push_back(std::move(operation));
  return operations_.size() - 1;
}

Operation& History::finish(size_t id, TimeNs now, Operation::Outcome outcome) {
  Operation& operation = operations_.at(id);
  ASPEN_ASSERT(operation.outcome == Operation::Outcome::open);
  operation.outcome = outcome;
  operation.returned_at = now;
  uint64_t order = next_order_++;
  if (outcome != Operation::Outcome::maybe) operation.returned = order;
  return operation;
}

void History::succeed(size_t id, TimeNs now, kv::WriteReply reply) {
  std::get<Operation::Write>(finish(id, now, Operation::Outcome::ok).call).reply = std::move(reply);
}

void History::succeed(size_t id, TimeNs now, kv::GetReply reply) {
  std::get<Operation::Get>(finish(id, now, Operation::Outcome::ok).call).reply = std::move(reply);
}

void History::succeed(size_t id, TimeNs now, kv::RangeReply reply) {
  std::get<Operation::Range>(finish(id, now, Operation::Outcome::ok).call).reply = std::move(reply);
}

void History::fail(size_t id, TimeNs now, const Error& error) {
  finish(id, now, error.applied == Applied::NO ? Operation::Outcome::not_applied : Operation::Outcome::maybe);
}

}  // namespace aspen::lab
