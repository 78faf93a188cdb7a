// What only a store on disk can do: come back, after a close or a crash, and refuse what it cannot open.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "core/store/store.h"
#include "core/store/store_test_dir.h"

namespace aspen::store {
namespace {

namespace fs = std::filesystem;

constexpr int kFlushed = 300;  // what the child makes durable, of what it writes
constexpr int kWritten = 1000;
constexpr const char* kChildPath = "ASPEN_STORE_TEST_PATH";
constexpr const char* kChildWal = "ASPEN_STORE_TEST_WAL";

template <typename T>
Code code_of(const Result<T>& result) {
  return result ? Code::OK : result.error().code;
}

RocksOptions options(const std::string& path, bool wal) {
  return {.path = path, .wal = wal, .memtable_bytes = 1u << 16, .cache_bytes = 1u << 20};
}

std::unique_ptr<Store> open(const std::string& path, bool wal) {
  auto store = open_rocksdb(options(path, wal));
  EXPECT_TRUE(store) << store.error().to_string();
  return store ? *std::move(store) : nullptr;
}

Code refusal(const std::string& path, bool wal = true) {
  auto store = open_rocksdb(options(path, wal));
  if (store) return Code::OK;
  EXPECT_NE(store.error().message.find(path), std::string::npos) << store.error().message;
  return store.error().code;
}

// Write i puts a key of its own and moves the counter "n": a prefix of the writes is told from anything else.
void write_numbered(Store& store, int from, int to, Sync sync = Sync::no) {
  for (int i = from; i < to; ++i) {
    Batch batch;
    batch.put("k" + std::to_string(i), Bytes(1000, 'v'));
    batch.put("n", std::to_string(i + 1));
    ASSERT_TRUE(store.write(std::move(batch), sync));
  }
}

// How many of the numbered writes are there; -1 when it is not a prefix.
int prefix_of_writes(const Store& store) {
  int n = std::stoi(store.get("n")->value_or("0"));
  for (int i = 0; i < kWritten; ++i) {
    if (store.get("k" + std::to_string(i))->has_value() != (i < n)) return -1;
  }
  return n;
}

// Run by the tests below in a process of its own: fills a store and waits to be killed.
TEST(RocksChild, DISABLED_FillsAndWaits) {
  const char* path = std::getenv(kChildPath);
  ASSERT_NE(path, nullptr);
  std::unique_ptr<Store> store = open(path, std::getenv(kChildWal) == std::string("1"));
  ASSERT_NE(store, nullptr);
  write_numbered(*store, 0, kFlushed);
  ASSERT_TRUE(store->flush());
  write_numbered(*store, kFlushed, kWritten);
  std::ofstream(std::string(path) + ".ready").put('\n');
  std::this_thread::sleep_for(std::chrono::seconds(60));
}

class Child {
 public:
  Child(const std::string& path, bool wal) {
    pid_ = ::fork();
    if (pid_ == 0) {
      ::setenv(kChildPath, path.c_str(), 1);
      ::setenv(kChildWal, wal ? "1" : "0", 1);
      int null = ::open("/dev/null", O_WRONLY);
      ::dup2(null, STDOUT_FILENO);
      ::execl("/proc/self/exe", "store_test", "--gtest_filter=RocksChild.*",
              "--gtest_also_run_disabled_tests", nullptr);
      ::_exit(1);
    }
    for (int i = 0; i < 3000 && !fs::exists(path + ".ready"); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(fs::exists(path + ".ready"));
  }
  ~Child() { kill(); }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_;
};

class Rocks : public testing::Test {
 protected:
  // A closed store with its data in a table file and, with a log, as much again in the log.
  std::string filled(bool wal) {
    std::string path = dir_.path("filled");
    std::unique_ptr<Store> store = open(path, wal);
    write_numbered(*store, 0, kWritten, Sync::no);
    return path;
  }
  std::vector<fs::path> files(const std::string& path, const std::string& part) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.path().filename().string().find(part) != std::string::npos) found.push_back(entry.path());
    }
    EXPECT_FALSE(found.empty()) << part;
    return found;
  }
  static void flip_middle(const fs::path& file) {
    auto middle = static_cast<std::streamoff>(fs::file_size(file) / 2);
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(middle);
    char byte = static_cast<char>(stream.get() ^ 0x40);
    stream.seekp(middle);
    stream.put(byte);
  }

