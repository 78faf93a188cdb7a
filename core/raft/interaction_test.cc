// Stories: runs testdata/*.txt, commands and what they must print, against a group of cores. Each block is
//
//   command arguments...      any number of lines; '#' starts a comment
//   ----
//   expected output           up to a blank line
//
// ASPEN_RECORD=1 writes the output that was seen into the files, to be read and committed. Time stands
// still unless a command moves it. Elections time out after 300 ms for node 1, 320 for node 2, and so on;
// heartbeats are 50 ms apart.
//
//   add-nodes N           voters 1..N, with that configuration at index 1
//   add-empty N           node N with nothing, for a group to take in
//   bootstrap N           makes empty node N a group of its own
//   wipe N as M           node N lost its disk and is now the empty peer M
//   append-bytes N        how much the nodes added from here on put into one append
//   window N, window-bytes N   how many appends, of how many bytes, they send without an answer
//   catch-up N            they fetch entries from several nodes when they lack so many
//   add-logs T,T,... ...  voters with entries of these terms behind the configuration at index 1
//   lease-reads           the nodes added from here on make promises and read by lease
//   elect N               lets node N become the leader, and shows nothing else
//   campaign N            moves time to node N's timeout and ticks it
//   tick N MS | tick all MS      moves time, then ticks
//   run MS                moves time in steps of 10 ms, ticking and delivering; shows no messages
//   deliver, drop [A->B] [kind]  the messages that are under way now and match; A or B may be left out
//   duplicate [A->B] [kind]      the same, once more
//   stabilize [quiet]     delivers until nothing is under way
//   isolate N, connect N  loses, or no longer loses, everything to and from N
//   async N, sync N, sync-always N   the disk finishes writes when told, the oldest write, at once (default)
//   crash N [K], start N  K writes in flight had reached the disk
//   propose N DATA...     config N voters A,B learners C      transfer N M      read N ID
//   config N joint voters A,B ...        always through a joint configuration
//   ask N ID              a read at N, wherever the leader is
//   lease-read N
//   compact N I           forgets entries up to I
//   lose-snapshot A->B    the snapshot under way breaks off
//   install-silently A->B it is installed, and the word of that is lost
//   unreachable N M       N's connection to M broke
//   status, log N, disk N, progress N
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "core/raft/test_describe.h"
#include "core/raft/test_node.h"

namespace aspen::raft {
namespace {

using testing::describe;
using testing::entry;
using testing::member;
using testing::name;
using testing::TestNode;

using Words = std::vector<std::string>;

Words split(const std::string& text, char separator = ' ') {
  Words words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, separator);) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

PeerId number(const std::string& word) {
  return std::strtoull(word.c_str(), nullptr, 10);
}

// Which messages a command means: "1->2", "->2", "1->" and a kind's name, in any order.
struct Filter {
  PeerId from = 0, to = 0;
  std::string kind;

  Filter(Words::const_iterator word, Words::const_iterator end) {
    for (; word != end; ++word) {
      size_t arrow = word->find("->");
      if (arrow == std::string::npos) {
        kind = *word;
      } else {
        from = number(word->substr(0, arrow));
        to = number(word->substr(arrow + 2));
      }
    }
  }
  bool matches(const Message& m) const {
    return (from == 0 || from == m.from) && (to == 0 || to == m.to) && (kind.empty() || kind == name(m.kind));
  }
};

class Group {
 public:
  // Runs one command and returns what it printed.
  std::string run(const std::string& line) {
    out_.clear();
    Words words = split(line);
    if (!command(words)) print("unknown command");
    settle();
    return std::exchange(out_, {});
  }

 private:
  struct Node {
    TestNode test;
    bool async = false;
    std::string shown_state;
    std::string shown_config;
  };

  template <typename... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    out_ += fmt::format(format, std::forward<Args>(args)...) + "\n";
  }

  Node& node(const std::string& word) { return *nodes_.at(number(word)); }
  Core& core(const std::string& word) { return *node(word).test.core; }

  void add(PeerId id, Durable disk, size_t applied = SIZE_MAX) {
    Options options{.self = id,
                    .append_bytes_max = append_bytes_,
                    .appends_in_flight_max = window_,
                    .appends_in_flight_bytes_max = window_bytes_,
                    .catch_up_entries = catch_up_,
                    .lease_reads = lease_reads_,
                    .random = [id] { return (id - 1) * 20 * kMillisecond; }};
    auto state = disk.entries;
    state.resize(std::min(applied, state.size()));
    auto node =
        std::make_unique<Node>(Node{TestNode(options, std::move(disk), std::move(state)), false, {}, {}});
    node->test.start(now_);
    node->shown_state = state_of(*node->test.core);
    node->shown_config = describe(node->test.core->config());
    nodes_[id] = std::move(node);
  }

