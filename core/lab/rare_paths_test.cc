// The rare paths of ASPEN_BUGGIFY: that there are many, and that whole runs take them.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "core/lab/runner.h"

namespace aspen::lab {
namespace {

constexpr size_t kEngineSitesMin = 46;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Of the engine: the lab has some of its own.
std::set<std::string> sites_in_source() {
  static const std::regex site("ASPEN_BUGGIFY\\(\\s*\"([a-z0-9-]+)\"");
  std::set<std::string> sites;
  for (const auto& item : std::filesystem::recursive_directory_iterator(ASPEN_SOURCE_DIR "/core")) {
    std::string path = item.path().string();
    bool code = path.ends_with(".cc") || path.ends_with(".h");
    bool skipped = path.ends_with("_test.cc") || path.ends_with("core/base/buggify.h");
    if (!code || skipped || path.contains("/core/lab/")) continue;
    std::string text = read(item.path());
    for (std::sregex_iterator it(text.begin(), text.end(), site), end; it != end; ++it) {
      sites.insert((*it)[1]);
    }
  }
  return sites;
}

TEST(RarePaths, AreMany) {
  EXPECT_GE(sites_in_source().size(), kEngineSitesMin);
}

// The seed says which three sites in ten a run has: over these most fire, and nothing else goes wrong.
TEST(RarePaths, AreTakenByRunsThatPass) {
  constexpr const char* kScenarios[] = {
      "kv-mixed", "snapshot-catchup", "membership", "transport-loss", "watch", "index"};
  constexpr uint64_t kSeeds = 48;
  FaultSet faults;
  faults.add(Fault::buggify);
  std::set<std::string> fired;
  uint64_t seed = 0;
  Result<> all = run_all(
      2,
      [&]() -> std::optional<RunOptions> {
        if (++seed > kSeeds) return std::nullopt;
        return RunOptions{.scenario = kScenarios[seed % std::size(kScenarios)],
                          .seed = seed,
                          .duration = 4 * kSecond,
                          .faults = faults};
      },
      [&](const RunReport& report) {
        EXPECT_TRUE(report.ok) << report.oracle << ": " << report.detail << "\n" << report.replay;
        for (const auto& [site, hits] : report.buggified) {
          if (hits > 0) fired.insert(site);
        }
      });
  EXPECT_TRUE(all);
  std::vector<std::string> never;
  std::set<std::string> sites = sites_in_source();
  std::ranges::set_difference(sites, fired, std::back_inserter(never));
  EXPECT_LE(never.size(), sites.size() / 5) << testing::PrintToString(never);
}

}  // namespace
}  // namespace aspen::lab