  TestDir dir_;
};

TEST_F(Rocks, Reopens) {
  for (bool wal : {true, false}) {
    std::string path = dir_.path(wal ? "wal" : "no_wal");
    write_numbered(*open(path, wal), 0, kWritten);
    EXPECT_EQ(prefix_of_writes(*open(path, wal)), kWritten);
  }
}

TEST_F(Rocks, WritesNoObsoleteRowsToItsFiles) {
  std::unique_ptr<Store> store = open(dir_.path("dropping"), false);
  write_numbered(*store, 0, 10);
  ASSERT_TRUE(store->flush());
  write_numbered(*store, 10, 20);
  store->drop([](BytesView key, BytesView) { return key.starts_with("k") && key.size() <= 3; });
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(store->get("k15").value(), std::nullopt) << "not flushed";
  EXPECT_TRUE(store->get("k5").value().has_value()) << "in a file already";
  EXPECT_TRUE(store->get("n").value().has_value());
  // Further files, until they are merged.
  int next = 100;
  for (; next < 100'000 && store->get("k5").value(); next += 1000) {
    write_numbered(*store, next, next + 1000);
    ASSERT_TRUE(store->flush());
  }
  EXPECT_EQ(store->get("k5").value(), std::nullopt);
  for (int i = 100; i < next; ++i) ASSERT_TRUE(store->get("k" + std::to_string(i)).value().has_value());
}

TEST_F(Rocks, LeavesNoLogFilesBehind) {
  std::string path = filled(true);
  for (const auto& entry : fs::directory_iterator(path)) {
    EXPECT_NE(entry.path().filename().string().substr(0, 3), "LOG") << "RocksDB's information log";
  }
  EXPECT_EQ(fs::status(path).permissions() & fs::perms::others_all, fs::perms::none);
}

TEST_F(Rocks, ACopyOfALiveStoreIsWhatACrashLeaves) {
  for (bool wal : {true, false}) {
    std::string path = dir_.path(wal ? "wal" : "no_wal");
    std::unique_ptr<Store> store = open_rocksdb({.path = path, .wal = wal}).value();
    write_numbered(*store, 0, 10);
    ASSERT_TRUE(store->flush());
    write_numbered(*store, 10, 20, Sync::yes);
    write_numbered(*store, 20, 30);
    fs::copy(path, path + ".copy");
    EXPECT_EQ(prefix_of_writes(*open(path + ".copy", wal)), wal ? 30 : 20);
  }
}

TEST_F(Rocks, AKilledProcessLosesAtMostASuffix) {
  for (bool wal : {true, false}) {
    std::string path = dir_.path(wal ? "wal" : "no_wal");
    Child child(path, wal);
    EXPECT_EQ(refusal(path, wal), Code::IN_USE);
    child.kill();
    std::unique_ptr<Store> store = open(path, wal);
    int kept = prefix_of_writes(*store);
    EXPECT_GE(kept, wal ? kWritten : kFlushed);
  }
}

TEST_F(Rocks, RefusesASecondOpenInTheSameProcess) {
  std::string path = dir_.path("s");
  std::unique_ptr<Store> store = open(path, true);
  EXPECT_EQ(refusal(path), Code::IN_USE);
  store.reset();
  EXPECT_EQ(refusal(path), Code::OK);
}

