// aspen up: a whole network in one process, to try things with and to develop against.
//
// With --dir it can be started again. Members know each other by address, so which ports the nodes had is
// kept beside their data, in nodes.json; without it a restarted network would not find itself.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "tools/bytes_text.h"
#include "tools/output.h"
#include "tools/program.h"
#include "tools/serve.h"
#include "tools/temp_dir.h"

namespace aspen::tools {
namespace {

constexpr const char* kExamples =
    R"(The ticket is printed on stdout, everything else on stderr. Runs until Ctrl-C.

Examples:
  aspen up                              one node, nothing kept
  aspen up --nodes 3                    three nodes, nothing kept
  aspen up --nodes 3 --dir ./data       kept; the same command starts it again
  aspen up --restore-from ./monday      look into a backup, nothing kept
  aspen up -o json | head -1            {"event":"ready","ticket":"...","nodes":[...]})";

constexpr size_t kNodesMax = 16;
constexpr const char* kAnyPort = "127.0.0.1:0";

struct UpArguments {
  size_t nodes = 0;  // 0: as many as there were, else 1
  std::string dir;
  std::string restore_from;
};

std::string node_dir(const std::string& dir, size_t index) {
  return fmt::format("{}/node-{}", dir, index + 1);
}

std::string nodes_path(const std::string& dir) {
  return dir + "/nodes.json";
}

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// A directory that holds something else is left as it is: nodes made inside it would be lost among another
// node's data, or mixed with files that nobody meant to share.
Result<> refuse_foreign(const std::string& dir) {
  if (holds_node(dir)) {
    return fail_hint(ASPEN_WRONG_NODE, fmt::format("{} holds a node that `aspen up` did not make", dir),
                     "`aspen node --dir DIR` opens that node; for `aspen up` choose an empty directory");
  }
  if (exists(nodes_path(dir))) return {};
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    const std::string name = entry.path().filename();
    if (name == "nodes.json.new" || name == "lost+found") continue;
    return fail_hint(ASPEN_WRONG_NODE,
                     fmt::format("{} holds '{}' but no network of `aspen up`", dir, display(name, 80)),
                     "choose an empty directory, or one that `aspen up` made");
  }
  if (error) return fail(ASPEN_IO, "cannot list {}: {}", dir, error.message());
  return {};
}

// The addresses of the nodes of an earlier run, from nodes.json; empty when there was none.
Result<std::vector<std::string>> load_addresses(const std::string& dir) {
  const std::string path = nodes_path(dir);
  std::vector<std::string> addresses;
  if (!exists(path)) return addresses;
  TOOLS_TRY(const std::string text, read_file(path));
  const auto corrupt = [&path] {
    return fail_hint(ASPEN_CORRUPT, fmt::format("{} is not a list of nodes that `aspen up` made", path),
                     "restore that file, or choose an empty directory for a new network");
  };
  const Json document = Json::parse(text, nullptr, false);
  const bool valid = document.is_object() && document.contains("format") && document["format"] == 1 &&
                     document.contains("listen") && document["listen"].is_array();
  if (!valid) return corrupt();
  for (const Json& address : document["listen"]) {
    if (!address.is_string() || addresses.size() == kNodesMax) return corrupt();
    addresses.push_back(address.get<std::string>());
  }
  return addresses;
}

Result<> save_addresses(const std::string& dir, const std::vector<Node>& nodes) {
  Json listen = Json::array();
  for (const Node& node : nodes) listen.push_back(aspen_node_address(node.get()));
  const std::string path = nodes_path(dir);
  std::ofstream file(path + ".new");
  file << Json{{"format", 1}, {"listen", listen}}.dump() << "\n";
  file.close();
  if (!file || std::rename((path + ".new").c_str(), path.c_str()) != 0) {
    return fail(ASPEN_IO, "cannot write {}: {}", path, std::strerror(errno));
  }
  return {};
}

// The nodes of one run, and what opening them needs.
struct Up {
  const std::string dir;
  Signals& signals;
  Queue queue;
  std::vector<Node> nodes;
  std::string ticket;
  std::string restore_from;  // of the first node of a new network

  Result<> open(const std::vector<std::string>& addresses, size_t count);

 private:
  Result<> add(int32_t mode);
};

Result<> Up::add(int32_t mode) {
  const NodeOptions options{.mode = mode,
                            .dir = node_dir(dir, nodes.size()),
                            .listen = kAnyPort,
                            .advertise = {},
                            .ticket = ticket,
                            .timeout_ns = 0,
                            .restore_from = mode == ASPEN_MODE_FOUND ? restore_from : ""};
  TOOLS_TRY(std::vector<Node> opened, open_nodes({&options, 1}, queue.get(), signals));
  nodes.push_back(std::move(opened.front()));
  return save_addresses(dir, nodes);
}

