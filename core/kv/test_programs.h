// Random commands over few keys, so that they meet: for tests.
#pragma once

#include <algorithm>
#include <random>

#include "core/kv/command.h"

namespace aspen::kv {

class TestPrograms {
 public:
  // All keys that are named begin with the prefix, as do both ends of erased ranges.
  explicit TestPrograms(uint64_t seed, Bytes prefix = {}) : prefix_(std::move(prefix)), random_(seed) {}

  uint64_t below(uint64_t n) { return random_() % n; }
  Bytes key() { return prefix_ + Bytes(1 + below(2), static_cast<char>("\0acd"[below(4)])); }
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
  Bytes prefix_;
  std::mt19937_64 random_;
};

}  // namespace aspen::kv
