// What quotas must say, counted anew from the records that the log has made.
//
// Thread safety: none.
#pragma once

#include "core/lab/committed_model.h"

namespace aspen::lab {

// By prefix, as they were right after the revision.
std::vector<kv::Quota> quotas_at(const CommittedModel& committed, uint64_t revision);

// How quotas that were told, or are stored, differ from what they were; empty: they do not.
std::string compare_quotas(const std::vector<kv::Quota>& told, const std::vector<kv::Quota>& expected);

// Which of these changes, with what was set among `done`, let the keys or bytes of a prefix grow to more than
// its quota then; empty: none.
std::string check_growth(const std::map<uint64_t, kv::ChangeSet>& changes,
                         const std::vector<CommittedModel::Done>& done);

}  // namespace aspen::lab
