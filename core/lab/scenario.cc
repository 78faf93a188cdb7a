#include "core/lab/scenario.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/lab/backup_drill.h"
#include "core/lab/cancel_injection.h"
#include "core/lab/draft_load.h"
#include "core/lab/group_load.h"
#include "core/lab/history_load.h"
#include "core/lab/index_lab.h"
#include "core/lab/kv_check.h"
#include "core/lab/lease_load.h"
#include "core/lab/quota_load.h"
#include "core/lab/scripts.h"
#include "core/lab/watch_load.h"

namespace aspen::lab {
namespace {

constexpr size_t kNodesMax = 9;
constexpr DurationNs kDurationMax = 24 * 3600 * kSecond;
constexpr size_t kAccounts = 8;
constexpr DurationNs kSetUpLimit = 60 * kSecond;
// So many seeds in a row share one world, to cancel its work at every point.
constexpr uint64_t kInjectionSeeds = 128;

struct Scenario {
  ScenarioInfo info;
  size_t nodes = 3;
  size_t clients = 5;
  DurationNs duration = 10 * kSecond;
  FaultSet faults = FaultSet::all();
  ClusterOptions cluster = {};
  DurationNs pause_mean = 20 * kMillisecond;
  std::function<std::unique_ptr<Script>(uint64_t client)> script;
  // Done once, before the clients begin.
  std::optional<WriteCall> set_up = {};
  // Something that happens to the cluster besides faults, about every `every`.
  DurationNs every = kSecond;
  std::function<void(World&, Cluster&, Random&)> happens = {};
  bool backs_up = false;  // about as often somebody makes a backup, and one is restored (backup_drill.h)
  // Beside the clients; about as often it has a visit.
  std::function<std::unique_ptr<Load>(World&, Cluster&)> load = {};
  // Instead of clients and faults: one cancel, at the point the seed chooses (cancel_injection.h).
  bool injects_cancel = false;
  // At the end, of what is left and what was recorded.
  std::function<void(World&, Cluster&)> check = {};
};

FaultSet only(std::initializer_list<Fault> list) {
  FaultSet set;
  for (Fault fault : list) set.add(fault);
  return set;
}

std::unique_ptr<Script> mixed(uint64_t client) {
  return mixed_script(client, 8);
}

std::unique_ptr<Script> writer(uint64_t client) {
  return writer_script(client, 100);
}

template <typename L>
std::unique_ptr<Load> load(World& world, Cluster& cluster) {
  return std::make_unique<L>(world, cluster);
}

int value_of(Cluster& cluster, const Bytes& key) {
  auto reply = cluster.member(0).replica()->machine().get({key});
  return reply && reply->record ? std::atoi(reply->record->value.c_str()) : 0;
}

void check_counter(World& world, Cluster& cluster) {
  int sure = 0;
  int maybe = 0;
  for (const Operation& operation : cluster.history().operations()) {
    const WriteCall* write = operation.write();
    if (write == nullptr) continue;
    if (operation.ok() && write->reply.succeeded) ++sure;
    if (operation.ambiguous()) ++maybe;
  }
  int value = value_of(cluster, kCounterKey);
  if (value < sure || value > sure + maybe) {
    world.violate("counter", fmt::format("the counter is {} after {} acknowledged and {} doubtful increments",
                                         value, sure, maybe));
  }
}

void check_bank(World& world, Cluster& cluster) {
  constexpr int kSum = static_cast<int>(kAccounts) * kAccountOpening;
  for (const Operation& operation : cluster.history().operations()) {
    auto* range = std::get_if<RangeCall>(&operation.call);
    if (range == nullptr || !operation.ok()) continue;
    if (range->request.start > account_key(0) || range->reply.more) continue;  // not all of them
    int sum = 0;
    for (const kv::KeyRecord& entry : range->reply.entries) sum += std::atoi(entry.record.value.c_str());
    if (sum != kSum) {
      return world.violate(
          "bank", fmt::format("the accounts held {} instead of {}: {}", sum, kSum, lab::describe(operation)));
    }
  }
  int sum = 0;
  for (size_t i = 0; i < kAccounts; ++i) sum += value_of(cluster, account_key(i));
  if (sum != kSum) world.violate("bank", fmt::format("the accounts hold {} instead of {}", sum, kSum));
}

// A member is removed by a committed change, its stores are emptied, and it joins again as a new one. Or the
// leader hands on.
void change_membership(World& world, Cluster& cluster, Random& random) {
  Machine* leader = cluster.leader();
  if (leader == nullptr || leader->paused()) return;
  node::Group& group = leader->replica()->group();
  size_t i = random.below(cluster.size());
  if (random.chance(0.4)) {
    const std::vector<raft::Member>& members = group.driver().core().config().members;
    node::TransferRequest request{.group = group.id()};
    if (random.chance(0.5)) {
      request.to = members[random.below(members.size())].node;
    } else if (const raft::Member* self = group.driver().core().config().find(group.peer())) {
      request.from = self->node;
    }
    leader->host()->deliver([&group, request] { group.transfer(request, [](const auto&) {}); });
    return;
  }
  Machine& machine = cluster.member(i);
  if (&machine == leader || machine.replica() == nullptr) return;
  const raft::Member* member = group.driver().core().config().find(machine.replica()->group().peer());
  if (member == nullptr || !cluster.endanger(i)) return;
  world.note(machine.index(), "remove", "{}", member->node.short_string());
  leader->host()->deliver([&group, node = member->node] { group.remove(node, [](const auto&) {}); });
  world.events().after(random.exponential(500 * kMillisecond), [&cluster, i] { (void)cluster.lose_data(i); });
}

// One member misses so much that it can only be brought up by a snapshot.
void fall_behind(World& world, Cluster& cluster, Random& random) {
  size_t i = random.below(cluster.size());
  if (random.chance(0.5)) return cluster.crash(i, DiskCrash::power_cut);
  Machine& machine = cluster.member(i);
  if (machine.state() == Machine::State::off || machine.paused()) return;
  machine.pause();
  world.events().after(random.exponential(2 * kSecond), [&machine, incarnation = machine.incarnation()] {
    if (machine.incarnation() == incarnation && machine.paused()) machine.resume();
  });
}

// A member does not get to run for so long that the others go on without its vote.
void fall_silent(World& world, Cluster& cluster, Random& random) {
  Machine& machine = cluster.member(random.below(cluster.size()));
  if (machine.state() == Machine::State::off || machine.paused()) return;
  machine.pause();
  world.events().after(random.exponential(4 * kSecond), [&machine, incarnation = machine.incarnation()] {
    if (machine.incarnation() == incarnation && machine.paused()) machine.resume();
  });
}

void hand_on(World&, Cluster& cluster, Random&) {
  Machine* leader = cluster.leader();
  if (leader == nullptr || leader->paused()) return;
  leader->host()->deliver([leader] { (void)leader->replica()->driver().transfer_leadership(raft::kNobody); });
}

// The leader hands on, or does not get to run for so long that another one leads before it goes on.
void shake_leader(World& world, Cluster& cluster, Random& random) {
  Machine* leader = cluster.leader();
  if (leader == nullptr || leader->paused()) return;
  if (random.chance(0.3)) return hand_on(world, cluster, random);
  leader->pause();
  world.events().after(random.exponential(1500 * kMillisecond),
                       [leader, incarnation = leader->incarnation()] {
                         if (leader->incarnation() == incarnation && leader->paused()) leader->resume();
                       });
}

void storm(World&, Cluster& cluster, Random& random) {
  bool everybody = random.chance(0.1);
  for (size_t i = 0; i < cluster.size(); ++i) {
    if (!everybody && !random.chance(0.3)) continue;
    cluster.crash(i, random.chance(0.5) ? DiskCrash::power_cut : DiskCrash::process_kill);
  }
}

const std::vector<Scenario>& table() {
  static const std::vector<Scenario> scenarios = {
      {.info = {"kv-mixed", "puts, erases, conditional writes, transactions, gets and ranges by all"},
       .script = mixed},
      {.info = {"kv-cas-counter", "all add to one counter by compare-and-set; it must count them"},
       .script = [](uint64_t) { return counter_script(); },
       .check = check_counter},
      {.info = {"bank-transfer", "transactions move money between accounts; the sum stays"},
       .script = [](uint64_t) { return bank_script(kAccounts); },
       .set_up = open_accounts(kAccounts),
       .check = check_bank},
      {.info = {"membership", "members are removed, come back as new ones, and leaders hand on"},
       .nodes = 5,
       .script = mixed,
       .every = 1500 * kMillisecond,
       .happens = change_membership},
      {.info = {"snapshot-catchup", "members fall behind a short log and are brought up by snapshots"},
       .cluster = {.log_entries_max = 32},
       .pause_mean = 5 * kMillisecond,
       .script = [](uint64_t client) { return writer_script(client, 300); },
       .every = 2 * kSecond,
       .happens = fall_behind},
      {.info = {"restart-storm", "members crash all the time, sometimes all at once"},
       .script = mixed,
       .every = 700 * kMillisecond,
       .happens = storm},
      {.info = {"clock-chaos", "clocks drift apart and jump, processes are paused"},
       .faults = only({Fault::drift, Fault::wall_jump, Fault::pause, Fault::partition, Fault::latency,
                       Fault::cancel, Fault::buggify}),
       .script = mixed},
      {.info = {"lease-reads", "reads by lease and at followers, with clocks as bad as the leases allow for"},
       .faults =
           only({Fault::drift, Fault::wall_jump, Fault::pause, Fault::partition, Fault::one_way, Fault::loss,
                 Fault::latency, Fault::crash, Fault::power_cut, Fault::cancel, Fault::buggify}),
       .cluster = {.lease_reads = true, .clock_drift_ppm_max = kDriftPpmMax, .member_reads = true},
       .pause_mean = 5 * kMillisecond,
       .script = [](uint64_t client) { return mixed_script(client, 8, 0.6); },
       .every = 2 * kSecond,
       .happens = hand_on},
      {.info = {"watch",
                "watches on all machines, fast and slow: each is told all, once, in order and whole"},
       .cluster = {.log_entries_max = 200, .history = {.keep_revisions = 400}},
       .script = mixed,
       .load = load<WatchLoad>},
      {.info = {"leases", "leases are kept alive, revoked or run out: never early, and at once for all keys"},
       .clients = 2,
       .pause_mean = 50 * kMillisecond,
       .script = writer,
       .every = 2 * kSecond,
       .happens = shake_leader,
       .load = [](World& world, Cluster& cluster) { return std::make_unique<LeaseLoad>(world, cluster, 6); }},
      {.info = {"dead-voters", "members fall silent, lose their votes and get them back"},
       .nodes = 5,
       .duration = 15 * kSecond,
       .faults = only({Fault::drift, Fault::pause, Fault::partition, Fault::one_way, Fault::loss,
                       Fault::latency, Fault::crash, Fault::power_cut, Fault::buggify}),
       .cluster = {.dead_voter_after = kSecond},
       .script = mixed,
       .every = 1500 * kMillisecond,
       .happens = fall_silent},
      {.info = {"index", "indexes are created, dropped and scanned while their records change"},
       .cluster = {.log_entries_max = 200},
       .pause_mean = 5 * kMillisecond,
       .script = document_script,
       .every = 60 * kMillisecond,
       .happens = use_indexes,
       .check = check_indexes},
      {.info = {"history", "reads at earlier revisions, beside nested transactions and compactions"},
       .clients = 2,
       .cluster = {.log_entries_max = 200, .history = {.keep_revisions = 150}},
       .pause_mean = 50 * kMillisecond,
       .script = writer,
       .every = 20 * kMillisecond,
       .load = load<HistoryLoad>},
      {.info = {"drafts", "optimistic transactions and branches of branches meet, and are isolated"},
       .clients = 2,
       .cluster = {.log_entries_max = 200, .history = {.keep_revisions = 150}},
       .pause_mean = 50 * kMillisecond,
       .script = writer,
       .every = 25 * kMillisecond,
       .load = load<DraftLoad>},
      {.info = {"quotas", "quotas are set, changed and removed while their keys grow and shrink"},
       .clients = 2,
       .cluster = {.log_entries_max = 200},
       .pause_mean = 50 * kMillisecond,
       .script = writer,
       .every = 20 * kMillisecond,
       .load = load<QuotaLoad>},
      {.info = {"groups", "lists of words in groups beside the store's, on the same members and journals"},
       .clients = 2,
       .faults =
           only({Fault::drift, Fault::pause, Fault::partition, Fault::one_way, Fault::loss, Fault::latency,
                 Fault::crash, Fault::power_cut, Fault::slow_disk, Fault::cancel, Fault::buggify}),
       .pause_mean = 50 * kMillisecond,
       .script = writer,
       .every = 20 * kMillisecond,
       .load = load<GroupLoad>},
      {.info = {"disk-faults", "disks stall, fail, fill up, tear and rot"},
       .faults =
           only({Fault::power_cut, Fault::torn_write, Fault::wipe, Fault::slow_disk, Fault::failed_write,
                 Fault::failed_sync, Fault::full_disk, Fault::bit_flip, Fault::buggify}),
       .cluster = {.log_entries_max = 100},
       .script = mixed},
      {.info = {"backup",
                "backups are made while members fail, and what begins with them has what there was"},
       .faults = only({Fault::partition, Fault::one_way, Fault::loss, Fault::latency, Fault::crash,
                       Fault::power_cut, Fault::pause, Fault::torn_write, Fault::wipe, Fault::slow_disk,
                       Fault::failed_write, Fault::failed_sync, Fault::full_disk, Fault::buggify}),
       .cluster = {.log_entries_max = 100},
       .script = mixed,
       .backs_up = true},
      {.info = {"transport-loss", "real QUIC over datagrams that are lost, repeated and reordered"},
       .clients = 3,
       .duration = 5 * kSecond,
       .faults = only({Fault::loss, Fault::latency, Fault::bandwidth, Fault::repeat, Fault::reorder,
                       Fault::partition, Fault::one_way, Fault::crash, Fault::pause, Fault::buggify}),
       .cluster = {.transport = Machine::Transport::quic},
       .script = mixed},
      {.info = {"cancel-injection", "a client's work, cancelled at the suspension point that the seed says"},
       .faults = FaultSet::none(),
       .injects_cancel = true},
  };
  return scenarios;
}

// About every so often.
void happen_again(World& world, DurationNs every, std::shared_ptr<Random> random, TimeNs end,
                  std::function<void(Random&)> happens) {
  world.events().after(random->exponential(every),
                       [&world, every, random, end, happens = std::move(happens)] {
                         if (world.now() >= end) return;
                         happens(*random);
                         happen_again(world, every, random, end, happens);
                       });
}

class OneCall final : public Script {
 public:
  explicit OneCall(WriteCall call) : call_(std::move(call)) {}
  Operation::Call next(Random&) override { return call_; }

