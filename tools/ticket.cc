// aspen ticket inspect: what a ticket says, without using it.
#include <ctime>

#include "tools/output.h"
#include "tools/program.h"

namespace aspen::tools {
namespace {

constexpr const char* kExamples =
    R"(A ticket is an invitation: network, some members to dial, and a key that admits new
nodes. Whoever holds it can join, so treat it like a password.

Examples:
  aspen ticket inspect aspen1...
  aspen ticket inspect @cluster.ticket -o json)";

std::string date(int64_t unix_ns) {
  if (unix_ns == 0) return "no limit";
  const time_t seconds = unix_ns / 1'000'000'000;
  tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text;
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

Result<int> inspect(const Common& common) {
  TOOLS_TRY(const std::string ticket, ticket_of(common));
  TOOLS_TRY(Op op,
            call(Kind::READ, [&](aspen_op_t** out) { return aspen_ticket_inspect(ticket.c_str(), out); }));
  const Json document = Json::parse(aspen_op_text(op.get()), nullptr, false);
  if (!document.is_object()) return fail(ASPEN_INTERNAL, "the library's answer is not JSON");
  if (common.format == Format::JSON) {
    print_json(document);
    return kExitOk;
  }
  print_fields({{"network", text_of(document.value("network_id", Json("")))},
                {"roles", text_of(document.value("roles", Json("")))},
                {"valid until", date(document.value("not_after_unix_ns", int64_t{0}))}});
  fmt::print("\n");
  Table table({"MEMBER TO DIAL", "ADDRESS"});
  for (const Json& peer : document.value("peers", Json::array())) {
    table.add({peer.value("node_id", ""), peer.value("address", "")});
  }
  table.print(stdout);
  return kExitOk;
}

}  // namespace

void add_ticket(Program& program) {
  CLI::App* group = program.group("ticket", "look at a ticket", kExamples);
  auto common = std::make_shared<Common>();
  CLI::App* command = program.command(group, "inspect", "print what a ticket says, without using it",
                                      kExamples, [&program, common] {
                                        common->format = program.common().format;
                                        return inspect(*common);
                                      });
  command->add_option("TICKET", common->ticket, "its text, or @FILE; else $ASPEN_TICKET")->option_text(" ");
  program.add_output(command);
}

}  // namespace aspen::tools
