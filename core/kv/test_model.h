// The rules of the store, restated as simply as they can be: for tests, and for the lab's oracles.
//
// Not in it: indexes, sessions, the limits of replies and transactions.
#pragma once

#include <algorithm>
#include <map>
#include <tuple>

#include "core/kv/change.h"
#include "core/kv/command.h"
#include "core/kv/key_ranges.h"
#include "core/kv/quotas.h"

namespace aspen::kv {

// Every state there ever was.
class TestModel {
 public:
  using State = std::map<Bytes, Record>;

  // What the command is answered; of an error the code is the engine's, and of QUOTA_EXCEEDED also how its
  // message begins. What is refused changes nothing.
  Result<Bytes> run(const Command& command, uint64_t index) {
    index_ = index;
    before_.clear();
    Result<Bytes> reply = carry_out(command);
    if (auto within = within_quotas(); reply && !within) reply = forward_error(std::move(within));
    if (!reply) take_back();
    note_changes();
    return reply;
  }

  State now;
  std::map<uint64_t, ChangeSet> changes;
  uint64_t compacted = 0;
  std::map<LeaseId, Bytes> leases;  // their prefixes
  std::map<Bytes, Quota> quotas;    // only their limits

  Quota usage(const Bytes& prefix) const {
    Quota quota = quotas.contains(prefix) ? quotas.at(prefix) : Quota{prefix};
    for (auto item = now.lower_bound(prefix); item != now.end() && item->first.starts_with(prefix); ++item) {
      quota.bytes += static_cast<uint64_t>(size_of(item->first, item->second));
      ++quota.keys;
    }
    return quota;
  }

  // What the key was after the revision; null when it was absent.
  const Record* find(const Bytes& key, uint64_t revision) const {
    auto found = versions_.find(key);
    return found != versions_.end() ? found->second.at(revision) : nullptr;
  }
  // Of the keys from `start` on and before `end` (empty: no end).
  State at(uint64_t revision, const Bytes& start = {}, const Bytes& end = {}) const {
    State state;
    for (auto key = versions_.lower_bound(start); key != versions_.end() && before_end(key->first, end);
         ++key) {
      if (const Record* record = key->second.at(revision)) state.emplace(key->first, *record);
    }
    return state;
  }
  // Whether a key from `start` on and before `end` (empty: no end) was changed after one revision, and up to
  // another.
  bool changed(const Bytes& start, const Bytes& end, uint64_t after, uint64_t upto) const {
    for (auto key = versions_.lower_bound(start); key != versions_.end() && before_end(key->first, end);
         ++key) {
      if (key->second.changed(after, upto)) return true;
    }
    return false;
  }

 private:
  // What a key was from a revision on.
  struct Versions {
    std::map<uint64_t, std::optional<Record>> from;

    const Record* at(uint64_t revision) const {
      auto next = from.upper_bound(revision);
      if (next == from.begin() || !std::prev(next)->second) return nullptr;
      return &*std::prev(next)->second;
    }
    bool changed(uint64_t after, uint64_t upto) const {
      auto next = from.upper_bound(after);
      return next != from.end() && next->first <= upto;
    }
  };

  static int64_t size_of(const Bytes& key, const Record& record) {
    return static_cast<int64_t>(key.size() + record.value.size());
  }

  // Before each change of a key.
  void touch(const Bytes& key) {
    if (before_.contains(key)) return;
    auto is = now.find(key);
    before_[key] = is != now.end() ? std::optional(is->second) : std::nullopt;
  }

  void take_back() {
    for (auto& [key, was] : before_) {
      now.erase(key);
      if (was) now[key] = std::move(*was);
    }
    before_.clear();
  }