 private:
  WriteCall call_;
};

void set_up(World& world, Cluster& cluster, const WriteCall& call) {
  cluster.add_clients(1, [&](uint64_t) { return std::make_unique<OneCall>(call); },
                      {.timeout = kSetUpLimit, .hurry = 0, .operations_max = 1});
  if (!world.run_until([&] { return cluster.clients_idle(); }, kSetUpLimit) ||
      !cluster.history().at(0).ok()) {
    world.violate("liveness", "the first write did not succeed");
  }
}

// Reads all that the history has to do with, a page after the other, again and again.
class Reader final : public Script {
 public:
  explicit Reader(bool stale) : stale_(stale) {}
  Operation::Call next(Random&) override {
    return RangeCall{.request = {.start = start_, .end = kLoadPrefix},
                     .freshness = stale_ ? node::kAnyAge : node::Freshness{}};
  }
  void done(const Operation& operation) override {
    const auto& range = std::get<RangeCall>(operation.call);
    start_ = operation.ok() && range.reply.more ? range.reply.continuation : Bytes();
  }

 private:
  bool stale_;
  Bytes start_;
};

// What was acknowledged must still be there at the end, at every member: the history is judged with what they
// say then. Their states are equal when this begins.
void read_everything(World& world, Cluster& cluster) {
  constexpr uint64_t kReads = 8;  // pages may be short
  size_t readers = cluster.size() + cluster.client_machines().size();
  cluster.add_clients(readers, [](uint64_t client) { return std::make_unique<Reader>(client % 2 == 0); },
                      {.pause_mean = kMillisecond, .hurry = 0, .operations_max = kReads});
  if (world.run_until([&] { return cluster.clients_idle(); }, kSetUpLimit)) return;
  world.violate("liveness", "the last reads did not end");
}

void check_history(World& world, const History& history) {
  KvReport report = check_kv(history);
  if (report.linearizable()) return;
  world.violate("linearizability", fmt::format("{}: {}", report.rule, report.text));
}

Result<> write_trace(const std::string& path, const Trace& trace) {
  std::ofstream file(path, std::ios::binary);
  file << trace.text();
  file.close();
  if (!file) return fail(Code::IO, "cannot write the trace to {}: {}", path, std::strerror(errno));
  return {};
}

// Where a run happens: in which world, and with a cancel at which point of it, if any.
struct Site {
  uint64_t seed;
  uint64_t point = 0;
};

// Errors: LIMIT_EXCEEDED when there are more points than seeds for them.
Result<Site> site_of(const Scenario& scenario, const RunOptions& options, size_t members) {
  if (!scenario.injects_cancel) return Site{options.seed};
  uint64_t seed = 1 + options.seed / kInjectionSeeds;
  ASPEN_TRY(uint64_t points, count_injection_points(seed, members));
  if (points == 0 || points > kInjectionSeeds) {
    return fail(Code::LIMIT_EXCEEDED, "{} suspension points to cancel at; at least 1, at most {}", points,
                kInjectionSeeds);
  }
  return Site{seed, 1 + options.seed % kInjectionSeeds % points};
}

uint64_t inject_cancel(World& world, Cluster& cluster, uint64_t point) {
  CancelInjection injection(world, cluster, point);
  injection.run();
  return injection.injected() ? 1 : 0;
}

const Scenario* find(const std::string& name) {
  auto found = std::ranges::find(table(), name, [](const Scenario& scenario) { return scenario.info.name; });
  return found == table().end() ? nullptr : &*found;
}

uint64_t run(World& world, Cluster& cluster, const Scenario& scenario, const RunOptions& options) {
  std::unique_ptr<Load> load = scenario.load ? scenario.load(world, cluster) : nullptr;
  if (!cluster.form()) return 0;
  if (scenario.set_up) set_up(world, cluster, *scenario.set_up);
  FaultInjector injector(world, cluster, scenario.faults & options.faults);
  ClientOptions client{.pause_mean = scenario.pause_mean};
  if (injector.chosen().has(Fault::cancel)) client.cancel = 0.1;
  if (options.operations_max > 0) client.operations_max = options.operations_max / scenario.clients + 1;
  cluster.add_clients(scenario.clients, scenario.script, client);
  if (load) load->start();
  injector.start();
  DurationNs duration = options.duration > 0 ? options.duration : scenario.duration;
  bool faulty = !options.faults.empty();
  if (scenario.happens && faulty) {
    happen_again(world, scenario.every, std::make_shared<Random>(world.random("happens")),
                 world.now() + duration, [&](Random& random) { scenario.happens(world, cluster, random); });
  }
  if (load) {
    happen_again(world, scenario.every, std::make_shared<Random>(world.random("visits")),
                 world.now() + duration, [&load](Random& random) { load->visit(random); });
  }
  BackupDrill drill(world, cluster);
  if (scenario.backs_up) {
    happen_again(world, scenario.every, std::make_shared<Random>(world.random("backups")),
                 world.now() + duration, [&](Random& random) { drill.begin(random); });
  }
  world.run_for(duration);
  injector.stop();
  if (load) load->stop();
  if (!world.violation() && cluster.settle()) {
    if (load) load->finish();
    read_everything(world, cluster);
    drill.collect();
    check_history(world, cluster.history());
    if (scenario.check) scenario.check(world, cluster);
    drill.restore();
    if (options.oracle) options.oracle(world, cluster);
    if (!world.violation()) cluster.close();
  }
  return injector.count();
}

std::string note_of(World& world, Cluster& cluster) {
  std::string note;
  if (cluster.history().full()) {
    note = fmt::format("clients stopped, and nothing was read at the end: at most {} operations are recorded",
                       cluster.history().size());
  }
  if (world.trace().truncated()) {
    note += fmt::format("{}the trace has the first {} of {} events", note.empty() ? "" : "; ",
                        world.trace().lines().size(), world.trace().count());
  }
  return note;
}

}  // namespace

const std::vector<ScenarioInfo>& scenarios() {
  static const std::vector<ScenarioInfo> infos = [] {
    std::vector<ScenarioInfo> all;
    for (const Scenario& scenario : table()) {
      all.push_back(scenario.info);
      all.back().faults = scenario.faults;
    }
    return all;
  }();
  return infos;
}

Result<> check_options(const RunOptions& options) {
  const Scenario* scenario = find(options.scenario);
  if (scenario == nullptr) {
    std::vector<std::string> names;
    for (const ScenarioInfo& info : scenarios()) names.push_back(info.name);
    return fail(Code::INVALID_ARGUMENT, "there is no scenario '{}'; there are: {}", options.scenario,
                fmt::join(names, ", "));
  }
  if (options.nodes > kNodesMax) {
    return fail(Code::INVALID_ARGUMENT, "{} nodes; at most {}", options.nodes, kNodesMax);
  }
  if (options.duration < 0 || options.duration > kDurationMax) {
    return fail(Code::INVALID_ARGUMENT, "{} virtual seconds; at most {}", options.duration / kSecond,
                kDurationMax / kSecond);
  }
  bool some = !options.faults.empty() && options.faults.to_string() != "all";
  if (some && (options.faults & scenario->faults).empty()) {
    return fail(Code::INVALID_ARGUMENT, "no fault of '{}' belongs to {}; its faults are: {}",
                options.faults.to_string(), options.scenario, scenario->faults.to_string());
  }
  return {};
}

Result<RunReport> run_scenario(const RunOptions& options) {
  ASPEN_CHECK(check_options(options));
  const Scenario* found = find(options.scenario);
  auto started = std::chrono::steady_clock::now();
  bool record = !options.trace_file.empty();
  ClusterOptions cluster_options = found->cluster;
  cluster_options.members = options.nodes > 0 ? options.nodes : found->nodes;
  cluster_options.history_max = options.history_max;
  ASPEN_TRY(Site site, site_of(*found, options, cluster_options.members));
  World world({.seed = site.seed,
               .recording = record ? Trace::Recording::on : Trace::Recording::off,
               .trace_lines_max = options.trace_lines_max});
  RunReport report{.scenario = options.scenario, .seed = options.seed};
  {
    Cluster cluster(world, cluster_options);
    TimeNs begin = world.now();
    report.faults = found->injects_cancel ? inject_cancel(world, cluster, site.point)
                                          : run(world, cluster, *found, options);
    report.virtual_time = world.now() - begin;
    report.operations = cluster.operations();
    report.note = note_of(world, cluster);
  }
  report.events = world.events().count();
  report.trace_hash = to_hex(world.trace().hash());
  report.buggified = world.buggified();
  if (record) ASPEN_CHECK(write_trace(options.trace_file, world.trace()));
  report.ok = !world.violation();
  if (!report.ok) {
    report.oracle = world.violation()->oracle;
    report.detail = world.violation()->detail;
    report.replay = replay_command(options);
  }
  report.wall_time = std::chrono::nanoseconds(std::chrono::steady_clock::now() - started).count();
  return report;
}

std::string replay_command(const RunOptions& options) {
  std::string command = fmt::format("aspen sim --scenario {} --seeds {}..{} --faults {}", options.scenario,
                                    options.seed, options.seed, options.faults.to_string());
  if (options.nodes > 0) command += fmt::format(" --nodes {}", options.nodes);
  if (options.duration > 0) {
    command += fmt::format(" --minutes-virtual {}", static_cast<double>(options.duration) / 60e9);
  }
  if (options.operations_max > 0) command += fmt::format(" --ops {}", options.operations_max);
  return command;
}

std::string to_json(const RunReport& report) {
  nlohmann::ordered_json json = {{"scenario", report.scenario},
                                 {"seed", report.seed},
                                 {"ok", report.ok},
                                 {"virtual_s", static_cast<double>(report.virtual_time) / 1e9},
                                 {"wall_s", static_cast<double>(report.wall_time) / 1e9},
                                 {"events", report.events},
                                 {"faults", report.faults},
                                 {"ops", report.operations},
                                 {"trace_hash", report.trace_hash}};
  if (!report.ok) {
    json["oracle"] = report.oracle;
    json["detail"] = report.detail;
    json["replay"] = report.replay;
  }
  if (!report.note.empty()) json["note"] = report.note;
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace aspen::lab
