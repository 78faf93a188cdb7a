#include "core/lab/index_lab.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/lab/visit.h"

namespace aspen::lab {
namespace {

constexpr DurationNs kPatience = 5 * kSecond;
constexpr size_t kDocuments = 12;

// A name always means the same, so that the oracle needs not know when it was created.
const std::vector<IndexPlan>& plans() {
  static const std::vector<IndexPlan> plans = {{"by-n", "d/", "json:/n"},
                                               {"by-tag", "d/", "json:/t"},
                                               {"by-number", "d/1", "number:/n"},
                                               {"all", "", "value"}};
  return plans;
}

class DocumentScript final : public Script {
 public:
  explicit DocumentScript(uint64_t client) : client_(client) {}

  Operation::Call next(Random& random) override {
    Bytes key = any_key(random);
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2:
        return WriteCall{.ops = {put(random, key)}};
      case 3:
        return WriteCall{.ops = {erase(key)}};
      case 4:
        return WriteCall{.conditions = {{.kind = Condition::Kind::present, .key = key}},
                         .ops = {put(random, key)}};
      case 5: {
        WriteCall call;
        for (size_t i = random.below(3); i < kDocuments; i += 1 + random.below(4)) {
          Bytes name = key_of(i);
          call.ops.push_back(random.chance(0.7) ? put(random, name) : erase(name));
        }
        return call;
      }
      default:
        return GetCall{.key = key};
    }
  }

 private:
  static Bytes key_of(size_t i) { return fmt::format("{}{}", i % 6 == 5 ? "x/" : "d/", i); }
  static Bytes any_key(Random& random) { return key_of(random.below(kDocuments)); }
  static kv::Op erase(Bytes key) { return {.kind = kv::Op::Kind::erase, .key = std::move(key)}; }

  // One of a kind, as checks of histories want it.
  kv::Op put(Random& random, Bytes key) {
    std::string tags;
    for (uint64_t n = random.below(3); n > 0; --n)
      tags += fmt::format("\"t{}\"{}", random.below(4), n > 1 ? "," : "");
    Bytes value = fmt::format("{{\"id\":\"{}.{}\",\"n\":{},\"t\":[{}]}}", client_, ++count_,
                              random.chance(0.2) ? "1.5" : std::to_string(random.below(5)), tags);
    if (random.chance(0.1)) value = fmt::format("{}.{}, which is no JSON", client_, count_);
    return {.kind = kv::Op::Kind::put, .key = std::move(key), .value = std::move(value)};
  }

  uint64_t client_;
  uint64_t count_ = 0;
};

rt::Task<Result<std::vector<kv::KeyRecord>>> read_all(rt::Cx& cx, node::Router& router, Bytes prefix,
                                                      uint64_t revision) {
  std::vector<kv::KeyRecord> records;
  kv::RangeRequest request{.start = prefix, .end = prefix_end(prefix), .revision = revision};
  for (;;) {
    ASPEN_CO_TRY(kv::RangeReply reply, co_await router.range(cx, request));
    std::ranges::move(reply.entries, std::back_inserter(records));
    if (!reply.more) co_return records;
    request.start = std::move(reply.continuation);
  }
}

// Damage elsewhere, which disks may do to a member, is not the index's fault.
bool of_the_index(const Error& error) {
  const bool of_rows = error.code == Code::CORRUPT && error.message.find("index") != std::string::npos;
  return of_rows || error.code == Code::INTERNAL || error.code == Code::PROTOCOL;
}

rt::Task<Result<>> scan_and_check(rt::Cx& cx, Visit visit, IndexPlan plan, kv::IndexScanRequest request) {
  for (;;) {
    Result<kv::IndexScanReply> page = co_await visit.router().scan(cx, request);
    if (visit.dead()) co_return Result<>();
    if (!page) {
      if (of_the_index(page.error())) visit.world->violate("index", page.error().to_string());
      co_return Result<>();
    }
    if (page->revision < visit.acknowledged) {
      visit.world->violate("index", fmt::format("a scan saw revision {} after {} was acknowledged",
                                                page->revision, visit.acknowledged));
    }
    ASPEN_CO_TRY(std::vector<kv::KeyRecord> records,
                 co_await read_all(cx, visit.router(), plan.prefix, page->revision));
    if (visit.dead()) co_return Result<>();
    if (std::string wrong = compare_page(plan, request, *page, records); !wrong.empty()) {
      visit.world->violate("index", fmt::format("{} at revision {}: {}", plan.name, page->revision, wrong));
    }
    if (!page->more) co_return Result<>();
    (request.reverse ? request.end : request.start) = std::move(page->continuation);
  }
}

rt::Task<Result<>> run_command(rt::Cx& cx, Visit visit, kv::Command command) {
  Result<kv::DoneReply> reply = co_await visit.router().run(cx, std::move(command));
  if (!reply && of_the_index(reply.error()) && !visit.dead()) {
    visit.world->violate("index", reply.error().to_string());
  }
  co_return Result<>();
}

Result<kv::IndexScanReply> scan_member(kv::StateMachine& machine, kv::IndexScanRequest request) {
  kv::IndexScanReply all;
  for (;;) {
    ASPEN_TRY(kv::IndexScanReply page, machine.scan(request));
    std::ranges::move(page.entries, std::back_inserter(all.entries));
    if (!page.more) return all;
    request.start = std::move(page.continuation);
  }
}

std::string check_member(kv::StateMachine& machine, const kv::Index& index) {
  kv::IndexScanRequest request{.index = index.name};
  Result<kv::IndexScanReply> all = scan_member(machine, request);
  if (!all) return all.error().to_string();
  std::vector<kv::KeyRecord> records;
  kv::RangeRequest range{.start = index.prefix, .end = prefix_end(index.prefix)};
  for (;;) {
    Result<kv::RangeReply> part = machine.range(range);
    if (!part) return part.error().to_string();
    std::ranges::move(part->entries, std::back_inserter(records));
    if (!part->more) break;
    range.start = std::move(part->continuation);
  }
  return compare_page({index.name, index.prefix, index.extractor}, request, *all, records);
}

}  // namespace