  void add_voters(PeerId count) {
    Config config;
    for (PeerId id = 1; id <= count; ++id) config.members.push_back(member(id));
    for (PeerId id = 1; id <= count; ++id) {
      Durable disk;
      disk.hard_state.term = 1;
      disk.entries = {entry(1, 1, encode(config), EntryKind::config)};
      add(id, std::move(disk));
    }
  }

  void add_logs(const Words& logs) {
    Config config;
    for (PeerId id = 1; id <= logs.size(); ++id) config.members.push_back(member(id));
    for (PeerId id = 1; id <= logs.size(); ++id) {
      Durable disk;
      disk.entries = {entry(1, 1, encode(config), EntryKind::config)};
      for (const std::string& term : split(logs[id - 1], ',')) {
        disk.entries.push_back(entry(disk.entries.size() + 1, number(term), "x"));
      }
      disk.hard_state.term = 7;
      add(id, std::move(disk), 1);
    }
  }

  bool command(const Words& w) {
    return command_group(w) || command_time(w) || command_network(w) || command_disk(w) ||
           command_client(w) || command_show(w);
  }

  bool command_group(const Words& w) {
    if (w[0] == "add-nodes") {
      add_voters(number(w[1]));
    } else if (w[0] == "add-empty") {
      add(number(w[1]), {});
    } else if (w[0] == "bootstrap") {
      core(w[1]).bootstrap(member(number(w[1])), 0, now_);
    } else if (w[0] == "append-bytes") {
      append_bytes_ = number(w[1]);
    } else if (w[0] == "window") {
      window_ = number(w[1]);
    } else if (w[0] == "window-bytes") {
      window_bytes_ = number(w[1]);
    } else if (w[0] == "catch-up") {
      catch_up_ = number(w[1]);
    } else if (w[0] == "add-logs") {
      add_logs({w.begin() + 1, w.end()});
    } else if (w[0] == "lease-reads") {
      lease_reads_ = true;
    } else if (w[0] == "wipe") {
      nodes_.erase(number(w[1]));
      add(number(w[3]), {});
    } else {
      return false;
    }
    return true;
  }

  bool command_time(const Words& w) {
    if (w[0] == "elect") {
      now_ = std::max(now_, core(w[1]).next_tick());
      core(w[1]).tick(now_);
      quiet_ = true;
      stabilize();
      quiet_ = false;
      out_ = fmt::format("{} is {}\n", w[1], state_of(core(w[1])));
    } else if (w[0] == "campaign") {
      now_ = std::max(now_, core(w[1]).next_tick());
      core(w[1]).tick(now_);
    } else if (w[0] == "tick") {
      now_ += static_cast<DurationNs>(number(w[2])) * kMillisecond;
      for (auto& [id, n] : nodes_) {
        if (n->test.up() && (w[1] == "all" || number(w[1]) == id)) n->test.core->tick(now_);
      }
    } else if (w[0] == "run") {
      run_for(static_cast<DurationNs>(number(w[1])) * kMillisecond);
    } else {
      return false;
    }
    return true;
  }

  void run_for(DurationNs duration) {
    quiet_ = true;
    for (TimeNs end = now_ + duration; now_ < end;) {
      now_ += 10 * kMillisecond;
      for (auto& [id, n] : nodes_) {
        if (n->test.up() && n->test.core->next_tick() <= now_) n->test.core->tick(now_);
      }
      stabilize();
    }
    quiet_ = false;
  }

  bool command_network(const Words& w) {
    if (w[0] == "deliver") {
      for (Message& m : take(Filter(w.begin() + 1, w.end()))) deliver(std::move(m));
    } else if (w[0] == "drop") {
      for (const Message& m : take(Filter(w.begin() + 1, w.end()))) print("lost: {}", describe(m));
    } else if (w[0] == "duplicate") {
      Filter filter(w.begin() + 1, w.end());
      for (size_t i = 0, n = network_.size(); i < n; ++i) {
        if (filter.matches(network_[i])) network_.push_back(network_[i]);
      }
    } else if (w[0] == "stabilize") {
      quiet_ = w.size() > 1;
      stabilize();
      quiet_ = false;
    } else if (w[0] == "isolate") {
      isolated_.insert(number(w[1]));
    } else if (w[0] == "connect") {
      isolated_.erase(number(w[1]));
    } else if (w[0] == "lose-snapshot") {
      for (const Message& m : take(Filter(w.begin() + 1, w.end()))) {
        nodes_.at(m.from)->test.core->snapshot_sent(m.to, false, now_);
      }
    } else if (w[0] == "install-silently") {
      for (const Message& m : take(Filter(w.begin() + 1, w.end()))) {
        if (m.kind != MessageKind::snapshot) continue;
        nodes_.at(m.to)->test.core->step(m, now_);
        nodes_.at(m.to)->test.install(m, nodes_.at(m.from)->test.state, now_);
      }
    } else if (w[0] == "unreachable") {
      core(w[1]).unreachable(number(w[2]));
    } else {
      return false;
    }
    return true;
  }

