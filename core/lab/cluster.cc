#include "core/lab/cluster.h"

#include <algorithm>
#include <map>

#include "core/base/assert.h"

namespace aspen::lab {
namespace {

constexpr DurationNs kFormLimit = 120 * kSecond;
constexpr DurationNs kSettleLimit = 180 * kSecond;
constexpr DurationNs kCloseLimit = 60 * kSecond;
constexpr DurationNs kLookPeriod = 50 * kMillisecond;
// Of states, during the run; half as often after each so many times, for they grow with what was done.
constexpr DurationNs kComparePeriod = 500 * kMillisecond;
constexpr uint64_t kComparisons = 64;
constexpr uint64_t kClientMachine = 100;
constexpr size_t kJournalSegmentBytes = 32u << 10;  // small: they come and go in every run

bool off(const std::unique_ptr<Machine>& machine) {
  return machine->state() == Machine::State::off;
}

}  // namespace

Cluster::Cluster(World& world, const ClusterOptions& options)
    : world_(world),
      options_(options),
      random_(world.random("cluster")),
      history_(options.history_max),
      care_(options.members) {
  for (size_t i = 0; i < options.members; ++i) {
    members_.push_back(
        std::make_unique<Machine>(world, i + 1, fmt::format("10.0.0.{}:7000", i + 1), options.transport));
    members_[i]->after_turn = [this, i] { observe(i); };
  }
  for (size_t i = 0; i < options.client_machines; ++i) {
    client_machines_.push_back(std::make_unique<Machine>(
        world, kClientMachine + i, fmt::format("10.0.1.{}:7000", i + 1), options.transport));
  }
}

node::NodeOptions Cluster::member_options(size_t i) const {
  bool founds = i == 0 && !care_[0].joined;
  return {.mode = founds ? node::Mode::found : node::Mode::join,
          .listen = members_[i]->address(),
          .ticket = ticket_,
          .log_entries_max = options_.log_entries_max,
          .journal_segment_bytes = kJournalSegmentBytes,
          .lease_reads = options_.lease_reads,
          .clock_drift_ppm_max = options_.clock_drift_ppm_max,
          .dead_voter_after = options_.dead_voter_after,
          .member_reads = options_.member_reads && i % 2 == 0,
          .history = options_.history};
}

bool Cluster::form() {
  for (size_t i = 0; i < size(); ++i) {
    restart(i);
    bool up = world_.run_until([&] { return member(i).engine() != nullptr || off(members_[i]); }, kFormLimit);
    if (!up || off(members_[i])) {
      world_.violate("liveness", fmt::format("member {} does not open: {}", i + 1, describe()));
      return false;
    }
    care_[i].joined = true;
    // Anew each time: it names the members, and one that lost its data finds the others by it.
    Result<std::string> ticket = member(0).engine()->ticket(0);
    ASPEN_ASSERT(ticket);
    ticket_ = *ticket;
  }
  for (auto& machine : client_machines_) {
    machine->start({.mode = node::Mode::client, .ticket = ticket_});
    world_.run_until([&] { return machine->engine() != nullptr || off(machine); }, kFormLimit);
    if (off(machine)) world_.violate("liveness", "a client does not open: " + describe());
  }
  looking_ = true;
  look_after();
  return !world_.violation();
}

void Cluster::add_clients(size_t count, const MakeScript& script, const ClientOptions& options) {
  for (size_t i = 0; i < count; ++i) {
    uint64_t id = clients_.size() + 1;
    size_t place = clients_.size() % (size() + client_machines_.size());
    Machine& machine =
        place < client_machines_.size() ? *client_machines_[place] : member(place - client_machines_.size());
    ClientOptions watched = options;
    watched.acknowledged = [this](uint64_t revision) { acknowledge(revision); };
    clients_.push_back(std::make_unique<Client>(world_, machine, history_, id, script(id), watched));
    clients_.back()->start();
  }
}

// After the turn in which it was told: a member's own client hears before the oracles have looked.
void Cluster::acknowledge(uint64_t revision) {
  acknowledged_ = std::max(acknowledged_, revision);
  world_.events().after(0, [this, revision] {
    oracles_.acknowledged(revision);
    report_oracles();
  });
}

std::vector<Machine*> Cluster::machines() {
  std::vector<Machine*> machines;
  for (auto& machine : members_) machines.push_back(machine.get());
  for (auto& machine : client_machines_) machines.push_back(machine.get());
  return machines;
}

Machine* Cluster::leader() {
  Machine* found = nullptr;
  for (auto& machine : members_) {
    node::Replica* replica = machine->engine() != nullptr ? machine->replica() : nullptr;
    if (replica == nullptr || replica->driver().core().role() != raft::Role::leader) continue;
    if (found == nullptr || found->replica()->driver().core().term() < replica->driver().core().term()) {
      found = machine.get();
    }
  }
  return found;
}

bool Cluster::clients_idle() const {
  return std::all_of(clients_.begin(), clients_.end(), [](const auto& client) { return client->idle(); });
}

uint64_t Cluster::operations() const {
  uint64_t sum = 0;
  for (const auto& client : clients_) sum += client->operations();
  return sum;
}

// --- faults and their repair ---

void Cluster::crash(size_t i, DiskCrash kind) {
  if (member(i).state() == Machine::State::off) return;
  member(i).crash(kind);
  oracles_.stopped(care_[i].peer);
}

void Cluster::restart(size_t i) {
  if (member(i).state() != Machine::State::off) return;
  oracles_.stopped(care_[i].peer);
  member(i).start(member_options(i));
}

bool Cluster::endanger(size_t i) {
  auto lost = std::count_if(care_.begin(), care_.end(), [](const Care& care) { return care.lost; });
  if (!care_[i].lost && static_cast<size_t>(lost) >= (size() - 1) / 2) return false;
  // Also one that is being replaced: what damages the new data makes it no better than the old.
  care_[i].lost = care_[i].doubtful = true;
  return true;
}

bool Cluster::all_have_data() const {
  return std::none_of(care_.begin(), care_.end(), [](const Care& care) { return care.lost; });
}

bool Cluster::lose_data(size_t i) {
  if (!endanger(i)) return false;
  crash(i, DiskCrash::power_cut);
  member(i).wipe();
  oracles_.forget(care_[i].peer);
  care_[i].doubtful = false;
  return true;
}

void Cluster::look_after() {
  if (!looking_) return;
  compare_now_and_then();
  for (size_t i = 0; i < size(); ++i) look_after(i);
  world_.events().after(kLookPeriod, [this] { look_after(); });
}

void Cluster::look_after(size_t i) {
  Machine& machine = member(i);
  Care& care = care_[i];
  bool broken = machine.state() != Machine::State::off && !machine.disk().mounted();
  node::Replica* replica = machine.replica();
  const std::optional<Error>* stopped = replica != nullptr ? &replica->driver().failure() : nullptr;
  const bool has_stopped = stopped != nullptr && stopped->has_value();
  // It was told so by the others: what it holds is nobody's any more.
  const bool removed = has_stopped && (*stopped)->code == Code::NOT_A_MEMBER;
  if (broken || has_stopped) crash(i, DiskCrash::process_kill);
  if (removed) (void)lose_data(i);
  if (machine.state() != Machine::State::off) {
    if (care.lost && !care.doubtful && machine.engine() != nullptr && replica->group().is_voter())
      care.lost = false;
    return;
  }
  if (std::exchange(care.starting, true)) return;
  // Stores that cannot be read any more are replaced, as far as that is safe; else it is tried again.
  bool unreadable = machine.failure() && machine.failure()->code == Code::CORRUPT;
  world_.events().after(random_.exponential(repair_mean), [this, i, unreadable] {
    care_[i].starting = false;
    if (!looking_ || member(i).state() != Machine::State::off) return;
    if (unreadable) (void)lose_data(i);
    restart(i);
  });
}

void Cluster::heal() {
  world_.network().heal();
  world_.network().faults = {};
  for (auto& machine : members_) {
    machine->disk().set_faults({});
    machine->disk().call_off_crash();
    if (machine->paused()) machine->resume();
  }
  for (auto& machine : client_machines_) {
    if (machine->paused()) machine->resume();
  }
}

// --- oracles ---

void Cluster::observe(size_t i) {
  node::Replica* replica = member(i).replica();
  if (replica == nullptr) return;
  care_[i].peer = replica->group().peer();
  if (!replica->group().transport().on_send) listen(i);
  note_role(i, replica->driver().core());
  // While a snapshot replaces the state, it is ahead of a core that has not heard of it; for good when the
  // log could not follow, and the driver has stopped.
  if (replica->driver().replacing()) return;
  const RaftView view = view_of(replica->driver().core(), replica->machine().applied());
  if (replica->driver().failure()) {
    oracles_.observe_commits(view);
  } else {
    oracles_.observe(view);
  }
  report_oracles();
  if (observed) observed(replica->driver().core());
}

void Cluster::note_role(size_t i, const raft::Core& core) {
  constexpr const char* kRoles[] = {"follower", "pre-candidate", "candidate", "leader"};
  Care& care = care_[i];
  if (care.role == core.role() && care.term == core.term()) return;
  care.role = core.role();
  care.term = core.term();
  world_.note(member(i).index(), "role", "{} of term {}", kRoles[static_cast<size_t>(care.role)], care.term);
}

// To what the member says, as far as others could hear it: a ghost says it to nobody.
void Cluster::listen(size_t i) {
  member(i).replica()->group().transport().on_send = [this, i](const raft::Message& message) {
    Host* host = member(i).host();
    if (host == nullptr || host->dead()) return;
    oracles_.sent(message);
    report_oracles();
  };
}

void Cluster::report_oracles() {
  if (oracles_.violation()) world_.violate(oracles_.violation()->rule, oracles_.violation()->detail);
}

bool Cluster::settled() {
  Machine* leader = this->leader();
  if (leader == nullptr) return false;
  const raft::Core& first = leader->replica()->driver().core();
  for (size_t i = 0; i < size(); ++i) {
    if (member(i).engine() == nullptr || care_[i].lost) return false;
    node::Replica& replica = *member(i).replica();
    const raft::Core& core = replica.driver().core();
    bool equal = core.term() == first.term() && core.last_index() == first.last_index() &&
                 core.commit() == first.last_index() && replica.machine().applied() == core.commit();
    if (!equal || replica.driver().failure() || !replica.group().is_voter()) return false;
  }
  return clients_idle();
}

std::string Cluster::describe() {
  std::string text;
  for (size_t i = 0; i < size(); ++i) {
    constexpr const char* kStates[] = {"off", "opening", "serving", "closing"};
    text += fmt::format("member {}: {}{}", i + 1, kStates[static_cast<size_t>(member(i).state())],
                        care_[i].lost ? ", without its data" : "");
    if (member(i).failure()) text += ", last open failed: " + member(i).failure()->to_string();
    if (node::Replica* replica = member(i).replica()) {
      const raft::Core& core = replica->driver().core();
      text += fmt::format(", term {}, role {}, log {}..{}, commit {}, applied {}{}", core.term(),
                          static_cast<int>(core.role()), core.first_index(), core.last_index(), core.commit(),
                          replica->machine().applied(), replica->group().is_voter() ? "" : ", no voter");
      if (replica->driver().failure()) text += ", failed: " + replica->driver().failure()->to_string();
    }
    text += "; ";
  }
  for (const auto& client : clients_) {
    if (!client->idle()) text += "a client still runs; ";
  }
  return text;
}

void Cluster::compare() {
  for (size_t i = 0; i < size(); ++i) {
    node::Replica& replica = *member(i).replica();
    Result<Bytes> fingerprint = replica.machine().fingerprint();
    if (!fingerprint) return world_.violate("state equality", fingerprint.error().to_string());
    oracles_.state(replica.group().peer(), replica.machine().applied(), *fingerprint);
  }
  report_oracles();
}

void Cluster::compare_now_and_then() {
  if (world_.now() < compare_at_) return;
  compare_at_ = world_.now() + (kComparePeriod << std::min<uint64_t>(compared_ / kComparisons, 32));
  ++compared_;
  compare_equals();
}

// Those that have applied as much as another: what differs now may be hidden at the end, by a snapshot or
// because the member has lost it.
void Cluster::compare_equals() {
  std::map<raft::Index, std::vector<node::Replica*>> equals;
  for (size_t i = 0; i < size(); ++i) {
    node::Replica* replica = member(i).replica();
    bool sound = replica != nullptr && !care_[i].doubtful && !replica->driver().replacing() &&
                 !replica->driver().failure();
    if (sound) equals[replica->machine().applied()].push_back(replica);
  }
  for (const auto& [applied, replicas] : equals) {
    for (node::Replica* replica : replicas) {
      if (replicas.size() == 1) continue;
      // One whose disk fails cannot say it; that is not for here to judge.
      Result<Bytes> fingerprint = replica->machine().fingerprint();
      if (fingerprint) oracles_.state(replica->group().peer(), applied, *fingerprint);
    }
  }
  report_oracles();
}

bool Cluster::settle() {
  heal();
  for (auto& client : clients_) client->stop();
  if (!world_.run_until([this] { return settled(); }, kSettleLimit)) {
    world_.violate("liveness", "not settled after everything was healed: " + describe());
    return false;
  }
  compare();
  return !world_.violation();
}

void Cluster::close() {
  looking_ = false;
  // Clients first.
  std::vector<Machine*> open = machines();
  std::ranges::rotate(open, open.begin() + static_cast<ptrdiff_t>(size()));
  for (Machine* machine : open) {
    if (machine->state() == Machine::State::off) continue;
    machine->stop();
    bool closed = world_.run_until([&] { return machine->state() == Machine::State::off; }, kCloseLimit);
    if (!closed) {
      world_.violate("quiescence",
                     fmt::format("node {} does not close: {}", machine->index(), machine->pending()));
    }
  }
}

}  // namespace aspen::lab
