// read DIR: reads every object with Go's compress/gzip and with klauspost's zstd, the reader of most Go programs.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// One member, and nothing behind it.
func gunzip(packed []byte) ([]byte, error) {
	b := bufio.NewReader(bytes.NewReader(packed))
	r, err := gzip.NewReader(b)
	if err != nil {
		return nil, err
	}
	r.Multistream(false)
	out, err := io.ReadAll(r)
	if _, e := b.ReadByte(); err == nil && e != io.EOF {
		err = fmt.Errorf("bytes behind the member")
	}
	return out, err
}

func unzstd(packed []byte) ([]byte, error) {
	r, err := zstd.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func main() {
	bad := 0
	for ext, read := range map[string]func([]byte) ([]byte, error){".gz": gunzip, ".zst": unzstd} {
		paths, _ := filepath.Glob(filepath.Join(os.Args[1], "*"+ext))
		for _, path := range paths {
			packed, _ := os.ReadFile(path)
			want, _ := os.ReadFile(strings.TrimSuffix(path, ext))
			got, err := read(packed)
			if err != nil || !bytes.Equal(got, want) {
				fmt.Println("#   ", path, err)
				bad = 1
			}
		}
	}
	os.Exit(bad)
}
