#include "core/lab/disk.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/lab/disk_directory.h"
#include "core/lab/disk_store.h"

namespace aspen::lab {
namespace {

constexpr double kGarbledChance = 0.3;
constexpr int64_t kGarbledBytesMax = 64;

std::unexpected<Error> crashed(const std::string& path) {
  return fail(Code::IO, "{}: the machine has crashed", path);
}

DurationNs mean_latency(DiskWork work) {
  switch (work) {
    case DiskWork::read:
      return 50 * kMicrosecond;
    case DiskWork::write:
      return 20 * kMicrosecond;
    case DiskWork::sync:
      return 500 * kMicrosecond;
    case DiskWork::flush:
      return 5 * kMillisecond;
  }
  return 0;
}

bool is_below(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

}  // namespace

Disk::Disk(Random random) : random_(random.fork("disk")), latency_random_(random.fork("latency")) {}

Disk::~Disk() {
  power_off();
}

std::shared_ptr<Mount> Disk::mount() {
  ASPEN_ASSERT(!mount_);
  mount_ = std::make_shared<Mount>(*this);
  return mount_;
}

void Disk::crash(DiskCrash kind) {
  power_off();
  ++counters_.crashes;
  note("crash", "", kind == DiskCrash::power_cut ? "power cut" : "process killed");
  if (kind == DiskCrash::process_kill) {
    for (auto& [path, directory] : directories_) directory.restart();
    return;
  }
  for (auto& [path, directory] : directories_) {
    // The ends are the likely cases here too.
    int64_t bias = random_.between(0, 2);
    directory.crash([&](uint64_t below) {
      return bias == 0 ? 0 : bias == 1 ? below - 1 : random_.below(below);
    });
  }
  for (auto it = files_.begin(); it != files_.end();) {
    DiskFile& file = it->second;
    size_t before = file.bytes.size();
    lose_unsynced(file);
    bytes_used_ -= before - file.bytes.size();
    // A file of which nothing was synced may not even have its name in the directory.
    bool unnamed = file.synced == 0 && before > 0 && random_.chance(0.5);
    if (unnamed) bytes_used_ -= file.bytes.size();
    it = unnamed ? files_.erase(it) : std::next(it);
  }
}

void Disk::lose_unsynced(DiskFile& file) {
  file.poisoned = false;  // what the page cache took for clean is read from the disk again
  size_t unsynced = file.bytes.size() - file.synced;
  if (unsynced == 0) return;
  size_t kept = 0;
  // The ends are the likely cases: nothing was written back yet, or all of it was.
  if (!random_.chance(0.25)) kept = random_.chance(0.3) ? unsynced : random_.below(unsynced + 1);
  file.bytes.resize(file.synced + kept);
  if (kept == 0 || !random_.chance(kGarbledChance)) return;
  auto most = std::min<int64_t>(static_cast<int64_t>(kept), kGarbledBytesMax);
  auto garbled = static_cast<size_t>(random_.between(1, most));
  random_.fill(file.bytes.data() + file.bytes.size() - garbled, garbled);
}

void Disk::power_off() {
  operations_left_.reset();
  if (mount_) mount_->disk_ = nullptr;
  mount_.reset();
  for (auto& [path, directory] : directories_) directory.stop();
}

bool Disk::dies_now() {
  return operations_left_ && --*operations_left_ == 0;
}

void Disk::wipe() {
  ASPEN_ASSERT(!mount_);
  files_.clear();
  bytes_used_ = 0;
  for (auto& [path, directory] : directories_) directory.clear();
  note("wipe", "");
}

std::optional<std::string> Disk::flip_bit(std::string_view prefix) {
  uint64_t durable = 0;
  for (const auto& [path, file] : files_) {
    if (path.starts_with(prefix)) durable += file.synced;
  }
  if (durable == 0) return flip_in_directory(prefix);
  uint64_t at = random_.below(durable);
  for (auto& [path, file] : files_) {
    if (!path.starts_with(prefix)) continue;
    if (at >= file.synced) {
      at -= file.synced;
      continue;
    }
    uint64_t bit = random_.below(8);
    file.bytes[at] = static_cast<char>(file.bytes[at] ^ (1 << bit));
    file.damaged = true;
    ++counters_.faults;
    std::string which = fmt::format("{} byte {} bit {}", path, at, bit);
    note("flip", path, which);
    return which;
  }
  return std::nullopt;
}

std::optional<std::string> Disk::flip_in_directory(std::string_view prefix) {
  for (auto& [path, directory] : directories_) {
    if (!path.starts_with(prefix)) continue;
    auto where = directory.flip_any([this](uint64_t below) { return random_.below(below); });
    if (!where) continue;
    ++counters_.faults;
    note("flip", path, *where);
    return fmt::format("{}/{}", path, *where);
  }
  return std::nullopt;
}

journal::MemoryDirectory& Disk::directory(const std::string& path) {
  auto [it, fresh] = directories_.try_emplace(path);
  journal::MemoryDirectory& directory = it->second;
  if (fresh) {
    directory.before = [this, path, &directory](journal::Operation operation, const std::string& name) {
      return directory_fault(operation, fmt::format("{}/{}", path, name), directory);
    };
  }
  return directory;
}

journal::Fault Disk::directory_fault(journal::Operation operation, const std::string& path,
                                     journal::MemoryDirectory& directory) {
  using journal::Fault;
  using journal::Operation;
  if (operation == Operation::read) return Fault::none;
  bool syncs = operation == Operation::sync || operation == Operation::sync_directory;
  ++(syncs ? counters_.syncs : counters_.writes);
  uint64_t others = bytes_used() - directory.bytes_used();
  directory.bytes_max = faults_.bytes_max - std::min(faults_.bytes_max, others);
  const char* what = syncs ? "sync" : "write";
  if (dies_now()) {
    note(what, path, "the machine dies");
    power_off();
    return Fault::die;
  }
  if (!random_.chance(syncs ? faults_.sync_fails : faults_.write_fails)) {
    note(what, path);
    return Fault::none;
  }
  ++counters_.faults;
  note(what, path, "failed");
  return random_.chance(0.5) ? Fault::part : Fault::fail;
}

uint64_t Disk::bytes_used() const {
  uint64_t used = bytes_used_;
  for (const auto& [path, directory] : directories_) used += directory.bytes_used();
  return used;
}

DurationNs Disk::latency(DiskWork work) {
  DurationNs mean = mean_latency(work);
  // Half of it is always spent.
  auto taken = static_cast<double>(mean / 2 + latency_random_.exponential(mean / 2)) * faults_.slowness;
  auto result = static_cast<DurationNs>(taken);
  if (latency_random_.chance(faults_.stall)) result += latency_random_.between(0, kStallMax);
  return result;
}

Result<> Disk::append(const std::string& path, BytesView bytes) {
  ASPEN_CHECK(check_space(path, bytes.size()));
  ++counters_.writes;
  DiskFile& file = files_[path];
  if (dies_now()) {
    append_to(file, bytes.substr(0, random_.below(bytes.size() + 1)));
    note("append", path, "the machine dies");
    power_off();
    return crashed(path);
  }
  if (random_.chance(faults_.write_fails)) {
    append_to(file, bytes.substr(0, random_.chance(0.5) ? 0 : random_.below(bytes.size() + 1)));
    return fault("write", path);
  }
  append_to(file, bytes);
  note("append", path);
  return {};
}

void Disk::append_to(DiskFile& file, BytesView bytes) {
  file.bytes.append(bytes);
  bytes_used_ += bytes.size();
  counters_.bytes_written += bytes.size();
}

Result<> Disk::sync(const std::string& path) {
  ++counters_.syncs;
  auto found = files_.find(path);
  if (found == files_.end()) return fail(Code::IO, "cannot sync {}: no such file", path);
  DiskFile& file = found->second;
  if (dies_now()) {
    note("sync", path, "the machine dies");
    if (!file.poisoned && random_.chance(0.5)) file.synced = file.bytes.size();
    power_off();
    return crashed(path);
  }
  if (random_.chance(faults_.sync_fails)) {
    // Of what is durable already nothing was to be written.
    if (file.synced < file.bytes.size()) file.poisoned = true;
    return fault("sync", path);
  }
  if (!file.poisoned) file.synced = file.bytes.size();
  note("sync", path);
  return {};
}

Result<> Disk::replace(const std::string& path, BytesView bytes) {
  ASPEN_CHECK(check_space(path, bytes.size()));
  ++counters_.writes;
  ++counters_.syncs;
  bool dies = dies_now();
  bool fails = !dies && (random_.chance(faults_.write_fails) || random_.chance(faults_.sync_fails));
  // It failed or was cut off before or after the new file took the name.
  if ((!dies && !fails) || random_.chance(0.5)) {
    DiskFile& file = files_[path];
    bytes_used_ -= file.bytes.size();
    file = DiskFile();
    append_to(file, bytes);
    file.synced = bytes.size();
  }
  if (fails) return fault("replace", path);
  note("replace", path, dies ? "the machine dies" : "");
  if (!dies) return {};
  power_off();
  return crashed(path);
}

Result<> Disk::remove(const std::string& path) {
  bool dies = dies_now();
  note("remove", path, dies ? "the machine dies" : "");
  for (auto it = files_.begin(); it != files_.end();) {
    bool gone = (it->first == path || is_below(it->first, path)) && (!dies || random_.chance(0.5));
    if (gone) bytes_used_ -= it->second.bytes.size();
    it = gone ? files_.erase(it) : std::next(it);
  }
  for (auto& [directory_path, directory] : directories_) {
    if (directory_path == path || is_below(directory_path, path)) directory.clear();
  }
  if (!dies) return {};
  power_off();
  return crashed(path);
}

Result<> Disk::check_space(const std::string& path, size_t bytes) {
  if (bytes_used() + bytes <= faults_.bytes_max) return {};
  ++counters_.faults;
  note("write", path, "no space");
  return fail(Code::IO, "cannot write {} bytes to {}: no space left, {} of {} bytes are used; free some",
              bytes, path, bytes_used(), faults_.bytes_max);
}

Result<> Disk::check_read(const std::string& path) {
  auto found = files_.find(path);
  if (found == files_.end() || !found->second.damaged || !random_.chance(faults_.damage_found)) return {};
  note("read", path, "damaged");
  return fail(Code::CORRUPT, "{} does not match its checksum; {}", path, kCorruptRemedy);
}

std::unexpected<Error> Disk::fault(const char* what, const std::string& path) {
  ++counters_.faults;
  note(what, path, "failed");
  return fail(Code::IO, "cannot {} {}: the disk reported a failure", what, path);
}

void Disk::note(std::string_view what, std::string_view path, std::string_view outcome) const {
  if (trace) trace(what, path, outcome);
}

Result<> Mount::write_file(const std::string& path, BytesView bytes) {
  return dead() ? crashed(path) : disk_->replace(path, bytes);
}

Result<std::optional<Bytes>> Mount::read_file(const std::string& path) {
  if (dead()) return crashed(path);
  auto found = disk_->files_.find(path);
  if (found == disk_->files_.end()) return std::nullopt;
  return found->second.bytes;
}

Result<> Mount::remove(const std::string& path) {
  return dead() ? crashed(path) : disk_->remove(path);
}

Result<std::unique_ptr<store::Store>> Mount::open_store(const std::string& path, bool wal) {
  if (dead()) return crashed(path);
  if (!open_stores_.insert(path).second)
    return fail(Code::IN_USE, "{} is open already; close it first", path);
  auto store = DiskStore::open(shared_from_this(), path, wal);
  if (!store) open_stores_.erase(path);
  return store;
}

Result<> Mount::check_alive(const std::string& path) const {
  return dead() ? crashed(path) : Result<>();
}

Result<> Mount::append(const std::string& path, BytesView bytes) {
  return dead() ? crashed(path) : disk_->append(path, bytes);
}

Result<> Mount::sync(const std::string& path) {
  return dead() ? crashed(path) : disk_->sync(path);
}

Result<std::unique_ptr<journal::Directory>> Mount::open_directory(const std::string& path) {
  if (dead()) return crashed(path);
  return std::make_unique<DiskDirectory>(shared_from_this(), disk_->directory(path));
}

Result<> Mount::check_space(const std::string& path, size_t bytes) {
  return dead() ? crashed(path) : disk_->check_space(path, bytes);
}

Result<> Mount::check_read(const std::string& path) {
  return dead() ? crashed(path) : disk_->check_read(path);
}

const DiskFile& Mount::file(const std::string& path) const {
  ASPEN_ASSERT(!dead());
  auto found = disk_->files_.find(path);
  ASPEN_ASSERT(found != disk_->files_.end());
  return found->second;
}

bool Mount::exists(const std::string& path) const {
  return !dead() && disk_->files_.contains(path);
}

int64_t Mount::draw(int64_t low, int64_t high) {
  ASPEN_ASSERT(!dead());
  return disk_->random_.between(low, high);
}

}  // namespace aspen::lab
