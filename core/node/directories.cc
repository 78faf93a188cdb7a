#include "core/node/directories.h"

#include <algorithm>

#include "core/base/mutant.h"
#include "core/base/utf8.h"
#include "core/kv/tuple.h"
#include "core/node/shared_draft.h"

namespace aspen::node {
namespace {

constexpr BytesView kAll("\xfe", 1);
constexpr int64_t kRoot = 0;
constexpr int kAttempts = 40;
constexpr DurationNs kBackoffMin = kMillisecond;
constexpr DurationNs kBackoffMax = 100 * kMillisecond;

struct Place {
  int64_t number = kRoot;
  Bytes layer = {};
};

// Of names and numbers that are valid: it fits.
Bytes packed(const kv::Tuple& tuple) {
  return kv::pack(tuple, kAll).value_or(Bytes());
}
Bytes row_of(int64_t parent, const std::string& name) {
  return packed({"in", parent, kv::Text{name}});
}
Bytes number_row(int64_t number) {
  return packed({"number", number});
}
Bytes prefix_of(int64_t number) {
  return packed({number});
}
// The rows of what is directly in it.
kv::KeyRange rows_in(int64_t number) {
  return kv::packed_range(packed({"in", number}));
}

Result<Place> parse_row(BytesView value) {
  Result<kv::Tuple> tuple = kv::unpack(value);
  if (tuple && tuple->size() == 2) {
    const auto* number = (*tuple)[0].get<int64_t>();
    const auto* layer = (*tuple)[1].get<kv::Blob>();
    if (number != nullptr && layer != nullptr) return Place{*number, layer->bytes};
  }
  return fail(Code::CORRUPT, "the row of a directory is none: somebody has written under the prefix fe");
}

std::string text_of(const DirectoryPath& path) {
  std::string text;
  for (const std::string& name : path) text += "/" + name;
  return text.empty() ? "/" : text;
}

std::unexpected<Error> not_found(const DirectoryPath& path) {
  return fail(Code::NOT_FOUND, "there is no directory {}", text_of(path));
}

// One attempt of a change: its reads are remembered, and its commit is made only if they still hold.
class Attempt {
 public:
  Attempt(rt::Cx& cx, Router& router) : cx_(cx), router_(router) {}

  SharedDraft& draft() { return draft_; }

  rt::Task<Result<std::optional<Place>>> find(int64_t parent, std::string name) {
    ASPEN_CO_TRY(kv::GetReply reply, co_await draft_.get(cx_, router_, row_of(parent, name)));
    if (!reply.record) co_return std::nullopt;
    ASPEN_CO_TRY(Place node, parse_row(reply.record->value));
    co_return node;
  }

  // The directory of the path's first `depth` names.
  rt::Task<Result<std::optional<Place>>> walk(DirectoryPath path, size_t depth) {
    Place node;
    for (size_t i = 0; i < depth; ++i) {
      ASPEN_CO_TRY(std::optional<Place> next, co_await find(node.number, path[i]));
      if (!next) co_return std::nullopt;
      node = *std::move(next);
    }
    co_return node;
  }

  rt::Task<Result<bool>> is_empty(kv::KeyRange range) {
    ASPEN_CO_TRY(kv::RangeReply reply,
                 co_await draft_.range(cx_, router_, {.start = range.start, .end = range.end, .limit = 1}));
    co_return reply.entries.empty();
  }

  // A number that is nobody's.
  rt::Task<Result<int64_t>> allocate() {
    for (;;) {
      ASPEN_CO_TRY(kv::WriteReply reply, co_await router_.write(cx_, {}));
      const auto number =
          static_cast<int64_t>(ASPEN_MUTANT("node-directory-numbers-collide") ? 7 : reply.revision);
      const Bytes prefix = prefix_of(number);
      ASPEN_CO_TRY(kv::GetReply taken, co_await draft_.get(cx_, router_, number_row(number)));
      ASPEN_CO_TRY(bool empty, co_await is_empty({prefix, prefix_end(prefix)}));
      const bool fresh = !taken.record && empty;
      if (fresh || ASPEN_MUTANT("node-directory-numbers-collide")) co_return number;
    }
  }

  Result<> put(int64_t parent, const std::string& name, const Place& node) {
    ASPEN_CHECK(draft_.put(number_row(node.number), {}, 0));
    ASPEN_TRY(Bytes value, kv::pack({node.number, kv::Blob{node.layer}}));
    return draft_.put(row_of(parent, name), value, 0);
  }

  // False: somebody was faster.
  rt::Task<Result<bool>> commit() {
    ASPEN_CO_TRY(SharedDraft::Committed committed, co_await draft_.commit(cx_, router_));
    co_return committed.succeeded;
  }

