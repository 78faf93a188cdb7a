// The rules of the store, restated as simply as they can be, and logs to try them on: for tests.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "core/base/limits.h"
#include "core/kv/test_log.h"

namespace aspen::kv {

// Every state there ever was, as a copy.
class TestModel {
 public:
  using State = std::map<Bytes, Record>;

  // What the command is answered, and the state after it.
  Result<Bytes> run(const Command& command, uint64_t index) {
    index_ = index;
    State before = now;
    Result<Bytes> reply = carry_out(command);
    if (auto within = within_quotas(before); reply && !within) reply = forward_error(std::move(within));
    if (!reply) now = before;
    note_changes(before);
    return reply;
  }

  State now;
  std::map<uint64_t, State> states = {{0, {}}};  // by the revision after which they were so
  std::map<uint64_t, ChangeSet> changes;
  uint64_t compacted = 0;
  std::map<LeaseId, Bytes> leases;  // their prefixes
  std::map<Bytes, Quota> quotas;    // only their limits

  Quota usage(const Bytes& prefix) const {
    Quota quota = quotas.contains(prefix) ? quotas.at(prefix) : Quota{prefix};
    count(now, quota);
    return quota;
  }

  const State& at(uint64_t revision) const { return std::prev(states.upper_bound(revision))->second; }

 private:
  static void count(const State& state, Quota& quota) {
    for (const auto& [key, record] : state) {
      if (!key.starts_with(quota.prefix)) continue;
      quota.bytes += key.size() + record.value.size();
      ++quota.keys;
    }
  }

  Result<> within_quotas(const State& before) const {
    for (const auto& [prefix, limits] : quotas) {
      Quota was = limits, is = limits;
      count(before, was);
      count(now, is);
      bool bytes = is.bytes > was.bytes && is.bytes_max != 0 && is.bytes > is.bytes_max;
      bool keys = is.keys > was.keys && is.keys_max != 0 && is.keys > is.keys_max;
      if (bytes || keys) return fail(Code::QUOTA_EXCEEDED, "over the quota of {}", prefix);
    }
    return {};
  }

  uint64_t end_lease(LeaseId id) {
    if (leases.erase(id) == 0) return 0;
    return std::erase_if(now, [id](const auto& item) { return item.second.lease == id; });
  }

  Result<Bytes> carry_out(const Command& command) {
    DoneReply done{index_};
    switch (command.kind) {
      case Command::Kind::compact:
        if (command.revision > index_) return fail(Code::INVALID_ARGUMENT, "not yet");
        done.result = compacted = std::max(compacted, command.revision);
        return encode(done);
      case Command::Kind::lease_grant:
        leases[index_] = command.prefix;
        done.result = index_;
        return encode(done);
      case Command::Kind::lease_revoke:
        ASPEN_CHECK(lease_exists(command.leases[0]));
        if (command.leases[0] == 0 || !leases.at(command.leases[0]).starts_with(command.prefix)) {
          return fail(Code::NOT_FOUND, "no such lease");
        }
        done.result = end_lease(command.leases[0]);
        return encode(done);
      case Command::Kind::leases_expire:
        for (LeaseId id : command.leases) end_lease(id);
        done.result = command.leases.size();
        return encode(done);
      case Command::Kind::quota_set:
        if (command.bytes_max == 0 && command.keys_max == 0) {
          quotas.erase(command.prefix);
        } else {
          quotas[command.prefix] = {command.prefix, command.bytes_max, command.keys_max};
        }
        done.result = usage(command.prefix).bytes;
        return encode(done);
      case Command::Kind::write: {
        start_ = now;
        WriteReply reply;
        reply.revision = index_;
        ASPEN_TRY(auto failed, compare(command.transaction.compares));
        reply.succeeded = !failed;
        if (failed) std::tie(reply.failed_compare, reply.current) = *failed;
        ASPEN_TRY(reply.results, perform(failed ? command.transaction.otherwise : command.transaction.then));
        return encode(reply);
      }
      default:
        return fail(Code::UNSUPPORTED, "no such command in the model");
    }
  }

  static bool within(BytesView key, BytesView start, BytesView end) {
    return key >= start && (end.empty() || key < end);
  }

  bool relates(Compare::Relation relation, auto&& a, auto&& b) {
    using enum Compare::Relation;
    return relation == equal ? a == b : relation == not_equal ? a != b : relation == less ? a < b : a > b;
  }

  bool holds(const Compare& c, const Record* record) {
    using enum Compare::Target;
    const Record none;
    const Record& r = record != nullptr ? *record : none;
    switch (c.target) {
      case value:
        return record != nullptr && relates(c.relation, r.value, c.value);
      case version:
        return relates(c.relation, r.version, c.number);
      case create_revision:
        return relates(c.relation, r.create_revision, c.number);
      case mod_revision:
        return relates(c.relation, r.mod_revision, c.number);
      case lease:
        return relates(c.relation, r.lease, c.number);
      case exists:
        return (record != nullptr) == (c.number == 1);
      case unchanged_since:
        return true;
    }
    return false;
  }

