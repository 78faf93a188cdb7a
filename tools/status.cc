// aspen status: the network as its leader sees it.
#include "tools/output.h"
#include "tools/program.h"

namespace aspen::tools {
namespace {

constexpr const char* kExamples = R"(Examples:
  aspen status --ticket aspen1...
  aspen status -o json | jq -r .leader
  aspen status -o json | jq '[.members[] | select(.reachable)] | length')";

std::string number(const Json& document, const char* name) {
  const auto found = document.find(name);
  return found == document.end() || found->is_null() ? "-" : found->dump();
}

std::string text(const Json& document, const char* name) {
  const auto found = document.find(name);
  return found == document.end() || !found->is_string() || found->get<std::string>().empty()
             ? "-"
             : found->get<std::string>();
}

void print_table(const Json& document) {
  print_fields({{"network", text(document, "network_id")},
                {"leader", text(document, "leader")},
                {"term", number(document, "term")},
                {"committed", number(document, "commit")},
                {"applied", number(document, "applied")}});
  fmt::print("\n");
  Table table({"MEMBER", "ADDRESS", "ROLE", "REACHABLE"});
  for (const Json& member : document.value("members", Json::array())) {
    const bool leader = member.value("leader", false);
    table.add({text(member, "node_id"), text(member, "address"), leader ? "leader" : text(member, "role"),
               member.value("reachable", false) ? "yes" : "no"});
  }
  table.print(stdout);
}

Result<int> status(const Common& common) {
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline));
  TOOLS_TRY(Op op, call(Kind::READ, [&](aspen_op_t** out) {
              return aspen_node_status(node.get(), deadline.left_ns(), nullptr, 0, out);
            }));
  const Json document = Json::parse(aspen_op_text(op.get()), nullptr, false);
  if (!document.is_object()) return fail(ASPEN_INTERNAL, "the library's answer is not JSON");
  if (common.format == Format::JSON) {
    print_json(document);
  } else {
    print_table(document);
  }
  return kExitOk;
}

}  // namespace

void add_status(Program& program) {
  CLI::App* command =
      program.command(program.root(), "status", "who is a member, who leads, who can be reached", kExamples,
                      [&program] { return status(program.common()); });
  program.add_network(command);
}

}  // namespace aspen::tools
