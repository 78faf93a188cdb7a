// The text forms of histories: the one that is read back, and the one for people.
#include <algorithm>
#include <array>

#include "core/base/limits.h"
#include "core/lab/history.h"
#include "core/lab/text.h"

namespace aspen::lab {
namespace {

using Outcome = Operation::Outcome;

constexpr std::array<std::string_view, 4> kOutcomes = {"open", "ok", "not-applied", "maybe"};
constexpr std::array<std::string_view, 4> kConditions = {"absent", "present", "value", "revision"};
constexpr std::array<std::string_view, 2> kOps = {"put", "erase"};

std::string_view name(Outcome outcome) {
  return kOutcomes.at(static_cast<size_t>(outcome));
}

// --- written ---

std::string text(const kv::Record& record) {
  return fmt::format("{} {} {} {}", quote(record.value), record.create_revision, record.mod_revision,
                     record.version);
}

std::string text(const std::optional<kv::Record>& record) {
  return record ? "record " + text(*record) : "none";
}

std::string text(const node::Freshness& freshness) {
  if (freshness.kind == node::Freshness::Kind::lease) return "lease";
  if (!freshness.stale()) return "fresh";
  return freshness.age_max == 0 ? "stale" : fmt::format("within {}", freshness.age_max);
}

std::string call_text(const Operation::Write& write) {
  std::string out = fmt::format("write {}", write.conditions.size());
  for (const Condition& condition : write.conditions) {
    out +=
        fmt::format(" {} {}", kConditions.at(static_cast<size_t>(condition.kind) - 1), quote(condition.key));
    if (condition.kind == Condition::Kind::value_equals) out += " " + quote(condition.value);
    if (condition.kind == Condition::Kind::mod_revision_equals) {
      out += fmt::format(" {}", condition.revision);
    }
  }
  out += fmt::format(" {}", write.ops.size());
  for (const kv::Op& op : write.ops) {
    out += fmt::format(" {} {}", kOps.at(static_cast<size_t>(op.kind) - 1), quote(op.key));
    if (op.kind == kv::Op::Kind::put) out += " " + quote(op.value);
  }
  return out;
}

std::string call_text(const Operation::Get& get) {
  return fmt::format("get {} {}", text(get.freshness), quote(get.key));
}

std::string call_text(const Operation::Range& range) {
  const kv::RangeRequest& r = range.request;
  return fmt::format("range {} {} {} {} {} {}", text(range.freshness), quote(r.start), quote(r.end), r.limit,
                     r.reverse ? "reverse" : "forward", r.keys_only ? "keys" : "all");
}

std::string reply_text(const Operation::Write& write) {
  const kv::WriteReply& reply = write.reply;
  if (!reply.succeeded) {
    auto current = reply.current ? std::optional(reply.current->record) : std::nullopt;
    return fmt::format("{} failed {} {}", reply.revision, reply.failed_compare, text(current));
  }
  std::string out = fmt::format("{} done {}", reply.revision, reply.results.size());
  for (const kv::OpResult& result : reply.results) {
    out += fmt::format(" {} {}", result.existed ? "over" : "new", result.previous_revision);
  }
  return out;
}

std::string reply_text(const Operation::Get& get) {
  return fmt::format("{} {}", get.reply.revision, text(get.reply.record));
}

std::string reply_text(const Operation::Range& range) {
  const kv::RangeReply& reply = range.reply;
  std::string out = fmt::format("{} {}", reply.revision, reply.entries.size());
  for (const kv::KeyRecord& entry : reply.entries) {
    out += fmt::format(" {} {}", quote(entry.key), text(entry.record));
  }
  return out + (reply.more ? " more " + quote(reply.continuation) : " end");
}

// --- read ---

// The place of the word in `names`.
template <size_t N>
size_t choice(TextReader& in, const std::array<std::string_view, N>& names, const char* what) {
  std::string_view word = in.word(what);
  auto found = std::ranges::find(names, word);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  if (in.ok()) in.refuse(fmt::format("{} is none of the kinds: {}", what, quote_short(word)));
  return 0;
}

size_t count(TextReader& in, size_t max, const char* what) {
  uint64_t n = in.number(what);
  if (n > max) in.refuse(fmt::format("{} {}; at most {}", n, what, max));
  return in.ok() ? n : 0;
}

kv::Record read_record(TextReader& in) {
  kv::Record record;
  record.value = in.quoted("value");
  record.create_revision = in.number("create revision");
  record.mod_revision = in.number("mod revision");
  record.version = in.number("version");
  return record;
}

std::optional<kv::Record> read_optional_record(TextReader& in) {
  if (choice<2>(in, {"none", "record"}, "record") == 0) return std::nullopt;
  return read_record(in);
}

Operation::Write read_write(TextReader& in, bool with_reply) {
  Operation::Write write;
  for (size_t n = count(in, limits::kTransactionOpsMax, "conditions"); n > 0; --n) {
    Condition condition;
    condition.kind = static_cast<Condition::Kind>(choice(in, kConditions, "condition") + 1);
    condition.key = in.quoted("key");
    if (condition.kind == Condition::Kind::value_equals) condition.value = in.quoted("value");
    if (condition.kind == Condition::Kind::mod_revision_equals) condition.revision = in.number("revision");
    write.conditions.push_back(std::move(condition));
  }
  for (size_t n = count(in, limits::kTransactionOpsMax, "operations"); n > 0; --n) {
    kv::Op op;
    op.kind = static_cast<kv::Op::Kind>(choice(in, kOps, "operation") + 1);
    op.key = in.quoted("key");
    if (op.kind == kv::Op::Kind::put) op.value = in.quoted("value");
    write.ops.push_back(std::move(op));
  }
  if (!with_reply) return write;
  kv::WriteReply& reply = write.reply;
  reply.revision = in.number("revision");
  reply.succeeded = choice<2>(in, {"failed", "done"}, "outcome") == 1;
  if (!reply.succeeded) {
    reply.failed_compare = static_cast<uint32_t>(count(in, limits::kTransactionOpsMax, "failed condition"));
    std::optional<kv::Record> record = read_optional_record(in);
    if (reply.failed_compare >= write.conditions.size()) {
      in.refuse("the failed condition is none of them");
    } else if (record) {
      reply.current = {write.conditions[reply.failed_compare].key, *std::move(record)};
    }
    return write;
  }
  for (size_t n = count(in, limits::kTransactionOpsMax, "results"); n > 0; --n) {
    kv::OpResult result;
    result.existed = choice<2>(in, {"new", "over"}, "result") == 1;
    result.previous_revision = in.number("previous revision");
    reply.results.push_back(result);
  }
  if (reply.results.size() != write.ops.size()) in.refuse("the results are not one for each operation");
  return write;
}

node::Freshness read_freshness(TextReader& in) {
  switch (choice<4>(in, {"fresh", "stale", "lease", "within"}, "kind of read")) {
    case 1:
      return node::kAnyAge;
    case 2:
      return {node::Freshness::Kind::lease};
    case 3:
      return {node::Freshness::Kind::stale, static_cast<DurationNs>(in.number("age"))};
    default:
      return {};
  }
}

Operation::Get read_get(TextReader& in, bool with_reply) {
  Operation::Get get;
  get.freshness = read_freshness(in);
  get.key = in.quoted("key");
  if (!with_reply) return get;
  get.reply.revision = in.number("revision");
  get.reply.record = read_optional_record(in);
  return get;
}

Operation::Range read_range(TextReader& in, bool with_reply) {
  Operation::Range range;
  range.freshness = read_freshness(in);
  range.request.start = in.quoted("start");
  range.request.end = in.quoted("end");
  range.request.limit = static_cast<uint32_t>(count(in, UINT32_MAX, "limit"));
  range.request.reverse = choice<2>(in, {"forward", "reverse"}, "direction") == 1;
  range.request.keys_only = choice<2>(in, {"all", "keys"}, "what is read") == 1;
  if (!with_reply) return range;
  kv::RangeReply& reply = range.reply;
  reply.revision = in.number("revision");
  for (size_t n = count(in, limits::kRangeEntriesMax, "entries"); n > 0 && in.ok(); --n) {
    Bytes key = in.quoted("key");
    reply.entries.push_back({std::move(key), read_record(in)});
  }
  reply.more = choice<2>(in, {"end", "more"}, "end of the range") == 1;
  if (reply.more) reply.continuation = in.quoted("continuation");
  return range;
}

template <typename Number>
Number read_or_open(TextReader& in, Number open, const char* what) {
  std::string_view word = in.word(what);
  if (word == "-") return open;
  TextReader number(word);
  auto value = static_cast<Number>(number.signed_number(what));
  if (Result<> good = number.finish(); !good && in.ok()) in.refuse(good.error().message);
  return value;
}

Result<Operation> read_operation(std::string_view line) {
  TextReader in(line);
  Operation op;
  op.client = in.number("client");
  op.invoked = in.number("invocation");
  op.returned = read_or_open<uint64_t>(in, kStillOpen, "return");
  op.invoked_at = in.signed_number("invocation time");
  op.returned_at = read_or_open<TimeNs>(in, kNever, "return time");
  op.outcome = static_cast<Outcome>(choice(in, kOutcomes, "outcome"));
  switch (choice<3>(in, {"write", "get", "range"}, "call")) {
    case 0:
      op.call = read_write(in, op.ok());
      break;
    case 1:
      op.call = read_get(in, op.ok());
      break;
    case 2:
      op.call = read_range(in, op.ok());
      break;
  }
  bool returned = op.outcome == Outcome::ok || op.outcome == Outcome::not_applied;
  if (in.ok() && returned != (op.returned != kStillOpen))
    in.refuse("its return does not go with its outcome");
  if (in.ok() && op.returned <= op.invoked) in.refuse("it returns before it is invoked");
  ASPEN_CHECK(in.finish());
  return op;
}

std::string people(const Operation::Write& write, bool ok) {
  std::string out;
  for (const Condition& condition : write.conditions) {
    out += fmt::format("{} {}{}", out.empty() ? "if" : " and", quote_short(condition.key), [&] {
      switch (condition.kind) {
        case Condition::Kind::absent:
          return std::string(" is absent");
        case Condition::Kind::present:
          return std::string(" is present");
        case Condition::Kind::value_equals:
          return " is " + quote_short(condition.value);
        case Condition::Kind::mod_revision_equals:
          return fmt::format(" is at revision {}", condition.revision);
      }
      return std::string();
    }());
  }
  if (!out.empty()) out += ": ";
  for (const kv::Op& op : write.ops) {
    if (&op != write.ops.data()) out += ", ";
    out += op.kind == kv::Op::Kind::put
               ? fmt::format("put {} = {}", quote_short(op.key), quote_short(op.value))
               : fmt::format("erase {}", quote_short(op.key));
  }
  if (write.ops.empty()) out += "no operation";
  if (!ok) return out;
  const kv::WriteReply& reply = write.reply;
  out += fmt::format(" -> revision {}", reply.revision);
  if (!reply.succeeded) {
    out += fmt::format(", condition {} failed on {}", reply.failed_compare,
                       reply.current ? describe(reply.current->record) : "an absent key");
  }
  for (const kv::OpResult& result : reply.results) {
    out += result.existed ? fmt::format(", over revision {}", result.previous_revision) : ", new";
  }
  return out;
}

std::string people(const Operation::Get& get, bool ok) {
  std::string out = fmt::format(
      "{}get {}", get.freshness == node::Freshness{} ? "" : text(get.freshness) + " ", quote_short(get.key));
  if (!ok) return out;
  return out + fmt::format(" -> {} at revision {}", get.reply.record ? describe(*get.reply.record) : "absent",
                           get.reply.revision);
}

std::string people(const Operation::Range& range, bool ok) {
  constexpr size_t kShown = 8;
  std::string out = call_text(range);
  if (!ok) return out;
  out += fmt::format(" -> {} entries at revision {}:", range.reply.entries.size(), range.reply.revision);
  for (size_t i = 0; i < std::min(kShown, range.reply.entries.size()); ++i) {
    const kv::KeyRecord& entry = range.reply.entries[i];
    out += fmt::format(" {} = {}", quote_short(entry.key), describe(entry.record));
  }
  return out + (range.reply.entries.size() > kShown ? " ..." : "") + (range.reply.more ? " and more" : "");
}

std::string milliseconds(TimeNs time) {
  return time == kNever ? "open" : fmt::format("{:.6f}", static_cast<double>(time) / kMillisecond);
}

}  // namespace

std::string describe(const kv::Record& record) {
  return fmt::format("{} (revision {}, created {}, version {})", quote_short(record.value),
                     record.mod_revision, record.create_revision, record.version);
}

std::string describe(const Operation& op) {
  std::string out = fmt::format("client {} [{} .. {} ms] ", op.client, milliseconds(op.invoked_at),
                                milliseconds(op.returned_at));
  out += std::visit([&](const auto& call) { return people(call, op.ok()); }, op.call);
  if (!op.ok()) out += fmt::format(" -> {}", name(op.outcome));
  return out;
}

std::string to_line(const Operation& op) {
  auto open = [](auto number, bool is_open) { return is_open ? "-" : std::to_string(number); };
  std::string out =
      fmt::format("{} {} {} {} {} {} ", op.client, op.invoked, open(op.returned, op.returned == kStillOpen),
                  op.invoked_at, open(op.returned_at, op.returned_at == kNever), name(op.outcome));
  out += std::visit([](const auto& call) { return call_text(call); }, op.call);
  if (op.ok()) out += " " + std::visit([](const auto& call) { return reply_text(call); }, op.call);
  return out;
}

std::string History::text() const {
  std::string out;
  for (const Operation& operation : operations_) (out += to_line(operation)) += '\n';
  return out;
}

Result<History> History::parse(std::string_view text) {
  History history;
  for (size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (history.size() == history.operations_max_) {
      return ::aspen::fail(Code::LIMIT_EXCEEDED, "the history has more than {} operations",
                           history.operations_max_);
    }
    auto operation = read_operation(line);
    if (!operation) {
      return ::aspen::fail(Code::INVALID_ARGUMENT, "history line {}: {}", number, operation.error().message);
    }
    if (history.size() > 0 && operation->invoked <= history.operations_.back().invoked) {
      return ::aspen::fail(Code::INVALID_ARGUMENT, "history line {}: invoked before the line above it",
                           number);
    }
    history.next_order_ = std::max(history.next_order_, operation->invoked + 1);
    if (operation->returned != kStillOpen) {
      history.next_order_ = std::max(history.next_order_, operation->returned + 1);
    }
    history.operations_.push_back(*std::move(operation));
  }
  return history;
}

}  // namespace aspen::lab
