// The forms of docs/wire.md sections 9 to 11 as the fixtures have them: each is a decoder of the engine, what
// it read spelled with the document's names, and that written back.
#pragma once

#include <functional>

#include "cross_lang_tests/fixture.h"

namespace aspen {

struct Read {
  Json value;
  Bytes encoding;  // of the value that was read
};
using Form = std::function<Result<Read>(BytesView)>;

// By its name in the fixtures.
const Form& form(const Json& name);

// A stream whose bytes come in pieces of `piece`, as packets bring them.
Result<Read> read_stream(BytesView bytes, size_t piece);

// A row of a snapshot.
Result<Json> spell_row(BytesView key, BytesView value);

Json number(uint64_t value);

}  // namespace aspen
