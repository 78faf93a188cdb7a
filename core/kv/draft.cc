#include "core/kv/draft.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/mutant.h"

namespace aspen::kv {
namespace {

bool within(BytesView start, BytesView end, BytesView prefix) {
  Bytes prefix_ends = prefix_end(prefix);
  return start >= prefix && (prefix_ends.empty() || (!end.empty() && end <= prefix_ends));
}

}  // namespace

Result<Draft> Draft::branch(std::shared_ptr<Draft> parent, Bytes prefix) {
  ASPEN_ASSERT(parent->branch_);
  if (!prefix.starts_with(parent->prefix_)) {
    return fail(Code::INVALID_ARGUMENT, "a branch of a branch has a prefix that begins with that one's");
  }
  if (parent->depth_ + 1 >= limits::kBranchDepthMax) {
    return fail(Code::LIMIT_EXCEEDED, "branches are {} deep; at most {}", parent->depth_ + 2,
                limits::kBranchDepthMax);
  }
  Draft draft(std::move(prefix));
  draft.depth_ = parent->depth_ + 1;
  draft.parent_stamp_ = parent->stamp_;
  draft.parent_ = std::move(parent);
  return draft;
}

void Draft::began(uint64_t revision) {
  if (parent_) return parent_->began(revision);
  if (revision_ == 0) revision_ = revision;
}

Result<> Draft::check_key(BytesView key) const {
  ASPEN_CHECK(validate_key(key));
  if (key.starts_with(prefix_)) return {};
  return fail(Code::INVALID_ARGUMENT, "the key is not in the branch: it does not begin with its prefix");
}

// What the transaction would be with so much more.
Result<> Draft::check_size(size_t more_ops, size_t more_bytes) const {
  // A branch compares what it writes too, and asks once more for each compare whether it held.
  size_t writes = writes_.size() + erased_.size();
  size_t compares = reads_.size() + (branch_ ? writes : 0);
  size_t count = more_ops * (branch_ ? 4 : 1) + writes + compares * (branch_ ? 3 : 1);
  size_t bytes = more_bytes + write_bytes_ + (reads_.bytes() + erased_.bytes()) * (branch_ ? 3 : 1);
  if (count > limits::kTransactionOpsMax) {
    return fail(Code::LIMIT_EXCEEDED,
                "the transaction has read and changed too much: {} compares and operations; at most {}",
                count, limits::kTransactionOpsMax);
  }
  if (bytes > limits::kTransactionBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "the transaction has {} bytes; at most {}", bytes,
                limits::kTransactionBytesMax);
  }
  return {};
}

Result<> Draft::read(Bytes start, Bytes end) {
  ASPEN_CHECK(check_size(1, start.size() + end.size()));
  reads_.add(std::move(start), std::move(end));
  return {};
}

// What a key is by the changes of this draft and of those it is a branch of.
std::optional<Draft::Found> Draft::own(BytesView key) const {
  if (auto write = writes_.find(key); write != writes_.end()) {
    Found found{.here = true};
    if (write->second.value)
      found.record = Record{.value = *write->second.value, .lease = write->second.lease};
    return found;
  }
  if (erased_.contains(key)) return Found{.here = true};
  return parent_ ? parent_->own(key) : std::nullopt;
}

Result<Draft::Found> Draft::get(BytesView key) {
  ASPEN_CHECK(check_key(key));
  bool mine = writes_.contains(key) || erased_.contains(key);
  if (!mine) ASPEN_CHECK(read(Bytes(key), key_end(key)));
  return own(key).value_or(Found{});
}

Result<RangeRequest> Draft::ask(RangeRequest request) const {
  ASPEN_CHECK(validate_bound(request.start));
  ASPEN_CHECK(validate_bound(request.end));
  request.start = std::max(request.start, prefix_);
  Bytes ends = prefix_end(prefix_);
  if (request.end.empty() || (!ends.empty() && ends < request.end)) request.end = std::move(ends);
  request.revision = revision();
  return request;
}

