// Backups of a real cluster under load, networks that begin with them, and the check of directories.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "capi/test_node.h"

namespace aspen::capi_test {
namespace {

namespace fs = std::filesystem;

class BackupCapi : public Capi {
 protected:
  NodePtr open(int32_t mode, const std::string& dir, const std::string& ticket = "",
               const std::string& restore_from = "") {
    Op op = try_open(mode, dir, ticket, restore_from);
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
    return NodePtr(aspen_op_take_node(op.get()));
  }
  Op try_open(int32_t mode, const std::string& dir, const std::string& ticket,
              const std::string& restore_from) {
    aspen_node_options_t options;
    aspen_node_options_init(&options, sizeof options);
    options.mode = mode;
    const std::string path = root_ + "/" + dir;
    if (mode != ASPEN_MODE_CLIENT) options.dir = path.c_str();
    if (mode == ASPEN_MODE_FOUND || mode == ASPEN_MODE_JOIN) options.listen = "127.0.0.1:0";
    if (!ticket.empty()) options.ticket = ticket.c_str();
    if (!restore_from.empty()) options.restore_from = restore_from.c_str();
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_node_open(&options, nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }
  static std::string ticket_of(const NodePtr& node) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_node_ticket(node.get(), 0, nullptr, 0, &op), ASPEN_OK);
    return aspen_op_text(finished(op).get());
  }
  static std::string status_of(const NodePtr& node) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_node_status(node.get(), 0, nullptr, 0, &op), ASPEN_OK);
    return aspen_op_text(finished(op).get());
  }
  Op back_up(const NodePtr& node, const std::string& dir, int32_t consistency = ASPEN_READ_LINEARIZABLE) {
    aspen_backup_options_t options;
    aspen_backup_options_init(&options, sizeof options);
    options.consistency = consistency;
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_backup(node.get(), (root_ + "/" + dir).c_str(), &options, nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }
  Op verify(const std::string& dir) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_verify((root_ + "/" + dir).c_str(), nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }
  static std::map<std::string, std::string> everything(const NodePtr& node) {
    std::map<std::string, std::string> all;
    std::string continuation;
    for (bool more = true; more;) {
      aspen_range_options_t options;
      aspen_range_options_init(&options, sizeof options);
      options.start = "";
      if (!continuation.empty()) options.continuation = continuation.data();
      options.continuation_size = continuation.size();
      aspen_op_t* raw = nullptr;
      EXPECT_EQ(aspen_kv_range(node.get(), &options, nullptr, 0, &raw), ASPEN_OK);
      Op op = finished(raw);
      EXPECT_EQ(aspen_op_status(raw), ASPEN_OK) << aspen_op_message(raw);
      for (size_t i = 0; i < aspen_op_entry_count(raw); ++i) {
        aspen_entry_t entry;
        aspen_op_entry(raw, i, &entry);
        all.emplace(std::string(reinterpret_cast<const char*>(entry.key), entry.key_size),
                    std::string(reinterpret_cast<const char*>(entry.value), entry.value_size) + "@" +
                        std::to_string(entry.mod_revision));
      }
      more = aspen_op_more(raw) != 0;
      size_t size = 0;
      const uint8_t* next = aspen_op_continuation(raw, &size);
      continuation.assign(reinterpret_cast<const char*>(next), size);
    }
    return all;
  }
};

