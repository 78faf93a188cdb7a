#include "core/lab/group_load.h"

#include <algorithm>
#include <set>

#include "core/base/wire.h"

namespace aspen::lab {
namespace {

constexpr const char* kOracle = "groups";
constexpr raft::GroupId kFirstGroup = 10;
constexpr DurationNs kLookPeriod = 50 * kMillisecond;
constexpr DurationNs kOpenPatience = 30 * kSecond;
constexpr DurationNs kSettleLimit = 120 * kSecond;
constexpr size_t kAppendsMax = 2'000;
constexpr size_t kWordBytesMax = 64;
constexpr size_t kWordsInChunk = 8;
constexpr size_t kLogEntriesMax = 50;

Bytes encode_words(const std::vector<Bytes>& words) {
  wire::Writer writer;
  writer.u64(words.size());
  for (const Bytes& word : words) writer.bytes(word);
  return writer.take();
}

Result<std::vector<Bytes>> decode_words(BytesView bytes) {
  wire::Reader reader(bytes);
  std::vector<Bytes> words;
  for (size_t n = reader.count(2 * kAppendsMax, "words"); n > 0 && reader.ok(); --n) {
    words.emplace_back(reader.bytes(kWordBytesMax, "word"));
  }
  ASPEN_CHECK(reader.finish("words"));
  return words;
}

}  // namespace

std::string WordList::compare(const std::vector<Bytes>& last) const {
  std::map<Bytes, uint64_t> places;
  for (const Bytes& word : last) {
    if (!places.emplace(word, places.size() + 1).second) return fmt::format("{} is there twice", word);
  }
  for (const Append& append : appends) {
    auto there = places.find(append.word);
    const uint64_t place = there == places.end() ? 0 : there->second;
    if (append.fate == Append::Fate::refused && place != 0) {
      return fmt::format("{} was refused and is there", append.word);
    }
    if (append.fate == Append::Fate::acknowledged && place != append.place) {
      return fmt::format("{} was acknowledged at place {} and is at {}", append.word, append.place, place);
    }
    if (there != places.end()) places.erase(there);
  }
  if (!places.empty()) return fmt::format("nobody appended {}", places.begin()->first);
  for (const Read& read : reads) {
    if (read.words.size() < read.least) {
      return fmt::format("{} words were read after {} had been acknowledged", read.words.size(), read.least);
    }
    if (read.words.size() > last.size() || !std::equal(read.words.begin(), read.words.end(), last.begin())) {
      return "words were read that are no beginning of the list";
    }
  }
  return {};
}

// What a crash leaves of a machine's state.
struct GroupLoad::Disk {
  raft::Index applied = 0;
  std::vector<Bytes> words;
  std::optional<raft::SnapshotMeta> restored;
};

class GroupLoad::Words final : public raft::StateMachine {
 public:
  // A ghost's flush reaches nothing.
  Words(std::shared_ptr<Disk> disk, Host& host) : disk_(std::move(disk)), host_(host), state_(*disk_) {}

  Result<std::vector<Bytes>> apply(std::span<const raft::EntryPtr> entries) override {
    std::vector<Bytes> replies;
    for (const raft::EntryPtr& entry : entries) {
      replies.emplace_back();
      if (entry->kind != raft::EntryKind::command) continue;
      state_.words.push_back(entry->data);
      wire::Writer place;
      place.u64(state_.words.size());
      replies.back() = place.take();
    }
    state_.applied = entries.back()->index;
    return replies;
  }
  raft::Index applied() const override { return state_.applied; }
  Result<raft::Index> flush() override {
    if (host_.dead()) return fail(Code::IO, "the machine has crashed");
    *disk_ = state_;
    return state_.applied;
  }
  Result<std::unique_ptr<raft::SnapshotSource>> snapshot() override {
    return std::make_unique<Source>(state_.words);
  }
  Result<std::unique_ptr<raft::SnapshotSink>> restore(const raft::SnapshotMeta& meta) override {
    return std::make_unique<Sink>(*this, meta);
  }
  std::optional<raft::SnapshotMeta> restored() const override { return state_.restored; }
  Result<Bytes> fingerprint() override { return encode_words(state_.words); }

