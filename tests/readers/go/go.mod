module sluice/tests/readers

go 1.22

require github.com/klauspost/compress v1.17.11