Result<RangeReply> Draft::merge(const RangeRequest& request, RangeReply reply) {
  merge_own(request, reply);
  Bytes start = request.start;
  Bytes end = request.end;
  if (reply.more) (request.reverse ? start : end) = reply.continuation;
  if (!ASPEN_MUTANT("kv-draft-range-not-read")) ASPEN_CHECK(read(std::move(start), std::move(end)));
  return reply;
}

void Draft::merge_own(const RangeRequest& request, RangeReply& reply) const {
  if (parent_) parent_->merge_own(request, reply);
  // What the reply covers.
  Bytes start = request.start;
  Bytes end = request.end;
  if (reply.more) (request.reverse ? start : end) = reply.continuation;
  std::map<Bytes, Record> entries;
  for (KeyRecord& entry : reply.entries) {
    if (!erased_.contains(entry.key)) entries.emplace(std::move(entry.key), std::move(entry.record));
  }
  for (auto write = writes_.lower_bound(start); write != writes_.end() && before_end(write->first, end);
       ++write) {
    if (!write->second.value) {
      entries.erase(write->first);
      continue;
    }
    Bytes value = request.keys_only ? Bytes() : *write->second.value;
    entries.insert_or_assign(write->first, Record{.value = std::move(value), .lease = write->second.lease});
  }
  reply.entries.clear();
  for (auto& [key, record] : entries) reply.entries.push_back({key, std::move(record)});
  if (request.reverse) std::ranges::reverse(reply.entries);
  size_t limit = request.limit == 0 ? limits::kRangeEntriesMax
                                    : std::min<size_t>(request.limit, limits::kRangeEntriesMax);
  if (reply.entries.size() <= limit) return;
  reply.entries.resize(limit);
  reply.more = true;
  reply.continuation = request.reverse ? reply.entries.back().key : key_end(reply.entries.back().key);
}

Result<> Draft::put(BytesView key, BytesView value, LeaseId lease) {
  if (value.size() > limits::kValueBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "value is {} bytes; at most {}", value.size(), limits::kValueBytesMax);
  }
  return write(key, Bytes(value), lease);
}

Result<> Draft::erase(BytesView key) {
  return write(key, std::nullopt, 0);
}

Result<> Draft::write(BytesView key, std::optional<Bytes> value, LeaseId lease) {
  ASPEN_CHECK(check_key(key));
  auto known = writes_.find(key);
  size_t before = known == writes_.end() ? 0 : known->second.value.value_or(Bytes()).size();
  size_t bytes = value.value_or(Bytes()).size();
  size_t key_bytes = known == writes_.end() ? key.size() : 0;
  if (key_bytes + bytes > before) ASPEN_CHECK(check_size(known == writes_.end(), key_bytes + bytes - before));
  write_bytes_ += key_bytes + bytes - before;
  writes_.insert_or_assign(Bytes(key), Write{std::move(value), lease, ++stamp_});
  return {};
}

Result<> Draft::erase_range(BytesView start, BytesView end) {
  ASPEN_CHECK(validate_bound(start));
  ASPEN_CHECK(validate_bound(end));
  if (!end.empty() && start >= end) {
    return fail(Code::INVALID_ARGUMENT, "the range ends before it starts");
  }
  if (!within(start, end, prefix_)) {
    return fail(Code::INVALID_ARGUMENT,
                "the range is not in the branch: its keys do not all begin with its prefix");
  }
  ASPEN_CHECK(check_size(1, start.size() + end.size()));
  for (auto write = writes_.lower_bound(start); write != writes_.end() && before_end(write->first, end);) {
    write_bytes_ -= write->first.size() + write->second.value.value_or(Bytes()).size();
    write = writes_.erase(write);
  }
  erased_.add(Bytes(start), Bytes(end), ++stamp_);
  return {};
}

