// aspen member: who the members are no more, and who leads them.
#include "tools/output.h"
#include "tools/program.h"

namespace aspen::tools {
namespace {

constexpr const char* kFooter =
    R"(Members hold the data and vote. A node becomes one by `aspen node --join`; `aspen status` lists them.
The ticket has to be one that lets nodes be members.)";

constexpr const char* kRemoveExamples =
    R"(For a machine that is gone for good, or shall not be a member any more. Until it is removed it counts
for every majority: of three members of which one is dead, no second may fail. A node that runs stops
being a member and does not come back by itself. Refused while no majority of those that would stay can
be reached.

To replace a machine: remove the old one, then let the new one join (docs/operation.md).

Examples:
  aspen member remove wv5jlkpq7n3c...
  aspen member remove $(aspen status -o json | jq -r '.members[] | select(.reachable | not) | .node_id'))";

constexpr const char* kLeadExamples =
    R"(Before the leader's machine is taken down, say. Writes wait for the few milliseconds that it takes. A
node that is closed in order hands over by itself.

Examples:
  aspen member lead                        any other member
  aspen member lead wv5jlkpq7n3c...)";

Result<int> remove(const Common& common, const std::string& id) {
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline, Kind::WRITE));
  const aspen_call_options_t options = call_options(deadline);
  TOOLS_TRY(Op op, call(Kind::WRITE, [&](aspen_op_t** out) {
              return aspen_member_remove(node.get(), id.c_str(), &options, nullptr, 0, out);
            }));
  const bool was_member = aspen_op_succeeded(op.get()) != 0;
  if (common.format == Format::JSON) {
    print_json({{"node_id", id}, {"was_member", was_member}});
  } else {
    fmt::print("{} {}\n", id, was_member ? "is removed" : "was no member");
  }
  return was_member ? kExitOk : kExitNo;
}

Result<int> lead(const Common& common, const std::string& id) {
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline, Kind::WRITE));
  const aspen_call_options_t options = call_options(deadline);
  const char* to = id.empty() ? nullptr : id.c_str();
  TOOLS_TRY(Op op, call(Kind::WRITE, [&](aspen_op_t** out) {
              return aspen_leader_transfer(node.get(), to, &options, nullptr, 0, out);
            }));
  if (common.format == Format::JSON) {
    print_json({{"leader", aspen_op_text(op.get())}});
  } else {
    fmt::print("{} leads\n", aspen_op_text(op.get()));
  }
  return kExitOk;
}

}  // namespace

void add_member(Program& program) {
  CLI::App* group = program.group("member", "remove members, and say who leads", kFooter);

  auto removed = std::make_shared<std::string>();
  CLI::App* remove_command =
      program.command(group, "remove", "take a node out of the members", kRemoveExamples,
                      [&program, removed] { return remove(program.common(), *removed); });
  remove_command->add_option("NODE_ID", *removed, "as `aspen status` shows it")->option_text(" ")->required();
  program.add_network(remove_command);

  auto leader = std::make_shared<std::string>();
  CLI::App* lead_command = program.command(group, "lead", "have another member lead", kLeadExamples,
                                           [&program, leader] { return lead(program.common(), *leader); });
  lead_command->add_option("NODE_ID", *leader, "who shall lead; nothing: any other")->option_text(" ");
  program.add_network(lead_command);
}

}  // namespace aspen::tools
