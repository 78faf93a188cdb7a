#include "core/kv/index_commands.h"

#include "core/base/mutant.h"
#include "core/base/utf8.h"
#include "core/kv/index_limits.h"
#include "core/kv/range_read.h"

namespace aspen::kv {
namespace {

using State = Index::State;

constexpr size_t kCursorBytesMax = kBoundBytesMax;  // of its row (layout.h)

void store_index(Revision& revision, Indexes& indexes, Index index) {
  revision.rows().put(layout::index_key(revision.generation(), index.id), encode(index));
  indexes.set(std::move(index));
}

Result<> build_some(Revision& revision, Indexes& indexes, Index index) {
  size_t rows = 0, bytes = 0;
  bool more = false;
  std::vector<Bytes> entries;  // written when the iterator is gone
  const Bytes from = std::max(index.cursor, index.prefix);
  ASPEN_CHECK(for_each_record(revision.rows(), revision.generation(), from, prefix_end(index.prefix),
                              [&](BytesView key, const RecordView& record) -> Result<bool> {
                                more = rows >= limits::kIndexStepRows ||
                                       (rows > 0 && bytes >= limits::kIndexStepBytes);
                                if (more) return false;
                                ++rows;
                                bytes += key.size() + record.value.size();
                                index.cursor = Bytes(key) + '\0';
                                for (const Bytes& value : indexes.extract(index.id, record.value)) {
                                  entries.push_back(layout::index_entry_key(revision.generation(), index.id,
                                                                            index_entry(value, key)));
                                }
                                return true;
                              }));
  if (ASPEN_MUTANT("kv-index-step-misses-one") && !entries.empty()) entries.pop_back();
  for (Bytes& entry : entries) revision.rows().put(std::move(entry), Bytes());
  index.records += rows;
  if (!more) {
    index.state = State::ready;
    index.cursor.clear();
  }
  store_index(revision, indexes, std::move(index));
  return {};
}

// What the steps before have erased is still passed over by an iterator that begins before it.
Result<> erase_some(Revision& revision, Indexes& indexes, Index index) {
  const Bytes prefix = layout::index_entry_key(revision.generation(), index.id, {});
  std::vector<Bytes> entries;
  bool more = false;
  {
    std::unique_ptr<store::Iterator> it = revision.rows().iterate();
    for (it->seek(prefix + index.cursor); it->valid() && it->key().starts_with(prefix); it->next()) {
      more = entries.size() >= limits::kIndexStepRows;
      if (more) index.cursor = it->key().substr(prefix.size(), kCursorBytesMax);
      if (more) break;
      entries.emplace_back(it->key());
    }
    ASPEN_CHECK(it->status());
  }
  for (Bytes& entry : entries) revision.rows().erase(std::move(entry));
  if (more && !ASPEN_MUTANT("kv-index-dropped-in-part")) {
    store_index(revision, indexes, std::move(index));
    return {};
  }
  revision.rows().erase(layout::index_key(revision.generation(), index.id));
  indexes.erase(index.id);
  return {};
}

}  // namespace

Result<uint64_t> create_index(Revision& revision, Indexes& indexes, const IndexDeclaration& declaration) {
  if (indexes.find(declaration.name) != nullptr) {
    return revision.refuse(Code::ALREADY_EXISTS, "there is an index \"{}\"; drop it or take another name",
                           declaration.name);
  }
  if (indexes.size() >= limits::kIndexesMax) {
    return revision.refuse(Code::LIMIT_EXCEEDED,
                           "there are {} indexes, those being dropped counted; at most {}", indexes.size(),
                           limits::kIndexesMax);
  }
  if (indexes.depth_with(declaration.prefix) > limits::kIndexesOfKeyMax) {
    return revision.refuse(Code::LIMIT_EXCEEDED, "some keys would be under more than {} indexes; drop one",
                           limits::kIndexesOfKeyMax);
  }
  store_index(
      revision, indexes,
      {revision.index(), Bytes(declaration.name), Bytes(declaration.prefix), Bytes(declaration.extractor)});
  return revision.index();
}

Result<uint64_t> drop_index(Revision& revision, Indexes& indexes, BytesView name) {
  const Index* found = indexes.find(name);
  if (found == nullptr) return revision.refuse(Code::NOT_FOUND, "there is no index \"{}\"", name);
  Index index = *found;
  index.state = State::dropping;
  index.cursor.clear();
  const uint64_t id = index.id;
  store_index(revision, indexes, std::move(index));
  return id;
}

Result<uint64_t> step_indexes(Revision& revision, Indexes& indexes) {
  if (const Index* next = indexes.working()) {
    const Index index = *next;
    ASPEN_CHECK(index.state == State::building ? build_some(revision, indexes, index)
                                               : erase_some(revision, indexes, index));
  }
  uint64_t working = 0;
  for (const Index& index : indexes.all()) working += index.state == State::ready ? 0 : 1;
  return working;
}

Result<> validate_index_name(BytesView name) {
  if (name.empty()) return fail(Code::INVALID_ARGUMENT, "the index's name is empty; at least 1 byte");
  if (name.size() > limits::kIndexNameBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "the index's name is {} bytes; at most {}", name.size(),
                limits::kIndexNameBytesMax);
  }
  if (is_utf8(name)) return {};
  return fail(Code::INVALID_ARGUMENT, "the index's name is not UTF-8");
}

Result<> validate_index(const IndexDeclaration& declaration) {
  ASPEN_CHECK(validate_index_name(declaration.name));
  if (declaration.prefix.size() > limits::kKeyBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "the index's prefix is {} bytes; at most {}", declaration.prefix.size(),
                limits::kKeyBytesMax);
  }
  ASPEN_CHECK(Extractor::parse(declaration.extractor));
  return {};
}

}  // namespace aspen::kv
