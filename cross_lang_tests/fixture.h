// The fixtures as the tests of the engine read them: bytes are hexadecimal strings, integers decimal ones.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/node_id.h"
#include "core/base/time.h"

namespace aspen {

using Json = nlohmann::json;

// cross_lang_tests/fixtures/NAME.json, read once.
const Json& fixture(const std::string& name);

std::string str(const Json& text);
std::string hex(BytesView bytes);
Bytes unhex(const Json& text);
NodeId id_of(const Json& text);
// The time at which a fixture's rows are judged.
WallNs now_of(const std::string& name);

// Whether the engine refused for what docs/wire.md calls `reason`.
bool says(const Error& error, const std::string& reason);

}  // namespace aspen