  // Whether the key was changed after the revision: by those before, or in this very transaction.
  bool changed_since(BytesView key, uint64_t revision) {
    for (const auto& [r, set] : changes) {
      if (r <= revision) continue;
      for (const Event& event : set.events) {
        if (event.key == key) return true;
      }
    }
    if (index_ <= revision) return false;
    auto was = start_.find(Bytes(key)), is = now.find(Bytes(key));
    bool there_was = was != start_.end(), there_is = is != now.end();
    return there_was != there_is || (there_is && is->second.mod_revision == index_) ||
           (there_was && there_is && was->second != is->second);
  }

  using Failed = std::pair<uint32_t, std::optional<KeyRecord>>;

  Result<std::optional<Failed>> compare(const std::vector<Compare>& compares) {
    for (uint32_t i = 0; i < compares.size(); ++i) {
      const Compare& c = compares[i];
      if (c.target == Compare::Target::unchanged_since && c.number < compacted) {
        return fail(Code::COMPACTED, "revision {}", c.number);
      }
      std::optional<std::optional<KeyRecord>> bad;
      bool any = false;
      for (const auto& [key, record] : now) {
        if (!(c.end ? within(key, c.key, *c.end) : key == c.key)) continue;
        any = true;
        bool since = c.target == Compare::Target::unchanged_since && record.mod_revision > c.number;
        if ((!holds(c, &record) || since) && !bad) bad.emplace(KeyRecord{key, record});
      }
      if (c.end && c.target == Compare::Target::exists && c.number == 1) {
        bad.reset();
        if (!any) bad.emplace();
      }
      if (!c.end && !any && !holds(c, nullptr)) bad.emplace();
      if (!bad && c.target == Compare::Target::unchanged_since) {
        std::set<Bytes> keys;
        for (const auto& [key, record] : start_) keys.insert(key);
        for (const auto& [r, set] : changes) {
          for (const Event& event : set.events) keys.insert(event.key);
        }
        for (const Bytes& key : keys) {
          if (!(c.end ? within(key, c.key, *c.end) : key == c.key)) continue;
          if (changed_since(key, c.number)) bad.emplace();
        }
      }
      if (bad) return Failed(i, *bad);
    }
    return std::nullopt;
  }

  Result<std::vector<OpResult>> perform(const std::vector<Op>& ops) {
    std::vector<OpResult> results;
    for (const Op& op : ops) {
      auto it = now.find(op.key);
      const bool there = it != now.end();
      OpResult result;
      switch (op.kind) {
        case Op::Kind::put:
        case Op::Kind::erase: {
          if (there) result = {true, it->second.mod_revision};
          if (there && op.previous) result.record = it->second;
          if (op.kind == Op::Kind::erase) {
            if (there) now.erase(it);
          } else {
            ASPEN_CHECK(lease_exists(op.lease));
            if (op.lease != 0 && !op.key.starts_with(leases.at(op.lease))) {
              return fail(Code::INVALID_ARGUMENT, "not of the lease's prefix");
            }
            Record& record = now[op.key];
            record = {op.value, there ? record.create_revision : index_, index_, record.version + 1,
                      op.lease};
          }
          break;
        }
        case Op::Kind::erase_range:
          result.kind = OpResult::Kind::erased;
          for (auto at = now.begin(); at != now.end();) {
            if (!within(at->first, op.range.start, op.range.end)) {
              ++at;
              continue;
            }
            ++result.count;
            if (op.previous) result.erased.push_back({at->first, at->second});
            at = now.erase(at);
          }
          break;
        case Op::Kind::get:
          result.kind = OpResult::Kind::got;
          if (there) result.record = it->second;
          break;
        case Op::Kind::range:
          result.kind = OpResult::Kind::ranged;
          result.range = range(now, op.range);
          result.range.revision = index_;
          break;
        case Op::Kind::transaction: {
          result.kind = OpResult::Kind::nested;
          ASPEN_TRY(auto failed, compare(op.nested[0].compares));
          result.succeeded = !failed;
          ASPEN_TRY(result.results, perform(result.succeeded ? op.nested[0].then : op.nested[0].otherwise));
          break;
        }
      }
      results.push_back(std::move(result));
    }
    return results;
  }

  Result<> lease_exists(LeaseId lease) {
    if (lease == 0 || leases.contains(lease)) return {};
    return fail(Code::NOT_FOUND, "no lease");
  }

  void note_changes(const State& before) {
    ChangeSet set;
    set.revision = index_;
    for (const auto& [key, record] : before) {
      if (!now.contains(key)) set.events.push_back({Event::Kind::erase, key, {}, record});
    }
    for (const auto& [key, record] : now) {
      auto was = before.find(key);
      if (record.mod_revision != index_) continue;
      set.events.push_back(
          {Event::Kind::put, key, record, was == before.end() ? std::nullopt : std::optional(was->second)});
    }
    std::ranges::sort(set.events, {}, &Event::key);
    if (!set.events.empty()) changes[index_] = set;
    states[index_] = now;
  }

  uint64_t index_ = 0;
  State start_;  // before the transaction

