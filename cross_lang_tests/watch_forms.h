// The forms of watches (docs/wire.md section 11), as protocol_forms.h has the others.
#pragma once

#include <map>

#include "cross_lang_tests/protocol_forms.h"

namespace aspen {

const std::map<std::string, Form>& watch_forms();

}  // namespace aspen
