// aspen backup and aspen verify: a copy of a running network's store, and whether a directory is as it was
// written.
#include <unistd.h>

#include <filesystem>

#include "tools/output.h"
#include "tools/program.h"
#include "tools/serve.h"

namespace aspen::tools {
namespace {

constexpr const char* kBackupExamples =
    R"(DIR is made here, on this machine, and holds ordinary files to copy wherever you like; `aspen verify`
checks a copy, `aspen node --restore-from` founds a new network with it. A backup that was interrupted has no
manifest.json and is never restored.

Examples:
  aspen backup /backup/monday
  aspen backup /backup/monday -o json | jq .revision
  aspen backup - | ssh host 'mkdir -p /backup/monday && tar -x -C /backup/monday'
  aspen backup --stale ./last-resort           of what one member has, when no majority is left
  aspen verify /backup/monday)";

constexpr const char* kVerifyExamples =
    R"(DIR is a node's data directory, which no process uses at the moment, or a backup. Everything in it is read
and compared with its checksums; nothing is changed. Exit code 1: it is damaged.

Examples:
  aspen verify /var/lib/a
  aspen verify /backup/monday -o json | jq .problems)";

std::string text(const Json& document, const char* name) {
  const auto found = document.find(name);
  if (found == document.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

// "revision", "3" and so on, for those that are there.
std::vector<std::pair<std::string, std::string>> fields_of(const Json& document,
                                                           std::initializer_list<const char*> names) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (const char* name : names) {
    if (document.contains(name)) fields.emplace_back(name, text(document, name));
  }
  return fields;
}

constexpr std::initializer_list<const char*> kBackupFields = {"network_id", "revision", "keys",  "key_bytes",
                                                              "leases",     "quotas",   "bytes", "state"};

Result<Json> document_of(const aspen_op_t* op) {
  Json document = Json::parse(aspen_op_text(op), nullptr, false);
  if (!document.is_object()) return fail(ASPEN_INTERNAL, "the library's answer is not JSON");
  return document;
}

// The engine resolves it against its own process, which is this one, but its messages should say where.
std::string absolute(const std::string& dir) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(dir, error);
  return error ? dir : path.lexically_normal().string();
}

Result<int> back_up(const Common& common, const std::string& dir, bool stale) {
  const Deadline deadline(common.timeout_ns);
  if (!has_parent(dir)) {
    return fail_hint(ASPEN_IO, fmt::format("the directory that {} is to be made in does not exist", dir),
                     "check the path, or make it");
  }
  const bool stream = dir == "-";
  if (stream && is_terminal(stdout)) {
    return fail_hint(kUsage, "an archive would be written to the terminal", "send it into a file or a pipe");
  }
  TOOLS_TRY(Node node, open_client(common, deadline));
  aspen_backup_options_t options;
  aspen_backup_options_init(&options, sizeof options);
  if (stream) options.stream = STDOUT_FILENO;
  options.consistency = stale ? ASPEN_READ_STALE : ASPEN_READ_LINEARIZABLE;
  TOOLS_TRY(Op op, call(Kind::READ, [&](aspen_op_t** out) {
              const std::string path = absolute(dir);
              return aspen_backup(node.get(), stream ? nullptr : path.c_str(), &options, nullptr, 0, out);
            }));
  if (stream) return kExitOk;
  TOOLS_TRY(const Json document, document_of(op.get()));
  if (common.format == Format::JSON) {
    print_json(document);
  } else {
    print_fields(fields_of(document, kBackupFields));
  }
  return kExitOk;
}

void print_report(const Json& report) {
  auto fields = fields_of(report, {"kind", "path", "node_id", "network_id"});
  for (const char* part : {"log", "state", "backup"}) {
    if (!report.contains(part)) continue;
    const auto of_part = part == std::string("backup")
                             ? fields_of(report[part], kBackupFields)
                             : fields_of(report[part], {"first", "last", "term", "revision", "keys",
                                                        "key_bytes", "leases", "quotas", "fingerprint"});
    for (const auto& [name, value] : of_part) fields.emplace_back(std::string(part) + " " + name, value);
  }
  print_fields(fields);
  const Json problems = report.value("problems", Json::array());
  for (const Json& problem : problems) {
    fmt::print("\n{}: {}\n", text(problem, "code"), text(problem, "message"));
  }
  fmt::print("\n{}\n", problems.empty() ? "ok" : "damaged");
}

Result<int> verify(const Common& common, const std::string& dir) {
  aspen_op_t* raw = nullptr;
  if (const int32_t status = aspen_verify(absolute(dir).c_str(), nullptr, 0, &raw); status != ASPEN_OK) {
    return std::unexpected(refused(status));
  }
  const Op op(raw);
  aspen_op_wait(raw, -1);
  // With a report, what is wrong is its answer; without, the question could not be asked.
  if (*aspen_op_text(raw) == '\0') return std::unexpected(failure_of(raw, Kind::READ));
  TOOLS_TRY(const Json report, document_of(raw));
  if (common.format == Format::JSON) {
    print_json(report);
  } else {
    print_report(report);
  }
  return aspen_op_status(raw) == ASPEN_OK ? kExitOk : kExitFailed;
}

}  // namespace

void add_backup(Program& program) {
  struct Arguments {
    std::string dir;
    bool stale = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.command(
      program.root(), "backup", "copy the store of a running network into a directory", kBackupExamples,
      [&program, arguments] { return back_up(program.common(), arguments->dir, arguments->stale); });
  command
      ->add_option("dir", arguments->dir,
                   "a directory that is new or empty; -: a tar archive of it on stdout")
      ->option_text("DIR")
      ->required();
  command
      ->add_flag("--stale", arguments->stale,
                 "what a member has, without asking the leader whether that is all")
      ->option_text(" ");
  program.add_network(command, "until a member was reached");
}

void add_verify(Program& program) {
  auto dir = std::make_shared<std::string>();
  CLI::App* command =
      program.command(program.root(), "verify", "check a data directory or a backup", kVerifyExamples,
                      [&program, dir] { return verify(program.common(), *dir); });
  command->add_option("dir", *dir, "a node's data directory, or a backup")->option_text("DIR")->required();
  program.add_output(command);
}

}  // namespace aspen::tools