 private:
  class Source final : public raft::SnapshotSource {
   public:
    explicit Source(std::vector<Bytes> words) : words_(std::move(words)) {}
    Result<Bytes> next() override {
      if (at_ >= words_.size()) return Bytes();
      const auto from = words_.begin() + static_cast<ptrdiff_t>(at_);
      const size_t count = std::min(kWordsInChunk, words_.size() - at_);
      at_ += count;
      return encode_words({from, from + static_cast<ptrdiff_t>(count)});
    }
    Result<uint64_t> seek(uint64_t chunk) override {
      const uint64_t chunks = (words_.size() + kWordsInChunk - 1) / kWordsInChunk;
      at_ = std::min(chunk, chunks) * kWordsInChunk;
      return at_ / kWordsInChunk;
    }

   private:
    std::vector<Bytes> words_;
    size_t at_ = 0;
  };

  class Sink final : public raft::SnapshotSink {
   public:
    Sink(Words& machine, raft::SnapshotMeta meta) : machine_(machine), meta_(std::move(meta)) {}
    Result<> write(BytesView chunk) override {
      ASPEN_TRY(std::vector<Bytes> words, decode_words(chunk));
      std::ranges::move(words, std::back_inserter(words_));
      return {};
    }
    Result<> finish() override {
      if (machine_.host_.dead()) return fail(Code::IO, "the machine has crashed");
      machine_.state_ = {meta_.index, std::move(words_), meta_};
      *machine_.disk_ = machine_.state_;
      return {};
    }

   private:
    Words& machine_;
    raft::SnapshotMeta meta_;
    std::vector<Bytes> words_;
  };

