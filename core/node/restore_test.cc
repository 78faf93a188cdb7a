// Backups of running nodes, what begins with them, and the check of directories.
#include "core/node/backups.h"
#include "core/node/test_cluster.h"
#include "core/node/verify.h"

namespace aspen::node {
namespace {

namespace fs = std::filesystem;

class RestoreTest : public ClusterTest {
 protected:
  Result<BackupManifest> back_up(TestNode& node, const std::string& name, bool stale = false) {
    return wait_for<BackupManifest>(
        [&](auto done) { node.node->backup({.dir = root_.path(name), .stale = stale}, 0, std::move(done)); });
  }
  NodeOptions restoring(Mode mode, const std::string& name, const std::string& backup) {
    NodeOptions restored = options(mode, name);
    restored.restore_from = root_.path(backup);
    return restored;
  }
  Error refused(NodeOptions options) {
    auto opened = try_open(std::move(options));
    return opened ? Error(Code::OK, "it opened") : opened.error();
  }
  nlohmann::json verified(const std::string& name) {
    auto report = verify_directory(root_.path(name), [] { return false; });
    EXPECT_TRUE(report) << report.error().to_string();
    return report ? nlohmann::json::parse(report->json) : nlohmann::json();
  }
  Code verify_code(const std::string& name) {
    auto report = verify_directory(root_.path(name), [] { return false; });
    return report ? Code::OK : report.error().code;
  }
  // Flips a bit in the middle of the file.
  static void damage(const fs::path& path, size_t from_end = 0) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    size_t size = fs::file_size(path);
    size_t at = from_end > 0 ? size - from_end : size / 2;
    file.seekg(static_cast<std::streamoff>(at));
    char byte = static_cast<char>(file.get() ^ 4);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }
};

TEST_F(RestoreTest, AnEmbeddedNodeIsRestoredAsItWas) {
  TestNode node = open(options(Mode::embedded, "a"));
  uint64_t last = 0;
  for (int i = 0; i < 50; ++i) last = node.put(fmt::format("k{}", i), fmt::format("v{}", i))->revision;
  ASSERT_TRUE(node.erase("k7"));
  auto entries = node.range({})->entries;
  auto manifest = back_up(node, "backup");
  ASSERT_TRUE(manifest) << manifest.error().to_string();
  EXPECT_EQ(manifest->revision(), last + 1);
  EXPECT_EQ(manifest->contents.keys, 49u);
  EXPECT_EQ(verified("backup")["ok"], true);
  EXPECT_EQ(verified("backup")["backup"]["keys"], 49);
  std::string network = node.status()["network_id"];

  TestNode restored = open(restoring(Mode::embedded, "b", "backup"));
  EXPECT_EQ(restored.range({})->entries, entries);
  EXPECT_NE(restored.status()["network_id"], network);
  auto written = restored.put("k7", "new");
  ASSERT_TRUE(written);
  EXPECT_GT(written->revision, manifest->revision() + kRestoreLeap);
  restored.close();
  EXPECT_EQ(verified("b")["ok"], true) << verified("b").dump();
  restored = open(options(Mode::embedded, "b"));
  EXPECT_EQ(restored.value("k7"), "new");
  EXPECT_EQ(restored.value("k8"), "v8");
  EXPECT_EQ(restored.range({})->entries.size(), 50u);
}

// Whatever member is asked: everything acknowledged before is in it.
TEST_F(RestoreTest, AnyMemberAndAClientBackUpWhatWasAcknowledged) {
  auto nodes = cluster(3);
  nodes.push_back(open(options(Mode::client, "", ticket_)));
  for (size_t i = 0; i < nodes.size(); ++i) {
    std::string name = fmt::format("backup{}", i);
    auto written = nodes[(i + 1) % 3].put("last", name);
    ASSERT_TRUE(written);
    auto manifest = back_up(nodes[i], name);
    ASSERT_TRUE(manifest) << manifest.error().to_string();
    EXPECT_GE(manifest->revision(), written->revision);
    TestNode restored = open(restoring(Mode::embedded, name + ".db", name));
    EXPECT_EQ(restored.value("last"), name);
  }
}

TEST_F(RestoreTest, ABackupUnderLoadIsOfOneRevision) {
  auto nodes = cluster(3);
  size_t leader = leader_of(nodes);
  std::atomic<bool> stop = false;
  std::vector<std::pair<uint64_t, std::string>> written;  // by revision
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      auto put = nodes[leader].put(fmt::format("k{}", i % 200), fmt::format("{}", i));
      if (put) written.emplace_back(put->revision, fmt::format("k{}={}", i % 200, i));
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  auto manifest = back_up(nodes[(leader + 1) % 3], "backup");
  stop = true;
  writer.join();
  ASSERT_TRUE(manifest) << manifest.error().to_string();
  std::map<std::string, std::string> expected;
  for (const auto& [revision, put] : written) {
    if (revision <= manifest->revision()) expected[put.substr(0, put.find('='))] = put;
  }
  TestNode restored = open(restoring(Mode::found, "b", "backup"));
  std::map<std::string, std::string> found;
  for (const auto& entry : restored.range({})->entries) {
    found[entry.key] = entry.key + "=" + entry.record.value;
  }
  EXPECT_EQ(found, expected);
  ASSERT_GT(found.size(), 10u);
}

TEST_F(RestoreTest, ARestoredNetworkTakesMembers) {
  TestNode node = open(options(Mode::embedded, "a"));
  ASSERT_TRUE(node.put("k", "v"));
  ASSERT_TRUE(back_up(node, "backup"));
  TestNode founder = open(restoring(Mode::found, "f", "backup"));
  TestNode joiner = open(options(Mode::join, "j", founder.ticket().value_or("")));
  EXPECT_EQ(joiner.value("k"), "v");
  ASSERT_TRUE(joiner.put("k2", "v2"));
  EXPECT_TRUE(eventually([&] { return founder.value("k2", kAnyAge) == "v2"; }));
  founder.close();
  founder.options.restore_from = "";
  reopen(founder);
  EXPECT_EQ(founder.value("k"), "v");
}

TEST_F(RestoreTest, ABadBackupIsRefusedAndNothingIsCreated) {
  TestNode node = open(options(Mode::embedded, "a"));
  ASSERT_TRUE(node.put("k", Bytes(1000, 'v')));
  ASSERT_TRUE(back_up(node, "backup"));
  EXPECT_EQ(back_up(node, "backup").error().code, Code::ALREADY_EXISTS);
  EXPECT_EQ(refused(restoring(Mode::embedded, "b", "nowhere")).code, Code::NOT_FOUND);
  EXPECT_EQ(refused(restoring(Mode::join, "b", "backup")).code, Code::INVALID_ARGUMENT);
  EXPECT_EQ(refused(restoring(Mode::embedded, "a", "backup")).code, Code::IN_USE);
  node.close();
  EXPECT_EQ(refused(restoring(Mode::embedded, "a", "backup")).code, Code::ALREADY_EXISTS);
  damage(root_.path("backup/1.chunks"));
  Error error = refused(restoring(Mode::embedded, "b", "backup"));
  EXPECT_EQ(error.code, Code::CORRUPT);
  EXPECT_TRUE(error.message.contains("backup/1.chunks")) << error.message;
  fs::remove(root_.path("backup/manifest.json"));
  EXPECT_EQ(refused(restoring(Mode::embedded, "b", "backup")).code, Code::CORRUPT);
  EXPECT_FALSE(fs::exists(root_.path("b")));
}

// Otherwise what has half of a backup, or none of it, would pass for a new node.
TEST_F(RestoreTest, AnInterruptedRestoreDoesNotComeUp) {
  TestNode node = open(options(Mode::embedded, "a"));
  ASSERT_TRUE(node.put("k", "v"));
  ASSERT_TRUE(back_up(node, "backup"));
  node.close();
  {
    auto dir = DataDir::open(root_.path("a"));
    ASSERT_TRUE(dir);
    NodeFile file = *(*dir)->node();
    file.has_log = false;
    file.restoring = true;
    fs::create_directory(root_.path("b"));
    auto half = DataDir::open(root_.path("b"));
    ASSERT_TRUE(half);
    ASSERT_TRUE((*half)->save(file));
  }
  Error error = refused(options(Mode::embedded, "b"));
  EXPECT_EQ(error.code, Code::CORRUPT);
  EXPECT_TRUE(error.message.contains("restore_from")) << error.message;
  EXPECT_EQ(verified("b")["ok"], false);
  TestNode restored = open(restoring(Mode::embedded, "b", "backup"));
  EXPECT_EQ(restored.value("k"), "v");
  restored.close();
  restored = open(options(Mode::embedded, "b"));
  EXPECT_EQ(restored.value("k"), "v");
}

TEST_F(RestoreTest, VerifyTellsWhatIsInANodesDirectory) {
  TestNode node = open(options(Mode::embedded, "a"));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(node.put(fmt::format("k{}", i), Bytes(1000, 'v')));
  EXPECT_EQ(verify_code("a"), Code::IN_USE);
  EXPECT_EQ(verify_code("nowhere"), Code::NOT_FOUND);
  auto manifest = back_up(node, "backup");
  node.close();
  nlohmann::json report = verified("a");
  EXPECT_EQ(report["ok"], true) << report.dump();
  EXPECT_EQ(report["kind"], "node");
  EXPECT_EQ(report["state"]["keys"], 100);
  EXPECT_EQ(report["state"]["revision"], report["log"]["last"]);
  // Nothing was written since.
  EXPECT_EQ(report["state"]["fingerprint"], to_hex(manifest->contents.state));
  EXPECT_EQ(verified("a"), report) << "it changed what it looked at";
}

TEST_F(RestoreTest, VerifyFindsDamageInANodesDirectory) {
  TestNode node = open(options(Mode::embedded, "a"));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(node.put(fmt::format("k{}", i), Bytes(1000, 'v')));
  node.close();
  auto copy = [&](const std::string& name) {
    fs::copy(root_.path("a"), root_.path(name), fs::copy_options::recursive);
    return root_.path(name);
  };
  fs::path sst;
  for (const auto& entry : fs::directory_iterator(copy("state") + "/state")) {
    if (entry.path().extension() == ".sst") sst = entry.path();
  }
  ASSERT_FALSE(sst.empty());
  damage(sst);
  EXPECT_EQ(verified("state")["ok"], false);

  for (const auto& entry : fs::directory_iterator(copy("journal") + "/journal")) {
    if (entry.path().extension() != ".journal") continue;
    // In the first records, of which later ones say that they were durable.
    damage(entry.path(), fs::file_size(entry.path()) - 20'000);
    break;
  }
  nlohmann::json report = verified("journal");
  EXPECT_EQ(report["ok"], false);
  EXPECT_TRUE(report["problems"][0]["message"].get<std::string>().contains("journal")) << report.dump();

  damage(copy("file") + "/node");
  EXPECT_EQ(verified("file")["ok"], false);
  fs::remove_all(copy("gone") + "/journal");
  EXPECT_EQ(verified("gone")["ok"], false);
}

// A state that is ahead of its log, or behind where it begins, cannot be brought forward.
TEST_F(RestoreTest, VerifyFindsAStateAndALogThatDoNotFit) {
  TestNode node = open(options(Mode::embedded, "a"));
  ASSERT_TRUE(node.put("k", "v"));
  node.close();
  fs::copy(root_.path("a/journal"), root_.path("journal"), fs::copy_options::recursive);
  reopen(node);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(node.put("k", "v"));
  node.close();
  fs::remove_all(root_.path("a/journal"));
  fs::rename(root_.path("journal"), root_.path("a/journal"));
  nlohmann::json report = verified("a");
  EXPECT_EQ(report["ok"], false) << report.dump();
}

}  // namespace
}  // namespace aspen::node
