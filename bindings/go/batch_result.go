package aspen

// #include "bridge.h"
import "C"

// resultsPerRead is how many results of a batch one crossing brings.
const resultsPerRead = 256

// A BatchResult tells what a batch came to.
type BatchResult struct {
	Succeeded   bool     // all comparisons held
	Revision    uint64   // of what it changed
	FailedCheck int      // when it did not succeed, the index of the first comparison that did not hold; else -1
	Current     *Entry   // when it did not succeed, the entry that comparison met; nil: its key is absent
	Changes     []Change // one per result; the zero Change of one that is no Change
	Results     []Result // one per operation of the branch that ran, in their order
}

// A Result is what an operation of a batch came to: a Change, DeleteRangeResult, GetResult, RangeResult or
// TransactionResult.
type Result interface{ isResult() }

// A Change is the result of a Put, Swap or Delete.
type Change struct {
	Existed          bool
	PreviousRevision uint64 // the key's ModRevision before; 0 when it was absent
	Previous         *Entry // what was there, of a Swap and WithPrevious; nil: nothing, or not asked for
}

// A DeleteRangeResult is the result of a DeleteRange.
type DeleteRangeResult struct {
	Count    uint64  // keys that were there
	Previous []Entry // what was there, when WithPrevious asked for it; else nil
}

// A GetResult is the result of a Get.
type GetResult struct {
	Entry *Entry // nil when the key is absent
}

// A RangeResult is the result of a Range.
type RangeResult struct {
	Entries []Entry
	More    bool // the range has more than these
}

// A TransactionResult is the result of a Transaction.
type TransactionResult struct {
	Succeeded bool     // all comparisons held
	Results   []Result // one per operation of the branch that ran, in their order
}

func (Change) isResult()            {}
func (DeleteRangeResult) isResult() {}
func (GetResult) isResult()         {}
func (RangeResult) isResult()       {}
func (TransactionResult) isResult() {}

func (op *operation) batchResult() BatchResult {
	flat := resultReader{op.results(), op.entries()}
	result := BatchResult{
		Succeeded:   op.result.succeeded != 0,
		Revision:    uint64(op.result.revision),
		FailedCheck: int(op.result.failed_condition),
	}
	// What a failed comparison met stands before the entries of the operations.
	if len(flat.entries) > 0 && (len(flat.results) == 0 || flat.results[0].entry_begin > 0) {
		result.Current = &flat.entries[0]
	}
	result.Results = flat.read()
	result.Changes = make([]Change, len(result.Results))
	for i := range result.Results {
		result.Changes[i], _ = result.Results[i].(Change)
	}
	return result
}

// results copies the operation's results, as C has them.
func (op *operation) results() []C.aspen_result_t {
	results := make([]C.aspen_result_t, int(op.result.result_count))
	for done := 0; done < len(results); done += resultsPerRead {
		block := results[done:]
		if len(block) > resultsPerRead {
			block = block[:resultsPerRead]
		}
		C.aspen_go_results(op.result.op, C.size_t(done), &block[0], C.size_t(len(block)))
	}
	return results
}

// A resultReader makes a tree of the results that C gives as a list, a nested transaction's between its
// TRANSACTION and its END.
type resultReader struct {
	results []C.aspen_result_t // that are still to be read
	entries []Entry            // of all
}

// read gives the results of one branch, and goes behind its END.
func (r *resultReader) read() []Result {
	results := []Result{}
	for len(r.results) > 0 {
		from := r.results[0]
		r.results = r.results[1:]
		switch from.kind {
		case C.ASPEN_RESULT_CHANGE:
			results = append(results, Change{from.existed != 0, uint64(from.previous_revision), r.entry(&from)})
		case C.ASPEN_RESULT_DELETE_RANGE:
			results = append(results, DeleteRangeResult{uint64(from.count), r.entriesOf(&from)})
		case C.ASPEN_RESULT_GET:
			results = append(results, GetResult{r.entry(&from)})
		case C.ASPEN_RESULT_RANGE:
			results = append(results, RangeResult{r.entriesOf(&from), from.more != 0})
		case C.ASPEN_RESULT_TRANSACTION:
			results = append(results, TransactionResult{from.succeeded != 0, r.read()})
		case C.ASPEN_RESULT_END:
			return results
		}
	}
	return results
}

// entry is the result's only entry; nil without one.
func (r *resultReader) entry(of *C.aspen_result_t) *Entry {
	if of.entry_begin == of.entry_end {
		return nil
	}
	return &r.entries[of.entry_begin]
}

// entriesOf are the result's entries; nil without any. Appending to them does not reach the next result's.
func (r *resultReader) entriesOf(of *C.aspen_result_t) []Entry {
	if of.entry_begin == of.entry_end {
		return nil
	}
	return r.entries[of.entry_begin:of.entry_end:of.entry_end]
}