TEST_F(Rocks, RefusesBadPaths) {
  EXPECT_EQ(code_of(open_rocksdb({.path = ""})), Code::INVALID_ARGUMENT);
  EXPECT_EQ(refusal(dir_.path("absent/s")), Code::IO);
  EXPECT_FALSE(fs::exists(dir_.path("absent")));
  std::ofstream(dir_.path("file")).put('x');
  EXPECT_EQ(refusal(dir_.path("file")), Code::IO);
  EXPECT_EQ(refusal(dir_.path("file/s")), Code::IO);
}

TEST_F(Rocks, RefusesDamage) {
  struct Case {
    const char* file;
    std::function<void(const fs::path&)> damage;
  };
  const std::vector<Case> cases = {
      {"MANIFEST", flip_middle},
      {"MANIFEST", [](const fs::path& file) { fs::remove(file); }},
      {"CURRENT", [](const fs::path& file) { std::ofstream(file) << "nonsense"; }},
      {"CURRENT", [](const fs::path& file) { fs::resize_file(file, 0); }},
      {"CURRENT", [](const fs::path& file) { fs::remove(file); }},
      {".sst", [](const fs::path& file) { fs::remove(file); }},
      {".sst", [](const fs::path& file) { fs::resize_file(file, fs::file_size(file) / 2); }},
      {".log", flip_middle},
  };
  std::string path = filled(true);
  for (size_t i = 0; i < cases.size(); ++i) {
    std::string copy = dir_.path("copy" + std::to_string(i));
    fs::copy(path, copy);
    for (const fs::path& file : files(copy, cases[i].file)) cases[i].damage(file);
    EXPECT_EQ(refusal(copy), Code::CORRUPT) << cases[i].file << ", case " << i;
  }
  EXPECT_EQ(prefix_of_writes(*open(path, true)), kWritten);
}

// It must not be taken for a new store, also when it holds nothing but its (empty) write-ahead log.
TEST_F(Rocks, RefusesAStoreWithoutItsCurrentFile) {
  for (bool wal : {true, false}) {
    std::string path = dir_.path(wal ? "wal" : "no_wal");
    open(path, wal);
    EXPECT_EQ(refusal(path, wal), Code::OK);
    fs::remove(path + "/CURRENT");
    EXPECT_EQ(refusal(path, wal), Code::CORRUPT);
  }
}

// Tables are checked as they are read: not opening, but reading fails.
TEST_F(Rocks, ReportsADamagedBlockWhenItIsRead) {
  std::string path = filled(false);
  for (const fs::path& file : files(path, ".sst")) flip_middle(file);
  auto store = open_rocksdb(options(path, false));
  if (!store) {
    EXPECT_EQ(code_of(store), Code::CORRUPT);
    return;
  }
  std::unique_ptr<Iterator> it = (*store)->iterate();
  for (it->seek(""); it->valid(); it->next()) continue;
  ASSERT_FALSE(it->status());
  EXPECT_EQ(code_of(it->status()), Code::CORRUPT);
  int damaged = 0;
  for (int i = 0; i < kWritten; ++i) {
    auto value = (*store)->get("k" + std::to_string(i));
    if (value) continue;
    EXPECT_EQ(code_of(value), Code::CORRUPT);
    ++damaged;
  }
  EXPECT_GT(damaged, 0);
}

// The end of the log is a write that never returned: it is dropped, and what was before it is kept.
TEST_F(Rocks, DropsAnUnfinishedWriteAtTheEndOfTheLog) {
  std::string path = dir_.path("s");
  std::unique_ptr<Store> store = open_rocksdb({.path = path}).value();
  write_numbered(*store, 0, 20, Sync::yes);
  fs::copy(path, path + ".torn");
  for (const fs::path& file : files(path + ".torn", ".log")) fs::resize_file(file, fs::file_size(file) - 5);
  EXPECT_EQ(prefix_of_writes(*open(path + ".torn", true)), 19);
}

}  // namespace
}  // namespace aspen::store
