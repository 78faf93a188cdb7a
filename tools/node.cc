// aspen node: one member, one process. Made for scripts and service managers: a machine-readable ready line,
// logs on stderr, a clean end on SIGTERM, and the same command line starts it again.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tools/output.h"
#include "tools/program.h"
#include "tools/serve.h"

namespace aspen::tools {
namespace {

constexpr const char* kExamples = R"(When it serves, one line is printed on stdout:
  {"event":"ready","node_id":"...","listen":"HOST:PORT","ticket":"aspen1..."}
The ticket lets further nodes join and clients connect; null when this node may not invite.
A directory that holds a node already is opened as that node, with or without --bootstrap or --join: it keeps
its identity and data, so one command line serves to start and to start again. SIGTERM or Ctrl-C ends it.

Examples:
  aspen node --dir /var/lib/a --listen 127.0.0.1:7001 --bootstrap --ticket-file cluster.ticket
  aspen node --dir /var/lib/b --listen 127.0.0.1:7002 --join @cluster.ticket
  aspen node --dir /var/lib/a --listen 127.0.0.1:7001              start it again
  aspen node --dir /var/lib/n --listen 127.0.0.1:7001 --restore-from /backup/monday --timeout 10m
  aspen node --dir /var/lib/c --listen 0.0.0.0:7003 --advertise c.example.net:7003 --join @cluster.ticket)";

struct NodeArguments {
  std::string dir, listen, advertise, join, ticket_file, restore_from;
  bool bootstrap = false;
  NodeOptions options;  // those that need no second thought
};

Result<NodeOptions> node_options(const Common& common, const NodeArguments& arguments) {
  NodeOptions options = arguments.options;
  options.dir = arguments.dir;
  options.listen = arguments.listen;
  options.advertise = arguments.advertise;
  options.timeout_ns = common.timeout_ns;
  options.restore_from = arguments.restore_from;
  if (!arguments.join.empty()) {
    options.mode = ASPEN_MODE_JOIN;
    TOOLS_TRY(options.ticket, read_ticket(arguments.join));
  } else if (!arguments.bootstrap && arguments.restore_from.empty() && !holds_node(arguments.dir)) {
    return fail_hint(kUsage, fmt::format("{} holds no node yet", arguments.dir),
                     "--bootstrap founds a new network there; --join TICKET joins one");
  }
  return options;
}

// For other commands to read with @FILE; a ticket is a secret, so only for this user, and never half-written.
Result<> write_ticket(const std::string& path, const std::string& ticket) {
  const std::string temporary = path + ".new";
  const auto failed = [&](const char* what) {
    return fail_hint(ASPEN_IO, fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)),
                     "check the path of --ticket-file");
  };
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed("make");
  const std::string text = ticket + "\n";
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  if (!written) return failed("write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failed("make");
  return {};
}

Result<> announce(const Node& node, const NodeArguments& arguments, aspen_cq_t* queue, Signals& signals) {
  Result<std::string> ticket = node_ticket(node, queue, signals);
  if (!ticket && ticket.error().code != ASPEN_PERMISSION_DENIED) {
    return std::unexpected(std::move(ticket).error());
  }
  if (!arguments.ticket_file.empty()) {
    if (!ticket) return std::unexpected(std::move(ticket).error());
    TOOLS_CHECK(write_ticket(arguments.ticket_file, *ticket));
  }
  print_json({{"event", "ready"},
              {"node_id", aspen_node_id(node.get())},
              {"listen", aspen_node_address(node.get())},
              {"ticket", ticket ? Json(*ticket) : Json(nullptr)}});
  return {};
}

Result<int> run_node(const Common& common, const NodeArguments& arguments) {
  TOOLS_TRY(const NodeOptions options, node_options(common, arguments));
  Signals signals;
  aspen_cq_t* raw_queue = nullptr;
  if (const int32_t status = aspen_cq_new(&raw_queue); status != ASPEN_OK) {
    return std::unexpected(refused(status));
  }
  const Queue queue(raw_queue);
  Result<std::vector<Node>> opened = open_nodes({&options, 1}, queue.get(), signals);
  if (!opened && opened.error().code == ASPEN_IO && !has_parent(options.dir)) {
    opened.error().hint = "the directory that --dir is to be made in must exist: check the path, or make it";
  }
  TOOLS_TRY(std::vector<Node> nodes, std::move(opened));
  TOOLS_CHECK(announce(nodes.front(), arguments, queue.get(), signals));
  while (!signals.wait(nullptr, -1)) continue;
  fmt::print(stderr, "aspen: closing\n");
  close_nodes(nodes, signals);
  return kExitOk;
}

}  // namespace

void add_node(Program& program) {
  auto arguments = std::make_shared<NodeArguments>();
  auto common = std::make_shared<Common>();
  common->timeout_ns = 30'000'000'000;
  CLI::App* command = program.command(program.root(), "node", "run one node of a network", kExamples,
                                      [common, arguments] { return run_node(*common, *arguments); });
  command->add_option("--dir", arguments->dir, "data directory")->option_text("DIR")->required();
  command->add_option("--listen", arguments->listen, "address to serve on, HOST:PORT; port 0: any")
      ->option_text("ADDRESS")
      ->required();
  command->add_option("--advertise", arguments->advertise, "address others dial, when it is another one")
      ->option_text("ADDRESS");
  CLI::Option* bootstrap =
      command->add_flag("--bootstrap", arguments->bootstrap, "found a new network")->option_text(" ");
  command->add_option("--join", arguments->join, "join the network of this ticket (or @FILE)")
      ->option_text("TICKET")
      ->excludes(bootstrap);
  command
      ->add_option("--restore-from", arguments->restore_from,
                   "found a new network with this backup; --dir has to be new")
      ->option_text("DIR")
      ->excludes("--join");
  command
      ->add_option("--ticket-file", arguments->ticket_file, "also write the ticket to this file, mode 0600")
      ->option_text("FILE");
  NodeOptions& options = arguments->options;
  Program::add_time(command, "--history-time", options.history_ns,
                    "how long earlier revisions can be read at least (the default: 1m)");
  command
      ->add_option("--history-revisions", options.history_revisions,
                   "how many can be read at least (the default: 10000)")
      ->option_text("N")
      ->check(Program::whole_number());
  Program::add_time(command, "--dead-voter-after", options.dead_voter_ns,
                    "a member dead for so long has no vote until it is back (the default: never)");
  command->add_flag("--lease-reads", options.lease_reads,
                    "let the leader have a lease, for reads that ask for one");
  command->add_flag("--member-reads", options.member_reads, "serve linearizable reads here, whoever leads");
  program.add_timeout(command, common->timeout_ns, "until it serves, such as 30s (the default)");
  program.add_log(command);
  program.add_output(command);
}

}  // namespace aspen::tools