 private:
  rt::Cx& cx_;
  Router& router_;
  SharedDraft draft_;
};

// Makes attempts until one is committed. `body` gives what the change comes to.
template <typename T, typename Body>
rt::Task<Result<T>> until_committed(rt::Cx& cx, Router& router, Body body) {
  DurationNs backoff = kBackoffMin;
  for (int i = 0; i < kAttempts; ++i) {
    Attempt attempt(cx, router);
    ASPEN_CO_TRY(T result, co_await body(attempt));
    ASPEN_CO_TRY(bool committed, co_await attempt.commit());
    if (committed) co_return result;
    const auto jitter =
        static_cast<DurationNs>(cx.executor().env().random_u64() % static_cast<uint64_t>(backoff));
    ASPEN_CO_CHECK(co_await cx.sleep(kBackoffMin + jitter));
    backoff = std::min(2 * backoff, kBackoffMax);
  }
  co_return fail(Code::OVERLOADED, "others changed the same directories {} times meanwhile", kAttempts);
}

rt::Task<Result<Directory>> open_once(Attempt& attempt, const DirectoryRequest& request) {
  Place node;
  bool created = false;
  for (size_t i = 0; i < request.path.size(); ++i) {
    const std::string& name = request.path[i];
    const bool last = i + 1 == request.path.size();
    ASPEN_CO_TRY(std::optional<Place> next, co_await attempt.find(node.number, name));
    if (!next) {
      if (request.how == DirectoryOpen::existing) co_return not_found(request.path);
      ASPEN_CO_TRY(int64_t number, co_await attempt.allocate());
      next = Place{number, last ? request.layer : Bytes()};
      ASPEN_CO_CHECK(attempt.put(node.number, name, *next));
      created = true;
    }
    node = *std::move(next);
  }
  if (!created && request.how == DirectoryOpen::create) {
    co_return fail(Code::ALREADY_EXISTS, "there is a directory {} already", text_of(request.path));
  }
  if (!request.layer.empty() && node.layer != request.layer &&
      !ASPEN_MUTANT("node-directory-layer-ignored")) {
    co_return fail(Code::INVALID_ARGUMENT, "the directory {} is of layer \"{}\", not \"{}\"",
                   text_of(request.path), node.layer, request.layer);
  }
  co_return Directory{prefix_of(node.number), node.layer, created};
}

rt::Task<Result<Directory>> move_once(Attempt& attempt, const DirectoryPath& from, const DirectoryPath& to) {
  ASPEN_CO_TRY(std::optional<Place> parent, co_await attempt.walk(from, from.size() - 1));
  if (!parent) co_return not_found(from);
  ASPEN_CO_TRY(std::optional<Place> node, co_await attempt.find(parent->number, from.back()));
  if (!node) co_return not_found(from);
  ASPEN_CO_TRY(std::optional<Place> into, co_await attempt.walk(to, to.size() - 1));
  if (!into) co_return not_found({to.begin(), to.end() - 1});
  ASPEN_CO_TRY(std::optional<Place> taken, co_await attempt.find(into->number, to.back()));
  if (taken) co_return fail(Code::ALREADY_EXISTS, "there is a directory {} already", text_of(to));
  ASPEN_CO_CHECK(attempt.draft().erase(row_of(parent->number, from.back())));
  ASPEN_CO_CHECK(attempt.put(into->number, to.back(), *node));
  co_return Directory{prefix_of(node->number), node->layer};
}

rt::Task<Result<bool>> remove_once(rt::Cx& cx, Router& router, Attempt& attempt, const DirectoryPath& path) {
  SharedDraft& draft = attempt.draft();
  ASPEN_CO_TRY(std::optional<Place> parent, co_await attempt.walk(path, path.size() - 1));
  if (!parent) co_return false;
  ASPEN_CO_TRY(std::optional<Place> node, co_await attempt.find(parent->number, path.back()));
  if (!node) co_return false;
  // It, and all that is found below it.
  std::vector<int64_t> numbers = {node->number};
  for (size_t i = 0; i < numbers.size(); ++i) {
    const kv::KeyRange rows = rows_in(numbers[i]);
    for (kv::RangeRequest request{.start = rows.start, .end = rows.end};;) {
      ASPEN_CO_TRY(kv::RangeReply reply, co_await draft.range(cx, router, request));
      for (const kv::KeyRecord& entry : reply.entries) {
        ASPEN_CO_TRY(Place child, parse_row(entry.record.value));
        numbers.push_back(child.number);
      }
      if (numbers.size() > kDirectoriesRemovedMax) {
        co_return fail(Code::LIMIT_EXCEEDED,
                       "{} has more than {} directories in it; remove some of them by themselves first",
                       text_of(path), kDirectoriesRemovedMax);
      }
      if (!reply.more) break;
      request.start = std::move(reply.continuation);
    }
  }
  for (int64_t number : numbers) {
    const kv::KeyRange rows = rows_in(number);
    const Bytes prefix = prefix_of(number);
    ASPEN_CO_CHECK(draft.erase_range(rows.start, rows.end));
    if (!ASPEN_MUTANT("node-directory-contents-stay")) {
      ASPEN_CO_CHECK(draft.erase_range(prefix, prefix_end(prefix)));
    }
    ASPEN_CO_CHECK(draft.erase(number_row(number)));
  }
  ASPEN_CO_CHECK(draft.erase(row_of(parent->number, path.back())));
  co_return true;
}

Result<> validate_place(const DirectoryPath& path) {
  if (path.empty()) return fail(Code::INVALID_ARGUMENT, "the root is no directory; at least one name");
  return validate_directory_path(path);
}

}  // namespace

Result<> validate_directory_path(const DirectoryPath& path) {
  if (path.size() > kDirectoryDepthMax) {
    return fail(Code::LIMIT_EXCEEDED, "the path has {} names; at most {}", path.size(), kDirectoryDepthMax);
  }
  for (const std::string& name : path) {
    if (name.empty()) return fail(Code::INVALID_ARGUMENT, "a name in the path is empty");
    if (name.size() > kDirectoryNameBytesMax) {
      return fail(Code::LIMIT_EXCEEDED, "a name in the path is {} bytes; at most {}", name.size(),
                  kDirectoryNameBytesMax);
    }
    if (!is_utf8(name)) return fail(Code::INVALID_ARGUMENT, "a name in the path is not UTF-8");
  }
  return {};
}

Result<DirectoryPath> parse_directory_path(BytesView packed) {
  ASPEN_TRY(kv::Tuple tuple, kv::unpack(packed));
  DirectoryPath path;
  for (const kv::TupleItem& item : tuple) {
    const auto* name = item.get<kv::Text>();
    if (name == nullptr) return fail(Code::INVALID_ARGUMENT, "a directory's path is a tuple of texts");
    path.push_back(name->utf8);
  }
  ASPEN_CHECK(validate_directory_path(path));
  return path;
}

rt::Task<Result<Directory>> open_directory(rt::Cx& cx, Router& router, DirectoryRequest request) {
  ASPEN_CO_CHECK(validate_place(request.path));
  if (request.layer.size() > kDirectoryLayerBytesMax) {
    co_return fail(Code::LIMIT_EXCEEDED, "the layer is {} bytes; at most {}", request.layer.size(),
                   kDirectoryLayerBytesMax);
  }
  co_return co_await until_committed<Directory>(
      cx, router, [&request](Attempt& attempt) { return open_once(attempt, request); });
}

rt::Task<Result<DirectoryList>> list_directory(rt::Cx& cx, Router& router, DirectoryListRequest request) {
  ASPEN_CO_CHECK(validate_directory_path(request.path));
  Attempt attempt(cx, router);
  ASPEN_CO_TRY(std::optional<Place> node, co_await attempt.walk(request.path, request.path.size()));
  if (!node) co_return not_found(request.path);
  const kv::KeyRange rows = rows_in(node->number);
  const Bytes start = request.after.empty() ? rows.start : row_of(node->number, request.after) + '\0';
  ASPEN_CO_TRY(
      kv::RangeReply reply,
      co_await attempt.draft().range(cx, router, {.start = start, .end = rows.end, .limit = request.limit}));
  DirectoryList list{.more = reply.more, .revision = reply.revision};
  for (const kv::KeyRecord& entry : reply.entries) {
    ASPEN_CO_TRY(kv::Tuple name, kv::unpack(entry.key, kAll.size()));
    ASPEN_CO_TRY(Place child, parse_row(entry.record.value));
    const auto* text = name.size() == 3 ? name[2].get<kv::Text>() : nullptr;
    if (text == nullptr) co_return fail(Code::CORRUPT, "the row of a directory has no name");
    list.entries.push_back({text->utf8, prefix_of(child.number), std::move(child.layer)});
  }
  co_return list;
}

rt::Task<Result<Directory>> move_directory(rt::Cx& cx, Router& router, DirectoryPath from, DirectoryPath to) {
  ASPEN_CO_CHECK(validate_place(from));
  ASPEN_CO_CHECK(validate_place(to));
  if (to.size() >= from.size() && std::equal(from.begin(), from.end(), to.begin())) {
    co_return fail(Code::INVALID_ARGUMENT, "{} cannot be moved to {}, which is inside it", text_of(from),
                   text_of(to));
  }
  co_return co_await until_committed<Directory>(
      cx, router, [&from, &to](Attempt& attempt) { return move_once(attempt, from, to); });
}

rt::Task<Result<bool>> remove_directory(rt::Cx& cx, Router& router, DirectoryPath path) {
  ASPEN_CO_CHECK(validate_place(path));
  Result<bool> removed = co_await until_committed<bool>(
      cx, router, [&](Attempt& attempt) { return remove_once(cx, router, attempt, path); });
  if (removed || removed.error().code != Code::LIMIT_EXCEEDED) co_return removed;
  co_return fail(Code::LIMIT_EXCEEDED, "{}; nothing was removed: erase keys under the prefix of {} first",
                 removed.error().message, text_of(path));
}

}  // namespace aspen::node
