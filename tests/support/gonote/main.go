// A second verifier for audit logs, from parts that nobody here wrote: signatures, tree hashes, tiles and proofs are all
// checked by golang.org/x/mod/sumdb (note, tlog), the code that guards Go's own checksum database.
//
// Usage: gonote FOLDER VKEY [OLD-CHECKPOINT]. Exit code 0: verifies, 1: does not, 2: wrong use.
//
// The one adaptation: x/mod writes a tile's height into its path (tile/8/L/N), tlog-tiles does not (tile/L/N).
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type folder string

func (f folder) Height() int                          { return height }
func (f folder) SaveTiles(t []tlog.Tile, data [][]byte) {}

func (f folder) read(t tlog.Tile, level string) ([]byte, error) {
	path := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", t.H))
	_, path, _ = strings.Cut(path, "/")
	return os.ReadFile(filepath.Join(string(f), "tile", level, path))
}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := f.read(t, strconv.Itoa(t.L))
		if err != nil {
			return nil, err
		}
		out[i] = data
	}
	return out, nil
}

func checkpoint(path string, verifiers note.Verifiers) (tlog.Tree, string) {
	data, err := os.ReadFile(path)
	check(err)
	n, err := note.Open(data, verifiers)
	check(err)
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 {
		fail("checkpoint: too few lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: root}, lines[0]
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: gonote FOLDER VKEY [OLD-CHECKPOINT]")
		os.Exit(2)
	}
	f := folder(os.Args[1])
	verifier, err := note.NewVerifier(os.Args[2])
	check(err)
	verifiers := note.VerifierList(verifier)
	tree, origin := checkpoint(filepath.Join(string(f), "checkpoint"), verifiers)

	// Every hash that comes out of this reader was checked against the signed root.
	hashes := tlog.TileHashReader(tree, f)
	for first := int64(0); first < tree.N; first += 1 << height {
		width := tree.N - first
		if width > 1<<height {
			width = 1 << height
		}
		indexes := make([]int64, width)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		wanted, err := hashes.ReadHashes(indexes)
		check(err)
		bundle, err := f.read(tlog.Tile{H: height, L: 0, N: first >> height, W: int(width)}, "entries")
		check(err)
		for i := range wanted {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				fail("entry %d: bundle too short", first+int64(i))
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			if tlog.RecordHash(bundle[2:end]) != wanted[i] {
				fail("entry %d: TAMPERED", first+int64(i))
			}
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			fail("bundle of entry %d: too long", first)
		}
	}
	if tree.N > 0 {
		for _, index := range []int64{0, tree.N / 2, tree.N - 1} {
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			check(err)
			leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			check(err)
			check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf[0]))
		}
	}
	if len(os.Args) > 3 {
		old, _ := checkpoint(os.Args[3], verifiers)
		proof, err := tlog.ProveTree(tree.N, old.N, hashes)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	}
	fmt.Printf("VERIFIES %s %d %s\n", origin, tree.N, tree.Hash)
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, arguments ...any) {
	fmt.Printf("DOES NOT VERIFY: "+format+"\n", arguments...)
	os.Exit(1)
}
