// The forms of what is asked about leases (docs/wire.md section 11), as protocol_forms.h has the others.
#pragma once

#include <map>

#include "cross_lang_tests/protocol_forms.h"

namespace aspen {

const std::map<std::string, Form>& lease_forms();

}  // namespace aspen
