module counter

go 1.19

require aspen v0.0.0

replace aspen => ../../bindings/go
