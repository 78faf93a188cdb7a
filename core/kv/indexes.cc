#include "core/kv/indexes.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/mutant.h"
#include "core/kv/index_limits.h"
#include "core/kv/tuple.h"

namespace aspen::kv {
namespace {

Bytes pack_key(BytesView key) {
  Result<Bytes> packed = pack({Blob{Bytes(key)}});
  ASPEN_ASSERT(packed.has_value());
  return *std::move(packed);
}

}  // namespace

Bytes index_entry(BytesView packed_value, BytesView key) {
  return Bytes(packed_value).append(pack_key(key));
}

Result<IndexEntryView> parse_index_entry(BytesView entry) {
  Result<Tuple> tuple = unpack(entry);
  const Blob* key = tuple && tuple->size() == 2 ? (*tuple)[1].get<Blob>() : nullptr;
  if (key == nullptr) return fail(Code::CORRUPT, "stored index entry that is no value and key");
  return IndexEntryView{entry.substr(0, entry.size() - pack_key(key->bytes).size()), key->bytes};
}

Bytes encode(const Index& index) {
  return encode(layout::IndexRow{index.name, index.prefix, index.extractor, static_cast<uint8_t>(index.state),
                                 index.cursor, index.records});
}

Result<Indexes> Indexes::load(const store::Reader& reader, uint32_t generation) {
  Indexes indexes;
  const Bytes prefix = layout::rows_prefix(generation, layout::RowKind::index);
  std::unique_ptr<store::Iterator> it = reader.iterate();
  for (it->seek(prefix); it->valid() && it->key().starts_with(prefix); it->next()) {
    ASPEN_TRY(layout::RowName name, layout::parse_row_name(it->key().substr(layout::kGenerationBytes)));
    ASPEN_TRY(layout::IndexRow row, layout::decode_index(it->value()));
    if (auto known = Extractor::parse(row.extractor); !known) {
      return fail(Code::UNSUPPORTED, "stored index \"{}\": {}", row.name, known.error().message);
    }
    indexes.set({name.number, std::move(row.name), std::move(row.prefix), std::move(row.extractor),
                 static_cast<Index::State>(row.state), std::move(row.cursor), row.records});
  }
  ASPEN_CHECK(it->status());
  if (indexes.size() <= limits::kIndexesMax) return indexes;
  return fail(Code::CORRUPT, "{} stored indexes; at most {}", indexes.size(), limits::kIndexesMax);
}

std::vector<Index> Indexes::all() const {
  std::vector<Index> all;
  for (const auto& [id, declared] : declared_) all.push_back(declared.index);
  return all;
}

const Index* Indexes::find(BytesView name) const {
  for (const auto& [id, declared] : declared_) {
    if (declared.index.name == name && declared.index.state != Index::State::dropping) return &declared.index;
  }
  return nullptr;
}

const Index* Indexes::working() const {
  for (const auto& [id, declared] : declared_) {
    if (declared.index.state != Index::State::ready) return &declared.index;
  }
  return nullptr;
}

size_t Indexes::depth_with(BytesView prefix) const {
  // Those over all of `longer`, and the new one.
  auto over = [this](BytesView longer) {
    return 1 + static_cast<size_t>(std::ranges::count_if(declared_, [longer](const auto& item) {
             const Index& index = item.second.index;
             return index.state != Index::State::dropping && longer.starts_with(index.prefix);
           }));
  };
  size_t depth = over(prefix);
  for (const auto& [id, declared] : declared_) {
    const Index& index = declared.index;
    if (index.state == Index::State::dropping || !BytesView(index.prefix).starts_with(prefix)) continue;
    depth = std::max(depth, over(index.prefix));
  }
  return depth;
}

void Indexes::set(Index index) {
  Result<Extractor> extractor = Extractor::parse(index.extractor);
  ASPEN_ASSERT(extractor.has_value());
  const uint64_t id = index.id;
  declared_.insert_or_assign(id, Declared{std::move(index), *std::move(extractor)});
}

bool Indexes::Declared::has_entries_of(BytesView key) const {
  if (!key.starts_with(index.prefix)) return false;
  if (index.state == Index::State::ready) return true;
  if (ASPEN_MUTANT("kv-index-misses-writes-while-building")) return false;
  if (ASPEN_MUTANT("kv-index-entered-before-its-step") && index.state == Index::State::building) return true;
  return index.state == Index::State::building && key < index.cursor;
}

void Indexes::maintain(BytesView key, std::optional<BytesView> before, std::optional<BytesView> after,
                       uint32_t generation, Overlay& rows) const {
  if (before == after) return;
  if (!after && ASPEN_MUTANT("kv-index-keeps-erased")) return;
  for (const auto& [id, declared] : declared_) {
    if (!declared.has_entries_of(key)) continue;
    std::vector<Bytes> old, now, gone, come;
    if (before) old = declared.extractor.extract(*before);
    if (after) now = declared.extractor.extract(*after);
    std::ranges::set_difference(old, now, std::back_inserter(gone));
    std::ranges::set_difference(now, old, std::back_inserter(come));
    if (after && ASPEN_MUTANT("kv-index-keeps-old-values")) gone.clear();
    for (const Bytes& value : gone) {
      rows.erase(layout::index_entry_key(generation, id, index_entry(value, key)));
    }
    for (const Bytes& value : come) {
      rows.put(layout::index_entry_key(generation, id, index_entry(value, key)), Bytes());
    }
  }
}

}  // namespace aspen::kv
