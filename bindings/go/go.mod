module aspen

go 1.19