TEST_F(BackupCapi, AFollowersBackupUnderLoadIsTheStoreAtItsRevision) {
  std::vector<NodePtr> nodes;
  nodes.push_back(open(ASPEN_MODE_FOUND, "0"));
  const std::string ticket = ticket_of(nodes[0]);
  nodes.push_back(open(ASPEN_MODE_JOIN, "1", ticket));
  nodes.push_back(open(ASPEN_MODE_JOIN, "2", ticket));
  size_t follower = 0;
  while (!status_of(nodes[follower]).contains("\"role\":\"follower\"")) follower = (follower + 1) % 3;

  std::atomic<bool> stop = false;
  struct Put {
    uint64_t revision;
    std::string key, value;
  };
  std::vector<Put> puts[3];
  std::vector<std::thread> writers;
  for (size_t w = 0; w < 3; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; !stop; ++i) {
        std::string key = "w" + std::to_string(w) + "." + std::to_string(i % 300);
        std::string value = std::to_string(i) + std::string(500, '.');
        Op op = put(nodes[w].get(), key, value);
        if (aspen_op_status(op.get()) == ASPEN_OK)
          puts[w].push_back({aspen_op_revision(op.get()), key, value});
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  Op backup = back_up(nodes[follower], "backup");
  NodePtr client = open(ASPEN_MODE_CLIENT, "", ticket);
  Op through_client = back_up(client, "client backup");
  stop = true;
  for (std::thread& writer : writers) writer.join();

  for (auto* op : {backup.get(), through_client.get()}) {
    ASSERT_EQ(aspen_op_status(op), ASPEN_OK) << aspen_op_message(op);
    const uint64_t revision = aspen_op_revision(op);
    EXPECT_TRUE(std::string(aspen_op_text(op)).contains("\"revision\":" + std::to_string(revision)));
    std::map<std::string, std::string> expected;
    for (auto& of_writer : puts) {
      for (const Put& done : of_writer) {
        if (done.revision <= revision) expected[done.key] = done.value + "@" + std::to_string(done.revision);
      }
    }
    const std::string dir = op == backup.get() ? "backup" : "client backup";
    EXPECT_EQ(aspen_op_status(verify(dir).get()), ASPEN_OK);
    NodePtr restored = open(ASPEN_MODE_FOUND, dir + " restored", "", root_ + "/" + dir);
    ASSERT_NE(restored, nullptr);
    EXPECT_EQ(everything(restored), expected);
    EXPECT_GT(expected.size(), 50u);
    // Members of the new network get it too, and go on above all revisions of the old one.
    NodePtr joiner = open(ASPEN_MODE_JOIN, dir + " joined", ticket_of(restored));
    EXPECT_EQ(everything(joiner), expected);
    Op written = put(joiner.get(), "new", "v");
    EXPECT_GT(aspen_op_revision(written.get()), puts[0].back().revision + 1'000'000'000);
  }
}

TEST_F(BackupCapi, AFlippedBitAnywhereIsFoundAndNotRestored) {
  NodePtr node = embedded();
  for (int i = 0; i < 200; ++i) put(node.get(), "k" + std::to_string(i), std::string(2000, 'v'));
  ASSERT_EQ(aspen_op_status(back_up(node, "backup").get()), ASPEN_OK);
  std::minstd_rand random(11);
  for (int i = 0; i < 40; ++i) {
    const std::string copy = root_ + "/copy";
    fs::copy(root_ + "/backup", copy);
    const fs::path path = copy + (i % 4 == 0 ? "/manifest.json" : "/1.chunks");
    const auto at = static_cast<std::streamoff>(random() % fs::file_size(path));
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(at);
      char byte = static_cast<char>(file.get() ^ (1 << random() % 8));
      file.seekp(at);
      file.put(byte);
    }
    Op checked = verify("copy");
    EXPECT_NE(aspen_op_status(checked.get()), ASPEN_OK) << path << " at " << at;
    EXPECT_TRUE(std::string(aspen_op_message(checked.get())).contains(path.filename().string()))
        << aspen_op_message(checked.get());
    EXPECT_TRUE(std::string(aspen_op_text(checked.get())).contains("\"ok\":false"));
    Op opened = try_open(ASPEN_MODE_EMBEDDED, "from damage", "", copy);
    EXPECT_EQ(aspen_op_status(opened.get()), aspen_op_status(checked.get()));
    EXPECT_FALSE(fs::exists(root_ + "/from damage"));
    fs::remove_all(copy);
  }
}

// Everything but the last step was done: what a process that was killed leaves behind.
TEST_F(BackupCapi, ABackupThatWasKilledIsNotRestorable) {
  NodePtr node = embedded();
  put(node.get(), "k", "v");
  ASSERT_EQ(aspen_op_status(back_up(node, "backup").get()), ASPEN_OK);
  fs::rename(root_ + "/backup/manifest.json", root_ + "/backup/manifest.json.new");
  for (const Op& op : {verify("backup"), try_open(ASPEN_MODE_EMBEDDED, "b", "", root_ + "/backup")}) {
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_CORRUPT);
    EXPECT_TRUE(std::string(aspen_op_message(op.get())).contains("interrupted"))
        << aspen_op_message(op.get());
  }
  // And not taken for an empty directory.
  EXPECT_EQ(aspen_op_status(back_up(node, "backup").get()), ASPEN_ALREADY_EXISTS);
}

