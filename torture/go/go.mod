module torture

go 1.21

require (
	aspen v0.0.0
	github.com/anishathalye/porcupine v1.3.1
)

replace aspen => ../../bindings/go
