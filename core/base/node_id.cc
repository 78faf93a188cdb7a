#include "core/base/node_id.h"

#include "core/base/base32.h"

namespace aspen {

std::string NodeId::to_string() const {
  return base32_encode(view());
}

Result<NodeId> NodeId::from_bytes(BytesView bytes) {
  if (bytes.size() != kSize) {
    return fail(Code::INVALID_ARGUMENT, "a node id is {} bytes, not {}", kSize, bytes.size());
  }
  NodeId id;
  std::memcpy(id.key.data(), bytes.data(), kSize);
  return id;
}

Result<NodeId> NodeId::parse(std::string_view text) {
  if (text.size() != kTextSize) {
    return fail(Code::INVALID_ARGUMENT, "a node id is {} characters, not {}", kTextSize, text.size());
  }
  ASPEN_TRY(Bytes bytes, base32_decode(text, "node id"));
  return from_bytes(bytes);
}

}  // namespace aspen