TEST_F(BackupCapi, ACancelledBackupLeavesNothing) {
  NodePtr node = embedded();
  for (int i = 0; i < 100; ++i) put(node.get(), "k" + std::to_string(i), std::string(100'000, 'v'));
  aspen_op_t* raw = nullptr;
  ASSERT_EQ(aspen_backup(node.get(), (root_ + "/backup").c_str(), nullptr, nullptr, 0, &raw), ASPEN_OK);
  aspen_op_cancel(raw);
  Op op = finished(raw);
  if (aspen_op_status(raw) == ASPEN_OK) return;  // it was faster
  EXPECT_EQ(aspen_op_status(raw), ASPEN_CANCELLED);
  EXPECT_TRUE(!fs::exists(root_ + "/backup") || fs::is_empty(root_ + "/backup"));
  EXPECT_EQ(aspen_op_status(back_up(node, "backup").get()), ASPEN_OK);
}

TEST_F(BackupCapi, AStreamIsATarArchiveOfTheDirectory) {
  NodePtr node = embedded();
  for (int i = 0; i < 100; ++i) put(node.get(), "k" + std::to_string(i), std::string(300'000, 'v'));
  const std::string archive = root_ + "/backup.tar";
  std::FILE* file = std::fopen(archive.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  aspen_backup_options_t options;
  aspen_backup_options_init(&options, sizeof options);
  options.stream = fileno(file);
  aspen_op_t* op = nullptr;
  ASSERT_EQ(aspen_backup(node.get(), nullptr, &options, nullptr, 0, &op), ASPEN_OK);
  Op done = finished(op);
  EXPECT_EQ(aspen_op_status(done.get()), ASPEN_OK) << aspen_op_message(done.get());
  std::fclose(file);
  fs::create_directory(root_ + "/unpacked");
  ASSERT_EQ(std::system(("tar -xf " + archive + " -C " + root_ + "/unpacked").c_str()), 0);
  EXPECT_TRUE(fs::exists(root_ + "/unpacked/3.chunks")) << "several files";
  EXPECT_EQ(aspen_op_status(verify("unpacked").get()), ASPEN_OK)
      << aspen_op_message(verify("unpacked").get());
  NodePtr restored = open(ASPEN_MODE_EMBEDDED, "restored", "", root_ + "/unpacked");
  EXPECT_EQ(everything(restored), everything(node));
}

TEST_F(BackupCapi, VerifyWantsADirectoryThatNobodyUses) {
  NodePtr node = embedded("db");
  put(node.get(), "k", "v");
  Op used = verify("db");
  EXPECT_EQ(aspen_op_status(used.get()), ASPEN_IN_USE) << aspen_op_message(used.get());
  node.reset();
  Op whole = verify("db");
  EXPECT_EQ(aspen_op_status(whole.get()), ASPEN_OK) << aspen_op_message(whole.get());
  EXPECT_TRUE(std::string(aspen_op_text(whole.get())).contains("\"keys\":1")) << aspen_op_text(whole.get());
  EXPECT_EQ(aspen_op_status(verify("nowhere").get()), ASPEN_NOT_FOUND);
  fs::create_directory(root_ + "/empty");
  EXPECT_EQ(aspen_op_status(verify("empty").get()), ASPEN_NOT_FOUND);
}

TEST_F(BackupCapi, WrongArgumentsAreRefused) {
  NodePtr node = embedded();
  aspen_op_t* op = nullptr;
  EXPECT_EQ(aspen_backup(nullptr, "d", nullptr, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_verify(nullptr, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(op, nullptr);
  EXPECT_EQ(aspen_op_status(back_up(node, "b", 7).get()), ASPEN_INVALID_ARGUMENT);
  for (const char* dir : {static_cast<const char*>(nullptr), ""}) {
    ASSERT_EQ(aspen_backup(node.get(), dir, nullptr, nullptr, 0, &op), ASPEN_OK);
    EXPECT_EQ(aspen_op_status(finished(op).get()), ASPEN_INVALID_ARGUMENT);
  }
  Op client = try_open(ASPEN_MODE_CLIENT, "", "aspen1x", root_ + "/backup");
  EXPECT_EQ(aspen_op_status(client.get()), ASPEN_INVALID_ARGUMENT);
  Op missing_parent = back_up(node, "no/such/parent");
  EXPECT_EQ(aspen_op_status(missing_parent.get()), ASPEN_IO) << aspen_op_message(missing_parent.get());
}

}  // namespace
}  // namespace aspen::capi_test