  bool command_disk(const Words& w) {
    if (w[0] == "async") {
      node(w[1]).async = true;
    } else if (w[0] == "sync") {
      sync(node(w[1]));
    } else if (w[0] == "sync-always") {
      node(w[1]).async = false;
      while (!node(w[1]).test.writes.empty()) sync(node(w[1]));
    } else if (w[0] == "crash") {
      node(w[1]).test.crash(w.size() > 2 ? number(w[2]) : 0);
    } else if (w[0] == "start") {
      node(w[1]).test.start(now_);
      node(w[1]).shown_state = state_of(core(w[1]));
    } else if (w[0] == "compact") {
      node(w[1]).test.compact(number(w[2]));
    } else {
      return false;
    }
    return true;
  }

  bool command_client(const Words& w) {
    if (w[0] == "propose") {
      show_index(core(w[1]).propose({w.begin() + 2, w.end()}, 0, now_));
    } else if (w[0] == "config") {
      std::vector<Member> members;
      bool joint = w[2] == "joint";
      for (size_t i = joint ? 3 : 2; i + 1 < w.size(); i += 2) {
        for (const std::string& id : split(w[i + 1], ',')) {
          members.push_back(member(number(id), w[i] == "voters" ? MemberRole::voter : MemberRole::learner));
        }
      }
      show_index(core(w[1]).propose_config(std::move(members), 0, now_,
                                           joint ? ChangeVia::joint : ChangeVia::least));
    } else if (w[0] == "transfer") {
      auto result = core(w[1]).transfer_leadership(number(w[2]), now_);
      if (!result) print("{}", result.error().to_string());
    } else if (w[0] == "ask") {
      core(w[1]).read_from_leader(number(w[2]), now_);
    } else if (w[0] == "lease-read") {
      auto index = core(w[1]).lease_read(now_);
      print("{}", index ? fmt::format("{} may read at {}", w[1], *index) : w[1] + " has no lease");
    } else if (w[0] == "read") {
      core(w[1]).read_index(number(w[2]), now_);
    } else {
      return false;
    }
    return true;
  }

  void show_index(const Result<Index>& index) {
    if (!index) print("{}", index.error().to_string());
  }

  bool command_show(const Words& w) {
    if (w[0] == "status") {
      for (auto& [id, n] : nodes_)
        print("{}", n->test.up() ? status_of(*n->test.core) : fmt::format("{} down", id));
    } else if (w[0] == "log") {
      const Log& log = core(w[1]).log();
      for (Index i = log.first_index(); i <= log.last_index(); ++i) print("{}", describe(*log.at(i)));
    } else if (w[0] == "disk") {
      const Durable& disk = node(w[1]).test.disk;
      print("term {} vote {}, {}", disk.hard_state.term, disk.hard_state.vote, describe(disk.entries));
    } else if (w[0] == "progress") {
      for (const auto& [peer, p] : core(w[1]).status().progress) {
        print("{} match {} next {}{}{}", peer, p.match, p.next, p.active ? "" : ", silent",
              p.snapshotting ? ", snapshot" : "");
      }
    } else {
      return false;
    }
    return true;
  }

  static std::string state_of(const Core& core) {
    std::string out = fmt::format("{} in term {}", name(core.role()), core.term());
    if (core.role() == Role::follower && core.leader() != kNobody)
      out += fmt::format(" of {}", core.leader());
    return out;
  }

  static std::string status_of(const Core& core) {
    Status s = core.status();
    return fmt::format("{} {}, commit {}, applied {}, log {}..{}, {}", s.self, state_of(core), s.commit,
                       s.applied, s.first_index, s.last_index, describe(s.config));
  }

  std::vector<Message> take(const Filter& filter) {
    std::vector<Message> taken, left;
    for (Message& m : network_) (filter.matches(m) ? taken : left).push_back(std::move(m));
    network_ = std::move(left);
    return taken;
  }

  void stabilize() {
    settle();
    for (int rounds = 0; !network_.empty(); ++rounds) {
      ASSERT_LT(rounds, 1000) << "the group does not come to rest";
      for (Message& m : std::exchange(network_, {})) deliver(std::move(m));
      settle();
    }
  }

  void deliver(Message message) {
    auto to = nodes_.find(message.to);
    if (to == nodes_.end() || !to->second->test.up()) return;
    if (isolated_.contains(message.from) || isolated_.contains(message.to)) return;
    Core& core = *to->second->test.core;
    core.step(message, now_);
    settle(*to->second);
    if (message.kind == MessageKind::snapshot) install(*to->second, message);
  }