std::vector<Compare> Draft::compares() const {
  KeyRanges checked = reads_;
  if (branch_ && !ASPEN_MUTANT("kv-branch-writes-unchecked")) {
    for (const auto& [key, write] : writes_) checked.add(key, key_end(key));
    for (const auto& [start, rest] : erased_.by_start()) checked.add(start, rest.end);
  }
  std::vector<Compare> compares;
  compares.reserve(checked.size());
  for (const auto& [start, rest] : checked.by_start()) {
    Compare& compare = compares.emplace_back(Compare{.target = Compare::Target::unchanged_since,
                                                     .relation = Compare::Relation::equal,
                                                     .key = start,
                                                     .number = revision()});
    if (rest.end != key_end(start)) compare.end = rest.end;
  }
  return compares;
}

Transaction Draft::transaction() const {
  ASPEN_ASSERT(!parent_);
  ASPEN_ASSERT(revision_ != 0 || (reads_.size() == 0 && !branch_));
  Transaction transaction;
  transaction.compares = compares();
  transaction.then.reserve(erased_.size() + writes_.size());
  for (const auto& [start, rest] : erased_.by_start()) {
    transaction.then.push_back({.kind = Op::Kind::erase_range, .range = {.start = start, .end = rest.end}});
  }
  for (const auto& [key, write] : writes_) {
    if (write.value) {
      transaction.then.push_back(
          {.kind = Op::Kind::put, .key = key, .value = *write.value, .lease = write.lease});
    } else {
      transaction.then.push_back({.kind = Op::Kind::erase, .key = key});
    }
  }
  if (!branch_) return transaction;
  // Else: which of the compares did not hold?
  for (const Compare& compare : transaction.compares) {
    Op& op = transaction.otherwise.emplace_back(Op{.kind = Op::Kind::transaction});
    op.nested.push_back({.compares = {compare}});
  }
  return transaction;
}

std::vector<Draft::Conflict> Draft::conflicts(const WriteReply& reply) const {
  std::vector<Conflict> conflicts;
  if (reply.succeeded) return conflicts;
  std::vector<Compare> checked = compares();
  for (size_t i = 0; i < std::min(checked.size(), reply.results.size()); ++i) {
    if (reply.results[i].succeeded) continue;
    conflicts.push_back({checked[i].key, checked[i].end.value_or(key_end(checked[i].key))});
  }
  return conflicts;
}

// Whether this draft itself has changed a key in the range after that stamp.
bool Draft::changed_since(uint64_t stamp, BytesView start, BytesView end) const {
  if (ASPEN_MUTANT("kv-branch-overwrites-its-parent")) return false;
  for (auto write = writes_.lower_bound(start); write != writes_.end() && before_end(write->first, end);
       ++write) {
    if (write->second.stamp > stamp) return true;
  }
  return erased_.newest(start, end).value_or(0) > stamp;
}

Result<std::vector<Draft::Conflict>> Draft::commit_into_parent() {
  ASPEN_ASSERT(parent_);
  std::vector<Conflict> conflicts;
  for (const Compare& compare : compares()) {
    Bytes end = compare.end.value_or(key_end(compare.key));
    if (parent_->changed_since(parent_stamp_, compare.key, end))
      conflicts.push_back({compare.key, std::move(end)});
  }
  if (!conflicts.empty()) return conflicts;
  // What the two come to together is known at the end. Refused on the way, it leaves nothing behind.
  Draft merged = *parent_;
  for (const auto& [start, rest] : reads_.by_start()) merged.reads_.add(start, rest.end);
  for (const auto& [start, rest] : erased_.by_start()) ASPEN_CHECK(merged.erase_range(start, rest.end));
  for (const auto& [key, write] : writes_) ASPEN_CHECK(merged.write(key, write.value, write.lease));
  ASPEN_CHECK(merged.check_size(0, 0));
  *parent_ = std::move(merged);
  return conflicts;
}

}  // namespace aspen::kv