  std::shared_ptr<Disk> disk_;
  Host& host_;
  Disk state_;
};

GroupLoad::GroupLoad(World& world, Cluster& cluster)
    : world_(world),
      cluster_(cluster),
      disks_(cluster.size()),
      opened_(cluster.size()),
      lists_(kGroups),
      alive_(std::make_shared<bool>(true)) {
  for (auto& disks : disks_) {
    for (size_t group = 0; group < kGroups; ++group) disks.push_back(std::make_shared<Disk>());
  }
}

GroupLoad::~GroupLoad() {
  *alive_ = false;
}

void GroupLoad::start() {
  look_after();
}

// What was opened on a machine ends with its crash.
void GroupLoad::look_after() {
  for (size_t i = 0; i < cluster_.size(); ++i) {
    Machine& machine = cluster_.member(i);
    if (machine.engine() == nullptr || machine.paused()) continue;
    if (std::exchange(opened_[i], machine.incarnation()) != machine.incarnation()) open(i);
  }
  world_.events().after(kLookPeriod, [this, alive = alive_] {
    if (*alive) look_after();
  });
}

void GroupLoad::open(size_t member) {
  Machine& machine = cluster_.member(member);
  Host& host = *machine.host();
  node::Engine& engine = *machine.engine();
  for (size_t group = 0; group < kGroups; ++group) {
    const bool found = group % cluster_.size() == member;
    host.deliver([alive = alive_, &host, &engine, found, group, disk = disks_[member][group]] {
      auto body = [alive, &host, &engine, found, group, disk](rt::Cx& cx) -> rt::Task<Result<>> {
        // Until it is there: others may not have it yet, or be away.
        while (*alive && !host.dead()) {
          node::GroupSpec spec{.id = kFirstGroup + group, .machine = std::make_unique<Words>(disk, host)};
          spec.found = found;
          spec.log_entries_max = kLogEntriesMax;
          if (co_await engine.groups()->open(cx, std::move(spec))) break;
          ASPEN_CO_CHECK(cx.checkpoint());
          ASPEN_CO_CHECK(co_await cx.sleep(kLookPeriod));
        }
        co_return Result<>();
      };
      (void)engine.operations().spawn("open group", body, host.executor().now() + kOpenPatience);
    });
  }
}

void GroupLoad::visit(Random& random) {
  const size_t group = random.below(kGroups);
  const raft::GroupId id = kFirstGroup + group;
  WordList& list = lists_[group];
  if (stopping_ || list.appends.size() >= kAppendsMax) return;
  if (random.chance(0.4)) {
    auto read = [&list, id](rt::Cx& cx, Visit visit) -> rt::Task<Result<>> {
      if (visit.engine->groups() == nullptr) co_return Result<>();
      const uint64_t least = list.acknowledged;
      auto all = co_await visit.engine->groups()->query(
          cx, id, [](raft::StateMachine& machine) { return machine.fingerprint(); });
      if (visit.dead() || !all) co_return Result<>();
      auto words = decode_words(*all);
      if (words) list.reads.push_back({least, std::move(*words)});
      co_return Result<>();
    };
    return lab::visit(world_, cluster_, random, "read words", read);
  }
  auto append = [this, &list, id](rt::Cx& cx, Visit visit) -> rt::Task<Result<>> {
    if (visit.engine->groups() == nullptr) co_return Result<>();
    const size_t at = list.appends.size();
    list.appends.push_back({.word = fmt::format("w{}", next_word_++)});
    auto reply = co_await visit.engine->groups()->propose(cx, id, list.appends[at].word);
    if (visit.dead()) co_return Result<>();
    WordList::Append& known = list.appends[at];
    if (reply) {
      known.fate = WordList::Append::Fate::acknowledged;
      wire::Reader place(*reply);
      known.place = place.u64();
      list.acknowledged = std::max(list.acknowledged, known.place);
    } else if (reply.error().applied == Applied::NO) {
      known.fate = WordList::Append::Fate::refused;
    }
    co_return Result<>();
  };
  lab::visit(world_, cluster_, random, "append word", append);
}

std::string GroupLoad::describe(size_t member) {
  node::Engine* engine = cluster_.member(member).engine();
  std::string text = fmt::format("member {}:", member);
  for (size_t group = 0; group < kGroups; ++group) {
    auto status = engine == nullptr ? fail(Code::UNAVAILABLE, "not serving")
                                    : engine->groups()->status(kFirstGroup + group);
    text += status ? fmt::format(" group {} applied {} of {}, leader {:x}", group, status->applied,
                                 status->commit, status->leader)
                   : " " + status.error().to_string();
  }
  return text;
}

// Every member has every group, as a voter, and has applied all that anybody has of it: also what a leader
// that has just begun does not know to be committed yet.
bool GroupLoad::settled() {
  for (size_t group = 0; group < kGroups; ++group) {
    std::optional<raft::Index> applied;
    for (size_t i = 0; i < cluster_.size(); ++i) {
      node::Engine* engine = cluster_.member(i).engine();
      node::Group* part = engine == nullptr ? nullptr : engine->groups()->find(kFirstGroup + group);
      if (part == nullptr || part->driver().failure() || !part->is_voter() || part->leader() == nullptr)
        return false;
      const raft::Index last = part->driver().core().last_index();
      if (part->machine().applied() != last || last != applied.value_or(last)) return false;
      applied = last;
    }
  }
  return true;
}

void GroupLoad::finish() {
  if (!world_.run_until([this] { return world_.violation() || settled(); }, kSettleLimit)) {
    std::string text;
    for (size_t i = 0; i < cluster_.size(); ++i) text += describe(i) + "; ";
    return world_.violate(kOracle, "the groups do not settle: " + text);
  }
  if (world_.violation()) return;
  for (size_t group = 0; group < kGroups; ++group) {
    for (size_t i = 0; i < cluster_.size(); ++i) {
      auto all = cluster_.member(i).engine()->groups()->find(kFirstGroup + group)->machine().fingerprint();
      auto words = decode_words(*all);
      std::string wrong = words ? lists_[group].compare(*words) : words.error().to_string();
      if (!wrong.empty()) {
        return world_.violate(kOracle, fmt::format("group {} at member {}: {}", group, i, wrong));
      }
    }
  }
}

}  // namespace aspen::lab