std::unique_ptr<Script> document_script(uint64_t client) {
  return std::make_unique<DocumentScript>(client);
}

std::string compare_page(const IndexPlan& plan, const kv::IndexScanRequest& request,
                         const kv::IndexScanReply& page, const std::vector<kv::KeyRecord>& records) {
  // What the page speaks of.
  Bytes start = request.start, end = request.end;
  if (page.more) (request.reverse ? start : end) = page.continuation;
  const Result<kv::Extractor> extractor = kv::Extractor::parse(plan.extractor);
  ASPEN_ASSERT(extractor.has_value());
  std::map<Bytes, kv::KeyRecord> expected;
  for (const kv::KeyRecord& record : records) {
    for (const Bytes& value : extractor->extract(record.record.value)) {
      Bytes entry = kv::index_entry(value, record.key);
      if (entry >= start && (end.empty() || entry < end)) expected.emplace(std::move(entry), record);
    }
  }
  for (const kv::IndexEntry& entry : page.entries) {
    auto found = expected.find(kv::index_entry(entry.value, entry.key));
    if (found == expected.end()) return fmt::format("it has {} under a value it has not", entry.key);
    if (found->second.record != entry.record) {
      return fmt::format("it has {} as {} instead of {}", entry.key, describe(entry.record),
                         describe(found->second.record));
    }
    expected.erase(found);
  }
  if (expected.empty()) return {};
  return fmt::format("it misses {} as {}", expected.begin()->second.key,
                     describe(expected.begin()->second.record));
}

void use_indexes(World& world, Cluster& cluster, Random& random) {
  const IndexPlan& plan = plans()[random.below(plans().size())];
  const uint64_t what = random.below(10);
  kv::IndexScanRequest request{
      .index = plan.name, .limit = static_cast<uint32_t>(random.below(5)), .reverse = random.chance(0.3)};
  visit(world, cluster, random, "index", [plan, what, request](rt::Cx& cx, Visit visit) {
    if (what > 2) return scan_and_check(cx, visit, plan, request);
    kv::Command command{.kind = kv::Command::Kind::index_drop, .name = plan.name};
    if (what < 2) {
      command.kind = kv::Command::Kind::index_create;
      command.prefix = plan.prefix;
      command.extractor = plan.extractor;
    }
    return run_command(cx, visit, std::move(command));
  });
}

void check_indexes(World& world, Cluster& cluster) {
  // A member that finds only now what its disk has done to it is not asked.
  auto machine_of = [&cluster](size_t i) -> kv::StateMachine* {
    node::Replica* replica = cluster.member(i).replica();
    return replica != nullptr ? &replica->machine() : nullptr;
  };
  // Somebody's last command may still be on its way.
  auto built = [&] {
    for (size_t i = 0; i < cluster.size(); ++i) {
      kv::StateMachine* machine = machine_of(i);
      if (machine != nullptr && machine->indexes().working() != nullptr) return false;
    }
    return true;
  };
  if (!world.run_until(built, 2 * kPatience)) return world.violate("liveness", "an index is not built");
  for (size_t i = 0; i < cluster.size(); ++i) {
    kv::StateMachine* machine = machine_of(i);
    if (machine == nullptr) continue;
    for (const kv::Index& index : machine->indexes().all()) {
      std::string wrong = check_member(*machine, index);
      if (wrong.empty()) continue;
      return world.violate("index", fmt::format("member {}, index {}: {}", i, index.name, wrong));
    }
  }
}

}  // namespace aspen::lab