  void install(Node& to, const Message& offer) {
    Node& from = *nodes_.at(offer.from);
    if (to.test.core->snapshot_wanted(offer)) {
      to.test.install(offer, from.test.state, now_);
      print("{} installs the state at {}", to.test.id(), offer.snapshot->index);
      settle(to);
    }
    from.test.core->snapshot_sent(offer.to, true, now_);
    settle(from);
  }

  void send(std::vector<Message> messages) {
    for (Message& m : messages) {
      if (!quiet_) print("{}", describe(m));
      network_.push_back(std::move(m));
    }
  }

  void sync(Node& n) {
    if (n.test.writes.empty()) return print("nothing to sync");
    send(n.test.sync_one(now_));
    settle(n);
  }

  void settle() {
    for (auto& [id, n] : nodes_) {
      if (n->test.up()) settle(*n);
    }
  }

  // Takes the node's effects, says what they are and does them.
  void settle(Node& n) {
    PeerId id = n.test.id();
    while (n.test.core->has_effects()) {
      Effects effects = n.test.core->take_effects();
      show_changes(n);
      send(std::move(effects.messages));
      if (effects.sync_token != 0 && !quiet_) show_write(n, effects);
      for (const auto& read : effects.reads_ready)
        print("{} may serve read {} at {}", id, read.id, read.index);
      for (uint64_t read : effects.reads_failed) print("{} cannot serve read {}", id, read);
      for (Index index : effects.proposals_dropped) print("{} lost its proposal at {}", id, index);
      if (!effects.committed.empty()) print("{} applies {}", id, describe(effects.committed));
      n.test.keep(effects);
      if (n.async) continue;
      while (!n.test.writes.empty()) send(n.test.sync_one(now_));
    }
  }

  void show_changes(Node& n) {
    std::string state = state_of(*n.test.core);
    if (state != n.shown_state) print("{} is {}", n.test.id(), state);
    n.shown_state = std::move(state);
    std::string config = describe(n.test.core->config());
    if (config != n.shown_config) print("{} uses {}", n.test.id(), config);
    n.shown_config = std::move(config);
  }

  void show_write(const Node& n, const Effects& effects) {
    std::vector<std::string> parts;
    if (effects.hard_state) {
      parts.push_back(fmt::format("term {} vote {}", effects.hard_state->term, effects.hard_state->vote));
    }
    if (effects.truncate_from != 0) parts.push_back(fmt::format("without {} on", effects.truncate_from));
    if (!effects.entries.empty()) parts.push_back(describe(effects.entries));
    print("{} {} {}", n.test.id(), n.async ? "begins to write" : "writes", fmt::join(parts, ", "));
  }

  TimeNs now_ = 0;
  std::map<PeerId, std::unique_ptr<Node>> nodes_;
  std::vector<Message> network_;
  std::set<PeerId> isolated_;
  size_t append_bytes_ = 0;
  size_t window_ = 0;
  size_t window_bytes_ = 0;
  Index catch_up_ = 0;
  bool lease_reads_ = false;
  bool quiet_ = false;
  std::string out_;
};

// Runs a script and returns it with the output that was seen.
std::string replay(const std::string& script) {
  Group group;
  std::string seen, commands_output;
  bool skipping = false;  // the old output
  std::istringstream stream(script);
  for (std::string line; std::getline(stream, line);) {
    if (skipping) {
      skipping = !line.empty();
      if (skipping) continue;
    } else if (line == "----") {
      seen += "----\n" + (commands_output.empty() ? "ok\n" : commands_output);
      commands_output.clear();
      skipping = true;
      continue;
    } else if (!line.empty() && line[0] != '#') {
      commands_output += group.run(line);
    }
    seen += line + "\n";
  }
  return seen;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::filesystem::path> scripts() {
  std::vector<std::filesystem::path> paths;
  for (const auto& item : std::filesystem::directory_iterator(ASPEN_SOURCE_DIR "/core/raft/testdata")) {
    if (item.path().extension() == ".txt") paths.push_back(item.path());
  }
  std::ranges::sort(paths);
  return paths;
}

class Interaction : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(Interaction, PrintsWhatTheScriptSays) {
  std::string script = read_file(GetParam());
  ASSERT_FALSE(script.empty());
  std::string seen = replay(script);
  if (std::getenv("ASPEN_RECORD") != nullptr) {
    std::ofstream(GetParam()) << seen;
    return;
  }
  EXPECT_EQ(seen, script) << "record with ASPEN_RECORD=1 and read the difference";
}

INSTANTIATE_TEST_SUITE_P(Raft, Interaction, ::testing::ValuesIn(scripts()), [](const auto& info) {
  std::string stem = info.param.stem().string();
  std::ranges::replace(stem, '-', '_');
  return stem;
});

}  // namespace
}  // namespace aspen::raft