 public:
  static RangeReply range(const State& state, const RangeRequest& request) {
    RangeReply reply;
    std::vector<KeyRecord> all;
    for (const auto& [key, record] : state) {
      if (!within(key, request.start, request.end)) continue;
      all.push_back({key, record});
      if (request.keys_only) all.back().record.value.clear();
    }
    if (request.reverse) std::ranges::reverse(all);
    size_t limit = request.limit == 0 ? all.size() : std::min<size_t>(request.limit, all.size());
    reply.more = limit < all.size();
    all.resize(limit);
    if (reply.more) reply.continuation = all.back().key + (request.reverse ? Bytes() : Bytes(1, '\0'));
    reply.entries = std::move(all);
    return reply;
  }
};

// Commands over few keys, so that they meet.
class TestPrograms {
 public:
  explicit TestPrograms(uint64_t seed) : random_(seed) {}

  uint64_t below(uint64_t n) { return random_() % n; }
  Bytes key() { return Bytes(1 + below(2), static_cast<char>("\0acd"[below(4)])); }
  Bytes value() { return Bytes(below(30), static_cast<char>('0' + below(3))); }

  // A revision near the latest one.
  uint64_t revision(uint64_t latest) {
    return below(8) == 0 ? below(latest + 3) : latest - below(std::min<uint64_t>(latest + 1, 12));
  }

  RangeRequest range() {
    RangeRequest request;
    if (below(3) > 0) request.start = key();
    if (below(3) > 0) request.end = key();
    request.limit = static_cast<uint32_t>(below(4));
    request.reverse = below(2) == 0;
    request.keys_only = below(4) == 0;
    return request;
  }

  Compare compare(uint64_t latest) {
    Compare c;
    c.target = static_cast<Compare::Target>(1 + below(7));
    if (c.target < Compare::Target::exists) c.relation = static_cast<Compare::Relation>(1 + below(4));
    c.key = key();
    if (below(4) == 0) c.end = below(3) == 0 ? Bytes() : key();
    if (c.target == Compare::Target::value) {
      c.value = value();
    } else {
      c.number = c.target == Compare::Target::exists    ? below(2)
                 : c.target == Compare::Target::version ? below(4)
                 : c.target == Compare::Target::lease   ? lease()
                                                        : revision(latest);
    }
    return c;
  }

  Op op(uint64_t latest, size_t depth) {
    Op op;
    op.kind = static_cast<Op::Kind>(1 + below(depth < 3 ? 6 : 5));
    switch (op.kind) {
      case Op::Kind::put:
        op.value = value();
        op.lease = below(3) == 0 ? lease() : 0;
        [[fallthrough]];
      case Op::Kind::erase:
        op.previous = below(2) == 0;
        [[fallthrough]];
      case Op::Kind::get:
        op.key = key();
        break;
      case Op::Kind::erase_range:
        op.range.start = key();
        op.range.end = op.range.start + Bytes(1, 'a');
        op.previous = below(2) == 0;
        break;
      case Op::Kind::range:
        op.range = range();
        break;
      case Op::Kind::transaction:
        op.nested = {transaction(latest, depth + 1)};
        break;
    }
    return op;
  }

  Transaction transaction(uint64_t latest, size_t depth = 0) {
    Transaction transaction;
    for (uint64_t n = below(3); n > 0; --n) transaction.compares.push_back(compare(latest));
    for (uint64_t n = below(5); n > 0; --n) transaction.then.push_back(op(latest, depth));
    for (uint64_t n = below(3); n > 0; --n) transaction.otherwise.push_back(op(latest, depth));
    return transaction;
  }

  // That will have the index after the latest.
  Command command(uint64_t latest) {
    Command command;
    switch (below(24)) {
      case 0:
        command.kind = Command::Kind::compact;
        command.revision = below(latest + 3);
        break;
      case 1:
      case 2:
        command.kind = Command::Kind::lease_grant;
        command.ttl = kSecond;
        if (below(3) == 0) command.prefix = key().substr(0, 1);
        leases.push_back(latest + 1);
        break;
      case 3:
        command.kind = Command::Kind::lease_revoke;
        command.leases = {lease()};
        if (below(4) == 0) command.prefix = key().substr(0, 1);
        break;
      case 4:
        command.kind = Command::Kind::leases_expire;
        command.leases = {lease(), lease()};
        std::ranges::sort(command.leases);
        if (command.leases[0] == command.leases[1]) command.leases.pop_back();
        break;
      case 5:
      case 6:
        command.kind = Command::Kind::quota_set;
        command.prefix = below(4) == 0 ? Bytes() : key().substr(0, 1 + below(2));
        if (below(4) > 0) command.bytes_max = 20 + below(100);
        if (below(3) > 0) command.keys_max = 1 + below(4);
        break;
      default:
        command.transaction = transaction(latest);
    }
    return command;
  }

  // Of a lease that may exist.
  LeaseId lease() { return leases.empty() || below(6) == 0 ? below(50) : leases[below(leases.size())]; }

  std::vector<LeaseId> leases;

 private:
  std::mt19937_64 random_;
};

}  // namespace aspen::kv
