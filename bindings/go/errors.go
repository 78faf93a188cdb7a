package aspen

import (
	"context"
	"errors"
	"fmt"
)

// A Code says what went wrong; the same numbers in every language. A Code is itself an error, so that
// errors.Is(err, aspen.ErrNotLeader) can ask for it.
type Code int32

// The codes. What each means, and whether it is retryable, is told by Code.Error and in Error.
var (
	ErrInvalidArgument  = codeNamed("INVALID_ARGUMENT")
	ErrLimitExceeded    = codeNamed("LIMIT_EXCEEDED")
	ErrNotFound         = codeNamed("NOT_FOUND")
	ErrAlreadyExists    = codeNamed("ALREADY_EXISTS")
	ErrPermissionDenied = codeNamed("PERMISSION_DENIED")
	ErrNotAMember       = codeNamed("NOT_A_MEMBER")
	ErrGrantExpired     = codeNamed("GRANT_EXPIRED")
	ErrTicketInvalid    = codeNamed("TICKET_INVALID")
	ErrWrongPeer        = codeNamed("WRONG_PEER")
	ErrProtocol         = codeNamed("PROTOCOL")
	ErrUnsupported      = codeNamed("UNSUPPORTED")
	ErrCancelled        = codeNamed("CANCELLED")
	ErrDeadlineExceeded = codeNamed("DEADLINE_EXCEEDED")
	ErrShutdown         = codeNamed("SHUTDOWN")
	ErrUnavailable      = codeNamed("UNAVAILABLE")
	ErrNotLeader        = codeNamed("NOT_LEADER")
	ErrConnectionLost   = codeNamed("CONNECTION_LOST")
	ErrOverloaded       = codeNamed("OVERLOADED")
	ErrSessionExpired   = codeNamed("SESSION_EXPIRED")
	ErrInUse            = codeNamed("IN_USE")
	ErrWrongNode        = codeNamed("WRONG_NODE")
	ErrCorrupt          = codeNamed("CORRUPT")
	ErrIO               = codeNamed("IO")
	ErrInternal         = codeNamed("INTERNAL")
	ErrCompacted        = codeNamed("COMPACTED")
	ErrQuotaExceeded    = codeNamed("QUOTA_EXCEEDED")
)

// String is the code's name, such as "NOT_LEADER"; "UNKNOWN" of a code this package does not know.
func (c Code) String() string { return c.info().name }

// Error is the code's general text.
func (c Code) Error() string { return "aspen: " + c.info().text }

func (c Code) info() errorInfo {
	if c >= 1 && int(c) <= len(errorTable) {
		return errorTable[c-1]
	}
	return errorInfo{name: "UNKNOWN", number: int32(c), maybeApplied: true, text: fmt.Sprintf("error %d", int32(c))}
}

func codeNamed(name string) Code {
	for _, row := range errorTable {
		if row.name == name {
			return Code(row.number)
		}
	}
	panic("aspen: no error is named " + name)
}

// Applied tells what a failed change may have done.
type Applied uint8

const (
	AppliedNo    Applied = 0 // certainly not applied, now or later
	AppliedMaybe Applied = 1 // it may take effect, now or later
)

// String is "no" or "maybe".
func (a Applied) String() string {
	if a == AppliedNo {
		return "no"
	}
	return "maybe"
}

// An Error is a failed operation.
type Error struct {
	Code      Code
	Name      string  // of the code
	Message   string  // which thing, which limit, what to do
	Applied   Applied // of a change: whether it can have taken effect
	Retryable bool    // the same call may succeed later without anything being changed
	Revision  uint64  // of a watch's ErrCompacted: the first revision from which it could be watched; else 0
	cause     error
}

func (e *Error) Error() string { return "aspen: " + e.Name + ": " + e.Message }

// Is reports whether target is the error's Code, or the context package's error for it.
func (e *Error) Is(target error) bool {
	if code, ok := target.(Code); ok {
		return code == e.Code
	}
	return target == context.Canceled && e.Code == ErrCancelled ||
		target == context.DeadlineExceeded && e.Code == ErrDeadlineExceeded
}

// Unwrap gives the error of the context that ended the operation, if one did.
func (e *Error) Unwrap() error { return e.cause }

// An error of this package itself: nothing was sent, so nothing was applied.
func localError(code Code, message string) *Error {
	return &Error{Code: code, Name: code.String(), Message: message, Retryable: code.info().retryable}
}

// The error of a context that was done before there was an operation.
func contextError(ctx context.Context) *Error {
	code, message := ErrCancelled, "the context was cancelled before the call"
	if ctx.Err() == context.DeadlineExceeded {
		code, message = ErrDeadlineExceeded, "the deadline had passed before the call"
	}
	err := localError(code, message)
	err.cause = ctx.Err()
	return err
}

// ErrConflict is what errors.Is asks a *ConflictError for.
var ErrConflict = errors.New("aspen: others have changed what this goes by")

// A ConflictError says that others changed what a transaction or branch goes by, so that nothing was changed.
type ConflictError struct {
	Message   string
	Retryable bool       // the same call may succeed later: of a transaction, not of a branch
	Conflicts []KeyRange // of a branch: all that others changed of what it read or changed
}

func (e *ConflictError) Error() string { return "aspen: CONFLICT: " + e.Message }

// Is reports whether target is ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }
