#include "core/lab/scripts.h"

#include <fmt/format.h>

#include <charconv>

namespace aspen::lab {
namespace {

int to_int(BytesView text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class MixedScript final : public Script {
 public:
  MixedScript(uint64_t client, size_t keys, double leased) : client_(client), keys_(keys), leased_(leased) {}

  Operation::Call next(Random& random) override {
    Bytes key = any_key(random);
    switch (random.below(10)) {
      case 0:
      case 1:
      case 2:
        return WriteCall{.ops = {put(key)}};
      case 3:
        return WriteCall{.ops = {{.kind = kv::Op::Kind::erase, .key = key}}};
      case 4:
        return WriteCall{.conditions = {condition(random, key)}, .ops = {put(key)}};
      case 5:
        return transaction(random);
      case 6:
        return range(random);
      default:
        return GetCall{.key = key, .freshness = freshness(random)};
    }
  }

  void done(const Operation& operation) override {
    auto* get = std::get_if<GetCall>(&operation.call);
    if (get != nullptr && operation.ok() && get->reply.record) last_read_ = *get->reply.record;
  }

 private:
  Bytes any_key(Random& random) const { return fmt::format("k{}", random.below(keys_)); }

  node::Freshness freshness(Random& random) const {
    if (random.chance(leased_)) return {node::Freshness::Kind::lease};
    if (random.chance(0.2)) return node::kAnyAge;
    if (random.chance(0.2)) return {node::Freshness::Kind::stale, random.between(1, 400) * kMillisecond};
    return {};
  }

  // Every value is one of a kind: a read tells which write it saw.
  kv::Op put(Bytes key) {
    return {
        .kind = kv::Op::Kind::put, .key = std::move(key), .value = fmt::format("{}.{}", client_, ++count_)};
  }

  Condition condition(Random& random, const Bytes& key) const {
    switch (random.below(4)) {
      case 0:
        return {.kind = Condition::Kind::absent, .key = key};
      case 1:
        return {.kind = Condition::Kind::present, .key = key};
      case 2:
        return {.kind = Condition::Kind::value_equals, .key = key, .value = last_read_.value};
      default:
        return {.kind = Condition::Kind::mod_revision_equals,
                .key = key,
                .revision = random.chance(0.3) ? 0 : last_read_.mod_revision};
    }
  }

  WriteCall transaction(Random& random) {
    WriteCall call;
    if (random.chance(0.5)) call.conditions.push_back(condition(random, any_key(random)));
    for (size_t key = random.below(keys_); key < keys_ && call.ops.size() < 3; key += 1 + random.below(3)) {
      Bytes name = fmt::format("k{}", key);
      call.ops.push_back(random.chance(0.8) ? put(name) : kv::Op{.kind = kv::Op::Kind::erase, .key = name});
    }
    return call;
  }

  RangeCall range(Random& random) const {
    RangeCall call;
    call.request.start = random.chance(0.3) ? "" : any_key(random);
    call.request.end = random.chance(0.5) ? "" : any_key(random);
    call.request.limit = static_cast<uint32_t>(random.below(4));
    call.request.reverse = random.chance(0.3);
    call.freshness = freshness(random);
    return call;
  }

  uint64_t client_;
  size_t keys_;
  double leased_;
  uint64_t count_ = 0;
  kv::Record last_read_;
};

class CounterScript final : public Script {
 public:
  Operation::Call next(Random&) override {
    if (!known_) return GetCall{.key = kCounterKey};
    known_ = false;
    return WriteCall{
        .conditions = {{.kind = Condition::Kind::mod_revision_equals,
                        .key = kCounterKey,
                        .revision = revision_}},
        .ops = {{.kind = kv::Op::Kind::put, .key = kCounterKey, .value = std::to_string(value_ + 1)}}};
  }

  void done(const Operation& operation) override {
    auto* get = std::get_if<GetCall>(&operation.call);
    if (get == nullptr || !operation.ok()) return;
    known_ = true;
    value_ = get->reply.record ? to_int(get->reply.record->value) : 0;
    revision_ = get->reply.record ? get->reply.record->mod_revision : 0;
  }

 private:
  bool known_ = false;
  int value_ = 0;
  uint64_t revision_ = 0;
};

class BankScript final : public Script {
 public:
  explicit BankScript(size_t accounts) : accounts_(accounts) {}

  Operation::Call next(Random& random) override {
    if (seen_.size() != accounts_) return RangeCall{.request = {.start = "account", .end = "account~"}};
    size_t from = random.below(accounts_);
    size_t to = (from + 1 + random.below(accounts_ - 1)) % accounts_;
    int amount = static_cast<int>(random.below(10));
    WriteCall call;
    for (auto [account, change] : {std::pair{from, -amount}, {to, amount}}) {
      const kv::KeyRecord& entry = seen_[account];
      call.conditions.push_back({.kind = Condition::Kind::mod_revision_equals,
                                 .key = entry.key,
                                 .revision = entry.record.mod_revision});
      call.ops.push_back({.kind = kv::Op::Kind::put,
                          .key = entry.key,
                          .value = std::to_string(to_int(entry.record.value) + change)});
    }
    seen_.clear();
    return call;
  }

  void done(const Operation& operation) override {
    auto* range = std::get_if<RangeCall>(&operation.call);
    if (range != nullptr && operation.ok() && !range->reply.more) seen_ = range->reply.entries;
  }

 private:
  size_t accounts_;
  std::vector<kv::KeyRecord> seen_;
};

class WriterScript final : public Script {
 public:
  WriterScript(uint64_t client, size_t value_bytes) : client_(client), value_bytes_(value_bytes) {}

  Operation::Call next(Random& random) override {
    Bytes key = fmt::format("w{}.{}", client_, random.below(20));
    if (random.chance(0.1)) return GetCall{.key = key};
    Bytes value = fmt::format("{}.{}.", client_, ++count_);
    value.resize(value_bytes_, '.');
    return WriteCall{.ops = {{.kind = kv::Op::Kind::put, .key = key, .value = value}}};
  }

 private:
  uint64_t client_;
  size_t value_bytes_;
  uint64_t count_ = 0;
};

}  // namespace

std::unique_ptr<Script> mixed_script(uint64_t client, size_t keys, double leased) {
  return std::make_unique<MixedScript>(client, keys, leased);
}

std::unique_ptr<Script> counter_script() {
  return std::make_unique<CounterScript>();
}

std::unique_ptr<Script> bank_script(size_t accounts) {
  return std::make_unique<BankScript>(accounts);
}

Bytes account_key(size_t account) {
  return fmt::format("account{:03}", account);
}

WriteCall open_accounts(size_t accounts) {
  WriteCall call;
  for (size_t i = 0; i < accounts; ++i) {
    call.ops.push_back(
        {.kind = kv::Op::Kind::put, .key = account_key(i), .value = std::to_string(kAccountOpening)});
  }
  return call;
}

std::unique_ptr<Script> writer_script(uint64_t client, size_t value_bytes) {
  return std::make_unique<WriterScript>(client, value_bytes);
}

}  // namespace aspen::lab