  Result<> within_quotas() const {
    for (const auto& [prefix, limits] : quotas) {
      int64_t more_bytes = 0, more_keys = 0;
      for (const auto& [key, was] : before_) {
        if (!key.starts_with(prefix)) continue;
        auto is = now.find(key);
        if (is != now.end()) more_bytes += size_of(key, is->second);
        if (was) more_bytes -= size_of(key, *was);
        more_keys += (is != now.end() ? 1 : 0) - (was ? 1 : 0);
      }
      if (more_bytes <= 0 && more_keys <= 0) continue;
      const Quota is = usage(prefix);
      bool bytes = more_bytes > 0 && is.bytes_max != 0 && is.bytes > is.bytes_max;
      bool keys = more_keys > 0 && is.keys_max != 0 && is.keys > is.keys_max;
      if (!bytes && !keys) continue;
      return fail(Code::QUOTA_EXCEEDED,
                  "the keys with prefix \"{}\" are {} of at most {}, with {} bytes of at most {}", prefix,
                  static_cast<int64_t>(is.keys) - more_keys, is.keys_max,
                  static_cast<int64_t>(is.bytes) - more_bytes, is.bytes_max);
    }
    return {};
  }

  uint64_t end_lease(LeaseId id) {
    if (leases.erase(id) == 0) return 0;
    uint64_t count = 0;
    for (auto item = now.begin(); item != now.end();) {
      auto here = item++;
      if (here->second.lease != id) continue;
      touch(here->first);
      now.erase(here);
      ++count;
    }
    return count;
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
  bool changed_since(const Bytes& key, uint64_t revision) const {
    if (changed(key, key_end(key), revision, UINT64_MAX)) return true;
    auto was = before_.find(key);
    if (index_ <= revision || was == before_.end()) return false;
    return was->second || now.contains(key);
  }
  bool changed_since(const Bytes& start, const Bytes& end, uint64_t revision) const {
    if (changed(start, end, revision, UINT64_MAX)) return true;
    return std::ranges::any_of(before_, [&](const auto& item) {
      return within(item.first, start, end) && changed_since(item.first, revision);
    });
  }

  using Failed = std::pair<uint32_t, std::optional<KeyRecord>>;

  Result<std::optional<Failed>> compare(const std::vector<Compare>& compares) {
    for (uint32_t i = 0; i < compares.size(); ++i) {
      const Compare& c = compares[i];
      if (c.target == Compare::Target::unchanged_since && c.number < compacted) {
        return fail(Code::COMPACTED, "revision {}", c.number);
      }
      const Bytes end = c.end ? *c.end : key_end(c.key);
      const bool since = c.target == Compare::Target::unchanged_since;
      std::optional<std::optional<KeyRecord>> bad;
      bool any = false;
      for (auto item = now.lower_bound(c.key); item != now.end() && before_end(item->first, end); ++item) {
        const auto& [key, record] = *item;
        any = true;
        if ((!holds(c, &record) || (since && record.mod_revision > c.number)) && !bad) {
          bad.emplace(KeyRecord{key, record});
        }
      }
      if (c.end && c.target == Compare::Target::exists && c.number == 1) {
        bad.reset();
        if (!any) bad.emplace();
      }
      if (!c.end && !any && !holds(c, nullptr)) bad.emplace();
      if (!bad && since && changed_since(c.key, end, c.number)) bad.emplace();
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
          touch(op.key);
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
            touch(at->first);
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

  void note_changes() {
    ChangeSet set{index_, {}};
    for (auto& [key, was] : before_) {
      auto is = now.find(key);
      const bool there = is != now.end();
      if (!there && !was) continue;
      versions_[key].from[index_] = there ? std::optional(is->second) : std::nullopt;
      set.events.push_back({there ? Event::Kind::put : Event::Kind::erase, key,
                            there ? std::optional(is->second) : std::nullopt, was});
    }
    if (!set.events.empty()) changes[index_] = std::move(set);
  }

  uint64_t index_ = 0;
  std::map<Bytes, std::optional<Record>> before_;  // what the command has changed so far
  std::map<Bytes, Versions> versions_;

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

}  // namespace aspen::kv
