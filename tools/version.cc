// aspen version: which library this command runs on, and what its limits are.
#include "tools/output.h"
#include "tools/program.h"

namespace aspen::tools {
namespace {

constexpr const char* kExamples = R"(Examples:
  aspen version
  aspen version -o json | jq .limits)";

Result<int> version(const Common& common) {
  Json limits = Json::object();
  for (int32_t i = 1; i <= aspen_limit_count(); ++i) limits[aspen_limit_name(i)] = aspen_limit_get(i);
  if (common.format == Format::JSON) {
    print_json({{"version", aspen_version()}, {"abi_version", aspen_abi_version()}, {"limits", limits}});
  } else {
    fmt::print("aspen {} (C ABI {})\n", aspen_version(), aspen_abi_version());
  }
  return kExitOk;
}

}  // namespace

void add_version(Program& program) {
  CLI::App* command =
      program.command(program.root(), "version", "print the version; with -o json also the limits", kExamples,
                      [&program] { return version(program.common()); });
  program.add_output(command);
}

}  // namespace aspen::tools