Result<> Up::open(const std::vector<std::string>& addresses, size_t count) {
  std::vector<NodeOptions> existing;
  for (size_t i = 0; i < addresses.size(); ++i) {
    existing.push_back({.mode = ASPEN_MODE_FOUND,
                        .dir = node_dir(dir, i),
                        .listen = addresses[i],
                        .advertise = {},
                        .ticket = {},
                        .timeout_ns = 0});
  }
  if (!existing.empty()) {
    TOOLS_TRY(nodes, open_nodes(existing, queue.get(), signals));
  } else {
    // Before the first node, so that the directory is known as ours should that one not come to serve.
    TOOLS_CHECK(save_addresses(dir, nodes));
    TOOLS_CHECK(add(ASPEN_MODE_FOUND));
  }
  TOOLS_TRY(ticket, node_ticket(nodes.front(), queue.get(), signals));
  while (nodes.size() < count) TOOLS_CHECK(add(ASPEN_MODE_JOIN));
  if (nodes.size() > 1) {
    // Again, so that it names all members: a ticket that knows one address is of no use when that one is
    // down.
    TOOLS_TRY(ticket, node_ticket(nodes.front(), queue.get(), signals));
  }
  return {};
}

void announce(const Up& up, const Common& common, bool kept) {
  if (common.format == Format::JSON) {
    Json nodes = Json::array();
    for (size_t i = 0; i < up.nodes.size(); ++i) {
      nodes.push_back({{"node_id", aspen_node_id(up.nodes[i].get())},
                       {"listen", aspen_node_address(up.nodes[i].get())},
                       {"dir", node_dir(up.dir, i)}});
    }
    print_json({{"event", "ready"}, {"ticket", up.ticket}, {"nodes", nodes}});
    return;
  }
  Table table({"NODE", "ADDRESS", "ID"});
  for (size_t i = 0; i < up.nodes.size(); ++i) {
    table.add(
        {std::to_string(i + 1), aspen_node_address(up.nodes[i].get()), aspen_node_id(up.nodes[i].get())});
  }
  table.print(stderr);
  fmt::print(stderr, "\ndata in {}{}\n\nticket (whoever has it can join):\n", up.dir,
             kept ? "" : ", removed at the end; --dir keeps it");
  std::fflush(stderr);
  fmt::print("{}\n", up.ticket);
  std::fflush(stdout);
  fmt::print(stderr,
             "\nIn another terminal:\n  export ASPEN_TICKET={}...\n  aspen kv put greeting hello\n"
             "  aspen kv get greeting\n  aspen status\n\nCtrl-C ends it.\n",
             up.ticket.substr(0, 12));
}

Result<int> run_up(const Common& common, const UpArguments& arguments) {
  Signals signals;
  aspen_cq_t* queue = nullptr;
  if (const int32_t status = aspen_cq_new(&queue); status != ASPEN_OK)
    return std::unexpected(refused(status));
  std::optional<TempDir> temporary;
  if (arguments.dir.empty()) {
    TOOLS_TRY(TempDir made, TempDir::make(""));
    temporary.emplace(std::move(made));
  } else {
    TOOLS_CHECK(make_directory(arguments.dir));
    TOOLS_CHECK(refuse_foreign(arguments.dir));
  }
  Up up{.dir = temporary ? temporary->path() : arguments.dir,
        .signals = signals,
        .queue = Queue(queue),
        .nodes = {},
        .ticket = {},
        .restore_from = arguments.restore_from};
  TOOLS_TRY(const std::vector<std::string> addresses, load_addresses(up.dir));
  if (!arguments.restore_from.empty() && !addresses.empty()) {
    return fail_hint(ASPEN_ALREADY_EXISTS, fmt::format("{} holds a network", up.dir),
                     "a backup is restored into a new directory");
  }
  if (arguments.nodes && arguments.nodes < addresses.size()) {
    return fail_hint(kUsage, fmt::format("{} holds {} nodes", up.dir, addresses.size()),
                     fmt::format("leave out --nodes, or give {} or more", addresses.size()));
  }
  TOOLS_CHECK(up.open(addresses, std::max<size_t>(arguments.nodes, 1)));
  announce(up, common, !temporary);
  while (!signals.wait(nullptr, -1)) continue;
  fmt::print(stderr, "aspen: closing\n");
  close_nodes(up.nodes, signals);
  return kExitOk;
}

}  // namespace

void add_up(Program& program) {
  auto arguments = std::make_shared<UpArguments>();
  CLI::App* command =
      program.command(program.root(), "up", "start a network in one process, to try things with", kExamples,
                      [&program, arguments] { return run_up(program.common(), *arguments); });
  command->add_option("--nodes", arguments->nodes, "how many nodes, 1 (the default) to 16")
      ->option_text("N")
      ->check(CLI::Range(size_t{1}, kNodesMax));
  command->add_option("--dir", arguments->dir, "where to keep their data; without it, nothing is kept")
      ->option_text("DIR");
  command->add_option("--restore-from", arguments->restore_from, "begin with this backup")
      ->option_text("DIR");
  program.add_log(command);
  program.add_output(command);
}

}  // namespace aspen::tools
